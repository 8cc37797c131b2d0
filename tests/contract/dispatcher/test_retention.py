"""What the leader lets go of, on a real ledger."""

from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.engine.engine import Engine, Limits
from dispatcher.region import region, retention
from dispatcher.region.snapshots import SnapshotStore
from dispatcher.region.standby import Standby
from persistence.deliveries import places
from runtime.bus import Bus
from runtime.follower import Follower
from runtime.ledger import open_ledger
from runtime.settings import Settings
from schemas import codec
from schemas.events import DriverEvent, seq_of
from tests.contract.dispatcher.desk import Book, InProcess
from tests.contract.dispatcher.test_fence import Pen
from tests.support.nats import NatsServer
from tests.support.snapshots import save, written
from tests.support.waiting import until_is, until_true

RECORDS = 10


class Keeper:
    """Ten records, and all that has a say in what is kept of them."""

    def __init__(self, bus: Bus, book: Book) -> None:
        self.bus = bus
        self.book = book

    async def open(self) -> "Keeper":
        js = self.book.js
        self.ledger = await open_ledger(js, "main", bytes_max=-1, replicas=1)
        pen = Pen(self.bus, js, self.ledger)
        for n in range(1, RECORDS + 1):
            await pen.write(n)
        pen.fence.close()
        self.store = SnapshotStore(js, self.ledger, 1)
        await self.store.ensure()
        self.follower = Follower(self.bus, self.ledger)
        return self

    async def snapshot(self, *records: int, ring_from: int | None = None) -> None:
        """Those of these records; their ring reaches back to record `ring_from`."""
        engine = Engine("main", Limits(request_ttl_ms=1))
        if ring_from is not None:
            event = DriverEvent(seq_of(ring_from, 0), 1, "dora", online=True)
            engine.apply(event, codec.encode(event))
        for n in records:
            await save(self.store, written(engine, self.ledger, n))

    async def first_after_purge(self, kept_s: float = 0, *, ring: bool = True) -> int:
        await retention.purge(
            self.book.js, self.ledger, self.store, self.follower, kept_s, ring=ring
        )
        return await self.book.first()


@pytest.fixture
async def keeper(bus: Bus, book: Book) -> Keeper:
    return await Keeper(bus, book).open()


async def test_a_follower_says_how_far_behind_it_is(keeper: Keeper) -> None:
    read = await keeper.follower.read(2, 3)
    assert [one.seq for one in read] == [2, 3, 4]
    assert keeper.follower.behind == RECORDS - 1
    await keeper.follower.read(RECORDS)
    assert keeper.follower.behind == 1
    await keeper.follower.read(RECORDS + 1)
    assert keeper.follower.behind == 0


async def test_what_persistence_has_not_written_is_kept(keeper: Keeper) -> None:
    await keeper.snapshot(8, 9)
    await keeper.book.acknowledge(4)
    assert await keeper.first_after_purge() == 5


async def test_what_a_replay_needs_is_kept(keeper: Keeper) -> None:
    await keeper.snapshot(6, 8)
    await keeper.book.acknowledge(9)
    assert await keeper.first_after_purge() == 7


async def test_the_ring_is_kept_unless_it_is_given_up(keeper: Keeper) -> None:
    await keeper.snapshot(8, 9, ring_from=3)
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge() == 3
    # The last two of the older snapshot: their events may have reached nobody.
    assert await keeper.first_after_purge(ring=False) == 7


async def test_what_retries_are_known_by_is_kept_without_the_ring(
    keeper: Keeper,
) -> None:
    await keeper.snapshot(8, 9, ring_from=3)
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge(60, ring=False) == 1


async def test_what_webhooks_have_yet_to_read_is_kept_but_for_its_hold(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keeper.snapshot(8, 9)
    await keeper.book.acknowledge(RECORDS)
    ledger = {keeper.ledger.stream: 4}
    assert await places.tell(keeper.book.js, ledger) == ledger
    assert await places.tell(keeper.book.js, ledger) == {}
    assert await keeper.first_after_purge() == 5
    # Trips are worth more, where there is no room.
    assert await keeper.first_after_purge(ring=False) == 7
    # And nobody waits for ever, nor for whom there isn't any more.
    monkeypatch.setattr(retention, "HELD_S", 0.0)
    assert await keeper.first_after_purge() == 9
    assert await places.tell(keeper.book.js, {keeper.ledger.stream: None})


async def test_webhooks_that_are_no_more_hold_nothing(keeper: Keeper) -> None:
    await keeper.snapshot(8, 9)
    await keeper.book.acknowledge(RECORDS)
    for read in (3, None):
        await places.tell(keeper.book.js, {keeper.ledger.stream: read, "LEDGER_x": 1})
    assert await keeper.first_after_purge() == 9


async def test_the_last_record_is_kept_always(keeper: Keeper) -> None:
    await keeper.snapshot(RECORDS, RECORDS)
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge() == RECORDS


async def test_a_week_s_records_are_kept(keeper: Keeper) -> None:
    await keeper.snapshot(RECORDS, RECORDS)
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge(Settings().ledger_kept_s) == 1


async def test_a_leader_keeps_records_as_long_as_the_setting_says(
    keeper: Keeper,
    nats_server: NatsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await keeper.snapshot(RECORDS, RECORDS)
    await keeper.book.acknowledge(RECORDS)
    monkeypatch.setattr(retention, "INTERVAL_S", 0.0)
    settings = Settings(nats_url=nats_server.url, ledger_kept_s=0.001)
    dispatcher = await InProcess(settings).start()

    async def is_purged() -> bool:
        return await keeper.book.first() > 1

    try:
        await until_true(is_purged, "the purge", 30)
    finally:
        await dispatcher.stop()


async def test_nothing_is_purged_without_persistence(keeper: Keeper) -> None:
    await keeper.snapshot(RECORDS, RECORDS)
    assert await keeper.first_after_purge() == 1


async def test_nothing_is_purged_without_a_snapshot(keeper: Keeper) -> None:
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge() == 1


async def test_one_snapshot_alone_lets_nothing_go(keeper: Keeper) -> None:
    """It may be torn; the whole ledger does without."""
    await keeper.snapshot(6)
    await keeper.book.acknowledge(RECORDS)
    assert await keeper.first_after_purge() == 1


async def test_what_only_the_older_snapshot_needs_is_kept(keeper: Keeper) -> None:
    await keeper.book.acknowledge(RECORDS)
    for records, first in (((3, 9), 4), ((9,), 10)):
        await keeper.snapshot(*records)
        assert await keeper.first_after_purge() == first


class Lagging(Standby):
    """Falls behind what is kept, once."""

    rebuilds = 0

    async def rebuild(self, tell: Callable[[str], object] = str) -> int:
        began_at = await super().rebuild(tell)
        self.rebuilds += 1
        if self.rebuilds == 1:
            self.n -= 3
        return began_at


async def test_a_standby_that_fell_behind_what_is_kept_begins_anew(
    keeper: Keeper, nats_server: NatsServer
) -> None:
    """From a snapshot, and leads where nobody else does; its process goes on."""
    await keeper.snapshot(RECORDS - 1, RECORDS)
    await keeper.book.js.purge_stream(keeper.book.stream, seq=RECORDS)
    made: list[Lagging] = []

    def lagging(*args: Any) -> Lagging:
        made.append(Lagging(*args))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region, "Standby", lagging)
        dispatcher = await InProcess(Settings(nats_url=nats_server.url)).start()
        last = keeper.book.last
        await until_is(last, lambda n: n is not None and n > RECORDS, 30)
        await dispatcher.stop()
    assert made[0].rebuilds == 2
    assert dispatcher.service.failure is None
