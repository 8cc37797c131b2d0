import asyncio
from pathlib import Path

import pytest

from cabrank.errors import UnreachableError
from cabrank.operate.rebuild import rebuild
from cabrank.operate.verify import verify
from persistence import database
from persistence.projected.store import Store
from persistence.projected.writer import Writer
from runtime.bus import Bus
from runtime.settings import SettingsError
from schemas.streams import WRITER_DURABLE
from tests.contract.cabrank.commands import run
from tests.contract.rebuild.conftest import Kept, Rows
from tests.support.nats import NatsServer
from tests.support.running import service
from tests.support.waiting import until_true


async def differences() -> int:
    return sum(report.different for report in await verify(None, wait=False))


@pytest.mark.usefixtures("settled")
async def test_an_empty_database_becomes_equal(ledger: Kept, rows: Rows) -> None:
    await ledger.live(3)
    assert await differences() > 0
    (done,) = await rebuild(None)
    assert (done.records, done.events, done.dead, done.is_whole) == (21, 39, 0, True)
    assert await differences() == 0
    assert [row[3] for row in rows.all()["trips"]] == [4, 4, 4]


async def test_rebuilding_twice_changes_nothing(projected: Kept, rows: Rows) -> None:
    before = rows.all()
    await rebuild(None)
    assert rows.all() == before
    assert projected.n == 21


async def test_a_restored_database_gets_what_it_lacks(
    projected: Kept, rows: Rows
) -> None:
    whole = rows.all()
    rows.run("DELETE FROM trip_events WHERE version >= 3")
    rows.run("DELETE FROM trips WHERE rider_id = 'r2'")
    rows.run("UPDATE trips SET version = 1, status = 'REQUESTED', seq = 1, data = ''")
    rows.run("DELETE FROM messages WHERE n = 3")
    rows.run("UPDATE rooms SET last_n = 2, last_at_ms = 0")
    await rebuild(None)
    after = rows.all()
    assert after["trip_events"] == whole["trip_events"]
    assert after["messages"] == whole["messages"]
    assert await differences() == 0
    assert projected.n == 21


async def test_users_are_not_touched(projected: Kept, rows: Rows) -> None:
    rows.run(
        "INSERT INTO users (id, username, password_hash, first_name, last_name, role,"
        " region, created_at_ms)"
        " VALUES ('u', 'ann', NULL, 'Ann', '', 'rider', 'main', 5)"
    )
    await rebuild(None)
    assert rows.run("UPDATE users SET created_at_ms = 5 WHERE username = 'ann'") == 1
    assert projected.n == 21


@pytest.mark.usefixtures("projected")
async def test_an_altered_row_is_left_to_verify(rows: Rows) -> None:
    rows.run("UPDATE messages SET text = 'x' WHERE n = 1")
    await rebuild(None)
    assert await differences() == 2


async def test_a_database_that_was_never_migrated_is_migrated_first(
    nats_server: NatsServer,
    ledger: Kept,
    blank_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CABRANK_NATS_URL", nats_server.url)
    monkeypatch.setenv("CABRANK_DATABASE_URL", blank_database_url)
    await ledger.live(1)
    await rebuild(None)
    assert await differences() == 0


async def test_persistence_at_work_meanwhile_does_no_harm(
    bus: Bus, ledger: Kept, settled: None, database_url: str
) -> None:
    await ledger.live(20)
    writer = Writer(bus, Store(database.plain_engine(database_url)), 0.1)
    async with service() as running:
        writer.start(running)
        await asyncio.gather(rebuild(None), ledger.live(10), rebuild(None))

        async def reached() -> bool:
            return await ledger.floor() >= ledger.n

        await until_true(reached, "the end of the ledger", 20)
        running.stop()
        await writer.stop()
    assert sum(report.different for report in await verify(None, wait=True)) == 0


async def test_the_consumer_of_persistence_is_left_alone(projected: Kept) -> None:
    await projected.js.pull_subscribe(
        projected.stream.subjects[0], WRITER_DURABLE, stream=projected.stream.name
    )
    before = await projected.js.consumer_info(projected.stream.name, WRITER_DURABLE)
    await rebuild(None)
    await verify(None, wait=False)
    after = await projected.js.consumer_info(projected.stream.name, WRITER_DURABLE)
    assert (after.ack_floor, after.num_pending) == (
        before.ack_floor,
        before.num_pending,
    )


async def test_what_neither_has_any_more_is_told(projected: Kept, rows: Rows) -> None:
    await projected.js.purge_stream(projected.stream.name, seq=9)
    (done,) = await rebuild(None)
    assert done.is_whole
    rows.run("DELETE FROM trip_events")
    rows.run("DELETE FROM messages")
    (done,) = await rebuild(None)
    assert not done.is_whole
    assert "before record 9" in str(done)


async def test_a_backup_older_than_the_ledgers_beginning_is_told(
    projected: Kept, rows: Rows
) -> None:
    """It was made after record 1, and what came until record 8 is purged."""
    await projected.js.purge_stream(projected.stream.name, seq=9)
    for table in ("trip_events", "messages", "trips", "rooms"):
        rows.run(f"DELETE FROM {table}" + " WHERE seq > 4096" * (table != "rooms"))
    (done,) = await rebuild(None)
    assert not done.is_whole
    assert len(done.holes) == 3  # the second trip's first move, a message in each room
    assert "nor all in the database" in str(done)
    assert "room hall: 1 of messages 1-1" in str(done)
    assert await differences() == 3


# ---- the command line ------------------------------------------------------------


async def test_exit_status_tells_equal_from_different_from_unknown(
    projected: Kept, tmp_path: Path, rows: Rows
) -> None:
    def status(*arguments: str, **environ: str) -> tuple[int, str]:
        done = run(*arguments, cwd=tmp_path, **environ)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    assert await asyncio.to_thread(status, "verify") == (
        0,
        "main: records 1-21: 21 records, 12 trip events, 6 messages: equal\n",
    )
    rows.run("DELETE FROM trip_events WHERE seq = 4096")
    code, said = await asyncio.to_thread(status, "verify", "--no-wait")
    assert code == 1
    assert f"missing     trip_events seq 4096 of ledger {projected.id}" in said
    code, said = await asyncio.to_thread(status, "rebuild")
    assert (code, said) == (0, "main: records 1-21: 21 records, 39 events\n")
    assert (await asyncio.to_thread(status, "verify"))[0] == 0
    nobody = {"CABRANK_NATS_URL": "nats://127.0.0.1:1"}
    for command in ("verify", "rebuild"):
        code, said = await asyncio.to_thread(lambda c: status(c, **nobody), command)
        assert code == 2
        assert "No NATS server answers" in said


async def test_a_database_that_is_away_is_no_verdict(
    projected: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CABRANK_DATABASE_URL", "postgresql://x@127.0.0.1:1/none")
    with pytest.raises(UnreachableError, match="database"):
        await verify(None, wait=False)
    with pytest.raises(UnreachableError, match="database"):
        await rebuild(None)
    monkeypatch.setenv("CABRANK_DATABASE_URL", "mysql://x@127.0.0.1:1/none")
    with pytest.raises(SettingsError, match="DATABASE"):
        await rebuild(None)
    assert projected.n == 21
