"""Requests that nobody takes, and the stamp that decides when."""

from dispatcher.engine.limits import DUE_MAX
from schemas.events import TripEvent, seq_of
from schemas.times import rfc3339
from schemas.trips import Role, Status
from tests.unit.dispatcher.engine.world import (
    DORA,
    NOON_MS,
    RITA,
    RON,
    TTL_MS,
    World,
    user,
)


def test_a_request_expires_when_its_time_is_over_and_not_before() -> None:
    world = World()
    trip = world.request()
    world.now_ms += TTL_MS - 1
    assert world.expire() == ()
    world.now_ms += 1
    (event,) = world.expire()
    assert event == TripEvent(
        seq=seq_of(world.next_n - 1, 0),
        type="trip.expired",
        at_ms=world.now_ms,
        audience=(RITA.id,),
        trip=event.trip,
        feed=2,
    )
    assert event.trip.id == trip.id
    assert (event.trip.status, event.trip.version) == (Status.EXPIRED, 2)
    assert event.trip.updated == rfc3339(NOON_MS + TTL_MS)


def test_the_next_expiry_is_that_of_the_oldest_request() -> None:
    world = World()
    assert world.engine.next_due_ms() is None
    first = world.request()
    world.now_ms += 5
    world.request(RON)
    assert world.engine.next_due_ms() == NOON_MS + TTL_MS
    world.moves("accept", DORA, first)
    assert world.engine.next_due_ms() == NOON_MS + 5 + TTL_MS


def test_an_accepted_trip_does_not_expire() -> None:
    world = World()
    world.driving("accept")
    world.now_ms += 10 * TTL_MS
    assert world.expire() == ()


def test_a_release_starts_the_time_again() -> None:
    world = World()
    trip = world.driving("accept")
    world.now_ms += TTL_MS - 1
    world.moves("release", DORA, trip)
    world.now_ms += 1
    assert world.expire() == ()
    world.now_ms += TTL_MS - 1
    assert [event.trip.id for event in world.expire()] == [trip.id]


def test_a_released_trip_expires_after_those_requested_meanwhile() -> None:
    world = World()
    first = world.driving("accept")
    world.now_ms += 10
    second = world.request(RON)
    world.now_ms += 10
    world.moves("release", DORA, first)
    world.now_ms += TTL_MS
    assert [event.trip.id for event in world.expire()] == [second.id, first.id]


def test_an_expired_trip_frees_its_rider() -> None:
    world = World()
    world.request()
    world.now_ms += TTL_MS
    world.expire()
    assert world.request().status is Status.REQUESTED


def test_expiries_are_numbered_densely_and_bounded() -> None:
    world = World()
    for n in range(DUE_MAX + 1):
        world.request(user(Role.RIDER, f"r{n}"))
    world.now_ms += TTL_MS
    events = world.expire()
    assert len(events) == DUE_MAX
    first = events[0]
    assert [e.seq - first.seq for e in events] == list(range(DUE_MAX))
    assert [e.feed - first.feed for e in events] == list(range(DUE_MAX))
    assert len(world.expire()) == 1
    assert world.expire() == ()


def test_a_clock_that_jumps_back_does_not_move_the_stamp() -> None:
    world = World()
    world.request()
    world.now_ms -= 60_000
    trip = world.request(RON)
    assert world.engine.stamp_ms == NOON_MS
    assert trip.created == rfc3339(NOON_MS)
    assert world.engine.advance(0) == NOON_MS
    assert world.engine.advance(NOON_MS + 1) == NOON_MS + 1
