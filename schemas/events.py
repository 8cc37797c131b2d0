"""Facts: what the leader decided, in the past tense, as ledger and subscribers see it.

An event's `seq` is its record's ledger sequence x 4096 + its index in the record:
unique in its region, growing, and directly found.
"""

from typing import ClassVar, Literal

from msgspec import Raw, Struct

from schemas.frames import MovedData
from schemas.matching import Evidence
from schemas.rooms import MemberEvent, MessageEvent
from schemas.trips import OpenTrip, Trip

EVENTS_PER_RECORD_MAX = 4096


def seq_of(record: int, index: int) -> int:
    return record * EVENTS_PER_RECORD_MAX + index


def record_of(seq: int) -> tuple[int, int]:
    """The inverse: (record's ledger sequence, index)."""
    return divmod(seq, EVENTS_PER_RECORD_MAX)


Matching = Literal[
    "",
    "nearest",
    "waiting",
    "setting",
    "no_pick_up",
    "no_positions",
    "offers_max",
    "too_long",
]
"""How a driver is found for an open trip: offered to one at a time (`nearest`), perhaps
so (`waiting`: a new leader that knows no positions yet), or told to all, and why: the
rest. Empty, of 0.1: told to all."""
MATCHED = frozenset({"nearest", "waiting"})
"""Not told to all."""

OfferEnd = Literal["declined", "expired", "taken", "cancelled", "withdrawn"]
"""An offer that is accepted ends by `trip.started` alone."""
DriverWhy = Literal["self", "missed_offers", "operator"]

TripEventType = Literal[
    "trip.scheduled",
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
    """Id of the command that caused it; empty: it was due."""
    by: str = ""
    """Id of the user who did it; empty: it was due."""
    key: str | None = None
    """Of a trip's first event: the idempotency key of whoever asked for it."""
    reason: str | None = None
    """trip.cancelled: what the canceller said."""
    matching: Matching = ""
    """Of an event that opens the trip: how a driver is found for it."""
    offer: str = ""
    """trip.started: the offer that was accepted; empty: there was none."""
    quiet: bool = False
    """trip.started: nobody has written in the trip's room yet, nor joined it. Where it
    isn't said, that is not known: it spares gateways a question, and nothing else."""
    restored: bool = False
    """Not a move: the trip as the database had it when its ledger was lost. Nobody is
    told, and it makes no row."""
    traceparent: str = ""
    """W3C Trace Context of the command that caused it; empty: none."""


class DriverEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="driver"
):
    """A driver (of the user, on all sessions) as they are from now on: whether online,
    whether they asked for offers, what they have.
    """

    seq: int
    at_ms: int
    driver: str
    online: bool
    command: str = ""
    traceparent: str = ""
    offers: bool = False
    tags: tuple[str, ...] = ()
    why: DriverWhy = "self"
    """Who made it so: the driver, offers they let expire, or an operator (tags)."""


class OfferEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="offer"
):
    """An open trip was offered to one driver."""

    seq: int
    at_ms: int
    offer: str
    """Its id, a UUIDv7."""
    driver: str
    trip: OpenTrip
    round: int
    """From 1, of this trip."""
    expires_ms: int
    evidence: Evidence
    command: str = ""
    traceparent: str = ""


class OfferEndedEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="offer_ended"
):
    """It is over, and the driver is told. Where a move of the trip or of the driver
    ends it, it is so from that event on; this one follows.
    """

    seq: int
    at_ms: int
    offer: str
    driver: str
    trip: str
    why: OfferEnd
    reason: str | None = None
    """declined: what the driver said."""
    command: str = ""
    traceparent: str = ""


class MatchingEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="matching"
):
    """How a driver is found for an open trip changed: all are told of it now, or, with
    `nearest`, it will be offered. The trip's `version` stays.
    """

    seq: int
    at_ms: int
    trip: OpenTrip
    matching: Matching
    feed: int = 0
    exclude: tuple[str, ...] = ()
    """Drivers who are not told: who gave the trip back."""
    command: str = ""
    traceparent: str = ""


Event = (
    TripEvent
    | DriverEvent
    | OfferEvent
    | OfferEndedEvent
    | MatchingEvent
    | MessageEvent
    | MemberEvent
)


class Live(Struct, frozen=True, tag_field="kind"):
    """No fact: told to the sessions that are there now, by a frame without a `seq`."""

    FRAME: ClassVar[str]

    def shown(self) -> Struct | Raw:
        """The frame's `data`."""
        raise NotImplementedError


class Moved(Live, frozen=True, tag="moved"):
    """The driver's latest position, to the rider of the active trip."""

    FRAME: ClassVar[str] = "driver.moved"

    trip: str
    lat: float
    lon: float
    heading: float | None
    at: str
    distance_m: int | None = None
    """Great circle to the pick-up, then to the drop-off; None: it has no position."""
    eta_s: int | None = None
    version: int = 0
    """The trip's; 0: its leader doesn't say."""

    def shown(self) -> MovedData:
        return MovedData(
            self.trip,
            self.lat,
            self.lon,
            self.heading,
            self.at,
            self.distance_m,
            self.eta_s,
        )


class TripPush(Struct, frozen=True, tag_field="kind", tag="trip"):
    """A `TripEvent` as a gateway reads it: the trip is passed on unread."""

    seq: int
    type: str
    trip: Raw
    at_ms: int = 0
    traceparent: str = ""
    command: str = ""
    quiet: bool = False


class DriverPush(Struct, frozen=True, tag_field="kind", tag="driver"):
    """A `DriverEvent` as a gateway reads it."""

    seq: int
    online: bool
    driver: str = ""
    offers: bool = False
    why: str = "self"
    tags: tuple[str, ...] = ()
    at_ms: int = 0
    traceparent: str = ""


class OfferPush(Struct, frozen=True, tag_field="kind", tag="offer"):
    """An `OfferEvent` as a gateway reads it: the trip is passed on unread."""

    seq: int
    offer: str
    trip: Raw
    round: int
    expires_ms: int
    evidence: Evidence
    at_ms: int = 0
    traceparent: str = ""


class OfferEndedPush(Struct, frozen=True, tag_field="kind", tag="offer_ended"):
    seq: int
    offer: str
    trip: str
    why: str
    at_ms: int = 0
    traceparent: str = ""


class MatchingPush(Struct, frozen=True, tag_field="kind", tag="matching"):
    """No gateway hears of it but by the feed."""

    seq: int


class Notice(Live, frozen=True, tag="notice"):
    """What the server side sent to a user, any JSON object."""

    FRAME: ClassVar[str] = "notice"

    data: Raw

    def shown(self) -> Raw:
        return self.data


class Heard(Struct, frozen=True):
    """What a gateway answers to a `Notice` that asks, where a session got it."""

    sessions: int
    """Live sessions of the user that this gateway gave it to."""


FactPush = TripPush | DriverPush | OfferPush | OfferEndedPush
"""Of what is in the ledger, by `seq`."""
UserPush = FactPush | Moved | Notice
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
