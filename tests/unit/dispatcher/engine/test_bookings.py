"""Booked trips: when they are taken, when they open, how they end."""

import pytest

from schemas.codec import decode
from schemas.commands import RequestTrip
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Status, Trip
from tests.unit.dispatcher.engine.booking import (
    ADDRESSES,
    DAY_MS,
    HOUR_MS,
    LEAD_MS,
    asked,
    book,
    code_of,
    due,
    later,
    moves,
    reschedule,
)
from tests.unit.dispatcher.engine.world import (
    DORA,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    World,
    trip_of,
)

# ---- asking ----------------------------------------------------------------------


def test_what_is_for_later_than_the_lead_is_scheduled_and_its_rider_told() -> None:
    world = World()
    trip = book(world, LEAD_MS + 1, note="ring twice", needs=("van",))
    event = world.last
    assert (event.type, event.audience, event.feed) == (
        "trip.scheduled",
        (RITA.id,),
        0,
    )
    assert (trip.version, trip.note, trip.needs) == (1, "ring twice", ("van",))
    assert decode(world.sync(RITA).trips, list[Trip]) == [trip]
    assert bytes(world.sync(DORA).open_trips) == b"[]"
    assert world.engine.trips[Status.SCHEDULED] == 1


@pytest.mark.parametrize(
    ("ahead_ms", "becomes"),
    [
        (LEAD_MS, Status.REQUESTED),
        (0, Status.REQUESTED),
        (-10_000, Status.REQUESTED),
        (-10_001, Code.INVALID_DATA),
        (-DAY_MS, Code.INVALID_DATA),
        (30 * DAY_MS, Status.SCHEDULED),
        (30 * DAY_MS + 1, Code.INVALID_DATA),
    ],
)
def test_how_far_ahead_decides(ahead_ms: int, becomes: Code | Status) -> None:
    assert asked(World(), ahead_ms) == becomes


def test_a_time_within_the_lead_is_the_open_trips_own_and_counts_as_active() -> None:
    world = World()
    at = rfc3339(world.now_ms + LEAD_MS)
    assert world.request(pick_up_at=at).pick_up_at == at
    assert asked(world, 60_000) is Code.RIDER_BUSY
    assert asked(world, HOUR_MS) is Status.SCHEDULED


@pytest.mark.parametrize("ahead_ms", [-HOUR_MS, 31 * DAY_MS])
def test_a_time_nobody_may_book_is_told_before_who_may_not(ahead_ms: int) -> None:
    world = World()
    at = rfc3339(world.now_ms + ahead_ms)
    for by in (DORA, OLGA):
        asked = RequestTrip(**world.envelope(by), **ADDRESSES, pick_up_at=at)
        assert code_of(world.do(asked)) is Code.INVALID_DATA
        asked = RequestTrip(**world.envelope(by), **ADDRESSES)
        assert code_of(world.do(asked)) is Code.WRONG_ROLE


def test_a_rider_has_twenty_of_them_beside_an_active_trip() -> None:
    world = World()
    booked = [book(world, HOUR_MS + number) for number in range(20)]
    world.request()
    assert asked(world, HOUR_MS) is Code.RIDER_BUSY
    assert asked(world, HOUR_MS, RON) is Status.SCHEDULED
    shown = decode(world.sync(RITA).trips, list[Trip])
    assert [trip.id for trip in shown[1:]] == [trip.id for trip in booked]
    world.moves("cancel", RITA, booked[3])
    assert asked(world, HOUR_MS) is Status.SCHEDULED


def test_the_same_key_is_answered_with_the_booking_as_it_is_now() -> None:
    world = World()
    trip = book(world, key="k")
    at = rfc3339(world.now_ms - DAY_MS)
    changed = trip_of(reschedule(world, OLGA, trip, note="at the back"))
    again = world.request(key="k", pick_up_at=at)
    assert again == changed
    assert len(world.events) == 2


def test_drivers_can_do_nothing_with_one() -> None:
    world = World()
    trip = book(world)
    assert world.refusal("accept", DORA, trip) is Code.TRIP_NOT_OPEN
    assert world.refusal("decline", DORA, trip) is Code.WRONG_STATUS
    for verb in ("arrive", "begin", "complete", "release", "cancel", "get"):
        assert world.refusal(verb, DORA, trip) is Code.NOT_A_PARTICIPANT
    assert world.refusal("complete", OLGA, trip) is Code.WRONG_STATUS


# ---- opening ---------------------------------------------------------------------


def test_it_opens_by_itself_at_the_lead_and_all_are_told_as_of_a_new_one() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    assert later(world, HOUR_MS - LEAD_MS - 1) == []
    (event,) = later(world, 1)
    assert moves([event]) == [("trip.requested", trip.id)]
    assert (event.by, event.command, event.feed, event.audience) == (
        "",
        "",
        1,
        (RITA.id,),
    )
    opened = event.trip
    assert (opened.status, opened.version) == (Status.REQUESTED, 2)
    assert opened.updated == rfc3339(world.now_ms)
    assert opened.pick_up_at == trip.pick_up_at
    assert world.moves("accept", DORA, trip).status is Status.STARTED


def test_it_waits_while_its_rider_is_under_way_and_opens_when_that_ends() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    under_way = world.request()
    world.moves("accept", DORA, under_way)
    assert later(world, HOUR_MS) == []
    world.moves("begin", DORA, under_way)
    world.moves("complete", DORA, under_way)
    assert moves(due(world)) == [("trip.requested", trip.id)]


def test_of_several_that_are_due_one_opens_and_the_next_when_that_ends() -> None:
    world = World()
    later_one, first = book(world, HOUR_MS + 2), book(world, HOUR_MS + 1)
    others = book(world, HOUR_MS, RON)
    opened = later(world, HOUR_MS)
    assert moves(opened) == [("trip.requested", t.id) for t in (others, first)]
    world.moves("cancel", RITA, first)
    assert moves(due(world)) == [("trip.requested", later_one.id)]


def test_it_expires_five_minutes_after_its_time_open_or_not() -> None:
    world = World()
    waits, opens = book(world, HOUR_MS), book(world, HOUR_MS, RON)
    under_way = world.request()
    world.moves("accept", DORA, under_way)
    assert moves(later(world, HOUR_MS)) == [("trip.requested", opens.id)]
    assert later(world, TTL_MS - 1) == []
    ended = later(world, 1)
    assert sorted(moves(ended)) == sorted(
        ("trip.expired", trip.id) for trip in (waits, opens)
    )
    feeds = {event.trip.id: event.feed for event in ended}
    assert feeds[waits.id] == 0 < feeds[opens.id]
    assert world.engine.trips[Status.SCHEDULED] == 0


def test_one_that_opens_late_lives_as_long_as_a_new_one() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    late_ms = HOUR_MS + TTL_MS - 1
    assert moves(later(world, late_ms)) == [("trip.requested", trip.id)]
    assert later(world, TTL_MS - 1) == []
    assert moves(later(world, 1)) == [("trip.expired", trip.id)]


def test_a_cancelled_one_never_opens_and_leaves_its_riders_trip_alone() -> None:
    world = World()
    trip, under_way = book(world, HOUR_MS), world.request()
    cancelled = world.moves("cancel", RITA, trip)
    assert (cancelled.status, world.last.feed) == (Status.CANCELLED, 0)
    assert asked(world, 0) is Code.RIDER_BUSY
    world.moves("accept", DORA, under_way)
    assert later(world, 2 * HOUR_MS) == []
    other = book(world, HOUR_MS)
    assert world.moves("cancel", OLGA, other).status is Status.CANCELLED


def test_given_back_before_its_time_it_waits_until_five_minutes_after_that() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    later(world, HOUR_MS - LEAD_MS)
    world.moves("accept", DORA, trip)
    world.moves("release", DORA, trip)
    assert later(world, LEAD_MS + TTL_MS - 1) == []
    assert moves(later(world, 1)) == [("trip.expired", trip.id)]
