"""Rows into the database, each batch one transaction, each event once.

Blocks: for the writer's own thread. Decides which event of a failing batch is at
fault; knows nothing of NATS.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from persistence import failures, metrics
from persistence.models import DeadLetterRow, TripEventRow, TripRow
from persistence.projection import EventRow, Unreadable, newest, original, trip_values

ERROR_CHARS_MAX = 2000
FIXED = ("id", "region", "rider_id", "created_at_ms")
"""What no event of a trip changes; left out of updates, so that indexes rest."""


class Store:
    """Raises, from `write`, whatever the database raised that is no event's fault:
    nothing or a part is then written, and writing the same again is right.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
            engine.dialect.name
        ]
        self._events = insert(TripEventRow.__table__).on_conflict_do_nothing()
        self._letters = insert(DeadLetterRow.__table__).on_conflict_do_nothing()
        trips = insert(TripRow.__table__)
        changing = {
            column.name: trips.excluded[column.name]
            for column in TripRow.__table__.columns
            if column.name not in FIXED
        }
        self._trips = trips.on_conflict_do_update(
            index_elements=["id"],
            set_=changing,
            where=trips.excluded.version > TripRow.__table__.c.version,
        )

    def write(
        self, rows: Sequence[EventRow], unreadable: Sequence[Unreadable], at_ms: int
    ) -> int:
        """Write all rows, and dead letters for what can't be one.

        Returns:
            How many dead letters there were.
        """
        letters = list(unreadable)
        # By key, so that two workers with the same rows can't deadlock.
        self._write_or_halve(sorted(rows, key=_place), letters)
        if letters:
            self._bury(letters, at_ms)
        return len(letters)

    def _write_or_halve(self, rows: list[EventRow], letters: list[Unreadable]) -> None:
        if not rows:
            return
        try:
            self._commit(rows)
        except Exception as error:
            if not failures.is_poison(error):
                raise
            if len(rows) == 1:
                letters.append(original(rows[0], str(error)))
                return
            middle = len(rows) // 2
            self._write_or_halve(rows[:middle], letters)
            self._write_or_halve(rows[middle:], letters)

    def _commit(self, rows: list[EventRow]) -> None:
        events = [
            {
                "ledger": row.ledger,
                "seq": row.seq,
                "trip_id": row.trip_id,
                "type": row.type,
                "version": row.version,
                "at_ms": row.at_ms,
                "by": row.by,
                "reason": row.reason,
                "data": row.data,
            }
            for row in rows
        ]
        trips = [trip_values(row) for row in newest(rows)]
        with metrics.commit_seconds.time(), self._engine.begin() as connection:
            connection.execute(self._events, events)
            connection.execute(self._trips, trips)
        metrics.batch_events.observe(len(rows))
        metrics.rows.labels("trip_events").inc(len(events))
        metrics.rows.labels("trips").inc(len(trips))

    def _bury(self, letters: list[Unreadable], at_ms: int) -> None:
        values = [
            {
                "ledger": letter.ledger,
                "seq": letter.place,
                "payload": letter.payload,
                "error": letter.error.replace("\0", "\\0")[:ERROR_CHARS_MAX],
                "at_ms": at_ms,
            }
            for letter in letters
        ]
        with self._engine.begin() as connection:
            connection.execute(self._letters, values)
        metrics.dead_letters.inc(len(letters))

    def close(self) -> None:
        self._engine.dispose()


def _place(row: EventRow) -> tuple[str, int]:
    return row.ledger, row.seq
