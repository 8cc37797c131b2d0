import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from persistence import database, revisions
from persistence.models import AuditRow, DeadLetterRow, TripEventRow, TripRow
from persistence.projected.projection import EventRow, read_record
from persistence.projected.store import Store
from tests.support.records import T0_MS, event, record, trip

MOVES = [(number, move) for number in range(3) for move in range(4)]


def rows_of(*moves: tuple[int, int], **changes: Any) -> list[EventRow]:
    """The rows of trips' moves; the same move is always the same event."""
    rows: list[EventRow] = []
    for number, move in moves:
        n = 1 + number * 4 + move
        at = event(trip(number, move, **changes), move)
        read, _ = read_record("LEDGER_main", n, record(n, at))
        rows += [row for row in read if isinstance(row, EventRow)]
    return rows


class Tables:
    def __init__(self, url: str) -> None:
        self.engine = database.plain_engine(url)
        self.store = Store(database.plain_engine(url))

    def all(self, table: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            columns = list(table.__table__.columns)
            order = list(table.__table__.primary_key)
            found = connection.execute(select(*columns).order_by(*order))
            return [tuple(row) for row in found]

    def clear(self) -> None:
        with self.engine.begin() as connection:
            for table in (TripEventRow, TripRow, DeadLetterRow):
                connection.execute(delete(table))

    def contents(self) -> list[list[tuple[Any, ...]]]:
        return [self.all(TripEventRow), self.all(TripRow), self.all(DeadLetterRow)]


@pytest.fixture
def tables(database_url: str) -> Any:
    tables = Tables(database_url)
    yield tables
    tables.store.close()
    tables.engine.dispose()


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    order=st.permutations(MOVES),
    again=st.lists(st.sampled_from(MOVES), max_size=6),
    cut=st.integers(0, 18),
)
def test_any_order_with_repeats_in_any_batches_leaves_what_in_order_once_leaves(
    tables: Tables, order: list[Any], again: list[Any], cut: int
) -> None:
    tables.clear()
    tables.store.write(rows_of(*MOVES), [], T0_MS)
    expected = tables.contents()
    assert len(expected[0]) == 12
    assert [row[3] for row in expected[1]] == [4, 4, 4]
    tables.clear()
    shuffled = order + again
    random.Random(cut).shuffle(shuffled)
    tables.store.write(rows_of(*shuffled[:cut]), [], T0_MS)
    tables.store.write(rows_of(*shuffled[cut:]), [], T0_MS)
    assert tables.contents() == expected


def test_a_poison_event_goes_to_dead_letters_and_its_neighbours_land(
    tables: Tables,
) -> None:
    good = rows_of((0, 0), (1, 0), (2, 0), (0, 1))
    (poison,) = rows_of((5, 0), version=2**70)
    dead = tables.store.write([*good[:2], poison, *good[2:]], [], T0_MS)
    assert dead == 1
    events, trips, ((ledger, seq, payload, error, at_ms),) = tables.contents()
    assert len(events) == 4
    assert len(trips) == 3
    assert (ledger, seq, at_ms) == (poison.ledger, poison.place, T0_MS)
    assert b'"rider5"' in payload
    assert error


def test_all_that_are_poison_are_found_and_only_they(tables: Tables) -> None:
    good = rows_of(*[(number, 0) for number in range(40)])
    bad = [rows_of((number, 0), version=2**70)[0] for number in (50, 57, 63)]
    mixed = [*good, *bad]
    random.Random(1).shuffle(mixed)
    assert tables.store.write(mixed, [], T0_MS) == 3
    events, _, letters = tables.contents()
    assert len(events) == 40
    assert {row[1] for row in letters} == {row.place for row in bad}


def test_dead_letters_are_written_once_too(tables: Tables) -> None:
    poison = rows_of((5, 0), version=2**70)
    tables.store.write(poison, [], T0_MS)
    tables.store.write(poison, [], T0_MS + 1)
    assert len(tables.all(DeadLetterRow)) == 1


def test_an_older_version_never_replaces_a_newer_one(tables: Tables) -> None:
    tables.store.write(rows_of((1, 3)), [], T0_MS)
    newest = tables.all(TripRow)
    tables.store.write(rows_of((1, 1)), [], T0_MS)
    assert tables.all(TripRow) == newest


def test_postgres_refuses_a_zero_byte_and_only_that_event_is_lost(
    postgres_url: str,
) -> None:
    tables = Tables(postgres_url)
    poison = rows_of((5, 0), pick_up_address="a\0b")
    assert tables.store.write([*rows_of((1, 0)), *poison], [], T0_MS) == 1
    assert len(tables.all(TripEventRow)) == 1
    tables.store.close()
    tables.engine.dispose()


def test_a_writer_s_commit_waits_for_the_disk(
    database_url: str,
) -> None:
    """The tests' PostgreSQL says by itself that it need not."""
    engine = database.plain_engine(database_url)
    is_sqlite = database_url.startswith("sqlite")
    question = "PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit"
    with engine.connect() as connection:
        found = connection.exec_driver_sql(question).scalar_one()
        if is_sqlite:
            journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            assert journal == "wal"
            pages = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
            assert pages == database.WAL_PAGES
    engine.dispose()
    assert found == (2 if is_sqlite else "on")


LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT * FROM trips").fetchall()
connection.close()
"""


def test_checking_a_url_again_leaves_the_file_locked(tmp_path: Path) -> None:
    """To close a file takes all of a process's locks from it, whoever opened it. Then
    the next process to close the database takes itself for the last, and deletes the
    log that this one writes.
    """
    file = tmp_path / "cabrank.db"
    url = f"sqlite:///{file}"
    revisions.migrate(url)
    first = database.plain_engine(url)
    with first.begin() as connection:
        connection.execute(delete(TripRow))
    log = tmp_path / "cabrank.db-wal"
    before = log.stat().st_ino
    database.check(url)
    database.plain_engine(url).dispose()
    database.engine(url)
    subprocess.run([sys.executable, "-c", LOOK, str(file)], check=True)
    assert log.exists()
    assert log.stat().st_ino == before
    first.dispose()


def moved(
    number: int, by: str, kind: str = "trip.cancelled", move: int = 3, **more: Any
) -> Any:
    """The row of what `by` did to trip `number`."""
    n = 100 + number
    at = trip(number, move, **more)
    made = event(at, move, by=by, type=kind)
    read, _ = read_record("LEDGER_main", n, record(n, made))
    return read[0]


def test_what_operators_do_to_trips_is_in_the_audit_log_once(tables: Tables) -> None:
    mine = [
        moved(0, "olga"),
        moved(1, "olga", "trip.completed"),
        moved(2, "olga", driver=None),
        moved(7, "olga", "trip.started"),
        moved(8, "olga", "trip.requested", 0, driver=None),
        moved(11, "olga", "trip.scheduled", 0, driver=None),
        moved(12, "olga", "trip.scheduled", driver=None),
    ]
    others = [
        moved(3, "r3"),
        moved(4, "d4"),
        moved(5, "", "trip.expired"),
        moved(6, "d6", "trip.released", driver=None),
        moved(9, "d9", "trip.started"),
        moved(10, "r10", "trip.requested", 0, driver=None),
    ]
    tables.store.write([*mine, *others], [], T0_MS)
    tables.store.write(mine, [], T0_MS + 99_000)
    assert len(tables.all(TripEventRow)) == 13
    with tables.engine.connect() as connection:
        found = connection.execute(select(AuditRow.__table__)).all()
    assert {(r.at_ms, r.actor, r.action, r.subject, r.outcome) for r in found} == {
        (T0_MS + 3000, "olga", "trip_cancel", mine[0].trip_id, "ok"),
        (T0_MS + 3000, "olga", "trip_complete", mine[1].trip_id, "ok"),
        (T0_MS + 3000, "olga", "trip_cancel", mine[2].trip_id, "ok"),
        (T0_MS + 3000, "olga", "trip_assign", mine[3].trip_id, "ok"),
        (T0_MS, "olga", "trip_request", mine[4].trip_id, "ok"),
        (T0_MS, "olga", "trip_request", mine[5].trip_id, "ok"),
        (T0_MS + 3000, "olga", "trip_reschedule", mine[6].trip_id, "ok"),
    }
    assert len(found) == 7
