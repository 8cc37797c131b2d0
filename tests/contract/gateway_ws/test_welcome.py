"""From the handshake to `welcome`, and what may come around it."""

from schemas import commands
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import (
    encoded_event,
    entry,
    raw,
    trip,
    with_state,
)
from tests.support.waiting import until


async def test_welcome_says_who_where_and_what_is_going_on(world: World) -> None:
    with_state(world.leader, trips=raw([trip(1)]), seq=4711)
    await world.start()
    _, welcome = await world.user(world.tokens.issue())
    assert welcome["user"]["id"] == RIDER
    assert welcome["user"]["role"] == "rider"
    assert welcome["region"] == "main"
    assert welcome["session"] == "5e55"
    assert welcome["seq"] == 4711
    assert welcome["heartbeat_s"] == 25
    assert welcome["trips"] == [trip(1)]
    assert welcome["open_trips"] == []
    assert welcome["recovered"] is False


async def test_since_reaches_the_leader_and_missed_events_follow_the_welcome(
    world: World,
) -> None:
    with_state(
        world.leader,
        recovered=True,
        events=[
            encoded_event(60, "trip.requested", trip(1)),
            encoded_event(70, "trip.expired", trip(1, 2, "EXPIRED")),
        ],
    )
    await world.start()
    client = await world.rider(since=50)
    await client.expect("trip.expired")
    assert [f["type"] for f in client.frames] == [
        "welcome",
        "trip.requested",
        "trip.expired",
    ]
    assert client.frames[1] == {
        "type": "trip.requested",
        "seq": 60,
        "data": trip(1),
    }
    assert world.leader.asked(commands.SyncUser)[0].since == 50


async def test_since_that_is_no_number_is_none(world: World) -> None:
    await world.start()
    for since in ("abc", "-1", "1.5", "9" * 30, "", "\uff11"):
        await world.rider(since=since)
    assert {sync.since for sync in world.leader.asked(commands.SyncUser)} == {None}


async def test_events_wait_for_the_welcome_and_contained_ones_are_dropped(
    world: World,
) -> None:
    leader = world.leader
    leader.on_sync = lambda _: None
    await world.start()
    client = await world.anyone(world.tokens.issue())
    await until(lambda: leader.asked(commands.SyncUser))
    sync = leader.asked(commands.SyncUser)[0]
    leader.push(RIDER, 99, "trip.requested", trip(1))
    leader.push(RIDER, 101, "trip.started", trip(1, 2, "STARTED"))
    state = with_state(leader, seq=100, trips=raw([trip(1)]))
    answer = commands.Answer(sync.id, sync.attempt, data=raw(state))
    assert world.gateway is not None
    leader.answer_late(world.gateway.id, answer)
    await client.expect("trip.started")
    assert [f["type"] for f in client.frames] == ["welcome", "trip.started"]


async def test_answers_to_early_commands_come_after_the_welcome(world: World) -> None:
    leader = world.leader
    leader.on_sync = lambda _: None
    await world.start()
    client = await world.anyone(world.tokens.issue())
    await client.send({"type": "trip.get", "ref": "a", "data": {"id": trip(1)["id"]}})
    await client.send({"type": "no.such", "ref": "b"})
    await until(lambda: leader.asked(commands.GetTrip))
    sync = leader.asked(commands.SyncUser)[0]
    assert world.gateway is not None
    answer = commands.Answer(sync.id, sync.attempt, data=raw(leader.state))
    leader.answer_late(world.gateway.id, answer)
    await client.answer("a")
    await client.answer("b")
    assert client.frames[0]["type"] == "welcome"
    assert len(client.frames) == 3


async def test_no_leader_means_no_welcome_and_1013(world: World) -> None:
    await world.start(welcome_s=0.3, command_s=0.3)
    await world.leader.go_away()
    client = await world.anyone(world.tokens.issue())
    assert await client.closed() == 1013
    assert client.frames == []


async def test_a_leader_that_is_silent_means_1013_too(world: World) -> None:
    world.leader.on_sync = lambda _: None
    await world.start(welcome_s=0.3)
    client = await world.anyone(world.tokens.issue())
    assert await client.closed() == 1013


async def test_a_second_session_of_a_user_gets_its_own_welcome_and_both_get_events(
    world: World,
) -> None:
    await world.start()
    first = await world.rider()
    second = await world.rider()
    world.leader.push(RIDER, 200, "trip.requested", trip(1))
    for client in (first, second):
        await client.expect("trip.requested")
        await client.quiet()
        assert len(client.seen("trip.requested")) == 1


async def test_feed_entries_before_the_welcome_are_in_its_open_trips(
    world: World,
) -> None:
    leader = world.leader
    leader.on_sync = lambda _: None
    await world.start()
    client = await world.anyone(world.tokens.issue(DRIVER, "driver"))
    await until(lambda: leader.asked(commands.SyncUser))
    sync = leader.asked(commands.SyncUser)[0]
    leader.feed(entry(5, 99, trip(1)), entry(6, 101, trip(2)))
    state = with_state(leader, seq=100, feed=5, open_trips=raw([trip(1)]))
    assert world.gateway is not None
    leader.answer_late(
        world.gateway.id, commands.Answer(sync.id, sync.attempt, data=raw(state))
    )
    await client.expect_trip("trip.requested", trip(2)["id"])
    assert [f["type"] for f in client.frames] == ["welcome", "trip.requested"]
