import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from persistence import database, revisions
from persistence.models import Base


def tables_of(url: str) -> set[str]:
    engine = database.plain_engine(url)
    try:
        with engine.connect() as connection:
            return set(inspect(connection).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()


def test_migrations_make_what_the_models_say(blank_database_url: str) -> None:
    revisions.migrate(blank_database_url)
    engine = database.plain_engine(blank_database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
    assert tables_of(blank_database_url) == set(Base.metadata.tables)


def test_migrations_go_up_and_down_and_up(blank_database_url: str) -> None:
    revisions.migrate(blank_database_url)
    revisions.migrate(blank_database_url, "base")
    assert tables_of(blank_database_url) == set()
    revisions.migrate(blank_database_url)
    assert tables_of(blank_database_url) == set(Base.metadata.tables)


def test_rooms_come_and_go_and_leave_the_rest_alone(blank_database_url: str) -> None:
    revisions.migrate(blank_database_url, "0001")
    before = tables_of(blank_database_url)
    revisions.migrate(blank_database_url, "0002")
    assert tables_of(blank_database_url) - before == {"rooms", "messages"}
    revisions.migrate(blank_database_url, "0001")
    assert tables_of(blank_database_url) == before


def test_migrating_twice_changes_nothing(blank_database_url: str) -> None:
    revisions.migrate(blank_database_url)
    revisions.migrate(blank_database_url)
    assert tables_of(blank_database_url) == set(Base.metadata.tables)


def test_a_later_versions_database_is_left_as_it_is(blank_database_url: str) -> None:
    """As after an upgrade that was taken back: `up` migrates at each start."""
    revisions.migrate(blank_database_url)
    engine = database.plain_engine(blank_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    revisions.migrate(blank_database_url)
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    assert revision == "9999"
    assert tables_of(blank_database_url) == set(Base.metadata.tables)


def test_runners_at_the_same_time_take_turns(blank_database_url: str) -> None:
    failures: list[Exception] = []
    start = threading.Barrier(4)

    def migrate() -> None:
        start.wait()
        try:
            revisions.migrate(blank_database_url)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert tables_of(blank_database_url) == set(Base.metadata.tables)


async def test_revision_is_none_before_and_head_after(blank_database_url: str) -> None:
    engine = database.engine(blank_database_url)
    assert await revisions.current(engine) is None
    revisions.migrate(blank_database_url)
    assert await revisions.current(engine) == revisions.head()
    await engine.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "not of the form"),
        ("nonsense", "not of the form"),
        ("mysql://host/name", "'mysql' is neither"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://relative/path", "names no file"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused(url: str, says: str) -> None:
    with pytest.raises(database.DatabaseError, match=says):
        database.parse(url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "aiosqlite"),
        ("sqlite+pysqlite:////abs/a.db", "aiosqlite"),
        ("postgresql://u:p@h/n", "psycopg"),
        ("postgresql+asyncpg://h/n", "psycopg"),
        ("postgres://h/n", "psycopg"),
    ],
)
async def test_a_driver_suffix_is_taken_and_ignored(url: str, driver: str) -> None:
    engine = database.engine(url)
    assert engine.driver == driver
    await engine.dispose()
