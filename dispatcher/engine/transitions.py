"""Every move a trip can make, who may make it, and from where: PROTOCOL.md sections 1
and 2. Nothing else in the project knows when a status changes.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from schemas.commands import (
    AcceptTrip,
    ArriveTrip,
    AssignTrip,
    BeginTrip,
    CancelTrip,
    CompleteTrip,
    ReleaseTrip,
    TripCommand,
)
from schemas.events import TripEventType
from schemas.trips import Person, Role, Status, Trip

# Python 3.11 looks for a member of an enum anew each time: these spare it a command's
# ten, 65 ns each.
SCHEDULED = Status.SCHEDULED
REQUESTED = Status.REQUESTED
STARTED = Status.STARTED
ARRIVED = Status.ARRIVED
IN_PROGRESS = Status.IN_PROGRESS
COMPLETED = Status.COMPLETED
CANCELLED = Status.CANCELLED
EXPIRED = Status.EXPIRED

RIDER, DRIVER, OPERATOR = Role.RIDER, Role.DRIVER, Role.OPERATOR

Driver = Literal["comes", "stays", "leaves"]


class Move(Struct, frozen=True):
    """`may`: for each role that may make the move, the statuses it may do so from.
    Riders and drivers must be the trip's own, but for a driver who "comes".
    """

    event: TripEventType
    to: Status
    driver: Driver
    may: dict[Role, frozenset[Status]]


def _from(*statuses: Status) -> frozenset[Status]:
    return frozenset(statuses)


BEFORE_PICK_UP = _from(STARTED, ARRIVED)
BEFORE_RIDE = _from(SCHEDULED, REQUESTED, STARTED, ARRIVED)

# A request makes a trip REQUESTED, or SCHEDULED, which becomes REQUESTED by itself and
# stays what it is when it is rescheduled (dispatcher/engine/bookings.py). Either is
# EXPIRED where nobody takes it, or it can't open.
# fmt: off
MOVES: dict[type[TripCommand], Move] = {
    AcceptTrip: Move("trip.started", STARTED, "comes",
                     {DRIVER: _from(REQUESTED)}),
    AssignTrip: Move("trip.started", STARTED, "comes",
                     {OPERATOR: _from(REQUESTED)}),
    ArriveTrip: Move("trip.arrived", ARRIVED, "stays",
                     {DRIVER: _from(STARTED)}),
    BeginTrip: Move("trip.in_progress", IN_PROGRESS, "stays",
                    {DRIVER: BEFORE_PICK_UP}),
    CompleteTrip: Move("trip.completed", COMPLETED, "stays",
                       {DRIVER: _from(IN_PROGRESS),
                        OPERATOR: _from(IN_PROGRESS)}),
    ReleaseTrip: Move("trip.released", REQUESTED, "leaves",
                      {DRIVER: BEFORE_PICK_UP}),
    CancelTrip: Move("trip.cancelled", CANCELLED, "stays",
                     {RIDER: BEFORE_RIDE,
                      DRIVER: BEFORE_PICK_UP,
                      OPERATOR: BEFORE_RIDE}),
}
# fmt: on

ENDED_BY: dict[Status, TripEventType] = {
    COMPLETED: "trip.completed",
    CANCELLED: "trip.cancelled",
    EXPIRED: "trip.expired",
}
"""The last event of a trip that has ended so."""


def moved(trip: Trip, to: Status, driver: Person | None, now: str) -> Trip:
    """All that no move changes stays, whatever a trip has. `now`: RFC 3339."""
    return replace(
        trip, status=to, version=trip.version + 1, driver=driver, updated=now
    )
