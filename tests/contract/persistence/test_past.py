"""Questions about the past on SQLite: handed to a thread together, answered one by one
(persistence/history/past.py).
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from persistence.history.past import OnSqlite

LIMIT_S = 30.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "past.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE things (n INTEGER)")
    return path


@pytest.fixture
async def past(file: Path) -> AsyncIterator[OnSqlite]:
    made = OnSqlite(f"sqlite:///{file}", at_once_s=LIMIT_S)
    yield made
    await made.close()


def things(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM things")).scalar_one())


def itself(connection: Connection) -> Connection:
    return connection


class Held:
    """A question that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> Connection:
        self.begun.set()
        assert self.go.wait(LIMIT_S)
        return connection


async def test_questions_that_come_together_are_one_transaction(past: OnSqlite) -> None:
    first, second = await asyncio.gather(past.ask(itself), past.ask(itself))
    third = await past.ask(itself)
    assert first is second
    assert first is not third


async def test_after_its_time_the_thread_comes_back_with_what_it_has(
    file: Path,
) -> None:
    past = OnSqlite(f"sqlite:///{file}", at_once_s=0)
    try:
        made = await asyncio.gather(*(past.ask(itself) for _ in range(5)))
        assert len(set(map(id, made))) == 5
    finally:
        await past.close()


async def test_answers_come_in_the_order_of_their_questions(file: Path) -> None:
    past = OnSqlite(f"sqlite:///{file}", at_once_s=0)
    asked: list[int] = []

    def number(n: int) -> Callable[[Connection], None]:
        return lambda _: asked.append(n)

    try:
        await asyncio.gather(*(past.ask(number(n)) for n in range(50)))
        assert asked == list(range(50))
    finally:
        await past.close()


async def test_who_asks_sees_what_was_written_before(
    past: OnSqlite, file: Path
) -> None:
    held = Held()
    before = asyncio.create_task(past.ask(held))
    await asyncio.to_thread(held.begun.wait, LIMIT_S)
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO things VALUES (1)")
    after = asyncio.create_task(past.ask(things))
    await asyncio.sleep(0)
    held.go.set()
    await before
    assert await after == 1


async def test_one_that_fails_takes_nobody_s_answer_along(past: OnSqlite) -> None:
    def bad(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM nowhere"))

    said = await asyncio.gather(
        past.ask(things), past.ask(bad), past.ask(things), return_exceptions=True
    )
    assert said[0] == said[2] == 0
    assert "no such table" in str(said[1])
    assert await past.ask(things) == 0


async def test_who_goes_away_stops_nobody(past: OnSqlite) -> None:
    held = Held()
    gone = asyncio.create_task(past.ask(held))
    await asyncio.to_thread(held.begun.wait, LIMIT_S)
    going = asyncio.create_task(past.ask(itself))
    await asyncio.sleep(0)
    gone.cancel()
    going.cancel()
    await asyncio.gather(gone, going, return_exceptions=True)
    held.go.set()
    assert await past.ask(things) == 0


async def test_a_database_that_can_t_be_opened_is_told_to_all_who_asked(
    tmp_path: Path,
) -> None:
    past = OnSqlite(f"sqlite:///{tmp_path}/missing/past.db")
    try:
        said = await asyncio.gather(
            past.ask(things), past.ask(things), return_exceptions=True
        )
        assert ["unable to open" in str(each) for each in said] == [True, True]
    finally:
        await past.close()
