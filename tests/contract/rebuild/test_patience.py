"""What looks at every row takes as long as there are rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from cabrank.operate import rebuild
from cabrank.operate.verify import verify
from persistence import database, revisions
from persistence.erasure import eraser
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
    for made, limit in (
        (database.engine(database_url), "30s"),
        (database.past_engine(database_url), "5s"),
    ):
        async with database.reading(made) as connection:
            found = await connection.exec_driver_sql(f"SHOW {LIMIT}")
            assert found.scalar_one() == limit
        await made.dispose()


def test_those_who_read_the_past_take_turns_on_sqlite(tmp_path: Path) -> None:
    """At the same time they would hand Python's lock round, row by row."""
    made = database.past_engine(f"sqlite:///{tmp_path}/past.db")
    pool: Any = made.sync_engine.pool
    assert (pool.size(), pool._max_overflow) == (1, 0)
