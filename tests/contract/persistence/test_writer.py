import sqlite3

import msgspec
import pytest
from sqlalchemy import event as events_of

from persistence import database
from persistence.history.history import History
from persistence.history.past import past
from persistence.models import DeadLetterRow, TripEventRow, TripRow
from persistence.projected import pull
from persistence.projected import writer as writers
from persistence.projected.store import Store
from runtime.bus import Bus
from schemas import codec, streams, subjects
from schemas.accounts import FindTrip, Result
from schemas.events import seq_of
from schemas.ledger import RECORD_VERSION
from tests.contract.persistence.conftest import ROUND_S, Working
from tests.support import postgres
from tests.support.counting import Counting
from tests.support.nats import NatsServer
from tests.support.records import Ledger, event, online, record, trip
from tests.support.running import service
from tests.support.waiting import until, until_true


async def append_trips(ledger: Ledger, first: int, count: int) -> None:
    """Four records a trip: its whole life."""
    for number in range(first, first + count):
        for move in range(4):
            await ledger.append(event(trip(number, move, ledger.region)))


async def settled(ledger: Ledger, limit_s: float = 20) -> None:
    async def reached() -> bool:
        return await ledger.floor() >= ledger.n

    await until_true(reached, "the end of the ledger", limit_s)


async def test_records_become_rows_and_are_acknowledged(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await append_trips(ledger, 0, 5)
    await ledger.append(online("d1"))
    await ledger.append()
    async with working(database_url):
        await until_true(lambda: counting.rows(TripEventRow), "rows")
        await append_trips(ledger, 5, 5)
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 40
    assert await counting.column(TripRow.version) == [4] * 10
    assert set(await counting.column(TripRow.status)) == {"COMPLETED"}


async def test_records_that_come_again_change_nothing(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await append_trips(ledger, 0, 5)
    async with working(database_url):
        await settled(ledger)
    before = sorted(await counting.column(TripEventRow.seq))
    # As if no acknowledgement had ever arrived.
    await ledger.js.delete_consumer(ledger.stream.name, streams.WRITER_DURABLE)
    async with working(database_url):
        await settled(ledger)
    assert sorted(await counting.column(TripEventRow.seq)) == before
    assert await counting.column(TripRow.version) == [4] * 5


async def test_two_workers_write_each_event_once(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    async with working(database_url), working(database_url):
        await append_trips(ledger, 0, 50)
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 200
    assert await counting.column(TripRow.version) == [4] * 50


async def test_who_waits_for_a_trip_has_it_written_before_the_writer_has_company(
    database_url: str,
    ledger: Ledger,
    bus: Bus,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "GATHER_S", (0.05, 60.0))
    async with working(database_url) as writer:
        history = History(past(database_url), bus, writer.hurry)
        history.start()
        await append_trips(ledger, 0, 1)
        asked = FindTrip("main", trip(0).id, seq_of(ledger.n, 0))

        async def found() -> bool:
            subject = subjects.history("find")
            answer = await bus.request(subject, codec.encode(asked), 10)
            return codec.decode(answer.data, Result).refused is None

        await until_true(found, "the trip", 30)
        await history.stop()


async def test_a_new_region_is_picked_up(
    database_url: str, ledger: Ledger, bus: Bus, working: Working, counting: Counting
) -> None:
    async with working(database_url):
        await append_trips(ledger, 0, 1)
        await settled(ledger)
        other = await Ledger(bus, "oslo").create()
        await append_trips(other, 1, 1)
        await until_true(lambda: _has(counting, 8), "the other region's rows")
    assert set(await counting.column(TripRow.region)) == {"main", "oslo"}


async def _has(counting: Counting, rows: int) -> bool:
    return await counting.rows(TripEventRow) == rows


async def test_poison_goes_to_dead_letters_and_everything_else_lands(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await append_trips(ledger, 0, 2)
    await ledger.append(event(trip(7, version=2**70)), event(trip(8)))
    bad = msgspec.json.decode(record(ledger.n + 1, event(trip(9)), event(trip(10))))
    bad["events"][0]["kind"] = "unheard of"
    await ledger.append_raw(codec.encode(bad))
    await ledger.append_raw(b"not a record")
    await append_trips(ledger, 3, 2)
    async with working(database_url):
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 18
    letters = await counting.column(DeadLetterRow.payload)
    assert len(letters) == 3
    assert b"not a record" in letters


async def test_a_record_of_a_newer_version_waits_and_blocks_nobody(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    newer = msgspec.json.decode(record(1, event(trip(1))))
    newer["v"] = RECORD_VERSION + 1
    await ledger.append_raw(codec.encode(newer))
    await append_trips(ledger, 2, 2)
    async with working(database_url):
        await until_true(lambda: _has(counting, 8), "the other rows")
    assert await ledger.floor() == 0
    assert await counting.rows(DeadLetterRow) == 0


async def test_what_takes_many_sweeps_all_lands_between_empty_records(
    database_url: str,
    ledger: Ledger,
    working: Working,
    counting: Counting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pull, "SWEEP_RECORDS_MAX", 4)
    for number in range(10):
        await append_trips(ledger, number, 1)
        await ledger.append()
    async with working(database_url):
        await settled(ledger)
        await ledger.append()
        await append_trips(ledger, 10, 1)
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 44


async def test_a_deleted_consumer_is_made_again(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    async with working(database_url):
        await append_trips(ledger, 0, 1)
        await settled(ledger)
        await ledger.js.delete_consumer(ledger.stream.name, streams.WRITER_DURABLE)
        await append_trips(ledger, 1, 1)
        await until_true(lambda: _has(counting, 8), "rows after the deletion")


async def test_writing_goes_on_after_a_restart_of_nats(
    sqlite_url: str,
    nats_server: NatsServer,
    bus: Bus,
    ledger: Ledger,
    working: Working,
) -> None:
    counting = Counting(sqlite_url)
    async with working(sqlite_url):
        await append_trips(ledger, 0, 1)
        await settled(ledger)
        nats_server.kill()
        await until(lambda: not bus.is_connected, "the loss of the connection")
        nats_server.start()
        await until(lambda: bus.is_connected, "the connection")
        await append_trips(ledger, 1, 1)
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 8
    await counting.engine.dispose()


async def test_a_locked_database_is_waited_for(
    sqlite_url: str, ledger: Ledger, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    counting = Counting(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with working(sqlite_url) as writer:
        await append_trips(ledger, 0, 2)
        await until(lambda: writer.failing, "the first refusal")
        assert await counting.rows(TripEventRow) == 0
        other.execute("ROLLBACK")
        await settled(ledger)
    other.close()
    assert await counting.rows(TripEventRow) == 8
    assert await counting.rows(DeadLetterRow) == 0
    await counting.engine.dispose()


async def test_a_full_disk_is_waited_for(
    sqlite_url: str, ledger: Ledger, bus: Bus
) -> None:
    counting = Counting(sqlite_url)
    pages = 60
    engine = database.plain_engine(sqlite_url)

    @events_of.listens_for(engine, "begin")
    def limit(connection: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")  # type: ignore[attr-defined]

    async with service() as running:
        writer = writers.Writer(bus, Store(engine), ROUND_S)
        writer.start(running)
        await append_trips(ledger, 0, 60)
        await until(lambda: writer.failing == "OperationalError", "a full disk")
        pages = 100_000
        await settled(ledger)
        running.stop()
        await writer.stop()
    assert await counting.rows(TripEventRow) == 240
    assert await counting.rows(DeadLetterRow) == 0
    await counting.engine.dispose()


async def test_a_stopped_postgres_is_waited_for(
    postgres_cluster: postgres.Cluster,
    postgres_url: str,
    ledger: Ledger,
    working: Working,
) -> None:
    counting = Counting(postgres_url)
    async with working(postgres_url) as writer:
        await append_trips(ledger, 0, 1)
        await settled(ledger)
        postgres_cluster.stop()
        try:
            await append_trips(ledger, 1, 1)
            await until(lambda: writer.failing, "the first refusal")
        finally:
            postgres_cluster.start()
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 8
    assert await counting.rows(DeadLetterRow) == 0
    await counting.engine.dispose()


async def test_what_was_held_too_long_is_left_to_come_again(
    sqlite_url: str, ledger: Ledger, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "HOLD_MAX_S", -1)
    counting = Counting(sqlite_url)
    async with working(sqlite_url) as writer:
        await append_trips(ledger, 0, 1)
        await until(lambda: writer._pulls and not writer._arrived, "nothing in hand")
        assert await counting.rows(TripEventRow) == 0
        monkeypatch.setattr(writers, "HOLD_MAX_S", 4)
        await settled(ledger)
    assert await counting.rows(TripEventRow) == 4
    await counting.engine.dispose()


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.LEDGER_main.persistence.1.77.5.1795255200000000000.0",
        "$JS.ACK.domain.hash.LEDGER_main.persistence.1.77.5.1795255200000000000.0",
        "$JS.ACK._.hash.LEDGER_main.persistence.1.77.5.1795255200000000000.0.token",
    ],
)
def test_the_sequence_is_read_from_all_forms_of_reply_subject(reply: str) -> None:
    assert pull.sequence_of(reply) == 77


async def test_stopping_writes_what_is_in_hand(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await append_trips(ledger, 0, 10)
    async with working(database_url) as writer:
        await until(lambda: writer._arrived, "deliveries in hand")
        in_hand = len(writer._arrived)
    assert in_hand
    assert await counting.rows(TripEventRow) >= in_hand
