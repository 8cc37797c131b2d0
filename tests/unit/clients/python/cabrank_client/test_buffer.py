"""What waits for a slow reader is bounded, and the reader is told."""

import pytest
from cabrank_client.buffer import BYTES_MAX, ITEMS_MAX, Buffer, Subscription
from cabrank_client.errors import Closed, SlowReader
from cabrank_client.shapes import Event


async def drained(buffer: Buffer[int]) -> tuple[int, Exception | None]:
    count = 0
    try:
        async for _ in buffer:
            count += 1
    except Exception as error:  # noqa: BLE001 - looked at by the test
        return count, error
    return count, None


@pytest.mark.parametrize(
    ("size", "held"), [(1, ITEMS_MAX), (BYTES_MAX // 4, 4), (BYTES_MAX + 1, 0)]
)
async def test_a_buffer_hands_out_what_it_held_and_then_says_that_more_came(
    size: int, held: int
) -> None:
    buffer: Buffer[int] = Buffer()
    for number in range(2 * ITEMS_MAX):
        buffer.put(number, size)
    count, error = await drained(buffer)
    assert count == held
    assert isinstance(error, SlowReader)


async def test_a_reader_that_keeps_up_is_never_too_slow() -> None:
    buffer: Buffer[int] = Buffer()
    for number in range(3 * ITEMS_MAX):
        buffer.put(number, BYTES_MAX // 2)
        assert await anext(buffer) == number
    buffer.end()
    assert await drained(buffer) == (0, None)


async def test_the_first_end_counts() -> None:
    buffer: Buffer[int] = Buffer()
    buffer.put(1, 1)
    buffer.end(Closed(4503, "revoked"))
    buffer.end()
    buffer.put(2, 1)
    count, error = await drained(buffer)
    assert count == 1
    assert isinstance(error, Closed)


async def test_a_subscription_that_is_closed_is_dropped() -> None:
    dropped: list[Subscription] = []
    with Subscription(lambda event: event.type == "a", dropped.append) as heard:
        heard.heard(Event("a", 1), 1)
        heard.heard(Event("b", 2), 1)
    assert dropped == [heard]
    assert [event.data async for event in heard] == [1]
