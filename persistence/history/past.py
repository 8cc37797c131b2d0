"""Connections of those who read the past: log-ins never wait behind them.

A question is a function of a connection, and is asked whole: on SQLite in a thread of
its own, since a driver that hands each step to one costs more than the steps do.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from persistence import database

T = TypeVar("T")


class _Said(Struct):
    """One or the other."""

    answer: Any = None
    error: BaseException | None = None


_Asked = tuple[Callable[[Connection], Any], "asyncio.Future[Any]"]

SQLITE_READERS = 1
"""sqlite3 lets go of Python's lock at each row, so threads that read at the same time
hand it round. Eight questions of 100 rows take 31 ms at once and 5 one after the other
(p50 of each, 2026-11-29)."""
AT_ONCE_S = 0.001
"""What waits is handed to the thread together, in one transaction, and it comes back
with what it has after so long: of a question that takes 0.1 ms the way to the thread
and back, and the transaction, was the larger part."""


class OnSqlite:
    def __init__(self, url: str, at_once_s: float = AT_ONCE_S) -> None:
        self._engine = database.plain_engine(url)
        self._at_once_s = at_once_s
        self._thread = ThreadPoolExecutor(SQLITE_READERS, "past")
        self._waiting: deque[_Asked] = deque()
        self._is_asking = False

    async def ask(self, question: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((question, answer))
        if not self._is_asking:
            self._is_asking = True
            loop.call_soon(self._hand_over)  # with what comes in the same tick
        return await answer

    def _hand_over(self) -> None:
        some = [each for each in self._waiting if not each[1].done()]
        self._waiting.clear()
        self._is_asking = bool(some)
        if some:
            asking = asyncio.get_running_loop().run_in_executor(
                self._thread, self._answer, [question for question, _ in some]
            )
            asking.add_done_callback(partial(self._answered, some))

    def _answered(
        self, some: "list[_Asked]", asking: "asyncio.Future[list[_Said]]"
    ) -> None:
        error = asking.exception()
        said = [_Said(error=error)] * len(some) if error else asking.result()
        for (_, answer), each in zip(some, said, strict=False):
            if answer.done():  # nobody waits for it any more
                continue
            if each.error is not None:
                answer.set_exception(each.error)
            else:
                answer.set_result(each.answer)
        self._waiting.extendleft(reversed(some[len(said) :]))
        self._hand_over()

    def _answer(self, questions: list[Callable[[Connection], Any]]) -> "list[_Said]":
        """Of as many as there is time for, one at least."""
        ends_s = time.monotonic() + self._at_once_s
        said = []
        with self._engine.connect() as connection:
            reader = connection.execution_options(**{database.READ_ONLY: True})
            for question in questions:
                try:
                    said.append(_Said(question(reader)))
                except Exception as error:  # noqa: BLE001 - whoever asked is told
                    said.append(_Said(error=error))
                if time.monotonic() >= ends_s:
                    break
        return said

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
