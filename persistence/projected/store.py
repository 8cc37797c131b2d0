"""Rows into the database, each batch one transaction, each event once.

Blocks: for the writer's own thread. Decides which event of a failing batch is at
fault; knows nothing of NATS.
"""

from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, case, or_
from sqlalchemy.dialects import postgresql, sqlite

from persistence import metrics
from persistence.erased import among, keep_out
from persistence.models import (
    AuditRow,
    DeadLetterRow,
    DispatchEventRow,
    MessageRow,
    RoomRow,
    TripEventRow,
    TripRow,
)
from persistence.projected import erasing, failures
from persistence.projected import messages as said_in
from persistence.projected.acts import row_of_move
from persistence.projected.dispatch import DispatchRow, dispatch_values
from persistence.projected.messages import message_values, room_values
from persistence.projected.projection import (
    AnyRow,
    EventRow,
    Unreadable,
    dispatch_of_move,
    event_values,
    newest,
    original,
    trip_values,
)

ERROR_CHARS_MAX = 2000
FIXED = ("id", "region", "rider_id", "created_at_ms")
"""What no event of a trip changes; left out of updates, so that indexes rest."""


_place = attrgetter("ledger", "seq")


class _Written:
    """A statement compiled once: for each row of each batch SQLAlchemy would sort out
    its parameters again, which took a third of the writer's own time.
    """

    __slots__ = ("_in_order", "_sql")

    def __init__(self, statement: Any, engine: Engine) -> None:
        columns = [column.name for column in statement.table.columns]
        made = statement.compile(dialect=engine.dialect, column_keys=columns)
        self._sql = str(made)
        names = made.positiontup
        self._in_order = None if names is None else itemgetter(*names)
        """None: the driver takes parameters by their names."""
        bound = set(made.binds)
        assert bound == set(columns), f"bound beside the columns: {bound}"

    def execute(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """`rows`: values by column, of every column of the table."""
        values: list[Any] = rows
        if self._in_order is not None:
            values = list(map(self._in_order, rows))
        connection.exec_driver_sql(self._sql, values)


class Store:
    """Raises, from `write`, whatever the database raised that is no event's fault:
    nothing or a part is then written, and writing the same again is right.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
            engine.dialect.name
        ]
        events = insert(TripEventRow.__table__).on_conflict_do_nothing()
        found = insert(DispatchEventRow.__table__).on_conflict_do_nothing()
        self._letters = insert(DeadLetterRow.__table__).on_conflict_do_nothing()
        trips = insert(TripRow.__table__)
        changing = {
            column.name: trips.excluded[column.name]
            for column in TripRow.__table__.columns
            if column.name not in FIXED
        }
        trips = trips.on_conflict_do_update(
            index_elements=["id"],
            set_=changing,
            where=trips.excluded.version > TripRow.__table__.c.version,
        )
        messages = insert(MessageRow.__table__).on_conflict_do_nothing()
        acts = insert(AuditRow.__table__).on_conflict_do_nothing()
        self._events = _Written(events, engine)
        self._found = _Written(found, engine)
        self._trips = _Written(trips, engine)
        self._messages = _Written(messages, engine)
        self._rooms = _Written(_widening(insert(RoomRow.__table__)), engine)
        self._acts = _Written(acts, engine)

    def write(
        self, rows: Sequence[AnyRow], unreadable: Sequence[Unreadable], at_ms: int
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

    def _write_or_halve(self, rows: list[AnyRow], letters: list[Unreadable]) -> None:
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

    def _commit(self, rows: list[AnyRow]) -> None:
        with metrics.commit_seconds.time(), self._engine.begin() as connection:
            keep_out(connection)
            erased = among(connection, erasing.people_of(rows))
            self._execute(connection, erasing.scrubbed(rows, erased))
        metrics.batch_events.observe(len(rows))

    def _execute(self, connection: Connection, rows: list[AnyRow]) -> None:
        moves = [row for row in rows if isinstance(row, EventRow)]
        said = [row for row in rows if isinstance(row, said_in.MessageRow)]
        found = [row for row in rows if isinstance(row, DispatchRow)]
        found += filter(None, map(dispatch_of_move, moves))
        found.sort(key=_place)
        acts = map(row_of_move, moves)
        # Always in this order, for the same reason as in `write`.
        work = [
            (self._events, "trip_events", [event_values(row) for row in moves]),
            (self._found, "dispatch_events", [dispatch_values(row) for row in found]),
            (self._trips, "trips", [trip_values(row) for row in newest(moves)]),
            (self._messages, "messages", [message_values(row) for row in said]),
            (self._rooms, "rooms", room_values(said)),
            (self._acts, "audit_log", [act for act in acts if act is not None]),
        ]
        for statement, table, values in work:
            if values:
                statement.execute(connection, values)
            metrics.rows.labels(table).inc(len(values))

    def _bury(self, letters: list[Unreadable], at_ms: int) -> None:
        values: list[dict[str, Any]] = [
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
            keep_out(connection)
            for value in values:
                if among(connection, erasing.ids_in(value["payload"])):
                    value |= {"payload": b"", "error": erasing.TEXT}
            connection.execute(self._letters, values)
        metrics.dead_letters.inc(len(letters))

    def close(self) -> None:
        self._engine.dispose()


def _widening(insert: Any) -> Any:
    """An upsert of `rooms` that only ever widens what is known of a room: the same in
    whatever order and however often messages come.
    """
    new, old = insert.excluded, RoomRow.__table__.c
    earlier, later = new.first_n < old.first_n, new.last_n > old.last_n
    newer = new.last_at_ms > old.last_at_ms
    return insert.on_conflict_do_update(
        index_elements=["region", "name", "ledger"],
        set_={
            "first_n": case((earlier, new.first_n), else_=old.first_n),
            "last_n": case((later, new.last_n), else_=old.last_n),
            "last_at_ms": case((newer, new.last_at_ms), else_=old.last_at_ms),
        },
        where=or_(earlier, later, newer),
    )
