"""Every cell of who x what x status, against a table written by hand."""

import pytest

from dispatcher.engine.engine import Decided
from schemas.refusals import Code, Refusal
from schemas.trips import OpenTrip, Status, Trip, User
from tests.unit.dispatcher.engine.world import DAN, DORA, OLGA, RITA, RON, TTL_MS, World

ACTORS: dict[str, User] = {
    "its rider": RITA,
    "a rider": RON,
    "its driver": DORA,
    "a driver": DAN,
    "operator": OLGA,
}

# In each status the trip was brought there by its driver, but CANCELLED (from STARTED)
# by its rider. "same": the trip, unchanged, no event.
R, S, A, P = "→REQUESTED", "→STARTED", "→ARRIVED", "→IN_PROGRESS"
C, X = "→COMPLETED", "→CANCELLED"
ROLE, NOT_IN, WRONG = "wrong_role", "not_a_participant", "wrong_status"
TAKEN, CLOSED, SAME, SEEN = "trip_already_taken", "trip_not_open", "same", "open trip"

# fmt: off
COLUMNS = (
    "REQUESTED", "STARTED", "ARRIVED", "IN_PROGRESS", "COMPLETED", "CANCELLED",
    "EXPIRED",
)
TABLE = {
    ("accept", "its rider"):    (ROLE,) * 7,
    ("accept", "a rider"):      (ROLE,) * 7,
    ("accept", "its driver"):   (S, SAME, TAKEN, TAKEN, CLOSED, CLOSED, CLOSED),
    ("accept", "a driver"):     (S, TAKEN, TAKEN, TAKEN, CLOSED, CLOSED, CLOSED),
    ("accept", "operator"):     (ROLE,) * 7,
    ("decline", "its rider"):   (ROLE,) * 7,
    ("decline", "a rider"):     (ROLE,) * 7,
    ("decline", "its driver"):  (SEEN, *(WRONG,) * 6),
    ("decline", "a driver"):    (SEEN, *(WRONG,) * 6),
    ("decline", "operator"):    (ROLE,) * 7,
    ("arrive", "its rider"):    (ROLE,) * 7,
    ("arrive", "a rider"):      (ROLE,) * 7,
    ("arrive", "its driver"):   (NOT_IN, A, SAME, WRONG, WRONG, WRONG, NOT_IN),
    ("arrive", "a driver"):     (NOT_IN,) * 7,
    ("arrive", "operator"):     (ROLE,) * 7,
    ("begin", "its rider"):     (ROLE,) * 7,
    ("begin", "a rider"):       (ROLE,) * 7,
    ("begin", "its driver"):    (NOT_IN, P, P, SAME, WRONG, WRONG, NOT_IN),
    ("begin", "a driver"):      (NOT_IN,) * 7,
    ("begin", "operator"):      (ROLE,) * 7,
    ("complete", "its rider"):  (ROLE,) * 7,
    ("complete", "a rider"):    (ROLE,) * 7,
    ("complete", "its driver"): (NOT_IN, WRONG, WRONG, C, SAME, WRONG, NOT_IN),
    ("complete", "a driver"):   (NOT_IN,) * 7,
    ("complete", "operator"):   (WRONG, WRONG, WRONG, C, WRONG, WRONG, WRONG),
    ("release", "its rider"):   (ROLE,) * 7,
    ("release", "a rider"):     (ROLE,) * 7,
    ("release", "its driver"):  (NOT_IN, R, R, WRONG, WRONG, WRONG, NOT_IN),
    ("release", "a driver"):    (NOT_IN,) * 7,
    ("release", "operator"):    (ROLE,) * 7,
    ("cancel", "its rider"):    (X, X, X, WRONG, WRONG, SAME, WRONG),
    ("cancel", "a rider"):      (NOT_IN,) * 7,
    ("cancel", "its driver"):   (NOT_IN, X, X, WRONG, WRONG, WRONG, NOT_IN),
    ("cancel", "a driver"):     (NOT_IN,) * 7,
    ("cancel", "operator"):     (X, X, X, WRONG, WRONG, WRONG, WRONG),
    ("get", "its rider"):       (SAME,) * 7,
    ("get", "a rider"):         (NOT_IN,) * 7,
    ("get", "its driver"):      (NOT_IN, *(SAME,) * 5, NOT_IN),
    ("get", "a driver"):        (NOT_IN,) * 7,
    ("get", "operator"):        (SAME,) * 7,
}
# fmt: on
CELLS = [
    (verb, actor, status, expected)
    for (verb, actor), row in TABLE.items()
    for status, expected in zip(COLUMNS, row, strict=True)
]
EVENT_OF = {
    R: "trip.released",
    S: "trip.started",
    A: "trip.arrived",
    P: "trip.in_progress",
    C: "trip.completed",
    X: "trip.cancelled",
}


def given(world: World, status: str) -> Trip:
    if status == "EXPIRED":
        world.request()
        world.now_ms += TTL_MS
        return world.expire()[0].trip
    if status == "CANCELLED":
        return world.moves("cancel", RITA, world.driving("accept"))
    way = {
        "REQUESTED": (),
        "STARTED": ("accept",),
        "ARRIVED": ("accept", "arrive"),
        "IN_PROGRESS": ("accept", "begin"),
        "COMPLETED": ("accept", "arrive", "begin", "complete"),
    }
    return world.driving(*way[status])


@pytest.mark.parametrize(("verb", "actor", "status", "expected"), CELLS)
def test_who_may_do_what_in_which_status(
    verb: str, actor: str, status: str, expected: str
) -> None:
    world = World()
    before = given(world, status)
    assert before.status == status
    world.now_ms += 1_000
    by = ACTORS[actor]

    outcome = world.do(world.trip_command(verb, by, before.id))

    if expected in EVENT_OF:
        assert isinstance(outcome, Decided)
        event = world.last
        assert outcome.events == (event,)
        assert event.type == EVENT_OF[expected]
        assert event.trip == outcome.data
        assert event.trip.status == expected[1:]
        assert event.trip.version == before.version + 1
        assert (event.by, event.at_ms) == (by.id, world.now_ms)
        assert event.trip.created == before.created
        assert event.trip.updated != before.updated
    elif expected == SAME:
        assert outcome == Decided((), before)
    elif expected == SEEN:
        assert outcome == Decided((), OpenTrip.of(before))
    else:
        assert isinstance(outcome, Refusal)
        assert outcome.code == Code(expected)
        assert outcome.message


def test_an_accepting_driver_becomes_the_trips_driver() -> None:
    world = World()
    trip = world.driving("accept")
    assert trip.driver == DORA.person()
    assert world.last.audience == (RITA.id, DORA.id)


def test_a_cancelled_trip_keeps_its_driver_so_that_both_learn_of_it() -> None:
    world = World()
    trip = world.moves("cancel", RITA, world.driving("accept"))
    assert trip.driver == DORA.person()
    assert world.last.audience == (RITA.id, DORA.id)


def test_an_ended_trip_frees_its_rider_and_its_driver() -> None:
    world = World()
    world.driving("accept", "begin", "complete")
    again = world.driving("accept")
    assert again.status is Status.STARTED


def test_a_cancellers_reason_is_kept() -> None:
    world = World()
    trip = world.request()
    command = world.trip_command("cancel", RITA, trip.id)
    command = type(command)(  # type: ignore[call-arg]
        trip=trip.id, reason="too late", **world.envelope(RITA)
    )
    world.do(command)
    assert world.last.reason == "too late"
