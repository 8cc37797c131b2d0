"""The indexes that persistence/models.py names, made where they are missing.

Apart from the revisions, which are a transaction each: PostgreSQL builds an index
beside writers only outside of one (CONCURRENTLY), which may take an hour and be broken
off. What is left then is an invalid index, which nobody reads and everybody writes: it
is dropped and made again. SQLite, where one writes at a time, makes each index in a
transaction of its own.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Index, inspect, text
from sqlalchemy.schema import CreateIndex

import persistence.delivery_models  # noqa: F401 - tables too
from persistence.models import Base

BUILD_LOCK = 0x6361_6272_6169_6478  # "cabraidx"
"""Apart from the revisions' lock: who waits for that one does so in a transaction,
which a concurrent build would wait for."""
LOCK_RETRY_S = 0.2

_INDEXES = """
    SELECT c.relname, i.indisvalid FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema()
"""


def named() -> list[Index]:
    """All that the models name."""
    tables = Base.metadata.sorted_tables
    return [index for table in tables for index in sorted(table.indexes, key=_name)]


def _name(index: Index) -> str:
    assert index.name is not None
    return str(index.name)


def bring(connection: Connection, tell: Callable[[str], object] = str) -> None:
    """Make what is missing; `tell` hears of each before it is made. The connection has
    no transaction, and no limit to a statement's time.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: broken off; what was made stays.
    """
    if connection.dialect.name == "postgresql":
        _bring_beside_writers(connection, tell)
        return
    for index in named():
        with connection.begin():
            if _name(index) in missing(connection):
                tell(f"making index {_name(index)}")
                connection.execute(CreateIndex(index))


def _bring_beside_writers(
    connection: Connection, tell: Callable[[str], object]
) -> None:
    connection.execution_options(isolation_level="AUTOCOMMIT")
    # It waits for every transaction that was there before, and nobody waits for it.
    connection.execute(text("SET lock_timeout = 0"))
    lock = {"key": BUILD_LOCK}
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), lock):
        time.sleep(LOCK_RETRY_S)  # not in the database: a build would wait for that
    try:
        for index in named():
            name = _name(index)
            valid = _there(connection)
            if valid.get(name, False):
                continue
            tell(f"making index {name}")
            if name in valid:
                connection.execute(text(f'DROP INDEX CONCURRENTLY "{name}"'))
            made = str(CreateIndex(index).compile(dialect=connection.dialect))
            made = made.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
            connection.exec_driver_sql(made)
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), lock)


def _there(connection: Connection) -> dict[str, bool]:
    """Index → whether it is valid."""
    found = connection.execute(text(_INDEXES))
    return {row.relname: row.indisvalid for row in found}


def missing(connection: Connection) -> list[str]:
    """What `bring` would make."""
    if connection.dialect.name == "postgresql":
        valid = {name for name, is_valid in _there(connection).items() if is_valid}
    else:
        tables = Base.metadata.sorted_tables
        there = inspect(connection)
        found = (one for table in tables for one in there.get_indexes(table.name))
        valid = {str(one["name"]) for one in found}
    return [_name(index) for index in named() if _name(index) not in valid]
