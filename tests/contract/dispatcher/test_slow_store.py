"""An object store that is slow, silent or away: nothing in it is torn by that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from nats.js.api import ObjectMeta

from dispatcher.engine.engine import Engine
from dispatcher.region import snapshots
from dispatcher.region.snapshots import Head, SnapshotStore
from runtime import bus as buses
from runtime.bus import Bus
from runtime.errors import LedgerGapError
from runtime.settings import Settings
from schemas import codec, streams
from schemas.commands import AcceptTrip
from schemas.trips import User
from tests.contract.dispatcher.desk import (
    DORA,
    Book,
    Gateway,
    InProcess,
    command,
    request,
    rider,
)
from tests.contract.dispatcher.shelf import LIMITS, Shelf
from tests.support import proxy
from tests.support.nats import NatsServer
from tests.support.proxy import Proxy
from tests.support.snapshots import Loose, save, written
from tests.support.waiting import until

WIDE = "x" * 120
TRIPS = 1_500


@pytest.fixture
async def line(nats_server: NatsServer) -> AsyncIterator[Proxy]:
    async with proxy.before("127.0.0.1", nats_server.port) as line:
        yield line


class Large(Shelf):
    """Of a ledger with a trip that goes on, whose first records are purged; its newest
    snapshot has many chunks.
    """

    async def make(self) -> "Large":
        await self.open()
        self.last = await self.book.last()
        self._engine = await self.replayed(self.last)
        await save(self.store, await self.payload())
        await self.book.js.purge_stream(self.book.stream, seq=self.last)
        return self

    async def payload(self, *, more: int = 0) -> bytes:
        """Of the whole ledger, and of as many trips as make it large."""
        state = self._engine._state
        held = next(iter(state.trips.values()))
        for number in range(TRIPS + more):
            name = f"w{number}"
            trip = replace(
                held.trip,
                id=name,
                pick_up_address=WIDE,
                rider=_person(name),
                driver=None,
            )
            state.trips[name] = replace(held, trip=trip)
        payload = written(self._engine, await self.book.ledger(), self.last)
        assert len(payload) > 4 * 128 * 1024
        newer = self.last + 1 + more  # needs less
        ringless = replace(codec.decode(payload, Loose), replay_from=newer)
        return codec.encode(ringless)


@pytest.fixture
async def shelf(bus: Bus, book: Book, gateway: Gateway, settings: Settings) -> Large:
    dispatcher = await InProcess(settings).start()
    await gateway.leader()
    await gateway.ride(rider(1))
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    await dispatcher.stop()
    return await Large(bus, book).make()


def _person(name: str) -> User:
    return User(name, name, WIDE, WIDE, DORA.role)


class Reader:
    """A `load` over a line of its own, under way."""

    def __init__(self, shelf: Large, bus: Bus) -> None:
        self._shelf = shelf
        self._bus = bus
        self.told: list[str] = []

    async def begin(self, *, needed: bool = True) -> "asyncio.Task[None]":
        js = self._bus.jetstream(timeout=0.2)
        self.store = SnapshotStore(js, await self._shelf.book.ledger(), 1)
        self.found: tuple[Head, Engine] | None = None

        async def load() -> None:
            self.found = await self.store.load(
                LIMITS, needed=needed, tell=self.told.append
            )

        return asyncio.create_task(load())


@pytest.fixture
async def reader(shelf: Large, line: Proxy) -> AsyncIterator[Reader]:
    bus = await buses.connect(line.url, "slow")
    yield Reader(shelf, bus)
    line.release()
    await bus.close()


@pytest.mark.parametrize("after_bytes", [0, 150_000, 450_000])
async def test_a_snapshot_is_read_whole_from_a_store_that_falls_silent(
    reader: Reader, line: Proxy, shelf: Large, after_bytes: int
) -> None:
    line.hold(after_bytes)
    loading = await reader.begin()
    await until(lambda: len(reader.told) > 1, "two answers that didn't come")
    assert not loading.done()
    assert "does not answer" in reader.told[-1]
    line.release()
    await loading
    assert reader.found is not None
    assert reader.found[1].active_trips == TRIPS + 1


async def test_a_whole_ledger_does_without_a_store_that_stays_silent(
    reader: Reader, line: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "WITHOUT_S", 2)
    line.hold(150_000)
    loading = await reader.begin(needed=False)
    await loading
    assert line.is_held
    assert reader.found is None


async def test_a_purged_ledger_waits_for_a_store_that_is_not_there(
    reader: Reader, shelf: Large
) -> None:
    js = shelf.book.js
    payload = await shelf.payload()
    await js.delete_object_store(streams.SNAPSHOTS)
    loading = await reader.begin()
    # A busy machine may leave its first question without an answer.
    await until(lambda: "stream not found" in "".join(reader.told[-1:]))
    assert not loading.done()
    bucket = await js.create_object_store("OTHER")  # nobody makes an empty one
    assert bucket is not None
    await save(shelf.store, payload)  # restored
    await loading
    if reader.found is None:  # it found the store before what went in
        await (await reader.begin())
    assert reader.found is not None


async def test_a_dispatcher_says_what_it_waits_for_and_starts_once_it_is_back(
    shelf: Large,
) -> None:
    payload = await shelf.payload()
    await shelf.book.js.delete_object_store(streams.SNAPSHOTS)
    region = await shelf.region()

    async def start() -> None:
        while True:
            with contextlib.suppress(LedgerGapError):  # a store, and nothing in it yet
                await region._rebuild()
                return

    starting = asyncio.create_task(start())
    await until(lambda: "stream not found" in str(region.missing))
    await save(shelf.store, payload)
    await starting
    assert region._standby.n == shelf.last


async def test_a_snapshot_that_is_replaced_while_it_is_read_is_not_torn(
    reader: Reader, line: Proxy, shelf: Large
) -> None:
    """Both places, so that nothing of what was there is left."""
    line.hold(150_000)
    loading = await reader.begin()
    await until(lambda: line.is_held)
    for more in (1, 2):
        await save(shelf.store, await shelf.payload(more=more))
    line.release()
    await loading
    assert reader.found is not None
    assert reader.found[1].active_trips == TRIPS + 3


async def test_a_snapshot_with_a_chunk_missing_is_torn(
    reader: Reader, shelf: Large
) -> None:
    js = shelf.book.js
    state = (await js.stream_info(streams.SNAPSHOTS_STREAM)).state
    await js.delete_msg(streams.SNAPSHOTS_STREAM, state.first_seq + 1)
    await (await reader.begin())
    assert reader.found is None


async def test_what_a_slow_store_is_told_twice_it_keeps_once(
    reader: Reader, line: Proxy, shelf: Large
) -> None:
    newer = await shelf.payload(more=1)
    await (await reader.begin())
    line.hold_at(b'{"stream":"OBJ_SNAPSHOTS"')
    saving = asyncio.create_task(save(reader.store, newer))
    await until(lambda: line.is_held)
    sent = reader._bus.stats["out_msgs"]
    await until(lambda: reader._bus.stats["out_msgs"] > sent + 1, "a chunk once more")
    line.release()
    await saving
    assert len(await shelf.store.heads()) == 2
    loaded = await shelf.store.load(LIMITS, needed=True)
    assert loaded is not None
    assert loaded[1].active_trips == TRIPS + 2


async def test_what_nats_py_put_is_read_and_what_is_put_nats_py_gets(
    shelf: Large,
) -> None:
    """So do the versions before this one."""
    bucket = await shelf.book.js.object_store(streams.SNAPSHOTS)
    (info,) = await bucket.list()
    payload = (await bucket.get("main")).data
    assert payload == await shelf.payload()
    await bucket.put("main", payload, meta=ObjectMeta(description=info.description))
    loaded = await shelf.store.load(LIMITS, needed=True)
    assert loaded is not None
    assert loaded[1].active_trips == TRIPS + 1
