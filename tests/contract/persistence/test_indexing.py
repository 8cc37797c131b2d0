"""Indexes are made beside a system at work, and again where that was broken off."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from persistence import database, indexing, revisions
from persistence.models import MessageRow
from tests.contract.persistence.test_upgrades import KEPT, replay
from tests.support.waiting import until_true

NEW = {
    "ix_refresh_tokens_expires_at_ms",
    "ix_trips_status_created_at_ms_id",
    "ix_trips_rider_id_status_created_at_ms_id",
    "ix_trips_driver_id_status_created_at_ms_id",
    "ix_trips_reference_created_at_ms_id",
    "ix_trip_events_by",
    "ix_trip_events_by_key",
    "ix_messages_sender_id_key",
    "ix_users_username_key",
    "ix_users_role_username_key",
    "ix_users_role_name_key",
    "ix_users_role_surname_key",
    "ix_users_id",
    "ix_devices_seen_at_ms",
    "ix_devices_user_id_seen_at_ms",
    "ix_dispatch_events_driver_id_what_ledger_seq",
    "ix_dispatch_events_trip_id_seq",
    "ix_matches_at_ms",
    "ix_matches_trip_id_seq",
    "ix_track_driver_id",
    "ix_webhook_deliveries_webhook_id_at_ms_seq",
    "ix_webhook_deliveries_webhook_id_line_seq_size",
    "ix_webhook_lines_webhook_id_due_ms",
    "ix_service_keys_user_id",
}
"""What revision 0004 has not."""
ALL = {str(index.name) for index in indexing.named()}
ROWS = next(path for path in KEPT if path.stem.endswith("0004"))
SAID = [one.name for one in MessageRow.__table__.columns if one.name != "seq"]
AGAIN = "INSERT INTO messages (seq, {0}) SELECT seq + 1000, {0} FROM messages".format(
    ", ".join(SAID)
)
BROKEN = "ix_trip_events_by"


def indexes(url: str) -> set[str]:
    """All that are there and may be read."""
    engine = database.plain_engine(url)
    with engine.connect() as connection:
        there = inspect(connection)
        found = {
            str(one["name"])
            for table in there.get_table_names()
            for one in there.get_indexes(table)
        }
        if engine.dialect.name == "postgresql":
            bad = text(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
            )
            found -= set(connection.execute(bad).scalars())
    engine.dispose()
    return found & ALL


@pytest.fixture
def before_url(blank_database_url: str) -> str:
    """A database of the revision before them, with rows."""
    revisions.migrate(blank_database_url, "0004")
    replay(blank_database_url, ROWS)
    return blank_database_url


def test_a_migration_makes_what_the_models_name_and_tells(before_url: str) -> None:
    assert indexes(before_url) == ALL - NEW
    told: list[str] = []
    revisions.migrate(before_url, tell=told.append)
    assert indexes(before_url) == ALL
    assert {one.removeprefix("making index ") for one in told} == NEW
    revisions.migrate(before_url, tell=told.append)
    assert len(told) == len(NEW)
    revisions.migrate(before_url, "0004")
    assert indexes(before_url) == ALL - NEW


def test_a_new_database_has_its_indexes_without_a_word(blank_database_url: str) -> None:
    told: list[str] = []
    revisions.migrate(blank_database_url, tell=told.append)
    assert (indexes(blank_database_url), told) == (ALL, [])


def test_an_index_that_is_missing_is_made_by_the_next_call(before_url: str) -> None:
    revisions.migrate(before_url)
    engine = database.plain_engine(before_url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {BROKEN}"))
    with engine.connect() as connection:
        assert indexing.missing(connection) == [BROKEN]
    revisions.migrate(before_url)
    with engine.connect() as connection:
        assert indexing.missing(connection) == []
    engine.dispose()


# ---- PostgreSQL alone: beside writers ------------------------------------------


@pytest.fixture
def postgres_before_url(postgres_cluster: Any) -> Iterator[str]:
    name = postgres_cluster.create_database()
    url = postgres_cluster.url(name)
    revisions.migrate(url, "0004")
    replay(url, ROWS)
    yield url
    postgres_cluster.drop_database(name)


def test_a_broken_build_leaves_an_invalid_index_that_is_made_again(
    postgres_before_url: str,
) -> None:
    url = postgres_before_url
    revisions.migrate(url)
    hasty = database.plain_engine(url, 1)
    with hasty.begin() as connection:
        connection.execute(text(f"DROP INDEX {BROKEN}"))
    with psycopg.connect(url) as other:
        # A build waits for who wrote before it, here until it is broken off.
        other.execute("UPDATE trip_events SET reason = 'x'")
        with (
            hasty.connect() as connection,
            pytest.raises(OperationalError, match="statement timeout"),
        ):
            indexing.bring(connection)
        with hasty.connect() as connection:
            assert BROKEN in indexing.missing(connection)
            there = inspect(connection).get_indexes("trip_events")
    assert BROKEN in {one["name"] for one in there}
    assert BROKEN not in indexes(url)
    hasty.dispose()
    revisions.migrate(url)
    assert indexes(url) == ALL


async def test_nobody_who_writes_waits_for_an_index(postgres_before_url: str) -> None:
    url = postgres_before_url
    building: list[str] = []
    write = "UPDATE trip_events SET reason = 'y'"
    other = await psycopg.AsyncConnection.connect(url)
    # Holds the build up, and no revision since 0004: none alters this table.
    await other.execute("UPDATE messages SET n = n")
    work = asyncio.create_task(
        asyncio.to_thread(revisions.migrate, url, "head", building.append)
    )

    async def is_waiting() -> bool:
        asked = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND query LIKE 'CREATE INDEX CONCURRENTLY%' "
            "AND datname = current_database()"
        )
        async with await psycopg.AsyncConnection.connect(url) as looking:
            found = await (await looking.execute(asked)).fetchone()
        return found is not None

    await until_true(is_waiting, "a build that waits", 30)
    async with await psycopg.AsyncConnection.connect(url) as writing:
        await writing.execute("SET lock_timeout = '2s'")
        await writing.execute(write)
        await writing.execute(AGAIN)
        await writing.commit()
    assert not work.done()
    await other.rollback()
    await other.close()
    await work
    assert indexes(url) == ALL
