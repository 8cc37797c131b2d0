"""The database as persistence/store.py uses it: each event once, the newest trip.

Rows are made by the real projection. That the real databases do the same is
tests/contract's to show.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy.exc
from msgspec import Raw

from persistence.projection import (
    AnyRow,
    EventRow,
    Unreadable,
    event_values,
    newest,
    trip_values,
)
from schemas.accounts import AuditRow, FindBacklog, FindTrip, Result
from schemas.events import record_of
from schemas.refusals import Code, Refusal
from schemas.times import rfc3339


class Database:
    def __init__(self) -> None:
        self.events: dict[tuple[str, int], dict[str, Any]] = {}
        self.trips: dict[str, dict[str, Any]] = {}
        self.letters: list[Unreadable] = []
        self.is_away = False

    def write(
        self, rows: Sequence[AnyRow], unreadable: Sequence[Unreadable], _: int
    ) -> int:
        if self.is_away:
            raise sqlalchemy.exc.OperationalError("", {}, Exception("away"))
        moves = [row for row in rows if isinstance(row, EventRow)]
        for row in moves:
            self.events.setdefault((row.ledger, row.seq), event_values(row))
        for row in newest(moves):
            known = self.trips.get(row.trip_id)
            if known is None or known["version"] < row.trip.version:
                self.trips[row.trip_id] = trip_values(row)
        self.letters += unreadable
        return len(unreadable)

    def close(self) -> None:
        """Others still use it."""

    def audit(self, trip: str) -> list[AuditRow]:
        """As `GET /api/trips/{id}/events` shows it."""
        rows = [row for row in self.events.values() if row["trip_id"] == trip]
        return [
            AuditRow(
                row["seq"],
                row["type"],
                row["version"],
                rfc3339(row["at_ms"]),
                Raw(row["data"].encode()),
            )
            for row in sorted(rows, key=lambda row: row["seq"])
        ]

    def find(self, question: FindTrip | FindBacklog, floor: int) -> Result:
        """What `history.find` and `history.backlog` answer; `floor`: the last record
        known as written. Nobody says anything in a simulated room.
        """
        if record_of(question.seq)[0] > floor:
            return Result(refused=Refusal(Code.UNAVAILABLE, "history lags"))
        if isinstance(question, FindBacklog):
            return Result(data=Raw(b"[]"))
        found = self.trips.get(question.trip)
        if found is None:
            return Result(refused=Refusal(Code.TRIP_NOT_FOUND, "no such trip"))
        return Result(data=Raw(found["data"].encode()))
