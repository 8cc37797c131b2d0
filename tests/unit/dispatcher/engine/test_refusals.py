"""Which refusal wins where several fit, and trips that the leader no longer holds."""

import msgspec
import pytest

from dispatcher.engine.engine import Decided, Limits, Lookup
from schemas.commands import AcceptTrip, GoOnline, RequestTrip
from schemas.refusals import Code
from schemas.trips import Status, Trip, User
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    VERBS,
    World,
    code_of,
    trip_of,
)

RING_MS = 10_000


def forgetful() -> World:
    return World(Limits(request_ttl_ms=TTL_MS, ring_ms=RING_MS))


def forgotten_trip(world: World) -> Trip:
    """Completed by Dora, and gone from the ring."""
    trip = world.driving("accept", "begin", "complete")
    world.now_ms += RING_MS
    world.engine.advance(world.now_ms)
    return trip


def test_second_driver_to_accept_is_refused() -> None:
    world = World()
    trip = world.driving("accept")
    assert world.refusal("accept", DAN, trip) is Code.TRIP_ALREADY_TAKEN


def test_busy_driver_cannot_accept_another_trip() -> None:
    world = World()
    world.driving("accept")
    other = world.request(RON)
    assert world.refusal("accept", DORA, other) is Code.DRIVER_BUSY


def test_a_taken_trip_is_refused_as_taken_even_to_a_busy_driver() -> None:
    world = World()
    world.driving("accept")
    taken = world.driving("accept", rider=RON, driver=DAN)
    assert world.refusal("accept", DORA, taken) is Code.TRIP_ALREADY_TAKEN


def test_an_ended_trip_is_refused_as_closed_even_to_a_busy_driver() -> None:
    world = World()
    world.driving("accept")
    ended = world.moves("cancel", RON, world.request(RON))
    assert world.refusal("accept", DORA, ended) is Code.TRIP_NOT_OPEN


def test_rider_with_an_active_trip_cannot_request_another() -> None:
    world = World()
    world.request()
    again = RequestTrip(
        pick_up_address="A", drop_off_address="B", **world.envelope(RITA)
    )
    assert code_of(world.do(again)) is Code.RIDER_BUSY


@pytest.mark.parametrize("by", [DORA, OLGA])
def test_only_riders_request_trips(by: User) -> None:
    world = World()
    command = RequestTrip(
        pick_up_address="A", drop_off_address="B", **world.envelope(by)
    )
    assert code_of(world.do(command)) is Code.WRONG_ROLE


@pytest.mark.parametrize("by", [RITA, OLGA])
def test_only_drivers_go_online(by: User) -> None:
    world = World()
    assert code_of(world.do(GoOnline(**world.envelope(by)))) is Code.WRONG_ROLE


@pytest.mark.parametrize("verb", ["accept", "decline", "arrive", "begin", "release"])
def test_wrong_role_comes_before_an_unknown_trip(verb: str) -> None:
    world = World()
    command = world.trip_command(verb, RITA, "no-such-trip")
    assert code_of(world.do(command)) is Code.WRONG_ROLE


@pytest.mark.parametrize("verb", VERBS)
def test_a_trip_that_is_not_held_is_looked_up(verb: str) -> None:
    world = forgetful()
    trip = forgotten_trip(world)
    last_seq = world.last.seq
    by = OLGA if verb == "get" else DORA
    outcome = world.do(world.trip_command(verb, by, trip.id))
    assert outcome == Lookup(trip.id, last_seq)


def test_nothing_was_forgotten_in_a_fresh_ledger() -> None:
    world = World()
    world.request()
    outcome = world.do(world.trip_command("get", RITA, "no-such-trip"))
    assert outcome == Lookup("no-such-trip", 0)


@pytest.mark.parametrize(
    ("verb", "by", "code"),
    [
        ("accept", DAN, Code.TRIP_NOT_OPEN),
        ("decline", DAN, Code.WRONG_STATUS),
        ("arrive", DORA, Code.WRONG_STATUS),
        ("arrive", DAN, Code.NOT_A_PARTICIPANT),
        ("cancel", RITA, Code.WRONG_STATUS),
        ("cancel", RON, Code.NOT_A_PARTICIPANT),
        ("cancel", OLGA, Code.WRONG_STATUS),
        ("get", RON, Code.NOT_A_PARTICIPANT),
    ],
)
def test_an_archived_trip_is_refused_by_the_same_rules(
    verb: str, by: User, code: Code
) -> None:
    world = forgetful()
    trip = forgotten_trip(world)
    assert code_of(world.do(world.trip_command(verb, by, trip.id, trip))) is code


@pytest.mark.parametrize(("verb", "by"), [("get", RITA), ("get", OLGA)])
def test_an_archived_trip_is_given_to_who_may_see_it(verb: str, by: User) -> None:
    world = forgetful()
    trip = forgotten_trip(world)
    outcome = world.do(world.trip_command(verb, by, trip.id, trip))
    assert outcome == Decided((), trip)


def test_a_driver_repeats_the_completion_of_an_archived_trip() -> None:
    world = forgetful()
    trip = forgotten_trip(world)
    outcome = world.do(world.trip_command("complete", DORA, trip.id, trip))
    assert outcome == Decided((), trip)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"get"}))
def test_an_archived_trip_never_moves(verb: str, status: Status) -> None:
    world = World()
    trip = world.driving("accept")
    archived = msgspec.structs.replace(trip, id="elsewhere", status=status)
    for by in (RITA, DORA, DAN, OLGA):
        outcome = world.do(world.trip_command(verb, by, "elsewhere", archived))
        if isinstance(outcome, Decided):
            assert outcome == Decided((), archived)
        else:
            assert not isinstance(outcome, Lookup)


def test_what_the_leader_holds_beats_what_history_says() -> None:
    world = World()
    trip = world.request()
    stale = msgspec.structs.replace(trip, status=Status.EXPIRED)
    command = AcceptTrip(trip=trip.id, archived=stale, **world.envelope(DORA))
    assert trip_of(world.do(command)).status is Status.STARTED


def test_another_trip_from_history_is_not_taken_for_the_one_asked_for() -> None:
    world = forgetful()
    trip = forgotten_trip(world)
    outcome = world.do(world.trip_command("get", RITA, "no-such-trip", trip))
    assert isinstance(outcome, Lookup)
