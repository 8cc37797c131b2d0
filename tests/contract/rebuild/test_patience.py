"""What looks at every row takes as long as there are rows."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, func, select

from cabrank.operate import rebuild
from cabrank.operate.verify import verify
from persistence import database, revisions
from persistence.erasure import eraser
from persistence.history.past import past
from persistence.models import TripRow
from schemas.accounts import Erasure
from tests.contract.rebuild.conftest import Kept
from tests.support.records import T0_MS

LIMIT = "statement_timeout"


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """SQLite knows no such limit."""
    return postgres_url


@pytest.fixture
def limits() -> Iterator[list[str]]:
    """Of every statement of this process: what its connection was opened with."""
    seen: list[str] = []

    def executing(connection: Any, *_: Any) -> None:
        options = connection.connection.dbapi_connection.info.options
        seen.append(options[options.index(LIMIT) :].split()[0])

    event.listen(Engine, "before_cursor_execute", executing)
    yield seen
    event.remove(Engine, "before_cursor_execute", executing)


UNLIMITED = {f"{LIMIT}=0s"}


@pytest.mark.usefixtures("projected")
async def test_verify_has_no_limit_to_a_statement(limits: list[str]) -> None:
    limits.clear()
    await verify(None, wait=False)
    assert set(limits) == UNLIMITED


async def test_rebuild_has_none(projected: Kept, limits: list[str]) -> None:
    limits.clear()
    await rebuild.rebuild(None)
    assert projected.n == 21
    assert set(limits) == UNLIMITED


async def test_a_new_ledger_has_none(projected: Kept, limits: list[str]) -> None:
    await projected.js.delete_stream(projected.stream.name)
    limits.clear()
    await rebuild.begin_anew(None)
    assert set(limits) == UNLIMITED


async def test_erasing_has_none(
    projected: Kept, database_url: str, limits: list[str]
) -> None:
    assert projected.n == 21
    limits.clear()
    eraser.bring_to(database_url, [Erasure("u1", T0_MS)])
    assert set(limits) == UNLIMITED


async def test_migrating_has_none(blank_url: str, limits: list[str]) -> None:
    revisions.migrate(blank_url)
    assert set(limits) == UNLIMITED


@pytest.fixture
def blank_url(postgres_cluster: Any) -> Iterator[str]:
    name = postgres_cluster.create_database()
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)


async def test_what_a_service_asks_has_one(database_url: str) -> None:
    made = database.engine(database_url)
    async with database.reading(made) as connection:
        found = await connection.exec_driver_sql(f"SHOW {LIMIT}")
        assert found.scalar_one() == "30s"
    await made.dispose()


async def test_what_is_asked_of_the_past_has_as_long_as_who_asks_waits(
    database_url: str,
) -> None:
    there = past(database_url)
    limit = await there.ask(
        lambda asked: asked.exec_driver_sql(f"SHOW {LIMIT}").scalar()
    )
    assert limit == "5s"
    await there.close()


async def test_those_who_read_the_past_take_turns_on_sqlite(tmp_path: Path) -> None:
    """At the same time they would hand Python's lock round, row by row."""
    there = past(f"sqlite:///{tmp_path}/past.db")
    threads = await asyncio.gather(
        *(there.ask(lambda _: threading.get_ident()) for _ in range(20))
    )
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads
    await there.close()


async def test_who_reads_the_past_on_sqlite_waits_for_no_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/past.db"
    revisions.migrate(url)
    there, writing = past(url), database.plain_engine(url)
    with writing.begin() as writer:
        writer.execute(delete(TripRow))
        counted = select(func.count()).select_from(TripRow)
        assert await there.ask(lambda asked: asked.scalar(counted)) == 0
    writing.dispose()
    await there.close()
