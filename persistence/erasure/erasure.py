"""Takes a user's data out of the database, and keeps it out.

Two steps. First the user is marked, in one short transaction that no writer of rows
runs beside: whoever writes later scrubs (store.py). Then what was written before is
scrubbed, in small ones. Blocks; for a thread of its own or `run_sync`. Must not know
NATS.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from msgspec import NODEFAULT, Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    delete,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from persistence import database
from persistence.delivery_models import WebhookDeliveryRow, WebhookRow
from persistence.erased import IDS_MAX
from persistence.identity import usernames
from persistence.models import (
    AuditRow,
    Base,
    DeadLetterRow,
    DispatchEventRow,
    ErasedUserRow,
    MatchRow,
    MessageRow,
    RefreshTokenRow,
    TrackRow,
    TripEventRow,
    TripRow,
    UserRow,
)
from persistence.projected import erasing
from persistence.projected.projection import TripFields, trip_columns
from schemas import codec
from schemas.accounts import Erasure
from schemas.trips import TERMINAL, Status

CHUNK = 200
"""Trips scrubbed in one transaction: some ten milliseconds."""
EVENTS = 100
"""Of trips, read at once: one with an emoji takes 48 KB, four bytes a character."""
LETTERS = 10
"""Dead letters read at once: each may be as large as a record."""
FETCHED = 1_000
"""Rows of a few bytes that are fetched at once."""
ACTIVE = tuple(status.value for status in Status if status not in TERMINAL)
"""Named one by one, which an index takes; "none of the others" it doesn't."""

_erased = ErasedUserRow.__table__.c

T = TypeVar("T")


def _columns(row: type[Base]) -> dict[str, Any]:
    """For `erasing.blanks`."""
    there = row.__table__.columns
    return {one.name: None if one.nullable else NODEFAULT for one in there}


def _message_columns() -> dict[str, Any]:
    nobody = erasing.person("")
    said = {
        f"sender_{name}": getattr(nobody, name) for name in nobody.__struct_fields__
    }
    return erasing.blanks(
        _columns(MessageRow), erasing.MESSAGE_ROW, said | {"text": erasing.TEXT}
    )


_EVENT = erasing.blanks(_columns(TripEventRow), erasing.EVENT | {"data"}, {})
_MESSAGE = _message_columns()
_AUDIT = erasing.blanks(_columns(AuditRow), erasing.AUDIT, {"address": ""})


class Standing(Struct, frozen=True):
    """What an erasure finds."""

    user: str
    is_riding: bool
    """They have a trip that has not ended."""


def look(connection: Connection, name: str) -> Standing | None:
    """The user with that id or username, or who was erased under that id."""
    if "\0" in name:
        return None
    known = usernames.id_of(connection, name)
    user = known or name
    erased = select(_erased.user_id).where(_erased.user_id == user)
    if known is None and connection.execute(erased).first() is None:
        return None
    theirs = or_(TripRow.rider_id == user, TripRow.driver_id == user)
    active = select(TripRow.id).where(theirs, TripRow.status.in_(ACTIVE)).limit(1)
    is_riding = connection.execute(active).first() is not None
    return Standing(user, is_riding)


def mark(connection: Connection, user: str, at_ms: int) -> int:
    """From this transaction's end on nothing of them is written, and they can't log in.

    Returns:
        When their last token was issued, ms since 1970 by the clock of whoever issued
        it; 0: none.
    """
    if connection.dialect.name == "postgresql":
        # Waits for those who write rows now; who comes later sees the mark.
        connection.execute(text("LOCK TABLE erased_users IN EXCLUSIVE MODE"))
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    row = insert[connection.dialect.name](ErasedUserRow.__table__)
    row = row.values(user_id=user, at_ms=at_ms, done=False)
    connection.execute(row.on_conflict_do_nothing())
    connection.execute(
        update(UserRow).where(UserRow.id == user).values(password_hash=None)
    )
    ended = connection.execute(
        delete(RefreshTokenRow)
        .where(RefreshTokenRow.user_id == user)
        .returning(RefreshTokenRow.created_at_ms, RefreshTokenRow.rotated_at_ms)
    )
    return max((max(made, rotated or 0) for made, rotated in ended), default=0)


def scrub(engine: Engine, user: str) -> None:
    """Take out what was written before the mark. May be repeated; safe beside writers.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: a part may be done; do it again.
    """
    for chunk in _chunks(_trips_of(engine, user), CHUNK):
        _scrub_events(engine, user, chunk)
        with engine.begin() as connection:
            _scrub_trips(connection, user, chunk)
        _scrub_places(engine, user, chunk)
    _scrub_own(engine, user)
    _scrub_matches(engine, user)
    _scrub_messages(engine, user)
    _scrub_dead_letters(engine, user)
    _drop_deliveries(engine, user)
    with engine.begin() as connection:
        connection.execute(
            update(AuditRow).where(AuditRow.actor == user).values(**_AUDIT)
        )
        connection.execute(delete(UserRow).where(UserRow.id == user))
        connection.execute(
            update(ErasedUserRow).where(_erased.user_id == user).values(done=True)
        )


def undone(connection: Connection) -> list[str]:
    """Whose erasure was begun and not ended."""
    asked = select(_erased.user_id).where(_erased.done.is_(False))
    return list(connection.execute(asked).scalars())


def everyone(connection: Connection) -> list[Erasure]:
    found = connection.execute(select(_erased.user_id, _erased.at_ms))
    return [Erasure(*row) for row in found]


def _fetched(engine: Engine, asked: Any) -> Iterator[Any]:
    """Rows as they are asked for, in a connection of their own: a user may have as many
    as years of 50 commands a second made.
    """
    options = {database.READ_ONLY: True, "yield_per": FETCHED}
    with engine.connect().execution_options(**options) as connection:
        yield from connection.execute(asked)


def _keys(
    engine: Engine, asked: Any, most: int = IDS_MAX
) -> Iterator[tuple[str, list[int]]]:
    """A ledger and up to `most` of its seqs, of all rows that are asked for, which
    are held in 8 bytes each: they may be changed meanwhile.
    """
    held: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
    for ledger, seq in _fetched(engine, asked):
        held[ledger].append(seq)
    for ledger, seqs in held.items():
        for chunk in _chunks(seqs, most):
            yield ledger, sorted(chunk)


def _trips_of(engine: Engine, user: str) -> list[str]:
    """Also those whose driver they no longer are, by what they did in them."""
    own = select(TripRow.id).where(
        or_(TripRow.rider_id == user, TripRow.driver_id == user)
    )
    acted = select(TripEventRow.trip_id).where(TripEventRow.by == user)
    return sorted(trip for (trip,) in _fetched(engine, own.union(acted)))


def _scrub_events(engine: Engine, user: str, trips: Sequence[str]) -> None:
    event = TripEventRow
    theirs = select(event.ledger, event.seq).where(event.trip_id.in_(trips))
    asked = select(event.seq, event.by, event.data)
    for ledger, seqs in _keys(engine, theirs, EVENTS):
        within = (event.ledger == ledger, event.seq.in_(seqs))
        with engine.begin() as connection:
            for row in connection.execute(asked.where(*within)).all():
                data = erasing.trip(row.data, {user})
                if data != row.data or row.by == user:
                    gone = _EVENT if row.by == user else {}
                    connection.execute(
                        update(event)
                        .where(event.ledger == ledger, event.seq == row.seq)
                        .values(data=data, **gone)
                    )


def _scrub_trips(connection: Connection, user: str, trips: Sequence[str]) -> None:
    asked = select(TripRow.id, TripRow.seq, TripRow.data).where(TripRow.id.in_(trips))
    for row in connection.execute(asked.order_by(TripRow.id)).all():
        data = erasing.trip(row.data, {user})
        if data == row.data:
            continue
        fields = codec.decode(data.encode(), TripFields)
        # A row that moved on meanwhile was written by who knows of the mark.
        same = (TripRow.id == row.id, TripRow.seq == row.seq)
        left = trip_columns(fields, row.seq, data)
        connection.execute(update(TripRow).where(*same).values(**left))


def _scrub_places(engine: Engine, user: str, trips: Sequence[str]) -> None:
    """Of these trips, as far as the user was their rider: where they began, and what
    was seen around it; and where they were driven. Who only drove in them is found by
    `_scrub_own`.
    """
    own = select(TripRow.id).where(TripRow.id.in_(trips), TripRow.rider_id == user)
    ridden = [trip for (trip,) in _fetched(engine, own)]
    if not ridden:
        return
    row = DispatchEventRow
    # An offer's end says nothing of the rider.
    _scrub_found(engine, row.trip_id.in_(ridden), row.what != "offer_ended")
    with engine.begin() as connection:
        for table in (MatchRow, TrackRow):
            gone = delete(table).where(table.trip_id == bindparam("trip"))
            connection.execute(gone, [{"trip": trip} for trip in ridden])


def _scrub_own(engine: Engine, user: str) -> None:
    """What drivers were at, were offered, and where they were."""
    _scrub_found(engine, DispatchEventRow.driver_id == user)
    with engine.begin() as connection:
        connection.execute(delete(TrackRow).where(TrackRow.driver_id == user))


def _scrub_found(engine: Engine, *theirs: ColumnElement[bool]) -> None:
    row = DispatchEventRow
    asked = select(row.seq, row.what, row.data)
    for ledger, seqs in _keys(engine, select(row.ledger, row.seq).where(*theirs)):
        within = (row.ledger == ledger, row.seq.in_(seqs))
        with engine.begin() as connection:
            for one in connection.execute(asked.where(*within)).all():
                left = erasing.dispatch(one.what, one.data)
                if left != one.data:
                    same = (row.ledger == ledger, row.seq == one.seq)
                    connection.execute(update(row).where(*same).values(data=left))


def _scrub_matches(engine: Engine, user: str) -> None:
    """A driver in the rounds of others' trips; looked for in all, which are those of a
    few days.
    """
    row = MatchRow
    place = tuple_(row.ledger, row.seq, row.trip_id)
    last: tuple[str, int, str] | None = ("", -1, "")
    while last is not None:
        with engine.begin() as connection:
            asked = (
                select(row.ledger, row.seq, row.trip_id, row.data)
                .where(place > tuple_(*last))
                .order_by(row.ledger, row.seq, row.trip_id)
                .limit(CHUNK)
            )
            rows = connection.execute(asked).all()
            for one in rows:
                left = erasing.round_of(one.data, {user})
                if left != one.data:
                    same = place == tuple_(one.ledger, one.seq, one.trip_id)
                    connection.execute(update(row).where(same).values(data=left))
        end = rows[-1] if len(rows) == CHUNK else None
        last = None if end is None else (end.ledger, end.seq, end.trip_id)


def _scrub_messages(engine: Engine, user: str) -> None:
    message = MessageRow
    asked = select(message.ledger, message.seq).where(message.sender_id == user)
    for ledger, seqs in _keys(engine, asked):
        within = (message.ledger == ledger, message.seq.in_(seqs))
        with engine.begin() as connection:
            connection.execute(update(message).where(*within).values(**_MESSAGE))


def _scrub_dead_letters(engine: Engine, user: str) -> None:
    """As a whole: nobody can tell what is whose in them."""
    letter = DeadLetterRow
    place = tuple_(letter.ledger, letter.seq)
    last: tuple[str, int] | None = ("", -1)
    while last is not None:
        with engine.begin() as connection:
            asked = (
                select(letter.ledger, letter.seq, letter.payload)
                .where(place > tuple_(*last))
                .order_by(letter.ledger, letter.seq)
                .limit(LETTERS)
            )
            rows = connection.execute(asked).all()
            for row in rows:
                if user in erasing.ids_in(row.payload):
                    same = (letter.ledger == row.ledger, letter.seq == row.seq)
                    empty = {"payload": b"", "error": erasing.TEXT}
                    connection.execute(update(letter).where(*same).values(**empty))
        last = (rows[-1].ledger, rows[-1].seq) if len(rows) == LETTERS else None


def _drop_deliveries(engine: Engine, user: str) -> None:
    """What waits for somebody's endpoint and names them is not sent any more. One that
    doesn't wait says no more than the type and the trip.
    """
    sent = WebhookDeliveryRow
    with engine.begin() as connection:
        hooks = list(connection.execute(select(WebhookRow.id)).scalars())
    names = sent.body.contains(f'"{user}"', autoescape=True)
    for hook in hooks:
        with engine.begin() as connection:
            of_hook = (sent.webhook_id == hook, text("status = 'waiting'"))
            connection.execute(delete(sent).where(*of_hook, names))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
