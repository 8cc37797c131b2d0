"""The active trips of a lost ledger, from the database into the one in its place.

They come as `restored` events: the new leader holds them as it would have, nobody is
told of them again, and they make no rows, since theirs are where they came from. Needs
a ledger that no dispatcher has written to.
"""

from collections.abc import Iterable, Iterator
from typing import cast

import nats.errors
from msgspec import Struct
from nats.js import JetStreamContext
from sqlalchemy import Connection, and_, exists, or_, select
from sqlalchemy.orm import aliased

from cabrank.errors import UsageError
from persistence.models import TripEventRow, TripRow
from runtime.bus import Bus
from runtime.errors import RecordError
from runtime.follower import Follower
from runtime.ledger import Ledger, last_record
from schemas import codec
from schemas.events import EVENTS_PER_RECORD_MAX, TripEvent, TripEventType, seq_of
from schemas.kinds import format_of
from schemas.ledger import EVENTS_BYTES_MAX, Writer, head_of
from schemas.trips import DRIVING, TERMINAL, Status, Trip

WRITER = "rebuild"
"""Stands for the writing process in the records."""
TYPES = {
    Status.SCHEDULED: "trip.scheduled",
    Status.REQUESTED: "trip.requested",
    Status.STARTED: "trip.started",
    Status.ARRIVED: "trip.arrived",
    Status.IN_PROGRESS: "trip.in_progress",
}
"""What last happened to a trip whose events the database has lost."""
ACTIVE = tuple(status.value for status in Status if status not in TERMINAL)


class Active(Struct, frozen=True):
    """A trip under way, and what moved it last."""

    trip: Trip
    type: str
    by: str
    at_ms: int


def active(connection: Connection, region: str) -> tuple[list[Active], list[str]]:
    """The trips to restore, oldest move first, and the ids of those that can't be:
    their rider or driver is, or was, in another one after their last move, so they had
    ended before the ledger was lost, and persistence had not written it yet.
    """
    event, other = TripEventRow, aliased(TripRow)
    went_on = exists().where(
        other.region == region,
        other.status.not_in(ACTIVE),
        other.updated_at_ms > TripRow.updated_at_ms,
        or_(other.rider_id == TripRow.rider_id, other.driver_id == TripRow.driver_id),
    )
    question = (
        select(TripRow.data, TripRow.updated_at_ms, event.type, event.by, went_on)
        .outerjoin(
            event, and_(event.trip_id == TripRow.id, event.version == TripRow.version)
        )
        .where(TripRow.region == region, TripRow.status.in_(ACTIVE))
        .order_by(TripRow.updated_at_ms.desc(), TripRow.id.desc(), event.seq.desc())
    )
    restored: dict[str, Active] = {}
    ended: list[str] = []
    busy: set[str] = set()
    for data, at_ms, kind, by, is_over in connection.execute(question):
        trip = codec.decode(data.encode(), Trip)
        if trip.id in restored or trip.id in ended:
            continue  # one row for each event of that version, of several ledgers
        people = _occupied(trip)
        if people and (is_over or busy & people):
            ended.append(trip.id)
            continue
        busy |= people
        restored[trip.id] = Active(trip, kind or TYPES[trip.status], by or "", at_ms)
    return list(restored.values())[::-1], ended


def _occupied(trip: Trip) -> set[str]:
    """Who can be in no other meanwhile."""
    if trip.status is Status.SCHEDULED:
        return set()
    has_driver = trip.driver is not None and trip.status in DRIVING
    return set(trip.participants() if has_driver else (trip.rider.id,))


def records(
    ledger: str, first: int, epoch: int, stamp_ms: int, trips: Iterable[Active]
) -> Iterator[tuple[int, bytes]]:
    """(number, payload) of the records that hold the trips, from record `first` on."""
    writer = Writer(ledger, epoch, WRITER)
    encoded: list[bytes] = []
    n, size, made_in = first, 0, 1
    for each in trips:
        event = _event(n, len(encoded), each)
        payload = codec.encode(event)
        if encoded and (
            size + len(payload) > EVENTS_BYTES_MAX
            or len(encoded) == EVENTS_PER_RECORD_MAX
        ):
            yield n, writer.record(n, stamp_ms, encoded, made_in)
            n, size, encoded, made_in = n + 1, 0, [], 1
            payload = codec.encode(_event(n, 0, each))
        encoded.append(payload)
        size += len(payload) + 1
        made_in = max(made_in, format_of(event))
    if encoded:
        yield n, writer.record(n, stamp_ms, encoded, made_in)


def _event(n: int, index: int, each: Active) -> TripEvent:
    return TripEvent(
        seq=seq_of(n, index),
        type=cast("TripEventType", each.type),
        at_ms=each.at_ms,
        audience=each.trip.participants(),
        trip=each.trip,
        by=each.by,
        restored=True,
    )


async def begun(js: JetStreamContext, ledger: Ledger) -> tuple[int, int] | None:
    """(last record, its epoch) where nobody but us has written yet, (0, 0) where nobody
    has at all; None: dispatchers have.

    Raises: one of `runtime.ledger.UNREACHABLE`.
    """
    last = await last_record(js, ledger)
    if last is None:
        return 0, 0
    head = head_of(last[1])
    if head is None or head.writer != WRITER:
        return None
    return last[0], head.epoch


async def seed(
    bus: Bus, js: JetStreamContext, ledger: Ledger, trips: list[Active], stamp_ms: int
) -> int:
    """Write an epoch record and the trips that are not there yet; how many are there
    now. Broken off, it may be called again; each record is stored once.

    Raises:
        UsageError: this login may not write the ledger.
        nats.errors.Error: JetStream refused, or did not answer; call it again.
    """
    last, epoch = await begun(js, ledger) or (0, 0)
    known: set[str] = set()
    if not last:
        last = epoch = ledger.born_seq
        await _write(js, ledger, 0, Writer(ledger.id, epoch, WRITER).record(
            epoch, stamp_ms, []
        ))  # fmt: skip
    else:
        follower = Follower(bus, ledger)
        try:
            async for _, record in follower.records(ledger.born_seq, last):
                events = record.events if record is not None else []
                known |= {e.trip.id for e in events if isinstance(e, TripEvent)}
        except RecordError as error:
            raise UsageError(f"The ledger can't be taken up: {error}.") from None
        finally:
            follower.close()
    missing = [each for each in trips if each.trip.id not in known]
    for n, payload in records(ledger.id, last + 1, epoch, stamp_ms, missing):
        await _write(js, ledger, n - 1, payload)
    return len(known) + len(missing)


async def _write(
    js: JetStreamContext, ledger: Ledger, expected: int, payload: bytes
) -> None:
    headers = {"Nats-Expected-Last-Subject-Sequence": str(expected)}
    try:
        await js.publish(ledger.subject, payload, headers=headers)
    except nats.errors.TimeoutError:
        if await begun(js, ledger) == (0, 0):
            raise UsageError(
                "The ledger does not take records of this login: run this with the "
                "dispatchers' (CABRANK_NATS_NKEY_SEED_FILE=…/dispatcher.nk)."
            ) from None
        raise
