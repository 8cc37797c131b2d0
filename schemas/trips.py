"""People and trips, as clients, the ledger and the database all see them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.forms import NO_NUL, TAG


class Role(StrEnum):
    RIDER = "rider"
    DRIVER = "driver"
    OPERATOR = "operator"


class Status(StrEnum):
    """A trip's status; the moves between them are dispatcher/engine/transitions.py."""

    SCHEDULED = "SCHEDULED"
    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    ARRIVED = "ARRIVED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


TERMINAL = frozenset({Status.COMPLETED, Status.CANCELLED, Status.EXPIRED})
DRIVING = frozenset({Status.STARTED, Status.ARRIVED, Status.IN_PROGRESS})
"""Where a trip has a driver and occupies that driver."""

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Address = Annotated[str, Meta(min_length=1, max_length=255, pattern=NO_NUL)]
Note = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
"""The rider's words to the driver."""
Reference = Annotated[str, Meta(max_length=64, pattern=NO_NUL)]
"""What whoever asked for the trip calls it."""
Need = Annotated[str, Meta(pattern=TAG)]
Needs = Annotated[tuple[Need, ...], Meta(max_length=8)]
"""What its driver must have (PROTOCOL.md section 7)."""


class Position(Struct, frozen=True):
    """WGS 84, degrees."""

    lat: Latitude
    lon: Longitude


class Person(Struct, frozen=True):
    """A user as a trip shows them to its other side."""

    id: str
    username: str
    first_name: str
    last_name: str


class User(Struct, frozen=True):
    id: str
    username: str
    first_name: str
    last_name: str
    role: Role

    def person(self) -> Person:
        return Person(self.id, self.username, self.first_name, self.last_name)


class Trip(Struct, frozen=True):
    """A trip as its rider and driver see it; PROTOCOL.md section 1."""

    id: str
    region: str
    status: Status
    version: int
    pick_up_address: str
    drop_off_address: str
    pick_up: Position | None
    drop_off: Position | None
    rider: Person
    driver: Person | None
    created: str
    updated: str
    note: str | None = None
    reference: str | None = None
    """Not for drivers: schemas/seen.py."""
    needs: tuple[str, ...] = ()
    pick_up_at: str | None = None
    """RFC 3339, of a booked trip, whatever became of it."""

    def participants(self) -> tuple[str, ...]:
        """Ids of the rider and, where there is one, the driver."""
        if self.driver is None:
            return (self.rider.id,)
        return (self.rider.id, self.driver.id)


class RiderBrief(Struct, frozen=True):
    """All that a driver who isn't the trip's learns of its rider."""

    id: str
    first_name: str


class OpenTrip(Struct, frozen=True):
    """A trip as drivers who aren't its own see it: no username, no last name."""

    id: str
    region: str
    status: Status
    version: int
    pick_up_address: str
    drop_off_address: str
    pick_up: Position | None
    drop_off: Position | None
    rider: RiderBrief
    driver: None
    created: str
    updated: str
    note: str | None = None
    reference: None = None
    needs: tuple[str, ...] = ()
    pick_up_at: str | None = None

    @classmethod
    def of(cls, trip: Trip) -> "OpenTrip":
        return cls(
            trip.id,
            trip.region,
            trip.status,
            trip.version,
            trip.pick_up_address,
            trip.drop_off_address,
            trip.pick_up,
            trip.drop_off,
            RiderBrief(trip.rider.id, trip.rider.first_name),
            None,
            trip.created,
            trip.updated,
            trip.note,
            None,
            trip.needs,
            trip.pick_up_at,
        )
