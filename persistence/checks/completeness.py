"""Whether the database has all that its ledger has let go of. What came before the
ledger's beginning can't be compared any more, but its numbers are dense: a trip's
versions, and a room's messages over all ledgers, each from 1 on, or from where what was
let go of ends (retention.py).

Only asks, piece by piece. What left no row at all, like a whole trip or room, it can't
miss.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, and_, case, func, or_, select

from persistence.checks import walk
from persistence.history import retention
from persistence.models import MessageRow, RoomRow, TripEventRow, TripRow
from schemas.events import seq_of

NUMBERED = {
    TripEventRow.__tablename__: ("trip_id", "version"),
    MessageRow.__tablename__: ("room", "n"),
}
"""What is numbered, and by which column."""
HOLES_MAX = 1_000
"""Listed of each kind."""


class Kept(Struct, frozen=True):
    """What of a ledger can be compared: records `first` to `last`."""

    region: str
    ledger: str
    first: int
    last: int


class Hole(Struct, frozen=True):
    """Of the numbers 1 to `top` only `have` are there."""

    table: str
    name: str
    """The trip's id, or the room's name."""
    have: int
    top: int

    def __str__(self) -> str:
        is_trip = self.table == TripEventRow.__tablename__
        what = f"{'trip' if is_trip else 'room'} {self.name}"
        numbers = "versions" if is_trip else "messages"
        return f"{what}: {self.top - self.have} of {numbers} 1-{self.top}"


def holes(connection: Connection, kept: Kept) -> list[Hole]:
    """What is missing from before `kept.first`; nothing came before record 1."""
    if kept.first <= 1:
        return []
    before_ms = retention.dropped(connection)
    found: list[Hole] = []
    for table, key, within, question, name in (
        (TripEventRow, TripRow.id, TripRow.region, _trips, TripRow.id),
        (MessageRow, RoomRow.name, RoomRow.region, _rooms, MessageRow.room),
    ):
        what = table.__tablename__
        asked = question(kept, before_ms.get(what, 0))
        for piece in walk.pieces(connection, key, within == kept.region):
            rows = connection.execute(asked.where(piece.has(name)).limit(HOLES_MAX))
            found += [Hole(what, *row) for row in rows]
    return found


def _trips(kept: Kept, before_ms: int) -> Select[Any]:
    """A trip's versions go to the first that the ledger still has; of one that it has
    none of, to the row's own, unless that came after what is compared. One that may
    have been let go of has none to be missed.
    """
    event = TripEventRow
    have, first = _numbers(event, event.version, kept)
    own = case((TripRow.seq <= _end(kept), TripRow.version))
    top = func.coalesce(first - 1, own)
    return (
        select(TripRow.id, have, top)
        .outerjoin(event, event.trip_id == TripRow.id)
        .where(TripRow.region == kept.region, ~retention.trip_is_past(before_ms))
        .group_by(TripRow.id, TripRow.version, TripRow.seq)
        .having(have < top)
    )


def _rooms(kept: Kept, before_ms: int) -> Select[Any]:
    """The same of a room's messages; `rooms` knows the last (audit.py compares it).
    Where messages were let go of, those before the first that is there are not missed.
    """
    message = MessageRow
    have, first = _numbers(message, message.n, kept)
    last = func.max(case((_is_before(message, kept), message.n)))
    top = func.coalesce(first - 1, last)
    if before_ms:
        have += func.min(message.n) - 1
    return (
        select(message.room, have, top)
        .where(message.region == kept.region)
        .group_by(message.room)
        .having(have < top)
    )


def _numbers(table: Any, number: Any, kept: Kept) -> tuple[Any, Any]:
    """How many there are from before, and the lowest of what the ledger still has."""
    before = _is_before(table, kept)
    have = func.count(case((before, number)).distinct())
    within = and_(table.ledger == kept.ledger, table.seq.between(*_range(kept)))
    return have, func.min(case((within, number)))


def _is_before(table: Any, kept: Kept) -> Any:
    """Of a ledger that was lost, or purged from this one."""
    return or_(table.ledger != kept.ledger, table.seq < _range(kept)[0])


def _range(kept: Kept) -> tuple[int, int]:
    return seq_of(kept.first, 0), _end(kept)


def _end(kept: Kept) -> int:
    return seq_of(kept.last + 1, 0) - 1
