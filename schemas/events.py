"""Facts: what the leader decided, in the past tense, as ledger and subscribers see it.

An event's `seq` is its record's ledger sequence x 4096 + its index in the record:
unique in its region, growing, and directly found.
"""

from typing import Literal

from msgspec import Raw, Struct

from schemas.rooms import MemberEvent, MessageEvent
from schemas.trips import Trip

EVENTS_PER_RECORD_MAX = 4096


def seq_of(record: int, index: int) -> int:
    return record * EVENTS_PER_RECORD_MAX + index


def record_of(seq: int) -> tuple[int, int]:
    """The inverse: (record's ledger sequence, index)."""
    return divmod(seq, EVENTS_PER_RECORD_MAX)


TripEventType = Literal[
    "trip.requested",
    "trip.started",
    "trip.arrived",
    "trip.in_progress",
    "trip.completed",
    "trip.cancelled",
    "trip.expired",
    "trip.released",
]


class TripEvent(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="trip"):
    """One move of one trip; carries the whole trip as it is after the move."""

    seq: int
    type: TripEventType
    at_ms: int
    """The record's stamp."""
    audience: tuple[str, ...]
    """Users who get the participant's frame: rider, driver before, driver after."""
    trip: Trip
    feed: int = 0
    """Dense number on the all-drivers feed of the region, from 1; 0: not on it."""
    command: str = ""
    """Id of the command that caused it; empty for an expiry."""
    by: str = ""
    """Id of the user who did it; empty for an expiry."""
    key: str | None = None
    """trip.requested: the rider's idempotency key."""
    reason: str | None = None
    """trip.cancelled: what the canceller said."""
    restored: bool = False
    """Not a move: the trip as the database had it when its ledger was lost. Nobody is
    told, and it makes no row."""
    traceparent: str = ""
    """W3C Trace Context of the command that caused it; empty: none."""


class DriverEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="driver"
):
    """A driver came online or went offline (of the user, on all sessions)."""

    seq: int
    at_ms: int
    driver: str
    online: bool
    command: str = ""
    traceparent: str = ""


Event = TripEvent | DriverEvent | MessageEvent | MemberEvent


class Moved(Struct, frozen=True, tag_field="kind", tag="moved"):
    """Not a fact: the driver's latest position, to the rider of the active trip."""

    trip: str
    lat: float
    lon: float
    heading: float | None
    at: str


class TripPush(Struct, frozen=True, tag_field="kind", tag="trip"):
    """A `TripEvent` as a gateway reads it: the trip is passed on unread."""

    seq: int
    type: str
    trip: Raw
    at_ms: int = 0
    traceparent: str = ""


class DriverPush(Struct, frozen=True, tag_field="kind", tag="driver"):
    seq: int
    online: bool


class Notice(Struct, frozen=True, tag_field="kind", tag="notice"):
    """Not a fact: what the server side sent to a user, any JSON object; live only."""

    data: Raw


class Heard(Struct, frozen=True):
    """What a gateway answers to a `Notice` that asks, where a session got it."""

    sessions: int
    """Live sessions of the user that this gateway gave it to."""


UserPush = TripPush | DriverPush | Moved | Notice
"""What a gateway reads from `user.<region>.<id>` (one message, one push)."""


class TripHead(Struct, frozen=True):
    """As much of a trip as a gateway needs to see a gap."""

    id: str
    version: int
    status: str


class FeedEntry(Struct, frozen=True, omit_defaults=True):
    """One entry of the all-drivers feed; `drivers.<region>` carries a list of them."""

    n: int
    """Dense: a gap shows."""
    seq: int
    type: Literal["trip.requested", "trip.taken"]
    exclude: tuple[str, ...]
    """Users who got the participant's frame of the same event."""
    data: Raw
    """An `OpenTrip`, or `{"id": …}`."""
    at_ms: int = 0
    """The record's stamp."""
    traceparent: str = ""
