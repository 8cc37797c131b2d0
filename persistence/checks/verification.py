"""Compares the database with a ledger that is read to it, chunk by chunk.

Only asks; never writes, and never reads NATS. Rows may be added meanwhile: only what
the ledger held when the audit began is compared.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.checks import completeness, walk
from persistence.checks.comparison import Difference, Key, Row, Trips, compare, place
from persistence.checks.completeness import Hole, Kept
from persistence.checks.walk import Piece
from persistence.database import reading
from persistence.erased import among
from persistence.history import heads, retention
from persistence.models import (
    DeadLetterRow,
    DispatchEventRow,
    MessageRow,
    RoomRow,
    TripEventRow,
    TripRow,
)
from persistence.projected import erasing
from persistence.projected.dispatch import DispatchRow, dispatch_values
from persistence.projected.messages import message_values
from persistence.projected.projection import (
    AnyRow,
    EventRow,
    Unreadable,
    dispatch_of_move,
    event_values,
    newest,
    read_record,
)
from schemas.events import seq_of

IDS_MAX = 500
"""Of one question: far below what either database takes (SQLite: 32,766 values)."""
LISTED_MAX = 1000
"""Of what one question at the end finds."""


class Counts(Struct):
    records: int = 0
    trip_events: int = 0
    messages: int = 0
    trips: int = 0
    """Rows of trips looked at; a trip that moves in two chunks counts twice."""


class Audit:
    """One ledger. `chunk` in order, then `finish`.

    Raises, from all: sqlalchemy.exc.SQLAlchemyError: the database can't be asked.
    """

    def __init__(
        self, engine: AsyncEngine, stream: str, region: str, ledger: str, last: int
    ) -> None:
        """`last`: the last record that will be compared."""
        self._engine = engine
        self._stream = stream
        self._region = region
        self._ledger = ledger
        self._trips = Trips(seq_of(last + 1, 0) - 1)
        self._first: int | None = None
        self._last = 0
        self._rowless: set[int] = set()
        """Seqs of events that are in the ledger, but not among `trip_events`."""
        self._unwritten: dict[tuple[str, str], int] = {}
        """(table, trip or room) → lowest number that is in the ledger, but no row."""
        self.counts = Counts()

    async def chunk(
        self, first: int, last: int, records: Sequence[tuple[int, bytes]]
    ) -> list[Difference]:
        """Records `first` to `last`, as far as there: (sequence, payload), ascending.

        Raises:
            FutureRecord: a record's format is newer than this code.
        """
        self._first = first if self._first is None else self._first
        self._last = last
        numbers = {number for number, _ in records}
        differences = [
            Difference("missing", "ledger", f"record {number} of {self._stream}")
            for number in range(first, last + 1)
            if number not in numbers
        ]
        moves: list[EventRow] = []
        said: dict[Key, Row] = {}
        told: list[DispatchRow] = []
        unreadable: list[Unreadable] = []
        rows: list[AnyRow] = []
        for number, payload in records:
            good, bad = read_record(self._stream, number, payload)
            rows += good
            unreadable += bad
        for row in await self._scrubbed(rows):
            if isinstance(row, EventRow):
                moves.append(row)
            elif isinstance(row, DispatchRow):
                told.append(row)
            else:
                said[row.ledger, row.seq] = message_values(row)
        told += filter(None, map(dispatch_of_move, moves))
        found_how = {(row.ledger, row.seq): dispatch_values(row) for row in told}
        untold = {(row.ledger, row.seq) for row in told if row.format == 1}
        events = {(row.ledger, row.seq): event_values(row) for row in moves}
        self.counts.records += len(records)
        self.counts.trip_events += len(events)
        self.counts.messages += len(said)
        low, high = seq_of(first, 0), seq_of(last + 1, 0) - 1
        async with reading(self._engine) as connection:
            buried = await self._range(connection, DeadLetterRow, low, high)
            tables = (
                (TripEventRow, events),
                (MessageRow, said),
                (DispatchEventRow, found_how),
            )
            for table, expected in tables:
                found = await self._range(connection, table, low, high)
                name = table.__tablename__
                if table is DispatchEventRow:
                    # A version without this table wrote none, and may do so again.
                    expected = {  # noqa: PLW2901
                        key: row
                        for key, row in expected.items()
                        if key in found or key not in untold
                    }
                missing = expected.keys() - found.keys()
                if table is TripEventRow:
                    self._rowless.update(seq for _, seq in missing)
                # Asked after the rows: what is gone by then was noted before.
                absent = {key: expected[key] for key in missing}
                gone = await connection.run_sync(retention.gone, name, absent)
                kept = {key: expected[key] for key in expected if key not in gone}
                differences += compare(name, kept, found, buried)
                if name in completeness.NUMBERED:
                    self._note_unwritten(name, [kept[key] for key in missing - gone])
            latest = newest(r for r in moves if (r.ledger, r.seq) not in buried)
            trips = await _trips(connection, [row.trip_id for row in latest])
        self.counts.trips += len(latest)
        differences += self._trips.check(latest, trips)
        return differences + _unreadable(unreadable, buried)

    def _note_unwritten(self, table: str, rows: Iterable[Row]) -> None:
        name, number = completeness.NUMBERED[table]
        for row in rows:
            key = (table, row[name])
            lowest = self._unwritten.get(key, row[number])
            self._unwritten[key] = min(lowest, row[number])

    async def _scrubbed(self, rows: list[AnyRow]) -> list[AnyRow]:
        """Without erased users: what the ledger keeps of them until it is purged."""
        if not rows:
            return rows
        async with reading(self._engine) as connection:
            people = erasing.people_of(rows)
            erased = await connection.run_sync(among, people)
        return erasing.scrubbed(rows, erased)

    async def finish(self) -> list[Difference]:
        """What only the whole shows: rows that no event made."""
        differences = self._trips.rest()
        async with reading(self._engine) as connection:
            differences += await connection.run_sync(self._extra_trips)
            differences += await connection.run_sync(self._rooms)
            differences += await self._holes(connection)
        return differences

    async def _holes(self, connection: AsyncConnection) -> list[Difference]:
        """What is missing from before the ledger's beginning."""
        if self._first is None:
            return []
        kept = Kept(self._region, self._ledger, self._first, self._last)
        found = await connection.run_sync(completeness.holes, kept)
        return [
            Difference("missing", hole.table, f"{hole}, before record {self._first}")
            for hole in map(self._before, found)
            if hole.have < hole.top
        ]

    def _before(self, hole: Hole) -> Hole:
        """Without the rows that the ledger still has, found missing with it."""
        lowest = self._unwritten.get((hole.table, hole.name), hole.top + 1)
        return replace(hole, top=min(hole.top, lowest - 1))

    async def head_seq(self) -> int:
        """The highest seq of the ledger that the database has, 0 where none."""
        async with reading(self._engine) as connection:
            return await connection.run_sync(heads.of_ledger, self._ledger)

    async def _range(
        self, connection: AsyncConnection, table: Any, low: int, high: int
    ) -> dict[Key, Row]:
        question = select(table.__table__).where(
            # An unreadable record's dead letter has its stream's name.
            table.ledger.in_([self._ledger, self._stream]),
            table.seq.between(low, high),
        )
        rows = (await connection.execute(question)).mappings()
        return {(row["ledger"], row["seq"]): dict(row) for row in rows}

    def _extra_trips(self, connection: Connection) -> list[Difference]:
        """Trips whose last move is in the ledger's range, but not in the ledger. The
        events were compared, so they stand for it. Trips of a ledger that was lost may
        have numbers of the same range.
        """
        if self._first is None:
            return []
        low, high = seq_of(self._first, 0), seq_of(self._last + 1, 0) - 1
        event = TripEventRow
        known = exists().where(
            event.trip_id == TripRow.id,
            or_(
                event.ledger != self._ledger,
                and_(event.ledger == self._ledger, event.seq == TripRow.seq),
            ),
        )
        question = (
            select(TripRow.id, TripRow.seq)
            .where(TripRow.region == self._region, TripRow.seq.between(low, high))
            .where(~known)
        )
        mine = TripRow.region == self._region
        return [
            Difference("extra", "trips", f"trip {row.id}, seq {row.seq}")
            for piece in walk.pieces(connection, TripRow.id, mine)
            for row in connection.execute(question.where(piece.has(TripRow.id)))
            if row.seq not in self._rowless
        ]

    def _rooms(self, connection: Connection) -> list[Difference]:
        """`rooms` tells what `messages`, which were compared, add up to."""
        mine = RoomRow.region == self._region
        return [
            Difference("missing" if name is None else "different", "rooms", room)
            for piece in walk.pieces(connection, RoomRow.name, mine)
            for room, name in connection.execute(self._unlike(piece))
        ]

    def _unlike(self, piece: Piece) -> Select[Any]:
        """A piece's rooms that differ: (name, the same, or None: it has no row)."""
        message = MessageRow
        sums = (
            select(
                message.room,
                func.min(message.n).label("first_n"),
                func.max(message.n).label("last_n"),
                func.max(message.sent_at_ms).label("last_at_ms"),
            )
            .where(message.ledger == self._ledger, message.region == self._region)
            .where(piece.has(message.room))
            .group_by(message.room)
            .subquery()
        )
        on = and_(
            RoomRow.name == sums.c.room,
            RoomRow.ledger == self._ledger,
            RoomRow.region == self._region,
        )
        same = and_(
            RoomRow.first_n == sums.c.first_n,
            RoomRow.last_n == sums.c.last_n,
            RoomRow.last_at_ms == sums.c.last_at_ms,
        )
        return (
            select(sums.c.room, RoomRow.name)
            .select_from(sums.outerjoin(RoomRow, on))
            .where(or_(RoomRow.name.is_(None), ~same))
            .limit(LISTED_MAX)
        )


async def _trips(connection: AsyncConnection, ids: list[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for start in range(0, len(ids), IDS_MAX):
        question = select(TripRow.__table__).where(
            TripRow.id.in_(ids[start : start + IDS_MAX])
        )
        for row in (await connection.execute(question)).mappings():
            found[row["id"]] = dict(row)
    return found


def _unreadable(
    unreadable: Iterable[Unreadable], buried: dict[Key, Row]
) -> list[Difference]:
    """Events that can have no row; they should be dead letters."""
    differences = []
    for one in unreadable:
        key = (one.ledger, one.place)
        there = buried.get(key)
        if there is None:
            differences.append(Difference("missing", "dead_letters", place(key)))
        else:
            differences.append(Difference("dead letter", "ledger", place(key)))
    return differences
