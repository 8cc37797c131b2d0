"""Questions about the past, answered from the projected tables.

Trips are served as the leader wrote them. Nothing is decided here but who may look.
"""

import asyncio
import time

import nats.errors
from msgspec import Raw
from nats.js.errors import NotFoundError
from sqlalchemy import ColumnElement, Row, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence import database
from persistence.models import TripEventRow, TripRow
from persistence.responder import Responder, answered, refused
from runtime.bus import Bus
from schemas import streams, subjects
from schemas.accounts import (
    AuditRow,
    FindTrip,
    GetTripRow,
    ListTripEvents,
    ListTrips,
    Result,
)
from schemas.events import record_of
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import TERMINAL, Role

QUEUE = "history"
CONCURRENCY_MAX = database.POOL_MAX // 2
"""Questions at once: half the pool, so that accounts never wait for history."""
CATCH_UP_S = 1.0
"""So long `find` waits for the writer, which is tens of milliseconds behind."""
CATCH_UP_STEP_S = 0.025
EVENTS_MAX = 4096
"""Of one trip's audit in an answer; a trip given back 2,000 times has as many."""


Found = Row[str, str | None, str, str, str]
"""Rider, driver, status, region, data."""


class History:
    """The NATS services `history.*`."""

    def __init__(self, engine: AsyncEngine, bus: Bus) -> None:
        self._engine = engine
        self._js = bus.jetstream()
        self._responder = Responder(bus, QUEUE, CONCURRENCY_MAX)
        self._responder.add(subjects.history("trips"), ListTrips, self.trips)
        self._responder.add(subjects.history("trip"), GetTripRow, self.trip)
        self._responder.add(subjects.history("find"), FindTrip, self.find)
        self._responder.add(
            subjects.history("trip_events"), ListTripEvents, self.trip_events
        )

    def start(self) -> None:
        self._responder.start()

    async def stop(self) -> None:
        await self._responder.stop()

    async def trips(self, question: ListTrips) -> Result:
        """One page, newest first, of the user's own trips (operators: all)."""
        page = select(TripRow.data).where(_own(question))
        if question.status is not None:
            page = page.where(TripRow.status == question.status.value)
        place = tuple_(TripRow.created_at_ms, TripRow.id)
        async with database.reading(self._engine) as connection:
            if question.before is not None:
                before = await self._place(connection, question)
                if before is None:
                    message = f"before: you have no trip {question.before[:64]!r}"
                    return refused(Code.INVALID_DATA, message)
                page = page.where(place < tuple_(*before))
            page = page.order_by(TripRow.created_at_ms.desc(), TripRow.id.desc()).limit(
                question.limit
            )
            rows = (await connection.execute(page)).scalars().all()
        return Result(data=Raw(b"[" + ",".join(rows).encode() + b"]"))

    async def _place(
        self, connection: AsyncConnection, question: ListTrips
    ) -> Row[int, str] | None:
        """Where in the order `before` stands; None: no such trip, or not theirs."""
        if question.before is None or "\0" in question.before:
            return None
        asked = select(TripRow.created_at_ms, TripRow.id).where(
            TripRow.id == question.before, _own(question)
        )
        return (await connection.execute(asked)).one_or_none()

    async def trip(self, question: GetTripRow) -> Result:
        found = await self._row(question.trip)
        if isinstance(missing := _may_see(found, question), Result):
            return missing
        assert found is not None
        return Result(data=Raw(found.data.encode()))

    async def trip_events(self, question: ListTripEvents) -> Result:
        """The audit of one trip, oldest first."""
        found = await self._row(question.trip)
        if isinstance(missing := _may_see(found, question), Result):
            return missing
        asked = (
            select(
                TripEventRow.seq,
                TripEventRow.type,
                TripEventRow.version,
                TripEventRow.at_ms,
                TripEventRow.data,
            )
            .where(TripEventRow.trip_id == question.trip)
            .order_by(TripEventRow.version)
            .limit(EVENTS_MAX)
        )
        async with database.reading(self._engine) as connection:
            rows = (await connection.execute(asked)).all()
        return answered(
            [
                AuditRow(
                    row.seq,
                    row.type,
                    row.version,
                    rfc3339(row.at_ms),
                    Raw(row.data.encode()),
                )
                for row in rows
            ]
        )

    async def find(self, question: FindTrip) -> Result:
        """A trip the leader no longer holds. An ended trip never changes, so its row
        is the answer; any other row, or none, only counts once the writer is past
        `seq`.
        """
        ended = {status.value for status in TERMINAL}
        found = await self._row(question.trip)
        if found is None or found.status not in ended:
            record = record_of(question.seq)[0]
            if not await self._caught_up(question.region, record):
                message = f"history has not reached record {record} yet"
                return refused(Code.UNAVAILABLE, message)
            # Read again: the row may be of before the writer got there.
            found = await self._row(question.trip)
        if found is None or found.region != question.region:
            return _not_found(question.trip)
        return Result(data=Raw(found.data.encode()))

    async def _caught_up(self, region: str, record: int) -> bool:
        """Whether all records up to `record` are in the database; waits a moment."""
        stream = streams.ledger(region).name
        deadline = time.monotonic() + CATCH_UP_S
        while True:
            try:
                info = await self._js.consumer_info(
                    stream, streams.WRITER_DURABLE, timeout=CATCH_UP_S
                )
            except (NotFoundError, TimeoutError, nats.errors.Error):
                return False
            if info.ack_floor is not None and info.ack_floor.stream_seq >= record:
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(CATCH_UP_STEP_S)

    async def _row(self, trip: str) -> Found | None:
        if "\0" in trip:  # which PostgreSQL's text can't even be asked about
            return None
        asked = select(
            TripRow.rider_id,
            TripRow.driver_id,
            TripRow.status,
            TripRow.region,
            TripRow.data,
        ).where(TripRow.id == trip)
        async with database.reading(self._engine) as connection:
            return (await connection.execute(asked)).one_or_none()


def _own(question: ListTrips) -> ColumnElement[bool]:
    if question.role is Role.OPERATOR:
        return true()
    if question.role is Role.DRIVER:
        return TripRow.driver_id == question.user
    return TripRow.rider_id == question.user


def _not_found(trip: str) -> Result:
    return refused(Code.TRIP_NOT_FOUND, f"there is no trip {trip[:64]!r}")


def _may_see(
    found: Found | None, question: GetTripRow | ListTripEvents
) -> Result | None:
    """None, or why not."""
    if found is None:
        return _not_found(question.trip)
    if question.role is Role.OPERATOR:
        return None
    if question.user in (found.rider_id, found.driver_id):
        return None
    return refused(Code.NOT_A_PARTICIPANT, "this trip is not yours")
