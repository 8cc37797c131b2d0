"""What the ledger tells of how drivers were found, as rows of `dispatch_events`: a row
an event, and none that another changes. Pure.

A trip's moves make one where they open it, or where they make a driver busy or not;
persistence/history/explaining.py reads them again.
"""

from typing import Any, Literal, NamedTuple

from msgspec import Struct

from schemas import codec
from schemas.events import DriverWhy, Matching, OfferEnd, TripEventType
from schemas.matching import Evidence
from schemas.trips import TERMINAL, Status

What = Literal[
    "duty", "opened", "matching", "offer", "offer_ended", "busy", "idle", "released"
]
"""duty: a driver is online or not, wants offers or not, from then on. opened, released:
a trip became REQUESTED, by a request or by its driver; matching: how a driver is found
for it changed. busy, idle: a driver got a trip, and was rid of it."""


OPENS = frozenset({"opened", "released"})
TOLD = OPENS | {"matching"}
"""Those that say how a driver is found, as `How`."""


class Duty(Struct, frozen=True):
    online: bool
    offers: bool = False
    tags: tuple[str, ...] = ()
    why: DriverWhy = "self"


class How(Struct, frozen=True):
    """Of opened, released, matching."""

    matching: Matching


class Offered(Struct, frozen=True):
    """Of an offer. `evidence`: None: it went with an erased user."""

    round: int
    expires_ms: int
    evidence: Evidence | None = None


class Ended(Struct, frozen=True):
    """Of offer_ended."""

    why: OfferEnd
    reason: str | None = None
    """declined: what the driver said."""


# ---- facts -------------------------------------------------------------------


class Who(Struct, frozen=True):
    id: str


class OfferedTrip(Struct, frozen=True):
    """As much of an `OpenTrip` as is remembered."""

    id: str
    rider: Who


class DriverFact(Struct, frozen=True, tag_field="kind", tag="driver"):
    """A `DriverEvent`."""

    seq: int
    at_ms: int
    driver: str
    online: bool
    offers: bool = False
    tags: tuple[str, ...] = ()
    why: DriverWhy = "self"
    traceparent: str = ""


class OfferFact(Struct, frozen=True, tag_field="kind", tag="offer"):
    """An `OfferEvent`."""

    seq: int
    at_ms: int
    offer: str
    driver: str
    trip: OfferedTrip
    round: int
    expires_ms: int
    evidence: Evidence
    traceparent: str = ""


class OfferEndedFact(Struct, frozen=True, tag_field="kind", tag="offer_ended"):
    """An `OfferEndedEvent`."""

    seq: int
    at_ms: int
    offer: str
    driver: str
    trip: str
    why: OfferEnd
    reason: str | None = None
    traceparent: str = ""


class MatchingFact(Struct, frozen=True, tag_field="kind", tag="matching"):
    """A `MatchingEvent`."""

    seq: int
    at_ms: int
    trip: OfferedTrip
    matching: Matching
    traceparent: str = ""


# ---- rows --------------------------------------------------------------------


class DispatchRow(Struct, frozen=True):
    """One row, and where it comes from. `driver_id`: whom it is about."""

    ledger: str
    seq: int
    what: What
    at_ms: int
    data: str | None
    """JSON of one of the above."""
    place: int
    """What `seq` should be, by where the event lies."""
    record: bytes
    stream: str
    trip_id: str | None = None
    driver_id: str | None = None
    offer_id: str | None = None
    rider_id: str | None = None
    """Of the trip, where the event tells; in no column."""
    traceparent: str | None = None
    format: int = 2
    """The oldest version of records that its event may be in (schemas/kinds.py)."""


class _At(NamedTuple):
    """Whence a row comes."""

    stream: str
    ledger: str
    place: int
    record: bytes


def duty_row(
    stream: str, ledger: str, place: int, record: bytes, fact: DriverFact
) -> DispatchRow:
    is_old = not (fact.offers or fact.tags) and fact.why == "self"
    data = Duty(fact.online, fact.offers, fact.tags, fact.why)
    at = _At(stream, ledger, place, record)
    return _row(
        at, fact, "duty", data, driver_id=fact.driver, format=1 if is_old else 2
    )


def offer_row(
    stream: str, ledger: str, place: int, record: bytes, fact: OfferFact
) -> DispatchRow:
    return _row(
        _At(stream, ledger, place, record),
        fact,
        "offer",
        Offered(fact.round, fact.expires_ms, fact.evidence),
        trip_id=fact.trip.id,
        driver_id=fact.driver,
        offer_id=fact.offer,
        rider_id=fact.trip.rider.id,
    )


def offer_ended_row(
    stream: str, ledger: str, place: int, record: bytes, fact: OfferEndedFact
) -> DispatchRow:
    return _row(
        _At(stream, ledger, place, record),
        fact,
        "offer_ended",
        Ended(fact.why, fact.reason),
        trip_id=fact.trip,
        driver_id=fact.driver,
        offer_id=fact.offer,
    )


def matching_row(
    stream: str, ledger: str, place: int, record: bytes, fact: MatchingFact
) -> DispatchRow:
    return _row(
        _At(stream, ledger, place, record),
        fact,
        "matching",
        How(fact.matching),
        trip_id=fact.trip.id,
        rider_id=fact.trip.rider.id,
    )


def _row(
    at: _At,
    fact: DriverFact | OfferFact | OfferEndedFact | MatchingFact,
    what: What,
    data: Struct,
    **ids: Any,
) -> DispatchRow:
    return DispatchRow(
        at.ledger,
        fact.seq,
        what,
        fact.at_ms,
        text_of(data),
        place=at.place,
        record=at.record,
        stream=at.stream,
        traceparent=fact.traceparent or None,
        **ids,
    )


def text_of(data: Struct) -> str:
    return codec.encode(data).decode()


def dispatch_values(row: DispatchRow) -> dict[str, Any]:
    """The row of `dispatch_events`."""
    return {
        "ledger": row.ledger,
        "seq": row.seq,
        "what": row.what,
        "at_ms": row.at_ms,
        "trip_id": row.trip_id,
        "driver_id": row.driver_id,
        "offer_id": row.offer_id,
        "data": row.data,
    }


def what_of_move(
    type_: TripEventType, status: Status, driver: str | None, matching: Matching
) -> What | None:
    """What a move of a trip says of its matching; None: nothing. `driver`: the trip's
    after it.
    """
    if type_ == "trip.released":
        return "released"
    if type_ == "trip.requested":
        return "opened" if matching else None
    if type_ == "trip.started":
        return "busy"
    return "idle" if status in TERMINAL and driver is not None else None
