"""The schema moves under a system that goes on working: expand, then contract."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import OperationalError

from persistence import database, revisions
from persistence.database import DatabaseError
from persistence.main import check_revision
from tests.data.keep_statements import BYTES, keep, path_of

KEPT = sorted((Path(__file__).parents[2] / "data").glob("statements-*.json"))
COUNTS = {
    "users": 2,
    "refresh_tokens": 1,
    "trips": 1,
    "trip_events": 4,
    "messages": 4,
    "rooms": 1,
    "dead_letters": 4,
}
"""Rows that the kept statements leave."""
IDENTITY = {
    "audit_log": 1,
    "erased_users": 3,
    "log_in_throttle": 3,
    "outside_users": 1,
}
DROPPED = {"trips": 2, "trip_events": 4, "messages": 1, "dropped_history": 2}
COUNTS_SINCE = {
    "0004": IDENTITY,
    "0005": IDENTITY,
    "0006": IDENTITY | {"devices": 2} | DROPPED,
    "0007": IDENTITY | {"devices": 2} | DROPPED,
    "0008": IDENTITY | {"devices": 2, "matches": 1} | DROPPED | {"dropped_history": 3},
}
for later in ("0010", "0011", "0012"):
    COUNTS_SINCE[later] = COUNTS_SINCE["0008"]
REVISION = {path: path.stem.partition("-")[2] for path in KEPT}


def replay(url: str, kept: Path) -> None:
    """Have an earlier version's statements run, as its driver sent them."""
    made = database.plain_engine(url)
    statements = json.loads(kept.read_text())[made.dialect.name]
    with made.begin() as connection:
        for one in statements:
            values = one["values"]
            many = isinstance(values, list) and values[:1] and is_row(values[0])
            sent = [row(each) for each in values] if many else row(values)
            connection.exec_driver_sql(one["sql"], sent)
    made.dispose()


def is_row(value: Any) -> bool:
    return isinstance(value, list | dict) and not is_bytes(value)


def is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {BYTES}


def row(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: plain(value) for name, value in values.items()}
    return tuple(plain(value) for value in values)


def plain(value: Any) -> Any:
    return value[BYTES].encode() if is_bytes(value) else value


def contents(url: str) -> dict[str, list[Any]]:
    made = database.plain_engine(url)
    with made.connect() as connection:
        found = everything(connection)
    made.dispose()
    return {name: rows for name, rows in found.items() if name != "alembic_version"}


def everything(connection: Connection) -> dict[str, list[Any]]:
    tables = MetaData()
    tables.reflect(connection)
    return {
        name: sorted(map(dict, connection.execute(table.select()).mappings()), key=repr)
        for name, table in tables.tables.items()
    }


def as_in(before: list[Any], rows: list[Any]) -> list[Any]:
    """The rows without the columns that an earlier schema does not have."""
    columns = before[0] if before else {}
    return sorted(({name: row[name] for name in columns} for row in rows), key=repr)


def test_what_this_version_writes_is_kept_for_the_next_revision(
    blank_database_url: str,
) -> None:
    written = {one["sql"] for one in keep(blank_database_url)}
    there = json.loads(path_of(revisions.head()).read_text())
    (kept,) = (
        {one["sql"] for one in statements}
        for dialect, statements in there.items()
        if blank_database_url.startswith(dialect)
    )
    assert written == kept, "run: python -m tests.data.keep_statements"


def test_no_revision_that_was_in_use_is_forgotten() -> None:
    """0003 was never but a step of one day; its version wrote what 0002's did."""
    assert set(REVISION.values()) >= {"0002", "0004", "0005", "0006"}


@pytest.mark.parametrize("kept", KEPT, ids=REVISION.get)
def test_an_earlier_versions_writer_works_on_the_newest_schema(
    kept: Path, blank_database_url: str
) -> None:
    revisions.migrate(blank_database_url)
    replay(blank_database_url, kept)
    found = contents(blank_database_url)
    counted = {name: len(rows) for name, rows in found.items() if rows}
    assert counted == {**COUNTS, **COUNTS_SINCE.get(REVISION[kept], {})}


@pytest.mark.parametrize("kept", KEPT, ids=REVISION.get)
def test_data_survives_the_way_up_and_down_and_up(
    kept: Path, blank_database_url: str
) -> None:
    revision = REVISION[kept]
    revisions.migrate(blank_database_url, revision)
    replay(blank_database_url, kept)
    before = contents(blank_database_url)
    assert before["trips"]
    for target in ("head", revision, "head", revision):
        revisions.migrate(blank_database_url, target)
        after = contents(blank_database_url)
        seen = {name: as_in(rows, after[name]) for name, rows in before.items()}
        assert seen == before
    assert contents(blank_database_url) == before


def test_a_migration_gives_up_on_a_table_in_use_and_changes_nothing(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who come after it would wait behind it, or the database is SQLite, where
    one writes at a time.
    """
    revisions.migrate(blank_database_url, "0002")
    other = database.plain_engine(blank_database_url)
    monkeypatch.setattr(revisions, "TABLE_LOCK_WAIT_S", 1)
    # On PostgreSQL that is for another runner: who waits as long for a table runs into
    # this test's own time limit.
    runner_s = 1 if other.dialect.name == "sqlite" else 600
    monkeypatch.setattr(revisions, "MIGRATION_WAIT_S", runner_s)
    with other.begin() as connection:
        if other.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(OperationalError):
            revisions.migrate(blank_database_url)
        assert everything(connection).keys() == contents_of("0002")
    other.dispose()
    revisions.migrate(blank_database_url)
    revisions.migrate(blank_database_url, "0002")


def contents_of(revision: str) -> set[str]:
    tables = {"users", "refresh_tokens", "trips", "trip_events", "dead_letters"}
    rooms = {"rooms", "messages"} if revision >= "0002" else set()
    return tables | rooms | {"alembic_version"}


async def test_a_worker_serves_a_later_schema_and_no_earlier_one(
    blank_database_url: str,
) -> None:
    revisions.migrate(blank_database_url, "0002")
    with pytest.raises(DatabaseError, match=r"revision 0002.*cabrank migrate"):
        await check_revision(blank_database_url)
    revisions.migrate(blank_database_url)
    await check_revision(blank_database_url)
    made = database.plain_engine(blank_database_url)
    with made.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    made.dispose()
    await check_revision(blank_database_url)
