"""A region whose snapshot has 200 MB: saved, read again, and led from."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.engine.engine import Engine
from dispatcher.region.snapshots import Frozen, SnapshotStore
from runtime import bus as buses
from runtime.bus import Bus
from runtime.ledger import Ledger, open_ledger
from runtime.settings import Settings
from schemas.ledger import Writer
from tests.contract.dispatcher.desk import Gateway, InProcess, request
from tests.sizes.conftest import size
from tests.support import proxy
from tests.support.largest import LARGE, LIMITS, filled
from tests.support.nats import NatsServer
from tests.support.waiting import until

FIRST = 1_000_000
"""The ledger's first record: as many events lie before it."""
PERCENT = size(2, 100)
BYTES_MIN = size(2_000_000, 200_000_000)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    connection = await buses.connect(nats_server.url, "test")
    yield connection
    await connection.close()


class Large:
    """A ledger of which all but two records is gone, and what they made before."""

    ledger: Ledger
    engine: Engine
    payload: bytes

    async def make(self, bus: Bus) -> "Large":
        js = bus.jetstream()
        self.ledger = await open_ledger(
            js, "main", bytes_max=-1, replicas=1, first_seq=FIRST - 1
        )
        now_ms = int(time.time() * 1000)
        for n in (FIRST - 1, FIRST):
            record = Writer(self.ledger.id, n, "test").record(n, now_ms, [])
            await js.publish(self.ledger.subject, record)
        size = LARGE.times(PERCENT / 100)
        self.engine = filled(size, first_seq=1, stamp_ms=now_ms)
        self.payload = self.engine.snapshot()
        assert len(self.payload) > BYTES_MIN
        self.store = SnapshotStore(js, self.ledger, 1)
        frozen = Frozen(self.engine, self.ledger, FIRST)
        await self.store.save(frozen.head, frozen.parts())
        frozen.close()
        await js.purge_stream(self.ledger.stream, seq=FIRST)
        return self


@pytest.fixture
async def large(bus: Bus) -> Large:
    return await Large().make(bus)


def peak_bytes() -> int:
    """The most that this process ever had in memory, since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def test_it_is_read_as_it_was_written_without_being_held_twice(
    large: Large,
) -> None:
    size_bytes = len(large.payload)
    before = large.payload
    del large.payload
    loaded = await large.store.load(LIMITS, needed=True)
    assert loaded is not None
    assert loaded[0].n == FIRST
    assert loaded[1].snapshot() == before
    forget_peak()
    held = peak_bytes()
    frozen = Frozen(large.engine, large.ledger, FIRST)
    small = Engine("main", LIMITS)
    await large.store.save(frozen.head, frozen.parts())
    frozen.close()
    assert small.active_trips == 0
    assert peak_bytes() - held < size_bytes / 4 + 8 * 1024 * 1024


async def test_a_region_that_large_is_led_over_a_store_that_stalls(
    large: Large, nats_server: NatsServer, bus: Bus
) -> None:
    """Beyond ten seconds it counted as torn once, and nobody could lead any more."""
    gateway = Gateway(bus)
    await gateway.ready()
    async with proxy.before("127.0.0.1", nats_server.port) as line:
        line.hold_at(b"io.nats.jetstream.api.v1.stream_msg_get_response")
        dispatcher = await InProcess(Settings(nats_url=line.url)).start()
        await until(lambda: line.is_held)
        line.release()
        await until(lambda: gateway.announced, "a leader", 240)
        assert (await gateway.trip(request())).version == 1
        await dispatcher.stop()
