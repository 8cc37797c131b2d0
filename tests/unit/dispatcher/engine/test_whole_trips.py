"""No move loses anything of a trip, whatever a trip has by then."""

from typing import Any

import msgspec
import pytest

from dispatcher.engine.engine import Decided
from schemas.commands import RequestTrip
from schemas.events import TripEvent
from schemas.seen import trip_as
from schemas.times import rfc3339
from schemas.trips import Status, Trip
from tests.support.filled import MARK, filled
from tests.unit.dispatcher.engine.world import DORA, NOON_MS, OLGA, RITA, VERBS, World

MOVED = {"status", "version", "driver", "updated"}
"""All that a move may change of a trip."""
WAYS = [
    ("accept", "arrive", "begin", "complete"),
    ("accept", "begin", "complete"),
    ("accept", "release", "accept", "cancel"),
    ("accept", "arrive", "release", "expire"),
    ("cancel",),
    ("expire",),
]


def requested(world: World) -> Trip:
    """A trip with something in every field that is not the engine's own."""
    now = rfc3339(NOON_MS)
    own = {"id": "7" * 32, "region": "main", "status": Status.REQUESTED, "version": 1}
    own |= {"rider": RITA.person(), "driver": None, "created": now, "updated": now}
    own |= {"pick_up_at": now}
    trip: Trip = filled(Trip, **own)
    assert MARK in repr(trip)
    event = TripEvent(
        seq=4096,
        type="trip.requested",
        at_ms=NOON_MS,
        audience=(RITA.id,),
        trip=trip,
        feed=1,
        command="c" * 32,
        by=RITA.id,
    )
    world.engine.advance(NOON_MS)
    world.commit((event,))
    return trip


def stays(trip: Trip) -> dict[str, Any]:
    return {
        name: getattr(trip, name)
        for name in trip.__struct_fields__
        if name not in MOVED
    }


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_what_a_move_doesnt_change_stays_to_the_end(way: tuple[str, ...]) -> None:
    world = World()
    trip = requested(world)
    for verb in way:
        if verb == "expire":
            world.now_ms += 400_000
            (event,) = world.expire()
            after = event.trip
        else:
            by = OLGA if verb in ("complete", "cancel") else DORA
            done = world.do(VERBS[verb](**world.envelope(by), trip=trip.id))
            assert isinstance(done, Decided), done
            after = world.last.trip
            assert done.data == trip_as(by.role, after)
        assert stays(after) == stays(trip)


def test_what_is_asked_for_is_what_the_trip_has() -> None:
    """Each field of the command that a trip has too."""
    world = World()
    own: dict[str, Any] = world.envelope(RITA) | {"archived": None, "made": None}
    own |= {"attempt": 0, "rider": None, "pick_up_at": rfc3339(NOON_MS + 1_000)}
    names = {one.name for one in msgspec.structs.fields(RequestTrip)}
    own = {name: value for name, value in own.items() if name in names}
    command = filled(RequestTrip, **own)
    made = world.do(command)
    assert isinstance(made, Decided), made
    both = {one.name for one in msgspec.structs.fields(Trip)} & names - {"id", "rider"}
    assert both >= {"pick_up_address", "drop_off_address", "pick_up", "drop_off"}
    assert both >= {"note", "reference", "needs", "pick_up_at"}
    for name in both:
        assert getattr(made.data, name) == getattr(command, name)
