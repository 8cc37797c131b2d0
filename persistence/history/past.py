"""Connections of those who read the past: log-ins never wait behind them.

A question is a function of a connection, and is asked whole: on SQLite in a thread of
its own, since a driver that hands each step to one costs more than the steps do.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection

from persistence import database

T = TypeVar("T")

SQLITE_READERS = 1
"""sqlite3 lets go of Python's lock at each row, so threads that read at the same time
hand it round. Eight questions of 100 rows take 31 ms at once and 5 one after the other
(p50 of each, 2026-11-29)."""


class OnSqlite:
    def __init__(self, url: str) -> None:
        self._engine = database.plain_engine(url)
        self._thread = ThreadPoolExecutor(SQLITE_READERS, "past")

    async def ask(self, question: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._answer, question)

    def _answer(self, question: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            reader = connection.execution_options(**{database.READ_ONLY: True})
            return question(reader)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()


class OnPostgres:
    def __init__(self, url: str) -> None:
        self._engine = database.engine(url, database.ANSWER_S)

    async def ask(self, question: Callable[[Connection], T]) -> T:
        async with database.reading(self._engine) as connection:
            # Needs no transaction, whose two round trips cost a read as much of a
            # worker's time as the rest: statements see each what is there anyway.
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            return await connection.run_sync(question)

    async def close(self) -> None:
        await self._engine.dispose()


Past = OnSqlite | OnPostgres


def past(url: str) -> Past:
    """Connects when first asked.

    Raises:
        DatabaseError: the URL can't be used.
    """
    kind = OnSqlite if database.is_sqlite(database.parse(url)) else OnPostgres
    return kind(url)
