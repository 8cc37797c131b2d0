"""Lets go of the past: trip events and messages older than CABRANK_HISTORY_KEPT_DAYS,
a few hundred rows a transaction, so that nobody waits for it.

What stays: the rows of `trips`; every event of a trip that hasn't ended, or ended since
(so an audit trail is whole or gone); the last trip of each ledger, which tells where
its numbers ended; of an open room the last message, from which the next is numbered.
`dropped_history` says from when on all is there. Deletes and no partitions: they are
the same on both databases, and need no time in a primary key that is (ledger, seq).

How drivers were found for a trip, and where they drove, goes with its events; of what a
driver was at, all but the last. Rounds go after CABRANK_MATCHES_KEPT_S, in any case.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import metrics
from persistence.history import heads
from persistence.models import (
    DispatchEventRow,
    DroppedRow,
    MatchRow,
    MessageRow,
    RoomRow,
    TrackRow,
    TripEventRow,
    TripRow,
)
from schemas.rooms import trip_of
from schemas.times import rfc3339
from schemas.trips import TERMINAL

log = structlog.get_logger()

DAY_MS = 86_400_000
BATCH = 500
"""Rows looked at in one transaction: ten milliseconds."""
PAUSE_S = 0.1
"""Between two: 5,000 rows a second at most, a tenth of the time."""
ROUND_S = 600.0
LOCK = 0x6361_6272_6472_6F70  # "cabrdrop"
ENDED = tuple(sorted(status.value for status in TERMINAL))

Key = tuple[str, int]
"""(ledger, seq)."""


class Batch(Struct, frozen=True):
    """What one transaction did."""

    looked_to: int | None
    """The seq from which to go on; None: nothing more is as old."""
    dropped: int = 0


# ---- what was let go of --------------------------------------------------------


def dropped(connection: Connection) -> dict[str, int]:
    """Table → rows from before that (ms since 1970) may be gone."""
    rows = connection.execute(select(DroppedRow.__table__)).mappings()
    return {row["what"]: row["before_ms"] for row in rows}


def trip_is_past(before_ms: int) -> ColumnElement[bool]:
    """Whether a row of `trips` ended before that, so that its events may be gone."""
    return and_(TripRow.status.in_(ENDED), TripRow.updated_at_ms < before_ms)


def gone(
    connection: Connection, table: str, absent: Mapping[Key, Mapping[str, Any]]
) -> set[Key]:
    """Which of these rows, that are not there, were let go of."""
    before_ms = dropped(connection).get(table, 0) if absent else 0
    if table == MessageRow.__tablename__:
        return {key for key in absent if absent[key]["sent_at_ms"] < before_ms}
    if table == DispatchEventRow.__tablename__:
        return {key for key in absent if absent[key]["at_ms"] < before_ms}
    old = {key: row for key, row in absent.items() if row["at_ms"] < before_ms}
    past = _past(connection, {row["trip_id"] for row in old.values()}, before_ms)
    return {key for key, row in old.items() if row["trip_id"] in past}


def _past(connection: Connection, trips: Iterable[str], before_ms: int) -> set[str]:
    wanted = sorted(trips)
    found: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH]
        asked = select(TripRow.id).where(TripRow.id.in_(chunk), trip_is_past(before_ms))
        found.update(connection.scalars(asked))
    return found


# ---- letting go ----------------------------------------------------------------


async def run(engine: AsyncEngine, kept_days: float, matches_kept_s: float) -> None:
    """For ever; `kept_days` 0: all but the rounds of the matching stays."""
    while True:
        now_ms = time.time_ns() // 1_000_000
        try:
            await drop_matches(engine, now_ms - round(matches_kept_s * 1000))
            if kept_days:
                await drop(engine, now_ms - round(kept_days * DAY_MS))
        except (SQLAlchemyError, OSError) as error:
            log.warning("the past stays for now", error=repr(error)[:300])
        await asyncio.sleep(ROUND_S)


async def drop(engine: AsyncEngine, before_ms: int, pause_s: float = PAUSE_S) -> int:
    """Let go of what is from before; returns how many rows. May be repeated and broken
    off, and beside others who do the same.
    """
    total = 0
    works: tuple[tuple[Any, Work], ...] = (
        (DispatchEventRow, _drop_found),  # first: a trip's events tell that it is past
        (TripEventRow, _drop_events),
        (MessageRow, _drop_messages),
    )
    for table, work in works:
        async with engine.connect() as connection:
            ledgers = await connection.run_sync(heads.ledgers, table)
        count = 0
        for ledger in ledgers:
            count += await _drop_of(engine, work, ledger, before_ms, pause_s)
        if count:
            what = table.__tablename__
            log.info("dropped", table=what, rows=count, before=rfc3339(before_ms))
        total += count
    return total


async def drop_matches(engine: AsyncEngine, before_ms: int) -> int:
    """The rounds of the matching from before; returns how many."""
    row, total = MatchRow, 0
    next_one = select(row.at_ms).where(row.at_ms < before_ms).order_by(row.at_ms)
    while True:
        async with engine.begin() as connection:
            if not await connection.run_sync(_is_alone):
                return total
            found = await connection.execute(next_one.offset(BATCH).limit(1))
            cut_ms = found.scalar()
            gone = delete(row).where(
                row.at_ms < before_ms if cut_ms is None else row.at_ms <= cut_ms
            )
            count = (await connection.execute(gone)).rowcount
        metrics.dropped_rows.labels(row.__tablename__).inc(count)
        total += count
        if cut_ms is None:
            return total
        await asyncio.sleep(PAUSE_S)


Work = Callable[[Connection, str, int, int], Batch]


async def _drop_of(
    engine: AsyncEngine, work: Work, ledger: str, before_ms: int, pause_s: float
) -> int:
    count = 0
    cursor: int | None = 0
    while cursor is not None:
        async with engine.begin() as connection:
            if not await connection.run_sync(_is_alone):
                break  # another worker is at it
            batch = await connection.run_sync(work, ledger, cursor, before_ms)
        count += batch.dropped
        cursor = batch.looked_to
        if batch.dropped:
            await asyncio.sleep(pause_s)
    return count


def _is_alone(connection: Connection) -> bool:
    """And whoever else waits for a row of ours, or we for theirs, isn't held up: we
    give way before PostgreSQL looks for a deadlock (1 s).
    """
    if connection.dialect.name != "postgresql":
        return True
    connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
    asked = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.scalar(asked, {"key": LOCK}))


def _drop_events(
    connection: Connection, ledger: str, after: int, before_ms: int
) -> Batch:
    """Of a ledger's next old events: all events of their trips that have ended."""
    event = TripEventRow
    asked = (
        select(event.seq, event.at_ms, event.trip_id)
        .where(event.ledger == ledger, event.seq > after)
        .order_by(event.seq)
        .limit(BATCH)
    )
    rows = connection.execute(asked).all()
    old = [row for row in rows if row.at_ms < before_ms]
    last = select(event.trip_id).where(event.ledger == ledger)
    spared = connection.scalar(last.order_by(event.seq.desc()).limit(1))
    trips = _past(connection, {row.trip_id for row in old} - {spared}, before_ms)
    count = 0
    if trips:
        _note(connection, event.__tablename__, before_ms)
        gone = delete(event).where(event.trip_id.in_(sorted(trips)))
        count = connection.execute(gone).rowcount
        metrics.dropped_rows.labels(event.__tablename__).inc(count)
    return Batch(_next(rows, old), count)


def _drop_found(
    connection: Connection, ledger: str, after: int, before_ms: int
) -> Batch:
    """Of a ledger's next old rows on how drivers were found: those of trips that have
    ended, with where these were driven; and what a driver was at before something else
    that is as old.
    """
    row = DispatchEventRow
    asked = (
        select(row.seq, row.at_ms, row.trip_id, row.driver_id)
        .where(row.ledger == ledger, row.seq > after)
        .order_by(row.seq)
        .limit(BATCH)
    )
    rows = connection.execute(asked).all()
    old = [one for one in rows if one.at_ms < before_ms]
    past = _past(connection, {one.trip_id for one in old if one.trip_id}, before_ms)
    on_duty = sorted({one.driver_id for one in old if one.trip_id is None})
    lasts = _last_duties(connection, ledger, on_duty, before_ms)
    seqs = [
        one.seq
        for one in old
        if one.trip_id in past
        or (one.trip_id is None and one.seq < lasts.get(one.driver_id, 0))
    ]
    if seqs:
        _note(connection, row.__tablename__, before_ms)
        connection.execute(delete(row).where(row.ledger == ledger, row.seq.in_(seqs)))
        metrics.dropped_rows.labels(row.__tablename__).inc(len(seqs))
    if past:
        # One by one: a long list would have SQLite look through the whole table.
        driven = delete(TrackRow).where(TrackRow.trip_id == bindparam("trip"))
        connection.execute(driven, [{"trip": trip} for trip in sorted(past)])
    return Batch(_next(rows, old), len(seqs))


def _last_duties(
    connection: Connection, ledger: str, drivers: list[str], before_ms: int
) -> dict[str, int]:
    """Driver → seq of the last row from before of what they were at."""
    row = DispatchEventRow
    asked = (
        select(row.driver_id, func.max(row.seq))
        .where(row.driver_id.in_(drivers), row.what == "duty", row.ledger == ledger)
        .where(row.at_ms < before_ms)
        .group_by(row.driver_id)
    )
    return {str(driver): seq for driver, seq in connection.execute(asked)}


def _drop_messages(
    connection: Connection, ledger: str, after: int, before_ms: int
) -> Batch:
    """Of a ledger's next old messages: those of open rooms but the last of each, and
    of the rooms of trips that have ended.
    """
    message = MessageRow
    asked = (
        select(message.seq, message.sent_at_ms, message.region, message.room, message.n)
        .where(message.ledger == ledger, message.seq > after)
        .order_by(message.seq)
        .limit(BATCH)
    )
    rows = connection.execute(asked).all()
    old = [row for row in rows if row.sent_at_ms < before_ms]
    rooms = sorted({(row.region, row.room) for row in old})
    trips = {room: trip_of(room) for _, room in rooms}
    past = _past(connection, {trip for trip in trips.values() if trip}, before_ms)
    lasts = _lasts(connection, ledger, rooms)
    seqs = [
        row.seq
        for row in old
        if trips[row.room] in past
        or (not trips[row.room] and row.n < lasts.get((row.region, row.room), 0))
    ]
    if seqs:
        _note(connection, message.__tablename__, before_ms)
        gone = delete(message).where(message.ledger == ledger, message.seq.in_(seqs))
        connection.execute(gone)
        _narrow(connection, ledger, rooms)
        metrics.dropped_rows.labels(message.__tablename__).inc(len(seqs))
    return Batch(_next(rows, old), len(seqs))


def _next(rows: Sequence[Any], old: Sequence[Any]) -> int | None:
    return rows[-1].seq if len(old) == BATCH else None


def _lasts(
    connection: Connection, ledger: str, rooms: list[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Room → the number of its last message in that ledger. `rooms`: sorted."""
    row = RoomRow
    found: dict[tuple[str, str], int] = {}
    # Rows of all three columns at once are looked for one by one on SQLite.
    for region, some in groupby(rooms, key=itemgetter(0)):
        names = [name for _, name in some]
        asked = select(row.name, row.last_n).where(
            row.region == region, row.name.in_(names), row.ledger == ledger
        )
        found |= {(region, one.name): one.last_n for one in connection.execute(asked)}
    return found


def _narrow(connection: Connection, ledger: str, rooms: list[tuple[str, str]]) -> None:
    """Have `rooms` say what there is still; in the order in which writers have them."""
    row, message = RoomRow, MessageRow
    first = (
        select(func.min(message.n))
        .where(
            message.region == row.region,
            message.room == row.name,
            message.ledger == row.ledger,
        )
        .scalar_subquery()
    )
    for region, name in rooms:
        same = (row.region == region, row.name == name, row.ledger == ledger)
        narrowed = update(row).where(*same)
        connection.execute(narrowed.values(first_n=func.coalesce(first, row.last_n)))


def _note(connection: Connection, table: str, before_ms: int) -> None:
    """Before the rows go, in the same transaction; it never falls."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    new = insert[connection.dialect.name](DroppedRow.__table__)
    new = new.values(what=table, before_ms=before_ms)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["what"],
            set_={"before_ms": new.excluded.before_ms},
            where=new.excluded.before_ms > DroppedRow.before_ms,
        )
    )
