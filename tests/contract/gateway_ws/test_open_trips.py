"""A driver's welcome: what is open is asked once a gateway, and known by the feed."""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas import commands
from tests.contract.gateway_ws.conftest import DRIVER, World
from tests.contract.gateway_ws.scripted_leader import (
    EPOCH,
    ScriptedLeader,
    entry,
    raw,
    trip,
    with_state,
)
from tests.support.client import Client
from tests.support.waiting import until

OTHER = "0192f0c4-3333-7000-8000-000000000003"


async def driver(world: World, user: str = DRIVER) -> tuple[Client, list[Any]]:
    """A driver's session, and what its welcome says is open."""
    client, welcome = await world.user(world.tokens.issue(user, "driver"))
    return client, welcome["open_trips"]


def told(n: int, *trips: Any, whole: bool = True) -> commands.FeedData:
    """What a leader says is open, newest first."""
    return commands.FeedData(n, [], False, raw(list(trips)), whole)


def untold(leader: ScriptedLeader, **changes: Any) -> Callable[[Any], Any]:
    """A leader that leaves the open trips to the gateway."""
    state = msgspec.structs.replace(leader.state, **changes)
    unasked = msgspec.structs.replace(state, open_trips=raw(None))
    return lambda sync: state if sync.open_trips else unasked


async def test_a_gateway_asks_once_what_is_open_and_knows_the_rest_by_the_feed(
    world: World,
) -> None:
    leader = world.leader
    leader.on_base = lambda _: told(5, trip(2), trip(1))
    leader.on_sync = untold(leader)
    await world.start()
    first, listed = await driver(world)
    assert listed == [trip(2), trip(1)]
    leader.feed(
        entry(6, 101, {"id": trip(1)["id"]}, "trip.taken"), entry(7, 102, trip(3))
    )
    await first.expect_trip("trip.requested", trip(3)["id"])
    leader.on_sync = untold(leader, seq=102, feed=7)
    for _ in range(2):
        _, listed = await driver(world)
        assert listed == [trip(3), trip(2)]
    assert len(leader.bases) == 1
    assert not any(sync.open_trips for sync in leader.asked(commands.SyncUser))


async def test_what_the_feed_said_after_the_sync_is_not_in_the_welcome(
    world: World,
) -> None:
    """Of one record: the entries come before the answer, and the sync was decided
    between them.
    """
    leader = world.leader
    leader.on_base = lambda _: told(5, trip(1))
    await world.start()
    leader.on_sync = untold(leader)
    await driver(world)
    leader.on_sync = lambda _: None
    client = await world.anyone(world.tokens.issue(OTHER, "driver"))
    await until(lambda: len(leader.asked(commands.SyncUser)) == 2)
    leader.feed(
        entry(6, 101, trip(2)), entry(7, 102, {"id": trip(1)["id"]}, "trip.taken")
    )
    sync = leader.asked(commands.SyncUser)[-1]
    state = untold(leader, seq=101, feed=6)(sync)
    assert world.gateway is not None
    leader.answer_late(
        world.gateway.id, commands.Answer(sync.id, sync.attempt, data=raw(state))
    )
    await client.expect("trip.taken")
    assert [f["type"] for f in client.frames] == ["welcome", "trip.taken"]
    assert client.frames[0]["data"]["open_trips"] == [trip(2), trip(1)]


async def test_where_a_leader_did_not_tell_all_it_is_asked_again_in_time(
    world: World,
) -> None:
    leader = world.leader
    leader.on_base = lambda _: told(5, trip(1), whole=False)
    leader.on_sync = untold(leader)
    await world.start()
    client = await world.anyone(world.tokens.issue(DRIVER, "driver"))
    await until(lambda: len(leader.bases) > 1)
    leader.on_base = lambda _: told(5, trip(2), trip(1))
    await client.expect("welcome")
    assert client.frames[0]["data"]["open_trips"] == [trip(2), trip(1)]


async def test_a_leader_of_the_version_before_tells_each_driver_what_is_open(
    world: World,
) -> None:
    """Its answers have no null in place of the list, and none to the other question."""
    leader = world.leader
    leader.on_base = lambda base: commands.FeedData(5, [], complete=False)
    leader.on_sync = lambda _: with_state(leader, open_trips=raw([trip(1)]))
    await world.start()
    for _ in range(2):
        _, listed = await driver(world)
        assert listed == [trip(1)]
    leader.on_base = lambda _: told(5, trip(2))
    leader.on_sync = untold(leader)
    leader.announce(EPOCH + 1)
    await until(lambda: len(leader.bases) > 1)
    _, listed = await driver(world)
    assert listed == [trip(2)]
