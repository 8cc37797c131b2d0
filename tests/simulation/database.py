"""The database as persistence/projected/store.py uses it: each event once, the newest
trip.

Rows are made by the real projection. That the real databases do the same is
tests/contract's to show.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy.exc
from msgspec import Raw

from persistence.projected.messages import MessageRow
from persistence.projected.projection import (
    AnyRow,
    EventRow,
    Unreadable,
    event_values,
    newest,
    trip_values,
)
from schemas.accounts import AuditRow, FindBacklog, FindMade, FindTrip, Result
from schemas.codec import encode
from schemas.events import record_of
from schemas.refusals import Code, Refusal
from schemas.rooms import HISTORY_MAX, MessageData
from schemas.times import rfc3339


class Database:
    def __init__(self) -> None:
        self.events: dict[tuple[str, int], dict[str, Any]] = {}
        self.trips: dict[str, dict[str, Any]] = {}
        self.messages: dict[int, MessageData] = {}
        self.message_keys: dict[tuple[str, str], MessageData] = {}
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
        for said in rows:
            if isinstance(said, MessageRow):
                self.messages.setdefault(said.seq, said.message)
                if said.key is not None:
                    self.message_keys[said.message.sender.id, said.key] = said.message
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

    def said_in(self, room: str) -> list[MessageData]:
        """A room's messages, oldest first."""
        found = [said for said in self.messages.values() if said.room == room]
        return sorted(found, key=lambda said: said.seq)

    def find(self, question: FindTrip | FindBacklog | FindMade, floor: int) -> Result:
        """What `history.find`, `.backlog` and `.made` answer; `floor`: the last record
        known as written.
        """
        if record_of(question.seq)[0] > floor:
            return Result(refused=Refusal(Code.UNAVAILABLE, "history lags"))
        if isinstance(question, FindBacklog):
            said = self.said_in(question.room)[-HISTORY_MAX:]
            return Result(data=Raw(encode(said)))
        if isinstance(question, FindMade):
            return Result(data=Raw(encode(self._made(question))))
        found = self.trips.get(question.trip)
        if found is None:
            return Result(refused=Refusal(Code.TRIP_NOT_FOUND, "no such trip"))
        return Result(data=Raw(found["data"].encode()))

    def _made(self, question: FindMade) -> Raw | MessageData | None:
        """A schedule lasts no 24 h: all keys hold."""
        if question.kind == "send":
            return self.message_keys.get((question.user, question.key))
        mine = (question.user, question.key)
        for row in self.events.values():
            if (row["by"], row["key"]) == mine:
                return Raw(self.trips[row["trip_id"]]["data"].encode())
        return None
