"""Events on their way to sessions: order, once, gaps, the feed, positions."""

import time

from gateway.fanout.router import SILENCE_S
from schemas import commands
from schemas.commands import Answer, FeedData
from schemas.events import DriverPush, Moved
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import (
    encoded_event,
    entry,
    raw,
    trip,
    with_state,
)
from tests.support.waiting import until

OTHER = "0192f0c4-2222-7000-8000-000000000003"


async def test_an_event_published_twice_arrives_once(world: World) -> None:
    await world.start()
    client = await world.rider()
    for _ in range(2):
        world.leader.push(RIDER, 200, "trip.requested", trip(1))
        world.leader.push(RIDER, 201, "trip.started", trip(1, 2, "STARTED"))
    await client.expect("trip.started")
    await client.quiet()
    assert len(client.seen("trip.requested")) == 1
    assert len(client.seen("trip.started")) == 1


async def test_a_version_gap_is_filled_from_the_leader(world: World) -> None:
    leader = world.leader
    await world.start()
    client = await world.rider()
    leader.push(RIDER, 200, "trip.requested", trip(1))
    await client.expect("trip.requested")
    with_state(
        leader,
        seq=203,
        recovered=True,
        trips=raw([trip(1, 3, "ARRIVED")]),
        events=[
            encoded_event(201, "trip.started", trip(1, 2, "STARTED")),
            encoded_event(202, "trip.arrived", trip(1, 3, "ARRIVED")),
        ],
    )
    leader.push(RIDER, 202, "trip.arrived", trip(1, 3, "ARRIVED"))
    leader.push(RIDER, 204, "trip.in_progress", trip(1, 4, "IN_PROGRESS"))
    await client.expect("trip.in_progress")
    assert [f.get("seq") for f in client.frames[1:]] == [200, 201, 202, 204]
    assert leader.asked(commands.SyncUser)[-1].since == 200


async def test_a_gap_that_cannot_be_filled_becomes_a_snapshot(world: World) -> None:
    leader = world.leader
    await world.start()
    client = await world.rider()
    leader.push(RIDER, 200, "trip.requested", trip(1))
    await client.expect("trip.requested")
    with_state(leader, seq=203, trips=raw([trip(1, 3, "ARRIVED")]))
    leader.push(RIDER, 202, "trip.arrived", trip(1, 3, "ARRIVED"))
    leader.push(RIDER, 204, "trip.in_progress", trip(1, 4, "IN_PROGRESS"))
    await client.expect("trip.in_progress")
    kinds = [f["type"] for f in client.frames[1:]]
    assert kinds == ["trip.requested", "trip.snapshot", "trip.in_progress"]
    assert client.frames[2] == {"type": "trip.snapshot", "data": trip(1, 3, "ARRIVED")}


async def test_a_trip_that_ended_out_of_sight_makes_the_client_come_back(
    world: World,
) -> None:
    leader = world.leader
    await world.start()
    client = await world.rider()
    leader.push(RIDER, 200, "trip.requested", trip(1))
    await client.expect("trip.requested")
    with_state(leader, seq=400, trips=raw([]))
    leader.push(RIDER, 500, "trip.started", trip(2, 2, "STARTED"))
    assert await client.closed() == 4003


async def test_the_feed_goes_to_online_drivers_but_the_trips_own(world: World) -> None:
    leader = world.leader
    await world.start()
    mine = await world.driver()
    other = await world.driver(OTHER)
    rider = await world.rider()
    leader.feed(entry(6, 300, trip(1)))
    leader.push(DRIVER, 301, "trip.started", trip(1, 2, "STARTED"))
    leader.feed(entry(7, 301, {"id": trip(1)["id"]}, "trip.taken", (RIDER, DRIVER)))
    await other.expect("trip.taken")
    await mine.expect("trip.started")
    for client in (mine, other, rider):
        await client.quiet()
    assert [f["type"] for f in mine.frames if "seq" in f] == [
        "trip.requested",
        "trip.started",
    ]
    assert [f["seq"] for f in other.frames if "seq" in f] == [300, 301]
    assert not rider.seen("trip.requested")


async def test_an_offline_driver_hears_no_feed_until_online_again(
    world: World,
) -> None:
    leader = world.leader
    await world.start()
    client = await world.driver()
    leader.send_push(DRIVER, DriverPush(200, online=False))
    leader.feed(entry(6, 201, trip(1)))
    await client.quiet()
    leader.send_push(DRIVER, DriverPush(202, online=True))
    leader.feed(entry(7, 203, trip(2)))
    await client.expect("trip.requested")
    assert [f["data"]["id"] for f in client.seen("trip.requested")] == [trip(2)["id"]]


async def test_a_session_of_an_offline_driver_hears_no_feed(world: World) -> None:
    with_state(world.leader, online=False)
    await world.start()
    client = await world.driver()
    world.leader.feed(entry(6, 201, trip(1)))
    await client.quiet()
    assert not client.seen("trip.requested")


async def test_own_events_and_feed_of_one_record_come_in_order_of_seq(
    world: World,
) -> None:
    leader = world.leader
    await world.start()
    client = await world.driver()
    # As the leader publishes a record: neither subject is behind the other.
    leader.feed(entry(6, 300, trip(2)))
    leader.push(DRIVER, 301, "trip.started", trip(1, 2, "STARTED"))
    leader.feed(entry(7, 302, trip(3)))
    leader.push(DRIVER, 303, "trip.arrived", trip(1, 3, "ARRIVED"))
    leader.feed(entry(8, 304, trip(4)))
    await client.expect_trip("trip.requested", trip(4)["id"])
    seqs = [f["seq"] for f in client.frames if "seq" in f]
    assert seqs == [300, 301, 302, 303, 304]


async def test_a_feed_gap_is_filled_from_the_leader(world: World) -> None:
    leader = world.leader
    leader.on_feed = lambda _: FeedData(
        7, [entry(6, 300, trip(1)), entry(7, 301, trip(2))], complete=True
    )
    await world.start()
    client = await world.driver()
    leader.feed(entry(8, 302, trip(3)))
    await client.expect_trip("trip.requested", trip(3)["id"])
    assert [f["seq"] for f in client.frames if "seq" in f] == [300, 301, 302]
    assert leader.asked(commands.SyncFeed)[0].since == 5


async def test_an_announcement_shows_that_the_feeds_last_entry_was_lost(
    world: World,
) -> None:
    leader = world.leader
    leader.on_feed = lambda _: FeedData(6, [entry(6, 300, trip(1))], complete=True)
    await world.start()
    client = await world.driver()
    leader.announce(feed=6)
    await client.expect("trip.requested")


async def test_a_drivers_own_events_wait_for_a_hole_in_the_feed(world: World) -> None:
    leader = world.leader
    await world.start()
    client = await world.driver()
    leader.feed(entry(7, 302, trip(3)))
    leader.push(DRIVER, 303, "trip.started", trip(1, 2, "STARTED"))
    await until(lambda: leader.asked(commands.SyncFeed))
    await client.quiet()
    assert not client.seen("trip.started")
    (sync,) = leader.asked(commands.SyncFeed)
    entries = [entry(6, 300, trip(2)), entry(7, 302, trip(3))]
    filled = FeedData(7, entries, complete=True)
    assert world.gateway is not None
    answer = Answer(sync.id, sync.attempt, data=raw(filled))
    leader.answer_late(world.gateway.id, answer)
    await client.expect("trip.started")
    assert [f["seq"] for f in client.frames if "seq" in f] == [300, 302, 303]


async def test_after_a_silent_leader_what_may_be_lost_is_asked_for(
    world: World,
) -> None:
    """Servers of a NATS cluster that lose one another break no connection."""
    leader = world.leader
    await world.start()
    rider = await world.rider()
    assert world.gateway is not None
    leader.announce(seq=200)
    region = world.gateway.router.regions["main"]
    await until(lambda: region.seq == 200)
    world.gateway.router.tick(time.monotonic() + SILENCE_S)
    leader.push(RIDER, 202, "trip.requested", trip(2))
    await rider.quiet()
    assert not rider.seen("trip.requested")
    lost = encoded_event(201, "trip.cancelled", trip(1, 2, "CANCELLED"))
    leader.on_sync = lambda _: with_state(
        leader, seq=201, recovered=True, events=[lost]
    )
    leader.announce(seq=202)
    await rider.expect("trip.requested")
    assert [f["seq"] for f in rider.frames if "seq" in f] == [201, 202]
    assert leader.asked(commands.SyncUser)[1].since == 200


async def test_a_feed_gap_too_old_to_fill_makes_drivers_come_back(
    world: World,
) -> None:
    leader = world.leader
    leader.on_feed = lambda _: FeedData(9000, [], complete=False)
    await world.start()
    driver = await world.driver()
    rider = await world.rider()
    leader.feed(entry(9000, 302, trip(3)))
    assert await driver.closed() == 4003
    await rider.quiet()


async def test_the_driver_who_gave_a_trip_back_may_take_it_again(world: World) -> None:
    leader = world.leader
    await world.start()
    client = await world.driver()
    leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    leader.push(DRIVER, 202, "trip.released", trip(1, 3, "REQUESTED"))
    leader.push(DRIVER, 206, "trip.started", trip(1, 6, "STARTED"))
    await client.expect("trip.released")
    await until(lambda: len(client.seen("trip.started")) == 2)
    assert len(leader.asked(commands.SyncUser)) == 1


async def test_after_nats_was_away_every_session_gets_what_it_missed(
    world: World,
) -> None:
    leader = world.leader
    await world.start()
    rider = await world.rider()
    driver = await world.driver()
    leader.push(RIDER, 200, "trip.requested", trip(1))
    await rider.expect("trip.requested")
    leader.on_sync = lambda sync: with_state(
        leader,
        seq=201,
        recovered=True,
        trips=raw([trip(1, 2, "STARTED")]),
        events=[encoded_event(201, "trip.started", trip(1, 2, "STARTED"))]
        if sync.by.id == RIDER
        else [],
    )
    leader.on_feed = lambda _: FeedData(6, [entry(6, 201, trip(9))], complete=True)
    world.nats.kill()
    world.nats.start()
    await rider.expect("trip.started")
    await driver.expect("trip.requested")
    assert [s.since for s in leader.asked(commands.SyncUser)[2:]] == [200, 100]


async def test_after_nats_was_away_it_asks_from_where_the_leader_was_last_heard(
    world: World,
) -> None:
    """Who had no event for long would ask from before what the leader remembers."""
    leader = world.leader
    await world.start()
    await world.rider()
    assert world.gateway is not None
    leader.announce(seq=5000)
    region = world.gateway.router.regions["main"]
    await until(lambda: region.seq == 5000)
    world.nats.kill()
    world.nats.start()
    await until(lambda: len(leader.asked(commands.SyncUser)) == 2)
    assert leader.asked(commands.SyncUser)[1].since == 5000


async def test_what_may_hide_a_trip_that_came_and_went_closes_the_session(
    world: World,
) -> None:
    leader = world.leader
    await world.start()
    rider = await world.rider()
    leader.on_sync = lambda _: with_state(leader, seq=300, recovered=False)
    world.nats.kill()
    world.nats.start()
    assert await rider.closed() == 4003


async def test_the_latest_position_reaches_the_rider_without_a_seq(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    at = "2026-11-21T10:00:00.000Z"
    moved = Moved(trip(1)["id"], 40.5, -74.0, 90.0, at)
    world.leader.send_push(RIDER, moved)  # of a trip that isn't theirs: not told
    world.leader.push(RIDER, 200, "trip.requested", trip(1))
    world.leader.send_push(RIDER, moved)
    await client.expect("trip.requested")
    frame = await client.expect("driver.moved")
    data = {"trip": trip(1)["id"], "lat": 40.5, "lon": -74.0, "heading": 90.0, "at": at}
    unknown = {"distance_m": None, "eta_s": None}  # A leader of 0.1 doesn't say.
    assert frame == {"type": "driver.moved", "data": data | unknown}
    assert len(client.seen("driver.moved")) == 1


async def test_unreadable_messages_are_let_pass(world: World) -> None:
    await world.start()
    client = await world.driver()
    assert world.gateway is not None
    for subject in (
        f"user.main.{DRIVER}",
        "drivers.main",
        "leader.main",
        f"reply.{world.gateway.id}.main",
    ):
        world.bus.send(subject, b"{nonsense")
    world.leader.feed(entry(6, 300, trip(1)))
    await client.expect("trip.requested")


async def test_a_feed_that_nobody_listens_to_any_more_is_not_filled(
    world: World,
) -> None:
    """The last driver goes with the hole; the next one's feed begins afresh, not where
    that answer was.
    """
    leader = world.leader
    leader.on_feed = lambda _: FeedData(7, [], complete=False)
    await world.start()
    driver = await world.driver()
    leader.feed(entry(7, 302, trip(3)))
    assert await driver.closed() == 4003
    with_state(leader, seq=400, feed=20)
    driver = await world.driver()
    leader.feed(entry(21, 401, trip(4)))
    await driver.expect_trip("trip.requested", trip(4)["id"])
    assert len(leader.asked(commands.SyncFeed)) == 1
