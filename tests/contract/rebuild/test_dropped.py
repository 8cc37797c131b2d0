"""What was let go of (persistence/history/retention.py) is missed by nobody."""

import pytest

from cabrank.operate.rebuild import rebuild
from cabrank.operate.verify import verify
from persistence import database
from persistence.history import retention
from persistence.models import DispatchEventRow
from tests.contract.rebuild.conftest import Kept, Rows
from tests.support.counting import count
from tests.support.records import T0_MS, event, message, trip

DAY_MS = 86_400_000


async def told() -> list[str]:
    (report,) = await verify(None, wait=False)
    return [f"{one.kind} {one.where} {one.what}" for one in report.differences]


async def drop(url: str) -> int:
    """All of `projected` but the last trip and each room's last message; returns how
    many events of trips, and messages, that were.
    """
    engine = database.engine(url)
    try:
        before = await count(engine, DispatchEventRow)
        dropped = await retention.drop(engine, T0_MS + DAY_MS, 0)
        return dropped - (before - await count(engine, DispatchEventRow))
    finally:
        await engine.dispose()


@pytest.fixture
async def dropped(projected: Kept, database_url: str) -> Kept:
    assert await drop(database_url) == 8 + 4
    return projected


@pytest.mark.usefixtures("dropped")
async def test_what_the_ledger_still_has_is_not_missed(rows: Rows) -> None:
    assert await told() == []
    rows.run("DELETE FROM trips WHERE rider_id = 'r0'")
    assert any("missing trips" in one for one in await told())


async def test_nor_is_what_the_ledger_has_no_longer(dropped: Kept) -> None:
    await dropped.js.purge_stream(dropped.stream.name, seq=20)
    assert await told() == []


async def test_younger_rows_beside_it_are_missed(dropped: Kept, rows: Rows) -> None:
    later = {"at_ms": T0_MS + 2 * DAY_MS}
    at = "2026-11-23T10:00:00.000Z"
    for move in range(4):
        await dropped.append(event(trip(9, move, updated=at), **later))
    await dropped.append(message("hall", 4, at=at), message("hall", 5, at=at))
    await dropped.append(message("hall", 6, at=at))
    await rebuild(None)
    assert await told() == []
    rows.run(
        "DELETE FROM trip_events WHERE version = 3 AND at_ms > :cut", cut=T0_MS + DAY_MS
    )
    rows.run("DELETE FROM messages WHERE n = 5")
    assert [one.split()[:2] for one in await told()] == [
        ["missing", "trip_events"],
        ["missing", "messages"],
    ]
    await dropped.js.purge_stream(dropped.stream.name, seq=dropped.n)
    said = await told()
    assert any(f"trip {trip(9).id}: 1 of versions 1-4" in one for one in said)
    assert any("room hall: 1 of messages 1-5" in one for one in said)


async def test_a_rebuild_of_what_was_dropped_is_whole(
    dropped: Kept, database_url: str
) -> None:
    await dropped.js.purge_stream(dropped.stream.name, seq=9)
    (done,) = await rebuild(None)
    assert done.is_whole
    assert await told() == []
    assert await drop(database_url) > 0
    assert await told() == []
    (done,) = await rebuild(None)
    assert done.is_whole
