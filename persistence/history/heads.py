"""Where each ledger's rows end. Only asks: by the primary keys (ledger, seq), a few
rows a ledger, however many there are.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from persistence.models import DeadLetterRow, MessageRow, TripEventRow, TripRow


class Head(Struct, frozen=True):
    """The last row of one ledger in one table."""

    table: str
    ledger: str
    seq: int
    at_ms: int
    """When that was."""
    region: str | None
    """None: the row doesn't tell."""


def of(connection: Connection) -> list[Head]:
    return [
        *(_head(connection, TripEventRow, TripEventRow.at_ms, TripEventRow.trip_id)),
        *(_head(connection, MessageRow, MessageRow.sent_at_ms, MessageRow.region)),
        *(_head(connection, DeadLetterRow, DeadLetterRow.at_ms, None)),
    ]


def of_ledger(connection: Connection, ledger: str) -> int:
    """The highest seq of that ledger's trip events and messages; 0: none has a row."""
    return max(
        connection.scalar(
            select(table.seq)
            .where(table.ledger == ledger)
            .order_by(table.seq.desc())
            .limit(1)
        )
        or 0
        for table in (TripEventRow, MessageRow)
    )


def ledgers(connection: Connection, table: Any) -> list[str]:
    """All that have rows in the table, each found by the one before."""
    found: list[str] = []
    asked = select(table.ledger).order_by(table.ledger).limit(1)
    ledger = connection.scalar(asked)
    while ledger is not None:
        found.append(ledger)
        ledger = connection.scalar(asked.where(table.ledger > ledger))
    return found


def _head(connection: Connection, table: Any, at_ms: Any, where: Any) -> Iterator[Head]:
    """`where`: what tells the region, or the trip that does."""
    about = [table.seq, at_ms] + ([where] if where is not None else [])
    for ledger in ledgers(connection, table):
        last = select(*about).where(table.ledger == ledger)
        row = connection.execute(last.order_by(table.seq.desc()).limit(1)).one()
        region = row[2] if where is not None else None
        if table is TripEventRow:
            region = connection.scalar(
                select(TripRow.region).where(TripRow.id == region)
            )
        yield Head(table.__tablename__, ledger, row[0], row[1], region)
