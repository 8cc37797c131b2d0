"""Erased users stay erased, though the ledger has them until it is purged."""

import asyncio

import pytest

from cabrank.operate.rebuild import rebuild
from cabrank.operate.verify import verify
from persistence import database
from persistence.erasure import eraser, erasure
from schemas.accounts import Erasure
from tests.contract.rebuild.conftest import Kept, Rows

NAMES = ("rider1", "driver1", "user1")


@pytest.fixture
async def erased(projected: Kept, database_url: str) -> Kept:
    """Rider, driver and writer of what was projected, one after the other."""

    def scrub() -> None:
        engine = database.plain_engine(database_url)
        for user in ("r1", "d1", "u1"):
            with engine.begin() as connection:
                erasure.mark(connection, user, 5)
            erasure.scrub(engine, user)
        engine.dispose()

    await asyncio.to_thread(scrub)
    for user in ("r1", "d1", "u1"):
        await eraser.publish(projected.js, Erasure(user, 5), 1)
    return projected


async def differences() -> int:
    return sum(report.different for report in await verify(None, wait=False))


def names_in(rows: Rows) -> list[str]:
    text = repr(rows.all())
    return [name for name in NAMES if name in text]


async def test_an_erased_users_rows_equal_the_ledger(erased: Kept, rows: Rows) -> None:
    assert await differences() == 0
    assert names_in(rows) == []
    assert erased.n == 21


@pytest.mark.usefixtures("erased")
async def test_a_row_that_still_tells_is_different(rows: Rows) -> None:
    rows.run("UPDATE messages SET text = 'hi' WHERE n = 1 AND room = 'hall'")
    assert await differences() == 1


@pytest.mark.usefixtures("erased")
async def test_rebuilding_brings_nobody_back(rows: Rows) -> None:
    before = rows.all()
    for table in ("trip_events", "trips", "messages", "rooms"):
        rows.run(f"DELETE FROM {table}")
    await rebuild(None)
    assert rows.all() == before
    assert await differences() == 0


@pytest.mark.usefixtures("erased")
async def test_a_fresh_database_learns_from_nats_who_was_erased(rows: Rows) -> None:
    for table in ("trip_events", "trips", "messages", "rooms", "erased_users"):
        rows.run(f"DELETE FROM {table}")
    await rebuild(None)
    assert names_in(rows) == []
    assert await differences() == 0


async def test_a_restored_backup_from_before_is_scrubbed(
    projected: Kept, rows: Rows
) -> None:
    assert names_in(rows) == list(NAMES)
    for user in ("r1", "d1", "u1"):
        await eraser.publish(projected.js, Erasure(user, 5), 1)
    await rebuild(None)
    assert names_in(rows) == []
    assert await differences() == 0
