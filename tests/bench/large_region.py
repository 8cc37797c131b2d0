"""What a region of 200 MB costs those beside it: the longest that the process that
stands by for it, or leads it, did nothing else while it starts, saves a snapshot, takes
over, and starts anew; how long a take-over takes; and its memory.

    python -m tests.bench.large_region [share of 200 MB]

Two dispatchers, each in a process of its own, are given two regions, a large one and an
empty one. In each a task asks for the time every 5 ms: what it is late by is what any
other region of that process, or any command, waits for; on a busy machine that is also
for others, so the processor's time that went by is told as well.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import msgspec
import uvloop
from nats.js import JetStreamContext

from dispatcher import main as dispatcher_main
from dispatcher.engine import lined
from dispatcher.placement.placement import Placement
from dispatcher.region import snapshots, snapshotter
from dispatcher.region.snapshots import SnapshotStore
from runtime import bus as buses
from runtime.bus import Bus
from runtime.ledger import open_ledger
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.commands import Announcement, SyncUser
from schemas.events import seq_of
from schemas.ledger import Writer
from schemas.trips import Role, User
from tests.support.largest import LARGE, filled
from tests.support.nats import running

LARGE_REGION, OTHER = "large", "other"
FIRST = 1_000_000
"""The large ledger's first record: its state has so many events behind it."""
NOBODY = User("bench", "bench", "", "", Role.OPERATOR)
SNAPSHOT_S = 10.0
WORKER = "worker"
EVERY_S = 0.005
LIMIT_S = 240.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# ---- the process that is looked at ---------------------------------------------


class Told(msgspec.Struct):
    late_ms: float
    busy_ms: float
    rss_mb: float
    peak_mb: float
    leads: list[str]
    ready: list[str]
    saved: int


async def work(url: str, name: str) -> None:
    snapshotter.SNAPSHOT_S = SNAPSHOT_S
    saved = 0
    save = SnapshotStore.save

    async def counted(store: SnapshotStore, *what: object) -> None:
        nonlocal saved
        await save(store, *what)  # type: ignore[arg-type]
        saved += 1

    SnapshotStore.save = counted  # type: ignore[method-assign, assignment]
    placements: list[Placement] = []

    class Seen(Placement):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            placements.append(self)

    dispatcher_main.Placement = Seen  # type: ignore[misc]
    late_s = busy_s = 0.0
    bus = await buses.connect(url, name)

    def asked(_: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        nonlocal late_s, busy_s
        regions = placements[0]._regions if placements else {}
        told = Told(
            round(late_s * 1000, 1),
            round(busy_s * 1000, 1),
            status_mb("VmRSS"),
            status_mb("VmHWM"),
            [one for one, region in regions.items() if region.leads],
            [one for one, region in regions.items() if region.missing is None],
            saved,
        )
        late_s = busy_s = 0.0
        bus.send(reply.decode(), codec.encode(told))

    bus.subscribe_raw(f"bench.{name}", asked)

    async def sample() -> None:
        nonlocal late_s, busy_s
        while True:
            at_s, cpu_s = time.perf_counter(), time.thread_time()
            await asyncio.sleep(EVERY_S)
            late_s = max(late_s, time.perf_counter() - at_s - EVERY_S)
            busy_s = max(busy_s, time.thread_time() - cpu_s)

    sampling = asyncio.create_task(sample())
    settings = Settings(nats_url=url, regions=f"{LARGE_REGION},{OTHER}")
    await dispatcher_main._start(Service("dispatcher"), settings)
    await sampling


def status_mb(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    return round(int(text.split(field + ":")[1].split()[0]) / 1024)


# ---- the one that looks --------------------------------------------------------


class Worker:
    def __init__(self, bus: Bus, url: str, name: str) -> None:
        self.bus = bus
        self.name = name
        log = Path(tempfile.gettempdir()) / f"large-region-{os.getpid()}-{name}.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, WORKER, url, name],
                stderr=out,
                stdout=out,
            )

    async def tell(self) -> Told:
        """What it was late by since it was asked before, and where it stands."""
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            try:
                answer = await self.bus.request(f"bench.{self.name}", b"", timeout=30)
            except Exception:  # noqa: BLE001 - not there yet
                await asyncio.sleep(0.1)
            else:
                return codec.decode(answer.data, Told)
        raise TimeoutError(self.name)

    async def until(self, what: str, is_so: Callable[[Told], bool]) -> Told:
        """The worst that was told meanwhile, and the last of the rest."""
        late_ms = busy_ms = 0.0
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            told = await self.tell()
            late_ms = max(late_ms, told.late_ms)
            busy_ms = max(busy_ms, told.busy_ms)
            if is_so(told):
                told.late_ms, told.busy_ms = late_ms, busy_ms
                return told
            await asyncio.sleep(0.05)
        msg = f"{self.name}: no {what} within {LIMIT_S} s"
        raise TimeoutError(msg)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def prepare(js: JetStreamContext, share: float) -> None:
    """A ledger of one record, and a snapshot of what came before it."""
    ledger = await open_ledger(
        js, LARGE_REGION, bytes_max=-1, replicas=1, first_seq=FIRST
    )
    now_ms = int(time.time() * 1000)
    record = Writer(ledger.id, FIRST, "bench").record(FIRST, now_ms, [])
    await js.publish(ledger.subject, record)
    engine = filled(
        LARGE.times(share), first_seq=1, stamp_ms=now_ms, region=LARGE_REGION
    )
    assert engine.head_seq < seq_of(FIRST, 0)
    store = SnapshotStore(js, ledger, 1)
    head = snapshots.head_of(engine, ledger, FIRST)

    async def parts() -> AsyncIterator[bytes]:
        for line in lined.write(snapshots.of(engine, ledger, FIRST)):
            yield line

    began_s = time.monotonic()
    await store.save(head, parts())
    took_s = time.monotonic() - began_s
    size = len(engine.snapshot())
    say(f"snapshot: {size / 1e6:.0f} MB, written and stored in {took_s:.1f} s")


async def measure(bus: Bus, url: str) -> None:
    def row(what: str, told: Told, more: str = "") -> None:
        say(
            f"{what:34} late {told.late_ms:6.1f} ms, of its own doing "
            f"{told.busy_ms:6.1f} ms   memory {told.rss_mb:6.0f} MB, "
            f"at most {told.peak_mb:.0f} MB   {more}"
        )

    led: dict[int, float] = {}
    before, taken = 1 << 62, asyncio.Event()

    def announced(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        said = codec.decode(payload, Announcement)
        if led.setdefault(said.epoch, time.monotonic()) and said.epoch > before:
            taken.set()

    bus.subscribe_raw(subjects.leader(LARGE_REGION), announced)

    async def ask() -> None:
        """So that there are records."""
        for number in count():
            for region in (LARGE_REGION, OTHER):
                asked = SyncUser(
                    id=f"bench{number}",
                    deadline_ms=int(time.time() * 1e3) + 9_000,
                    by=NOBODY,
                )
                bus.send(
                    subjects.commands(region),
                    codec.encode([asked]),
                    subjects.replies("bench", region),
                )
            await asyncio.sleep(0.2)

    asking = asyncio.create_task(ask())

    def both(told: Told) -> bool:
        return len(told.ready) == len((LARGE_REGION, OTHER))

    began_s = time.monotonic()
    one = Worker(bus, url, "one")
    told = await one.until("start", both)
    row("start from the snapshot", told, f"{time.monotonic() - began_s:.1f} s")
    saved = told.saved
    told = await one.until("snapshot of a lone leader", lambda t: t.saved > saved)
    row("a lone leader saves one", told)

    began_s = time.monotonic()
    two = Worker(bus, url, "two")
    told = await two.until("start", both)
    row("another starts", told, f"{time.monotonic() - began_s:.1f} s")
    await asyncio.sleep(8)  # who is to lead what is settled by then
    row("who led meanwhile", await one.tell())
    leader, standby = one, two
    if LARGE_REGION in (await two.tell()).leads:
        leader, standby = two, one
    saved = (await standby.until("standby", both)).saved
    told = await standby.until("snapshot of a standby", lambda t: t.saved > saved)
    row("a standby saves one", told)

    before = max(led)
    await standby.tell()
    leader.process.send_signal(signal.SIGKILL)
    killed_s = time.monotonic()
    told = await standby.until("take-over", lambda t: LARGE_REGION in t.leads)
    await taken.wait()
    row("it takes over", told, f"{(led[max(led)] - killed_s) * 1000:.0f} ms")
    leader.kill()

    three = Worker(bus, url, "three")
    await three.until("start", both)
    await asyncio.sleep(12)  # it may be that the region is handed to it
    told = await standby.until("its own start anew", both)
    row("a third comes, and may be handed it", told, f"leads {told.leads}")
    for worker in (standby, three):
        worker.kill()
    asking.cancel()


async def main(share: float) -> None:
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as nats:
        url = nats.url
        bus = await buses.connect(url, "bench")
        await prepare(bus.jetstream(timeout=30), share)
        await measure(bus, url)
        await bus.close()


if __name__ == "__main__":
    if sys.argv[1:2] == [WORKER]:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(work(*sys.argv[2:4]))
    else:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
