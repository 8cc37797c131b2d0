"""Who heard a notice: the gateways of its region say, and the one that was asked adds.

Real gateways on a real nats-server; leader and persistence are fakes.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runtime.bus import Bus
from schemas import subjects
from schemas.accounts import Result, Whereabouts
from schemas.codec import encode
from schemas.trips import Role
from tests.contract.gateway_ws.conftest import OTHER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import raw
from tests.support.waiting import until

NOTICE = {"data": {"text": "the depot is closed"}}


def know_everybody(connection: Bus) -> None:
    """Answer as persistence does where a user is."""

    def asked(_: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        found = raw(Whereabouts(RIDER, "main"))
        connection.send(reply.decode(), encode(Result(data=found)))

    connection.subscribe_raw(subjects.accounts("whereabouts"), asked)


@pytest.fixture
async def beside(world: World) -> AsyncIterator[World]:
    """`world` started, its users known, and a second gateway of its region."""
    await world.start()
    know_everybody(world.bus)
    second = World(world.nats, world.bus)
    second.tokens = world.tokens
    await second.serve()
    yield second
    await second.stop()


async def notify(world: World, query: str = "?count=true") -> Any:
    """The answer's body, None where it has none."""
    token = world.tokens.issue(OTHER, Role.OPERATOR)
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as client:
        answer = await client.post(
            f"/api/users/{RIDER}/notices{query}",
            json=NOTICE,
            headers={"Authorization": f"Bearer {token}"},
        )
    assert answer.status_code == 202, answer.text
    return answer.json() if answer.content else None


async def test_sessions_that_heard_a_notice_are_counted_on_all_gateways(
    world: World, beside: World
) -> None:
    heard = [await world.rider(), await world.rider(), await beside.rider()]
    stranger = await beside.driver()
    for asked in (world, beside):
        assert await notify(asked) == {"sessions": 3}
    for client in heard:
        for _ in range(2):
            assert await client.expect("notice") == {"type": "notice", **NOTICE}
    await stranger.quiet()
    assert not stranger.seen("notice")


async def test_a_gateway_without_sessions_counts_those_of_another(
    world: World, beside: World
) -> None:
    client = await world.rider()
    assert await notify(beside) == {"sessions": 1}
    await client.expect("notice")


async def test_a_notice_that_nobody_hears_is_heard_by_none(
    world: World, beside: World
) -> None:
    assert await notify(world) == {"sessions": 0}  # no gateway listens
    await world.driver()
    assert await notify(beside) == {"sessions": 0}  # one does, for others


async def test_a_session_that_has_left_is_not_counted(
    world: World, beside: World
) -> None:
    gone, _ = await world.rider(), await world.rider()
    await gone.close()
    assert world.gateway is not None
    seats = world.gateway.router.regions["main"].listeners[RIDER].seats
    await until(lambda: len(seats) == 1, "the end of a session")
    assert await notify(beside) == {"sessions": 1}


async def test_gateways_that_do_not_answer_do_not_hold_up_a_count(
    world: World, beside: World
) -> None:
    silent: list[bytes] = []  # as an older gateway is, and one that answers nonsense

    def hears(_: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        silent.append(payload)
        world.bus.send(reply.decode(), b"{")

    world.bus.subscribe_raw(subjects.all_notices("main"), hears)
    client = await world.rider()
    assert await notify(beside) == {"sessions": 1}
    assert len(silent) == 1
    await client.expect("notice")


async def test_nobody_is_asked_to_count_what_needs_no_count(
    world: World, beside: World
) -> None:
    replies: list[bytes] = []

    def hears(_: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        replies.append(reply)

    world.bus.subscribe_raw(subjects.all_notices("main"), hears)
    await world.bus.flush()
    client = await world.rider()
    for query in ("", "?count=false"):
        assert await notify(beside, query) is None
        await client.expect("notice")
    assert replies == [b"", b""]
