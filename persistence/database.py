"""Database URLs and engines. Knows no table.

One URL serves all: `sqlite:///PATH` or `postgresql://…`, a driver suffix is taken and
ignored. Services ask through the async engine; the writer and the migrations, which
have a thread of their own, through the plain one.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from persistence.errors import DatabaseError

__all__ = ["DatabaseError", "check", "engine", "plain_engine", "reading"]

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

CACHE_KIB = 16 * 1024
"""Of SQLite's pages in the writer's memory, eight times the default: what one
transaction changes, and reads to do so, is 3 to 6 MiB with 128 users under way."""

sqlite3.register_adapter(type(None), lambda none: none)
"""Said, since sqlite3 asks each None that is bound whether it has an adapter or is one,
which takes longer (0.2 us) than writing it: a trip's rows have some twenty."""

PORT_MAX = 65535
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's; it looks at them only once it has found a server."""
READ_ONLY = "cabrank_read_only"
"""Execution option: this connection only reads."""
BUSY_TIMEOUT_S = 5
"""How long SQLite waits for another process's transaction; ours take milliseconds."""
POOL_MAX = 8
"""Connections of one process; questions that find none wait."""
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


def engine(url: str, statement_s: int = STATEMENT_S) -> AsyncEngine:
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
            pool_size=POOL_MAX,
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


def hasty_engine(url: str) -> Engine:
    """As `plain_engine`, but a commit doesn't wait for the disk: for what is right
    again after the last moments before a power cut are gone. No process's death loses
    any.
    """
    made = plain_engine(url)
    hurry = {
        "sqlite": "PRAGMA synchronous=NORMAL",
        "postgresql": "SET synchronous_commit = off",
    }[made.dialect.name]

    @event.listens_for(made, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.cursor().execute(hurry)
        connection.commit()

    return made


def roomy_engine(url: str) -> Engine:
    """As `plain_engine`, for who writes many users' rows at once: SQLite keeps
    `CACHE_KIB` of pages for it, so that they aren't read again for each transaction.
    """
    made = plain_engine(url)

    @event.listens_for(made, "connect")
    def connected(connection: Any, _record: object) -> None:
        if made.dialect.name == "sqlite":
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")

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


@asynccontextmanager
async def reading(made: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for questions: never waits for a writer, must not write."""
    async with made.connect() as connection:
        yield await connection.execution_options(**{READ_ONLY: True})
