"""Starts: snapshot and tail, torn snapshots, a ledger that lacks its beginning, a NATS
server that goes and comes, a ledger that is full.
"""

import asyncio

import pytest
from msgspec.structs import replace
from nats.js.api import ObjectMeta

from dispatcher.engine.engine import Engine
from dispatcher.engine.snapshot import SNAPSHOT_VERSION
from dispatcher.region import retention, snapshotter
from runtime import bus as buses
from runtime.bus import Bus
from runtime.errors import LedgerGapError, LedgerGoneError
from runtime.ledger import open_ledger
from runtime.settings import Settings
from schemas import codec, streams
from schemas.commands import AcceptTrip, SyncData, SyncUser
from schemas.events import TripPush
from tests.contract.dispatcher.desk import (
    DORA,
    RITA,
    Book,
    Gateway,
    InProcess,
    command,
    request,
    rider,
)
from tests.contract.dispatcher.shelf import LIMITS, Shelf
from tests.support.nats import NatsServer
from tests.support.snapshots import Loose, save, written
from tests.support.waiting import until, until_is, until_true


@pytest.fixture
async def shelf(bus: Bus, book: Book, gateway: Gateway, settings: Settings) -> Shelf:
    """Of a ledger with two trips that ended and one that goes on; nobody leads."""
    dispatcher = await InProcess(settings).start()
    await gateway.leader()
    await gateway.ride(rider(1))
    await gateway.ride(rider(2))
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    await dispatcher.stop()
    return await Shelf(bus, book).open()


async def test_snapshot_and_tail_make_what_the_whole_ledger_makes(shelf: Shelf) -> None:
    last = await shelf.book.last()
    whole = await shelf.replayed(last)
    for n in (1, 5, last - 1, last):
        await shelf.save(n)
        region = await shelf.rebuilt()
        assert region._standby.n == last
        assert region._standby.engine.snapshot() == whole.snapshot()


async def test_a_start_from_a_snapshot_answers_since_from_before_it(
    shelf: Shelf, gateway: Gateway, settings: Settings
) -> None:
    await shelf.save(await shelf.book.last())
    since = (await shelf.book.records())[5].events[0].seq
    epoch = gateway.announced[-1].epoch
    dispatcher = await InProcess(settings).start()
    await gateway.leader(after=epoch)
    answer = await gateway.ask(command(SyncUser, DORA, since=since))
    await dispatcher.stop()
    assert answer.data is not None
    sync = codec.decode(answer.data, SyncData)
    assert sync.recovered
    seqs = [codec.decode(one, TripPush).seq for one in sync.events]
    assert seqs
    assert min(seqs) > since


async def test_a_snapshot_of_another_time_than_the_ledger_s_is_ignored(
    shelf: Shelf,
) -> None:
    """An older state of the ledger was restored, and has grown beyond a snapshot that
    was kept: the record that it ends with is one of a later time.
    """
    last = await shelf.book.last()
    early = await shelf.replayed(3)
    other = written(early, await shelf.book.ledger(), last)
    await save(shelf.store, other)
    assert [head.n for head in await shelf.store.heads()] == [last]
    assert (await shelf.book.records())[-1].at_ms > early.stamp_ms
    whole = await shelf.replayed(last)
    assert (await shelf.rebuilt())._standby.engine.snapshot() == whole.snapshot()


async def test_a_torn_snapshot_is_ignored(shelf: Shelf) -> None:
    last = await shelf.book.last()
    whole = (await shelf.replayed(last)).snapshot()
    ledger = await shelf.book.ledger()
    payload = written(await shelf.replayed(last), ledger, last)
    bucket = await shelf.book.js.object_store(streams.SNAPSHOTS)
    for torn in (payload[: len(payload) // 2], b"", b"\x00" * 100, b'{"v":1}'):
        await bucket.put("main", torn, meta=ObjectMeta(description="{}"))
        assert (await shelf.rebuilt())._standby.engine.snapshot() == whole


async def test_a_snapshot_whose_digest_is_wrong_is_ignored(shelf: Shelf) -> None:
    last = await shelf.book.last()
    await shelf.save(last)
    js = shelf.book.js
    bucket = await js.object_store(streams.SNAPSHOTS)
    info = await bucket.get_info("main")
    chunks = f"$O.{streams.SNAPSHOTS}.C.{info.nuid}"
    await js.purge_stream(f"OBJ_{streams.SNAPSHOTS}", subject=chunks)
    await js.publish(chunks, b'{"v":1}')
    whole = await shelf.replayed(last)
    assert (await shelf.rebuilt())._standby.engine.snapshot() == whole.snapshot()


async def tear(shelf: Shelf, n: int) -> None:
    """Spoil what the snapshot of record `n` says, not what is said of it."""
    js = shelf.book.js
    bucket = await js.object_store(streams.SNAPSHOTS)
    (info,) = [
        one for one in await bucket.list() if f'"n":{n},' in str(one.description)
    ]
    chunks = f"$O.{streams.SNAPSHOTS}.C.{info.nuid}"
    await js.purge_stream(f"OBJ_{streams.SNAPSHOTS}", subject=chunks)
    await js.publish(chunks, b"{}")


async def test_where_the_newest_snapshot_is_torn_the_one_before_stands_in(
    shelf: Shelf, book: Book
) -> None:
    """After a purge, too: the ledger is kept from where the older one needs it."""
    last = await book.last()
    ledger = await book.ledger()
    for n in (1, last, last - 4):  # who made the last of them was held up
        payload = written(await shelf.replayed(n), ledger, n)
        ringless = replace(codec.decode(payload, Loose), replay_from=n + 1)
        await save(shelf.store, codec.encode(ringless))
    assert [head.n for head in await shelf.store.heads()] == [last, last - 4]
    await book.acknowledge(last)
    whole = await shelf.replayed(last)
    await retention.purge(book.js, ledger, shelf.store, shelf.follower, 0)
    assert await book.first() == last - 3
    await tear(shelf, last)
    engine = (await shelf.rebuilt())._standby.engine
    assert engine.head_seq == whole.head_seq
    assert engine.active_trips == whole.active_trips == 1


async def test_a_snapshot_older_than_both_that_are_there_is_not_saved(
    shelf: Shelf,
) -> None:
    for n in (4, 5, 3, 5):
        await shelf.save(n)
    assert [head.n for head in await shelf.store.heads()] == [5, 5]
    await shelf.save(4)
    assert [head.n for head in await shelf.store.heads()] == [5, 5]


async def test_a_snapshot_of_another_version_leaves_the_one_before(
    shelf: Shelf,
) -> None:
    """After a rollback: it is also the first to be replaced."""
    last = await shelf.book.last()
    engine = await shelf.replayed(last)
    await shelf.save(last - 1)
    payload = written(engine, await shelf.book.ledger(), last)
    newer = replace(codec.decode(payload, Loose), v=SNAPSHOT_VERSION + 1)
    await save(shelf.store, codec.encode(newer))
    assert [head.n for head in await shelf.store.heads()] == [last - 1]
    region = await shelf.rebuilt()
    assert region._standby.engine.snapshot() == engine.snapshot()
    await shelf.save(last)
    assert [head.n for head in await shelf.store.heads()] == [last, last - 1]


async def test_a_snapshot_ahead_of_the_ledger_is_none(shelf: Shelf) -> None:
    """An older state of the ledger was restored, and the snapshots were not."""
    last = await shelf.book.last()
    engine = await shelf.replayed(last)
    ledger = await shelf.book.ledger()
    await shelf.save(last - 1)
    await save(shelf.store, written(engine, ledger, last + 1))
    region = await shelf.rebuilt()
    assert region._standby.engine.snapshot() == engine.snapshot()
    assert [head.n for head in await shelf.store.heads()] == [last - 1]
    await shelf.save(last)
    assert [head.n for head in await shelf.store.heads()] == [last, last - 1]


async def test_a_snapshot_of_another_ledger_or_of_the_future_is_ignored(
    shelf: Shelf,
) -> None:
    last = await shelf.book.last()
    engine = await shelf.replayed(last)
    ledger = await shelf.book.ledger()
    foreign = type(ledger)("main", ledger.stream, ledger.subject, "f" * 32, 1)
    for payload in (
        written(engine, foreign, last),
        written(engine, ledger, last + 1),
    ):
        await save(shelf.store, payload)
        assert (await shelf.rebuilt())._standby.engine.snapshot() == engine.snapshot()


async def test_a_ledger_whose_beginning_is_gone_is_not_led_without_a_snapshot(
    shelf: Shelf, settings: Settings
) -> None:
    await shelf.book.js.purge_stream(shelf.book.stream, seq=3)
    dispatcher = await InProcess(settings).start()
    await until(lambda: dispatcher.service.failure)
    assert isinstance(dispatcher.service.failure, LedgerGapError)
    await dispatcher.service.cancel_tasks()


async def test_a_snapshot_stands_for_what_is_gone(shelf: Shelf) -> None:
    last = await shelf.book.last()
    whole = await shelf.replayed(last)
    await shelf.save(last - 1)
    await shelf.book.js.purge_stream(shelf.book.stream, seq=last)
    region = await shelf.rebuilt()
    assert region._standby.engine.snapshot() != Engine("main", LIMITS).snapshot()
    assert region._standby.engine.head_seq == whole.head_seq
    assert region._standby.engine.active_trips == 1


async def test_a_ledger_in_place_of_another_is_not_taken_for_it(
    shelf: Shelf, bus: Bus
) -> None:
    """It was deleted and begun anew beside a running dispatcher, which must end."""
    region = await shelf.rebuilt()
    js = bus.jetstream()
    await js.delete_stream(shelf.book.stream)
    await open_ledger(js, "main", bytes_max=-1, replicas=1, first_seq=1_000)
    with pytest.raises(LedgerGoneError, match="any more"):
        await region._take_over()
    with pytest.raises(LedgerGoneError):
        await region._rebuild()


async def test_a_ledger_restored_from_a_backup_is_behind_and_not_led(
    shelf: Shelf, bus: Bus
) -> None:
    region = await shelf.rebuilt()
    region._standby.n += 1  # applied here, and not in the backup
    with pytest.raises(LedgerGapError, match="was there before"):
        await region._take_over()


async def test_a_standby_saves_a_snapshot_once_for_what_is_new(
    shelf: Shelf, settings: Settings, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotter, "SNAPSHOT_RECORDS", 1)
    epoch = gateway.announced[-1].epoch
    leader = await InProcess(settings).start()
    await gateway.leader(after=epoch)
    standby = await InProcess(settings).start()
    await gateway.settled(2)
    await gateway.trip(request(rider(3)))
    last = await shelf.book.last()
    await until_is(shelf.store.heads, lambda seen: bool(seen) and seen[0].n == last)
    bucket = await shelf.book.js.object_store(streams.SNAPSHOTS)
    saved = [one.nuid for one in await bucket.list()]
    # Announcements come every second, a standby looks twenty times in it.
    count = len(gateway.announced)
    await until(lambda: len(gateway.announced) > count + 1)
    assert [one.nuid for one in await bucket.list()] == saved
    await standby.stop()
    await leader.stop()


async def test_a_lone_leader_saves_a_snapshot_of_a_stored_record(
    shelf: Shelf, settings: Settings, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotter, "SNAPSHOT_S", 0.1)
    epoch = gateway.announced[-1].epoch
    dispatcher = await InProcess(settings).start()
    await gateway.leader(after=epoch)

    async def saved() -> bool:
        await gateway.ask(command(SyncUser, RITA))
        return bool(await shelf.store.heads())

    await until_true(saved, "a snapshot")
    await dispatcher.stop()
    loaded = await shelf.store.load(LIMITS)
    assert loaded is not None
    expected = await shelf.replayed(loaded[0].n)
    assert loaded[1].head_seq == expected.head_seq
    assert (await shelf.rebuilt())._standby.n == await shelf.book.last()


async def test_a_leader_goes_on_after_the_nats_server_was_away(
    dispatcher: InProcess, gateway: Gateway, book: Book, nats_server: NatsServer
) -> None:
    trip = await gateway.trip(request())
    gateway.hear("user.main.rita", TripPush)
    for end in (nats_server.stop, nats_server.kill):
        for _ in range(5):  # the leader may be back before this gateway is
            gateway.log.clear()
            before = gateway.bus.stats["reconnects"]
            end()
            nats_server.start()
            await until(lambda: gateway.bus.stats["reconnects"] > before)  # noqa: B023
            gateway.announced.clear()
            await until(lambda: gateway.announced, "the leader's announcement")
            if gateway.log:
                break
        assert gateway.log[0][1].trip == codec.Raw(codec.encode(trip))
        answer = await gateway.ask(command(SyncUser, RITA))
        assert answer.data is not None
        assert trip.id.encode() in bytes(answer.data)
    assert dispatcher.service.failure is None


async def test_a_full_ledger_refuses_with_overloaded_and_recovers(
    gateway: Gateway, settings: Settings, bus: Bus, book: Book
) -> None:
    small = Settings(nats_url=settings.nats_url, ledger_bytes_max=20_000)
    dispatcher = await InProcess(small).start()
    await gateway.leader()
    told: list[str] = []
    number = 0
    while not (told and told[-1] == "overloaded"):
        number += 1
        answer = await gateway.ask(request(rider(number)))
        told.append("ok" if answer.refused is None else answer.refused.code)
    assert set(told[:-1]) == {"ok"}

    # Nobody can lead; who tries refuses.
    refused = await until_is(lambda: _asked(gateway), lambda said: said == "overloaded")
    assert refused
    again = await until_is(lambda: _asked(gateway, 2), lambda said: said != "silence")
    assert again == "unavailable"

    config = (await book.js.stream_info(book.stream)).config
    config.max_bytes = 1_000_000
    await book.js.update_stream(config)
    answered = await until_is(lambda: _asked(gateway), lambda said: said == "ok")
    assert answered
    events = [event for one in await book.records() for event in one.events]
    riders = [event.trip.rider.id for event in events]
    assert riders[: number - 1] == [f"r{one}" for one in range(1, number)]
    assert f"r{number}" not in riders
    await dispatcher.stop()


_asked_count = iter(range(10_000, 20_000))


async def _asked(gateway: Gateway, attempt: int = 1) -> str:
    asked = replace(request(rider(next(_asked_count))), attempt=attempt)
    gateway.send(asked)
    try:
        await until(lambda: gateway.answer_to(asked), limit_s=0.2)
    except TimeoutError:
        return "silence"
    answer = gateway.answer_to(asked)
    assert answer is not None
    return "ok" if answer.refused is None else answer.refused.code


async def test_a_dispatcher_started_before_nats_waits_for_it(
    nats_server: NatsServer,
) -> None:
    nats_server.stop()
    starting = InProcess(Settings(nats_url=nats_server.url)).start()
    started = asyncio.create_task(starting)
    nats_server.start()
    dispatcher = await started
    bus = await buses.connect(nats_server.url, "test")
    gateway = Gateway(bus)
    await gateway.leader()
    await gateway.ride()
    await dispatcher.stop()
    await bus.close()
