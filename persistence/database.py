"""Database URLs, engines, and the schema's revision. Knows no table.

One URL serves all: `sqlite:///PATH` or `postgresql://…`, a driver suffix is taken and
ignored. Services ask through the async engine; the writer and the migrations, which
have a thread of their own, through the plain one.
"""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from persistence import indexing
from persistence.errors import DatabaseError

__all__ = ["DatabaseError", "check", "engine", "migrate", "plain_engine", "reading"]

STATEMENT_S = 30
"""What a service asks takes milliseconds; what takes this long is stuck."""
ANSWER_S = 5
"""So long a gateway waits for an answer (runtime/questions.py): history works no
longer for nobody."""
PATIENT = 0
"""No limit: what looks at every row takes as long as there are rows."""

WAL_PAGES = 4_000
"""16 MiB of SQLite's log before its pages are copied into the file: four times the
default, for the indexes' same pages change in every transaction, and each is copied
once (docs/BENCHMARKS.md)."""

PORT_MAX = 65535
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's; it looks at them only once it has found a server."""
MIGRATIONS = Path(__file__).with_name("migrations")
READ_ONLY = "cabrank_read_only"
"""Execution option: this connection only reads."""
BUSY_TIMEOUT_S = 5
"""How long SQLite waits for another process's transaction; ours take milliseconds."""
POOL_MAX = 8
"""Connections of one process; questions that find none wait."""
SQLITE_READERS = 1
"""Of those who read the past: sqlite3 lets go of Python's lock at each row, so threads
that read at the same time hand it round. Eight questions of 100 rows take 31 ms at once
and 5 one after the other (p50 of each, 2026-11-29)."""
MIGRATION_LOCK = 0x6361_6272_616E_6B  # "cabrank"
MIGRATION_WAIT_S = 60
"""How long one runner of migrations waits for another."""
WAL_RETRY_S = 0.05
TABLE_LOCK_WAIT_S = 10
"""How long a migration waits for a table in use; all who come after wait with it."""

POSTGRES_CONNECT: dict[str, Any] = {
    # A server that vanished without a word is noticed within ~10 s, not 15 min.
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cabrank",
}


def _postgres_connect(statement_s: int) -> dict[str, Any]:
    """What every connection is opened with."""
    options = f"-c statement_timeout={statement_s}s -c lock_timeout=5s"
    return {**POSTGRES_CONNECT, "options": options}


def parse(url: str) -> URL:
    """Read a database URL.

    Raises:
        DatabaseError: not a URL, neither SQLite nor PostgreSQL, or without a path.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: of the port
        # Without the URL: it may hold a password.
        msg = "the database URL is not of the form sqlite:///PATH or postgresql://…"
        raise DatabaseError(msg) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host is not None or parsed.database in (None, "", ":memory:"):
            msg = f"{url!r} names no file: sqlite:///PATH (sqlite:////PATH absolute)"
            raise DatabaseError(msg)
    elif backend not in ("postgresql", "postgres"):
        msg = f"database {backend!r} is neither 'sqlite' nor 'postgresql'"
        raise DatabaseError(msg)
    return parsed


def check(url: str) -> None:
    """Whether a database can be at that URL. To be asked once, as a program starts:
    what is missing later is the database being away.

    Raises:
        DatabaseError: `parse`'s, a path that is no database's, or parameters that
            libpq doesn't know.
    """
    parsed = parse(url)
    if is_sqlite(parsed):
        _check_file(Path(str(parsed.database)))
    else:
        _check_parameters(parsed)


def _check_file(path: Path) -> None:
    """One that isn't there, or can't be read, may be another time.

    Only SQLite may open it: whoever else closes it takes this process's locks from it,
    and two writers ruin it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        if path.is_dir():
            raise DatabaseError(f"{str(path)!r} is a directory")
        if path.exists() and not path.is_file():
            raise DatabaseError(f"{str(path)!r} is no file")
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except OSError:
        return
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise DatabaseError(f"{str(path)!r} is no SQLite database") from None


def _check_parameters(url: URL) -> None:
    """What no waiting for the server would mend."""
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 - 9 MB, 0.1 s

    try:
        conninfo.make_conninfo("", **dict.fromkeys(url.query, "x"))
    except ProgrammingError as error:
        raise DatabaseError(str(error).strip()) from None
    try:
        _, given = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError) as error:  # of several hosts and their ports
        raise DatabaseError(str(error).strip()) from None
    for port in str(given.get("port", "")).split(","):
        if port and not (port.isdecimal() and 0 < int(port) <= PORT_MAX):
            raise DatabaseError(f"port {port} is none of 1 to {PORT_MAX}")
    mode = url.query.get("sslmode", SSL_MODES[0])
    if mode not in SSL_MODES:
        known = ", ".join(SSL_MODES)
        raise DatabaseError(f"sslmode is {mode!r}, which is none of {known}")
    for name in ("sslrootcert", "sslcert", "sslkey"):
        path = str(url.query.get(name, ""))
        if path and path != "system" and not Path(path).is_file():
            raise DatabaseError(f"{name} is {path!r}: no such file")


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def engine(
    url: str, statement_s: int = STATEMENT_S, *, sqlite_pool: int = POOL_MAX
) -> AsyncEngine:
    """The async engine: a transaction begun on it may write (`engine.begin()`); for
    questions alone there is `reading`. Connects when first used. `statement_s`: how
    long PostgreSQL works on one statement; 0: as long as it takes.

    Raises:
        DatabaseError: the URL can't be used.
    """
    parsed = parse(url)
    if is_sqlite(parsed):
        made = create_async_engine(
            parsed.set(drivername="sqlite+aiosqlite"),
            connect_args={"timeout": BUSY_TIMEOUT_S},
            pool_size=sqlite_pool,
            max_overflow=0,
        )
        _make_sqlite_durable(made.sync_engine)
        return made
    return create_async_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args=_postgres_connect(statement_s),
        pool_size=POOL_MAX,
        max_overflow=0,
        # A restarted server costs no question, for a round trip each.
        pool_pre_ping=True,
    )


def plain_engine(url: str, statement_s: int = STATEMENT_S) -> Engine:
    """The same for a thread: one connection, opened when first used, kept until it
    breaks.

    Raises:
        DatabaseError: the URL can't be used.
    """
    parsed = parse(url)
    if is_sqlite(parsed):
        made = create_engine(
            parsed.set(drivername="sqlite+pysqlite"),
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            pool_size=1,
            max_overflow=0,
        )
        _make_sqlite_durable(made)
        return made
    made = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args=_postgres_connect(statement_s),
        pool_size=1,
        max_overflow=0,
    )
    _make_postgres_durable(made)
    return made


def _make_postgres_durable(made: Engine) -> None:
    """A commit waits for the disk, though the server's default says that it need not:
    what is committed is acknowledged, and then never written again. Stricter settings
    (`remote_apply`) stay.
    """

    @event.listens_for(made, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()


def _make_sqlite_durable(made: Engine) -> None:
    """WAL, an fsync a commit, and transactions that say at once that they write.

    SQLAlchemy's recipe ("Enabling Non-Legacy SQLite Transactional Modes"). A deferred
    transaction that reads before it writes fails with "database is locked" at once,
    whatever the busy timeout; an immediate one waits its turn.
    """

    @event.listens_for(made, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"wal_autocheckpoint={WAL_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(made, "begin")
    def began(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def past_engine(url: str) -> AsyncEngine:
    """That of those who read the past: log-ins never wait behind them."""
    return engine(url, ANSWER_S, sqlite_pool=SQLITE_READERS)


@asynccontextmanager
async def reading(made: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for questions: never waits for a writer, must not write."""
    async with made.connect() as connection:
        yield await connection.execution_options(**{READ_ONLY: True})


@asynccontextmanager
async def looking(made: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """The same for single questions, each of which sees what is there when it is asked:
    on PostgreSQL they need no transaction, whose two round trips cost a read as much
    of a worker's time as the rest.
    """
    async with reading(made) as connection:
        if made.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


# ---- revisions ---------------------------------------------------------------


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file, so that a wheel has it too."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision this code was written for."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


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
    return MigrationContext.configure(connection).get_current_revision()


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


def _move(connection: Connection, revision: str) -> None:
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
