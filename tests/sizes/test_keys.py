"""Keys and rooms' names at their largest and most: nobody's use makes another's be
forgotten, and what is held of them stays within its bytes.
"""

import asyncio
import tracemalloc
from collections import OrderedDict
from pathlib import Path

from cabrank.trial.load.lifted import LIFTED
from dispatcher.engine import idempotency as memory
from dispatcher.engine.engine import Decided, Limits, Lookup
from dispatcher.engine.idempotency import Keys
from schemas.allowances import UNLIMITED
from tests.sizes.conftest import size
from tests.support.client import welcomed
from tests.support.stack import running
from tests.unit.dispatcher.engine.world import RITA, RON, World

ADDRESSES = {"pick_up_address": "A", "drop_off_address": "B"}


def longest_key(number: int) -> str:
    """64 characters of four bytes."""
    return "".join(chr(0x1F600 + (number >> 4 * place & 15)) for place in range(64))


def longest_room(number: int) -> str:
    return f"{number:064}"


def test_the_longest_keys_take_no_more_memory_than_they_are_counted_for() -> None:
    count, each = size(22_000, 200_000), 250  # The maps have just grown.
    keys: Keys[tuple[str, int]] = Keys(256, 64 * 1024 * 1024)
    tracemalloc.start()
    try:
        for number in range(count):
            user = f"0192f0c4-0000-7000-8000-{number // each:012}"
            keys.put(number, user, longest_key(number), (longest_room(1), number))
        # Not what other tests' threads take meanwhile.
        ours = [tracemalloc.Filter(True, file) for file in (memory.__file__, __file__)]
        made = tracemalloc.take_snapshot().filter_traces(ours)
        taken = sum(each.size for each in made.statistics("filename"))
    finally:
        tracemalloc.stop()
    assert taken <= 1.1 * keys.bytes
    assert keys.bytes <= 64 * 1024 * 1024
    assert len(keys) == min(count, 64 * 1024 * 1024 // (600 + 256))


def test_a_flood_of_rooms_with_the_longest_names_ends_room_making_for_nobody() -> None:
    """1,000,000 names once did, for everybody and for ever."""
    flood, held = size(2_000, 1_000_000), size(500, 200_000)
    world = World(Limits(300_000, heads_max=held, users=UNLIMITED))
    heads = world.engine._state.rooms._add_head
    assert world.said(RON, "theirs", "before").seq == 1
    for number in range(flood):
        heads(longest_room(number), 1)
    assert len(world.engine._state.rooms.heads) == held
    assert isinstance(world.send(RON, "theirs", outside=True), Lookup)
    assert isinstance(world.send(RITA, "new", outside=True), Lookup)
    assert world.said(RITA, "new", backlog=()).seq == 1
    assert isinstance(world.send(RITA, "new", outside=True), Decided)


async def test_a_rider_s_key_is_known_after_more_trips_than_are_held(
    tmp_path: Path,
) -> None:
    """It was forgotten after 32; more than 256 of a user's own history tells."""
    trips = size(258, 1_000)
    with running(tmp_path / "data", settings=LIFTED) as stack:
        (rider,) = stack.people("rider", 1)
        client, _ = await welcomed(stack.url, rider.access)
        async with client:
            made: OrderedDict[str, str] = OrderedDict()
            for number in range(trips):
                key = longest_key(number)
                asked = ADDRESSES | {"idempotency_key": key}
                trip = await client.do("trip.request", asked)
                made[key] = trip["id"]
                await client.do("trip.cancel", {"id": trip["id"]})
            assert len(set(made.values())) == trips
            for key in (longest_key(0), longest_key(1), longest_key(trips - 1)):
                asked = ADDRESSES | {"idempotency_key": key}
                again = await client.do("trip.request", asked)
                assert (again["id"], again["status"]) == (made[key], "CANCELLED")


async def test_a_message_s_key_is_known_after_more_messages_than_a_room_holds(
    tmp_path: Path,
) -> None:
    """Of the full size: beyond the 4,096 keys of a user's that are held."""
    count = size(300, 4_200)
    with running(tmp_path / "data", settings=LIFTED) as stack:
        (rider,) = stack.people("rider", 1)
        client, _ = await welcomed(stack.url, rider.access)
        async with client:
            await client.do("chat.join", {"room": "talk"})

            async def say(number: int) -> int:
                said = {"text": "x", "idempotency_key": longest_key(number)}
                answer = await client.do("chat.send", {"room": "talk"} | said)
                return int(answer["seq"])

            numbers: list[int] = []
            for first in range(0, count, 100):
                some = range(first, min(first + 100, count))
                numbers += await asyncio.gather(*map(say, some))
            assert sorted(numbers) == list(range(1, count + 1))
            for number in (0, 1, count - 1):
                assert await say(number) == numbers[number]
