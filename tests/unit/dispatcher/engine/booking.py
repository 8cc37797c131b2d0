"""What the tests of booked trips share."""

from typing import Any

from dispatcher.engine.engine import Decided
from schemas.commands import RequestTrip, RescheduleTrip
from schemas.events import TripEvent
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Status, Trip, User
from tests.unit.dispatcher.engine.world import (
    LIMITS,
    RITA,
    World,
    code_of,
)

LEAD_MS = LIMITS.booking_lead_ms
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ADDRESSES: dict[str, Any] = {"pick_up_address": "A", "drop_off_address": "B"}


def book(
    world: World, ahead_ms: int = HOUR_MS, rider: User = RITA, **more: Any
) -> Trip:
    trip = world.request(rider, pick_up_at=rfc3339(world.now_ms + ahead_ms), **more)
    assert trip.status is Status.SCHEDULED
    return trip


def asked(world: World, ahead_ms: int, rider: User = RITA) -> Code | Status:
    at = rfc3339(world.now_ms + ahead_ms)
    made = world.do(RequestTrip(**world.envelope(rider), **ADDRESSES, pick_up_at=at))
    return made.data.status if isinstance(made, Decided) else code_of(made)


def reschedule(world: World, by: User, trip: Trip, **changes: Any) -> Any:
    return world.do(RescheduleTrip(trip=trip.id, **changes, **world.envelope(by)))


def later(world: World, by_ms: int) -> list[TripEvent]:
    """What becomes due by itself until then, as a leader makes it."""
    world.now_ms += by_ms
    return due(world)


def due(world: World) -> list[TripEvent]:
    found: list[TripEvent] = []
    world.engine.advance(world.now_ms)
    while (at_ms := world.engine.next_due_ms()) is not None and at_ms <= world.now_ms:
        found += world.expire()
    return found


def moves(events: list[TripEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.trip.id) for event in events]
