"""Booked trips are changed, outlive their leaders, and hide what isn't for drivers."""

import pytest

from dispatcher.engine.engine import Engine
from dispatcher.engine.limits import Limits
from schemas.codec import decode, encode
from schemas.commands import RescheduleTrip
from schemas.events import Event, TripEvent, seq_of
from schemas.kinds import format_of
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Position, Role, Status, Trip
from tests.unit.dispatcher.engine.booking import (
    DAY_MS,
    HOUR_MS,
    LEAD_MS,
    book,
    due,
    later,
    moves,
    reschedule,
)
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    NOON_MS,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    World,
    code_of,
    replay,
    restart,
    shows,
    trip_of,
)

# ---- rescheduling ----------------------------------------------------------------


def test_its_rider_and_operators_change_it_and_its_rider_is_told() -> None:
    world = World()
    trip = book(world, HOUR_MS, note="ring", pick_up=Position(1.0, 2.0))
    at = rfc3339(world.now_ms + 2 * HOUR_MS)
    changed = trip_of(
        reschedule(world, OLGA, trip, pick_up_at=at, note=None, pick_up=None)
    )
    event = world.last
    assert (event.type, event.audience, event.by) == (
        "trip.scheduled",
        (RITA.id,),
        OLGA.id,
    )
    assert (changed.version, changed.note, changed.pick_up) == (2, None, None)
    assert changed.drop_off_address == trip.drop_off_address
    assert later(world, HOUR_MS) == []
    assert moves(later(world, HOUR_MS - LEAD_MS)) == [("trip.requested", trip.id)]


def test_what_is_so_already_is_answered_and_makes_no_event() -> None:
    world = World()
    trip = book(world, note="ring")
    for changes in ({}, {"note": "ring"}, {"pick_up_at": trip.pick_up_at}):
        assert trip_of(reschedule(world, RITA, trip, **changes)) == trip
    assert len(world.events) == 1


def test_a_time_within_the_lead_opens_it_at_once() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    at = rfc3339(world.now_ms + LEAD_MS)
    command = RescheduleTrip(trip=trip.id, pick_up_at=at, **world.envelope(RITA))
    opened = trip_of(world.do(command))
    assert (opened.status, opened.version) == (Status.REQUESTED, 3)
    assert moves(world.events[-2:]) == [  # type: ignore[arg-type]
        ("trip.scheduled", trip.id),
        ("trip.requested", trip.id),
    ]
    again = world.engine.remembered(command.id)
    assert again is not None
    assert decode(again.data or b"", Trip) == opened
    assert trip_of(reschedule(world, RITA, trip, pick_up_at=at)) == opened
    assert code_of(reschedule(world, RITA, trip, note="x")) is Code.WRONG_STATUS
    assert later(world, 10 * HOUR_MS)[0].type == "trip.expired"


def test_a_time_within_the_lead_waits_for_its_riders_trip() -> None:
    world = World()
    trip, under_way = book(world, HOUR_MS), world.request()
    at = rfc3339(world.now_ms + 60_000)
    changed = trip_of(reschedule(world, RITA, trip, pick_up_at=at))
    assert changed.status is Status.SCHEDULED
    world.moves("cancel", RITA, under_way)
    assert moves(due(world)) == [("trip.requested", trip.id)]


def test_who_may_not_reschedule_is_refused_in_the_contracts_order() -> None:
    world = World()
    trip, under_way = book(world), world.request()
    past = rfc3339(world.now_ms - HOUR_MS)
    far = rfc3339(world.now_ms + 31 * DAY_MS)
    assert code_of(reschedule(world, DORA, trip, note="x")) is Code.WRONG_ROLE
    assert code_of(reschedule(world, RON, trip, note="x")) is Code.NOT_A_PARTICIPANT
    assert code_of(reschedule(world, RITA, under_way, note="x")) is Code.WRONG_STATUS
    for at in (past, far):
        for by in (RITA, RON, DORA):
            code = code_of(reschedule(world, by, trip, pick_up_at=at))
            assert code is Code.INVALID_DATA
    ended = world.moves("cancel", RITA, trip)
    assert code_of(reschedule(world, RITA, ended, note="x")) is Code.WRONG_STATUS
    assert code_of(reschedule(world, RITA, ended)) is Code.WRONG_STATUS


# ---- whoever leads ---------------------------------------------------------------


def busy() -> World:
    """Bookings in every way there is."""
    world = World()
    book(world, HOUR_MS, note="n", reference="r", needs=("van", "pet"))
    moved = book(world, HOUR_MS + 5)
    reschedule(world, RITA, moved, pick_up_at=rfc3339(NOON_MS + 2 * HOUR_MS))
    world.moves("cancel", RITA, book(world, HOUR_MS))
    world.driving("accept")
    book(world, HOUR_MS, RON)
    later(world, HOUR_MS)
    return world


def successors(world: World) -> list[Engine]:
    return [
        replay(world.records),
        restart(world.engine.snapshot(), world.records),
    ]


def test_standbys_and_who_starts_anew_know_the_same_of_them() -> None:
    world = busy()
    expected = shows(world.engine, world.records)
    for engine in successors(world):
        engine.advance(world.now_ms)
        assert shows(engine, world.records) == expected


@pytest.mark.parametrize("away_ms", [0, HOUR_MS, 2 * HOUR_MS, 40 * DAY_MS])
def test_who_takes_over_opens_and_expires_what_is_late_at_once(away_ms: int) -> None:
    world = busy()
    world.now_ms += away_ms
    (trip, *_) = decode(world.sync(RITA).trips, list[Trip])
    world.moves("begin", DORA, trip)
    world.moves("complete", DORA, trip)
    made = []
    for engine in [world.engine, *successors(world)]:
        engine.lead(0)
        engine.advance(world.now_ms)
        found: list[Event] = []
        while (at_ms := engine.next_due_ms()) is not None and at_ms <= world.now_ms:
            events = engine.due(seq_of(world.next_n, len(found)))
            for event in events:
                engine.apply(event, encode(event))
            found += events
        made.append(encode(found))
    assert made[0] == made[1] == made[2]
    assert made[0] != b"[]"


def test_a_shorter_lead_at_the_next_leader_opens_later() -> None:
    world = World()
    trip = book(world, HOUR_MS)
    limits = Limits(request_ttl_ms=TTL_MS, booking_lead_ms=0)
    world.engine = replay(world.records, limits)
    world.engine.lead(0)
    assert later(world, HOUR_MS - 1) == []
    assert moves(later(world, 1)) == [("trip.requested", trip.id)]


def test_records_and_snapshots_say_who_can_read_them() -> None:
    world = World()
    plain = world.request()
    assert format_of(world.last) == 1
    assert world.engine.snapshot_format == 1
    world.moves("cancel", RITA, plain)
    for more in ({"note": ""}, {"reference": "r"}, {"needs": ("van",)}):
        trip = world.request(**more)
        assert format_of(world.last) == 3
        assert world.engine.snapshot_format == 3
        world.moves("cancel", RITA, trip)
    book(world)
    assert format_of(world.last) == 3
    assert world.engine.snapshot_format == 3


# ---- what is not for drivers -------------------------------------------------------


def test_its_driver_never_sees_the_reference_of_a_trip() -> None:
    world = World()
    trip = world.request(note="ring", reference="order 7")
    accept = world.trip_command("accept", DORA, trip.id)
    taken = trip_of(world.do(accept))
    assert (taken.reference, taken.note) == (None, "ring")
    again = world.engine.remembered(accept.id, Role.DRIVER)
    assert again is not None
    assert decode(again.data or b"", Trip) == taken
    (shown,) = decode(world.sync(DORA).trips, list[Trip])
    assert shown == taken
    ((missed,)) = world.sync(DORA, since=0).events
    assert decode(missed, TripEvent).trip == taken
    for verb in ("get", "arrive"):
        assert world.moves(verb, DORA, trip).reference is None
    assert trip_of(world.do(world.trip_command("get", OLGA, trip.id))).reference
    assert decode(world.sync(RITA).trips, list[Trip])[0].reference == "order 7"
    assert b"order 7" in b"".join(map(bytes, world.sync(RITA, since=0).events))
    assert world.moves("release", DORA, trip).reference is None
    assert b"order 7" not in bytes(world.sync(DAN).open_trips)
