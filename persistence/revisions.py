"""The schema's revision: which one a database has, and how it comes to have another."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import indexing, stamp
from persistence.database import (
    PATIENT,
    READ_ONLY,
    check,
    is_sqlite,
    parse,
    plain_engine,
    reading,
)
from persistence.stamp import head

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["current", "head", "migrate", "serves"]

MIGRATIONS = Path(__file__).with_name("migrations")
MIGRATION_LOCK = 0x6361_6272_616E_6B  # "cabrank"
MIGRATION_WAIT_S = 60
"""How long one runner of migrations waits for another."""
WAL_RETRY_S = 0.05
TABLE_LOCK_WAIT_S = 10
"""How long a migration waits for a table in use; all who come after wait with it."""


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, without a file, so that a wheel has it too."""
    # Here and below, not above: for migrations alone 0.3 s and 8 MB of each worker.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def serves(revision: str | None) -> bool:
    """Whether this code works on a database of that revision: its own, or a later one,
    since a migration only adds what the version before can do without ("expand"); what
    nobody uses any more goes a version later ("contract"). So during an upgrade a
    worker of the version before may still be restarted.
    """
    return revision is not None and revision >= head()


async def current(made: AsyncEngine) -> str | None:
    """The database's revision; None: never migrated."""
    async with reading(made) as connection:
        return await connection.run_sync(_current)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def migrate(
    url: str, revision: str = "head", tell: Callable[[str], object] = str
) -> None:
    """Bring the database to `revision`, up or down ("base": empty), in one
    transaction, one runner at a time; then make the indexes that the newest one wants,
    each by itself, `tell`ing of each, but on a new database, which has no rows yet:
    broken off, the next call goes on with them.
    Makes the directory of an SQLite file.

    Raises:
        DatabaseError: the URL can't be used.
        sqlalchemy.exc.SQLAlchemyError: the database refused, or another runner took
            longer than 60 s; nothing was changed.
    """
    check(url)
    parsed = parse(url)
    if is_sqlite(parsed):
        assert parsed.database is not None
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    made = plain_engine(url, PATIENT)
    try:
        with _connected(made) as connection:
            if is_sqlite(parsed):
                # BEGIN IMMEDIATE below is the lock.
                wait_ms = MIGRATION_WAIT_S * 1000
                connection.execution_options(**{READ_ONLY: True})
                connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms}")
                connection.rollback()
                connection.execution_options(**{READ_ONLY: False})
            with connection.begin():
                if not is_sqlite(parsed):
                    _lock(connection)
                was = _current(connection)
                _move(connection, revision)
            if _current(connection) == head():
                connection.rollback()
                indexing.bring(connection, str if was is None else tell)
                if is_sqlite(parsed):
                    _stamp(connection)
    finally:
        made.dispose()


def _connected(made: Engine) -> Connection:
    """Another runner may be at an SQLite file's first change to WAL, which no busy
    timeout waits for.
    """
    deadline = time.monotonic() + MIGRATION_WAIT_S
    while True:
        try:
            return made.connect()
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY_S)


def _lock(connection: Connection) -> None:
    """Be the only runner on PostgreSQL until the transaction ends."""
    for statement in (
        f"SET LOCAL lock_timeout = '{MIGRATION_WAIT_S}s'",
        f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})",
        f"SET LOCAL lock_timeout = '{TABLE_LOCK_WAIT_S}s'",
    ):
        connection.exec_driver_sql(statement)


def _stamp(connection: Connection) -> None:
    """Say in the file's head that there is nothing to do."""
    with connection.begin():
        number = stamp.of(connection.exec_driver_sql)
        if connection.exec_driver_sql("PRAGMA user_version").scalar() != number:
            connection.exec_driver_sql(f"PRAGMA user_version={number}")


def _move(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = alembic_config(connection)
    script = ScriptDirectory.from_config(config)
    known = [r.revision for r in script.walk_revisions()]  # newest first
    now = _current(connection)
    if revision in ("head", "heads"):
        is_later = now not in known and serves(now)
        if not is_later:
            command.upgrade(config, revision)
        return
    down = now in known and revision in known[known.index(now) + 1 :]
    if revision == "base" or down:
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
