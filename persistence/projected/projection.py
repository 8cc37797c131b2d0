"""Ledger records to rows. Pure.

A record's events are read one by one where the whole doesn't fit, so that one bad
event takes no other with it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from persistence.projected import dispatch
from persistence.projected.dispatch import (
    OPENS,
    DispatchRow,
    DriverFact,
    How,
    MatchingFact,
    OfferEndedFact,
    OfferFact,
    Who,
    text_of,
    what_of_move,
)
from persistence.projected.messages import MessageRow
from schemas import codec, streams
from schemas.events import Matching, TripEventType, record_of, seq_of
from schemas.kinds import ByKind, by_tag
from schemas.ledger import RECORD_VERSION
from schemas.rooms import MessageData
from schemas.times import from_rfc3339
from schemas.trips import Position, Status

NO_EVENTS = b'"events":[]}'
"""How a record without events ends: `events` is its last field (schemas/ledger.py)."""
_LEDGER = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""What fits `dead_letters.ledger`; ids are 32 hex digits (schemas/streams.py)."""


class FutureRecord(Exception):  # noqa: N818
    """A record in a format newer than this code: not broken, only not for us."""


class TripFields(Struct, frozen=True):
    """As much of a trip as has a column."""

    id: str
    region: str
    status: Status
    version: int
    pick_up_address: str
    drop_off_address: str
    pick_up: Position | None
    drop_off: Position | None
    rider: Who
    driver: Who | None
    created: str
    updated: str
    reference: str | None = None


class TripFact(Struct, frozen=True, tag_field="kind", tag="trip"):
    """A `TripEvent`, its trip as the leader wrote it."""

    seq: int
    type: TripEventType
    at_ms: int
    trip: Raw
    by: str = ""
    reason: str | None = None
    key: str | None = None
    traceparent: str = ""
    restored: bool = False
    matching: Matching = ""
    offer: str = ""


class MessageFact(Struct, frozen=True, tag_field="kind", tag="message"):
    """A `MessageEvent`."""

    seq: int
    message: MessageData
    key: str | None = None
    traceparent: str = ""


class MemberFact(Struct, frozen=True, tag_field="kind", tag="member"):
    """Has no row: who is in a room now is the leader's to know, and nobody asks who
    was.
    """


Fact = (
    TripFact
    | DriverFact
    | OfferFact
    | OfferEndedFact
    | MatchingFact
    | MessageFact
    | MemberFact
)


class FactRecord(Struct, frozen=True):
    v: int
    ledger: str
    events: list[Fact]


class RawRecord(Struct, frozen=True):
    v: int
    ledger: str
    events: list[Raw]


class EventRow(Struct, frozen=True):
    """One row of `trip_events`, the trip it belongs to, and where it comes from."""

    ledger: str
    seq: int
    trip_id: str
    type: TripEventType
    version: int
    at_ms: int
    by: str
    reason: str | None
    data: str
    """The trip's JSON."""
    trip: TripFields
    place: int
    """What `seq` should be, by where the event lies."""
    record: bytes
    stream: str
    key: str | None = None
    traceparent: str | None = None
    matching: Matching = ""
    """How a driver is found for the trip that this opens."""
    offer: str | None = None
    """trip.started: the offer that was accepted."""


AnyRow = EventRow | MessageRow | DispatchRow
"""What an event that is remembered becomes."""


class Unreadable(Struct, frozen=True):
    """What goes to `dead_letters`."""

    ledger: str
    place: int
    payload: bytes
    error: str


def is_empty(payload: bytes) -> bool:
    """Whether a record has no events, without reading it."""
    return payload.endswith(NO_EVENTS)


def read_record(
    stream: str, sequence: int, payload: bytes
) -> tuple[list[AnyRow], list[Unreadable]]:
    """The record at `sequence` of `stream` as rows, and what could not be read of it.

    Raises:
        FutureRecord: the record's format is newer than this code.
    """
    first = seq_of(sequence, 0)
    try:
        record = codec.decode(payload, FactRecord)
        if record.v <= RECORD_VERSION:
            made = [
                _row(stream, record.ledger, place, payload, fact)
                for place, fact in enumerate(record.events, first)
            ]
            return [row for row in made if row is not None], []
    except ValueError:
        pass  # One event or more is bad; which, we see one by one.
    try:
        raw = codec.decode(payload, RawRecord)
    except codec.CodecError as error:
        return [], [Unreadable(stream, first, payload, str(error))]
    if raw.v > RECORD_VERSION:
        message = f"record format {raw.v}, this code reads up to {RECORD_VERSION}"
        raise FutureRecord(message)
    return _read_one_by_one(stream, first, payload, raw)


def _read_one_by_one(
    stream: str, first: int, payload: bytes, raw: RawRecord
) -> tuple[list[AnyRow], list[Unreadable]]:
    rows: list[AnyRow] = []
    unreadable = []
    for place, event in enumerate(raw.events, first):
        try:
            fact: Any = codec.decode(event, Fact)  # type: ignore[arg-type]
            row = _row(stream, raw.ledger, place, payload, fact)
            if row is not None:
                rows.append(row)
        except ValueError as error:
            ledger = _safe_ledger(raw.ledger, stream)
            unreadable.append(Unreadable(ledger, place, bytes(event), str(error)))
    return rows, unreadable


def _safe_ledger(ledger: str, stream: str) -> str:
    return ledger if _LEDGER.fullmatch(ledger) else stream


def _row(
    stream: str, ledger: str, place: int, record: bytes, fact: Fact
) -> AnyRow | None:
    """The fact's row; None: it has none. Raises: ValueError: it can't have one."""
    make = _ROWS[str(fact.__struct_config__.tag)]
    return make(stream, ledger, place, record, fact)


def _no_row(*_: object) -> None:
    """Now is the leader's to know, and nobody asks what was."""


def _message_row(
    stream: str, ledger: str, place: int, record: bytes, fact: MessageFact
) -> MessageRow:
    return MessageRow(
        ledger,
        fact.seq,
        streams.region_of_ledger(stream) or "",
        fact.message,
        from_rfc3339(fact.message.at),
        fact.key,
        place,
        record,
        stream,
        fact.traceparent or None,
    )


def _event_row(
    stream: str, ledger: str, place: int, record: bytes, fact: TripFact
) -> EventRow | None:
    """Raises: ValueError (CodecError): the trip doesn't fit."""
    if fact.restored:
        return None
    trip = codec.decode(fact.trip, TripFields)
    return EventRow(
        ledger,
        fact.seq,
        trip.id,
        fact.type,
        trip.version,
        fact.at_ms,
        fact.by,
        fact.reason,
        bytes(fact.trip).decode(),
        trip,
        place,
        record,
        stream,
        fact.key,
        fact.traceparent or None,
        fact.matching,
        fact.offer or None,
    )


def dispatch_of_move(move: EventRow) -> DispatchRow | None:
    """What a trip's move says of its matching; None: nothing."""
    trip = move.trip
    driver = None if trip.driver is None else trip.driver.id
    what = what_of_move(move.type, trip.status, driver, move.matching)
    if what is None:
        return None
    return DispatchRow(
        move.ledger,
        move.seq,
        what,
        move.at_ms,
        text_of(How(move.matching)) if what in OPENS else None,
        move.place,
        move.record,
        move.stream,
        move.trip_id,
        move.by if what == "released" else driver,
        move.offer,
        trip.rider.id,
        move.traceparent,
        2 if move.matching or move.offer else 1,
    )


_HANDLERS: ByKind[Callable[[str, str, int, bytes, Any], AnyRow | None]] = ByKind(
    trip=_event_row,
    driver=dispatch.duty_row,
    offer=dispatch.offer_row,
    offer_ended=dispatch.offer_ended_row,
    matching=dispatch.matching_row,
    message=_message_row,
    member=_no_row,
)
_ROWS = by_tag(_HANDLERS)


def event_values(row: EventRow) -> dict[str, Any]:
    """The row of `trip_events`."""
    return {
        "ledger": row.ledger,
        "seq": row.seq,
        "trip_id": row.trip_id,
        "type": row.type,
        "version": row.version,
        "at_ms": row.at_ms,
        "by": row.by,
        "reason": row.reason,
        "data": row.data,
        "key": row.key,
        "traceparent": row.traceparent,
    }


def trip_values(row: EventRow) -> dict[str, Any]:
    """The row of `trips` as this event leaves it."""
    return trip_columns(row.trip, row.seq, row.data)


def trip_columns(trip: TripFields, seq: int, data: str) -> dict[str, Any]:
    """Every column of `trips`; all but `seq` say what `data` says."""
    pick_up = trip.pick_up
    drop_off = trip.drop_off
    return {
        "id": trip.id,
        "region": trip.region,
        "status": trip.status.value,
        "version": trip.version,
        "rider_id": trip.rider.id,
        "driver_id": None if trip.driver is None else trip.driver.id,
        "pick_up_address": trip.pick_up_address,
        "drop_off_address": trip.drop_off_address,
        "pick_up_lat": None if pick_up is None else pick_up.lat,
        "pick_up_lon": None if pick_up is None else pick_up.lon,
        "drop_off_lat": None if drop_off is None else drop_off.lat,
        "drop_off_lon": None if drop_off is None else drop_off.lon,
        "created_at_ms": from_rfc3339(trip.created),
        "updated_at_ms": from_rfc3339(trip.updated),
        "reference": trip.reference,
        "seq": seq,
        "data": data,
    }


def newest(rows: Iterable[EventRow]) -> list[EventRow]:
    """Each trip's newest event, sorted by trip id, so that no two transactions wait
    for each other in a ring.
    """
    by_trip: dict[str, EventRow] = {}
    for row in rows:
        known = by_trip.get(row.trip_id)
        if known is None or row.version > known.version:
            by_trip[row.trip_id] = row
    return [by_trip[trip_id] for trip_id in sorted(by_trip)]


def original(row: AnyRow, error: str) -> Unreadable:
    """The event of a row that the database won't take, byte for byte."""
    index = record_of(row.place)[1]
    events = msgspec.json.decode(row.record, type=RawRecord).events
    ledger = _safe_ledger(row.ledger, row.stream)
    return Unreadable(ledger, row.place, bytes(events[index]), error)
