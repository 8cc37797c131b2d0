"""The number in an SQLite file's head says that there is nothing to migrate."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from persistence import revisions, stamp


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cabrank.db"


@pytest.fixture
def migrated(path: Path) -> Path:
    revisions.migrate(f"sqlite:///{path}")
    return path


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_the_head_is_alembics_own() -> None:
    script = ScriptDirectory.from_config(revisions.alembic_config())
    assert stamp.head() == script.get_current_head() == revisions.head()


def test_what_was_migrated_is_current_and_what_was_not_is_not(path: Path) -> None:
    assert not stamp.is_current(path)
    path.touch()
    assert not stamp.is_current(path)
    path.write_bytes(b"no database at all" * 100)
    assert not stamp.is_current(path)


def test_a_migrated_one_is_current_also_while_somebody_writes(migrated: Path) -> None:
    assert stamp.is_current(migrated)
    with closing(sqlite3.connect(migrated)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert stamp.is_current(migrated)


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_trip_events_by",
        "UPDATE alembic_version SET version_num = '0010'",
        "DELETE FROM alembic_version",
        "PRAGMA user_version = 0",
    ],
)
def test_what_was_changed_behind_it_is_migrated_again(
    migrated: Path, change: str
) -> None:
    execute(migrated, change)
    assert not stamp.is_current(migrated)


def test_a_missing_index_is_made_and_the_database_current_again(migrated: Path) -> None:
    execute(migrated, "DROP INDEX ix_trip_events_by")
    revisions.migrate(f"sqlite:///{migrated}")
    assert stamp.is_current(migrated)


def test_other_models_want_another_number(
    migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamp, "WANTED", ("models.py",))
    assert not stamp.is_current(migrated)


def test_a_database_of_an_older_revision_is_not_current(path: Path) -> None:
    revisions.migrate(f"sqlite:///{path}", "0010")
    assert not stamp.is_current(path)
