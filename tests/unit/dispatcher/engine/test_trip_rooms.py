"""A trip's own room: who may enter, who may write, until when."""

import msgspec
import pytest

from dispatcher.engine.engine import Decided, Engine, Limits, Lookup
from schemas.commands import JoinRoom
from schemas.events import TripEvent
from schemas.refusals import Code
from schemas.rooms import MemberEvent, of_trip
from schemas.trips import Trip
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    World,
    code_of,
    joined,
    texts,
)

ROOM_TTL_MS = 300_000
LIMITS = Limits(request_ttl_ms=TTL_MS, trip_room_ttl_ms=ROOM_TTL_MS)


def forget(world: World) -> None:
    """Let the ring lose all it has."""
    world.now_ms += LIMITS.ring_ms
    world.engine.advance(world.now_ms)


def test_rider_and_driver_are_members_by_the_trip_itself() -> None:
    world = World()
    room = of_trip(world.driving("accept").id)
    assert isinstance(world.send(RITA, room, "I wear a hat"), Decided)
    assert isinstance(world.send(DORA, room, "I see you"), Decided)
    data = joined(world.join(DORA, room))
    assert data.members == [RITA.person(), DORA.person()]
    assert texts(data) == ["I wear a hat", "I see you"]
    assert not [e for e in world.events if isinstance(e, MemberEvent)]


def test_neither_leaving_nor_a_lost_connection_ends_a_trips_membership() -> None:
    world = World()
    room = of_trip(world.driving("accept").id)
    world.join(RITA, room)
    world.leave(RITA, room)
    world.join(DORA, room)
    world.end(DORA)
    assert world.members(room) == ["rita", "dora"]
    assert isinstance(world.send(RITA, room), Decided)


def test_strangers_may_neither_join_nor_write_nor_look() -> None:
    world = World()
    room = of_trip(world.driving("accept").id)
    for stranger in (RON, DAN):
        assert code_of(world.join(stranger, room)) is Code.ROOM_FORBIDDEN
        assert code_of(world.join(stranger, room, "")) is Code.ROOM_FORBIDDEN
        assert code_of(world.send(stranger, room)) is Code.ROOM_FORBIDDEN
        assert code_of(world.send(stranger, room, outside=True)) is Code.ROOM_FORBIDDEN


def test_an_operator_joins_a_trips_room_as_an_open_one() -> None:
    world = World()
    room = of_trip(world.driving("accept").id)
    assert code_of(world.send(OLGA, room)) is Code.ROOM_FORBIDDEN
    assert isinstance(world.send(OLGA, room, outside=True), Decided)
    world.join(OLGA, room)
    assert world.members(room) == ["rita", "dora", "olga"]
    assert isinstance(world.send(OLGA, room), Decided)
    world.end(OLGA)
    assert world.members(room) == ["rita", "dora"]


def test_before_a_driver_accepts_the_rider_is_alone() -> None:
    world = World()
    room = of_trip(world.request().id)
    assert joined(world.join(RITA, room)).members == [RITA.person()]
    assert code_of(world.join(DORA, room)) is Code.ROOM_FORBIDDEN


def test_a_released_driver_is_out_and_the_next_one_in() -> None:
    world = World()
    trip = world.driving("accept", "release")
    room = of_trip(trip.id)
    assert code_of(world.send(DORA, room)) is Code.ROOM_FORBIDDEN
    assert code_of(world.join(DORA, room)) is Code.ROOM_FORBIDDEN
    assert isinstance(world.send(RITA, room), Decided)
    world.moves("accept", DAN, trip)
    assert world.members(room) == ["rita", "dan"]
    assert isinstance(world.send(DAN, room), Decided)


def test_a_trips_room_has_one_name_whatever_its_letters_case() -> None:
    world = World()
    trip = world.driving("accept").id
    upper = "trip_" + trip.upper()
    world.said(RITA, of_trip(trip), "hello")
    data = joined(world.join(DORA, upper))
    assert (data.room, texts(data)) == (of_trip(trip), ["hello"])


def test_a_room_of_what_can_be_no_trips_id_is_no_open_room() -> None:
    outcome = World().join(RON, "trip_nope")
    assert isinstance(outcome, Lookup)
    assert outcome.trip == "nope"


@pytest.mark.parametrize("room", ["trip_", "TRIP_", "trips"])
def test_what_only_looks_like_a_trips_room_is_an_open_one(room: str) -> None:
    assert isinstance(World().join(RON, room), Decided)


# ---- after the end -------------------------------------------------------------


def test_a_room_takes_messages_until_its_ttl_after_the_trips_end() -> None:
    world = World(LIMITS)
    room = of_trip(world.driving("accept", "begin", "complete").id)
    world.now_ms += ROOM_TTL_MS - 1
    assert isinstance(world.send(RITA, room), Decided)
    world.now_ms += 1
    for by in (RITA, DORA):
        assert code_of(world.send(by, room)) is Code.ROOM_FORBIDDEN
    assert code_of(world.send(OLGA, room, outside=True)) is Code.ROOM_FORBIDDEN
    data = joined(world.join(DORA, room))
    assert (texts(data), data.members) == (["hi"], [RITA.person(), DORA.person()])


def archived(world: World, trip: Trip) -> Trip:
    """The trip as history has it."""
    events = [event for event in world.events if isinstance(event, TripEvent)]
    return next(e.trip for e in reversed(events) if e.trip.id == trip.id)


def test_a_trip_the_leader_forgot_is_looked_up() -> None:
    world = World(LIMITS)
    trip = world.driving("accept", "begin", "complete")
    room = of_trip(trip.id)
    world.said(RITA, room, "bye")
    forget(world)
    seq = world.events[-2].seq
    assert world.join(RITA, room) == Lookup(trip.id, seq)
    assert world.send(RITA, room) == Lookup(trip.id, seq)
    ended = archived(world, trip)
    data = joined(world.join(RITA, room, archived=ended))
    assert (texts(data), data.members) == (["bye"], [RITA.person(), DORA.person()])
    assert code_of(world.join(RON, room, archived=ended)) is Code.ROOM_FORBIDDEN
    assert code_of(world.send(RITA, room, archived=ended)) is Code.ROOM_FORBIDDEN


def test_an_unknown_trips_room_is_looked_up_with_its_messages() -> None:
    world = World()
    trip = "01957000-0000-7000-8000-000000000000"
    lookup = Lookup(trip, 0, of_trip(trip), asked_seq=1)
    assert world.join(RITA, of_trip(trip)) == lookup
    assert world.send(RITA, of_trip(trip)) == lookup


def test_a_longer_ttl_than_the_rings_counts_from_the_archived_trips_end() -> None:
    limits = msgspec.structs.replace(LIMITS, trip_room_ttl_ms=2 * LIMITS.ring_ms)
    world = World(limits)
    trip = world.driving("accept", "begin", "complete")
    room = of_trip(trip.id)
    forget(world)
    ended = archived(world, trip)
    assert isinstance(world.send(RITA, room, archived=ended), Decided)
    world.now_ms += LIMITS.ring_ms
    assert code_of(world.send(RITA, room, archived=ended)) is Code.ROOM_FORBIDDEN


def test_a_trip_rooms_forgotten_number_comes_from_history() -> None:
    limits = msgspec.structs.replace(LIMITS, trip_heads_max=1)
    world = World(limits)
    first = world.driving("accept")
    said = [world.said(RITA, of_trip(first.id), f"m{n}") for n in range(3)]
    lost_seq = world.events[-1].seq
    world.now_ms += 1
    second = world.driving("accept", rider=RON, driver=DAN)
    assert world.said(RON, of_trip(second.id), key="k").seq == 1
    assert world.engine.rooms == (0, 0, 1)
    payload = world.engine.snapshot()
    assert Engine.restore(payload, limits).snapshot() == payload
    lookup = world.send(RITA, of_trip(first.id))
    assert isinstance(lookup, Lookup)
    assert (lookup.seq, lookup.room) == (lost_seq, of_trip(first.id))
    assert lookup.asked_seq > world.events[-1].seq
    outcome = world.send(RITA, of_trip(first.id), backlog=tuple(said))
    assert isinstance(outcome, Decided)
    assert outcome.data.seq == 4
    assert isinstance(world.send(DAN, of_trip(second.id)), Lookup)


def test_only_participants_learn_that_a_trip_has_a_room() -> None:
    world = World(LIMITS)
    trip = world.driving("accept", "begin", "complete")
    command = JoinRoom(room=of_trip(trip.id), session="s", **world.envelope(RON))
    assert code_of(world.do(command)) is Code.ROOM_FORBIDDEN


def test_a_trip_starts_quiet_where_nobody_was_in_its_room_before() -> None:
    world = World()
    trip = world.request()
    world.moves("accept", DORA, trip)
    assert world.last.quiet


def test_a_trip_does_not_start_quiet_where_somebody_wrote_before() -> None:
    world = World()
    trip = world.request()
    assert isinstance(world.send(RITA, of_trip(trip.id), "second door"), Decided)
    world.moves("accept", DORA, trip)
    assert not world.last.quiet


def test_a_trip_does_not_start_quiet_where_somebody_is_in_its_room() -> None:
    world = World()
    trip = world.request()
    assert isinstance(world.join(OLGA, of_trip(trip.id)), Decided)
    world.moves("accept", DORA, trip)
    assert not world.last.quiet


def test_a_trip_does_not_start_quiet_where_what_was_written_may_be_forgotten() -> None:
    world = World(msgspec.structs.replace(LIMITS, trip_heads_max=1))
    trip = world.request()
    assert isinstance(world.send(RITA, of_trip(trip.id)), Decided)
    assert isinstance(world.send(RON, of_trip(world.request(RON).id)), Decided)
    world.moves("accept", DORA, trip)
    assert not world.last.quiet
