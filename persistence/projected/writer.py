"""The batch writer: ledgers in, rows out, exactly once.

Rows of many records, of all regions, go in one transaction; then the records are
acknowledged. A crash between the two brings them again, and the rows are there
already. Where the database is away the records are handed back, to come again to
whichever worker can write. Must not decide what a row is (projection.py) or which
event is at fault (store.py).
"""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import nats.errors
import structlog
from nats.js.errors import APIError

from persistence import metrics
from persistence.projected import failures
from persistence.projected.projection import (
    AnyRow,
    FutureRecord,
    Unreadable,
    is_empty,
    read_record,
)
from persistence.projected.pull import ACK, Delivery, Pull, nak, sequence_of
from persistence.projected.store import Store
from runtime import streams, tracing
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.resting import together_s
from schemas.streams import ACK_WAIT_S, region_of_ledger

log = structlog.get_logger()

GATHER_S = (0.05, 0.15)
"""So long a batch waits for company while somebody asks for what it brings, and else:
twenty transactions a second at most, and seven. Each writes a page of every index that
its users' rows are in, so that fewer cost less (docs/BENCHMARKS.md); no fewer, since
who asks one worker does not hurry another, and waits 0.3 s (history/history.py)."""
SWEEP_MAX_S = 0.25
"""A sweep not over by then goes on beside the writing."""
BATCH_BYTES_MAX = 2 * 1024 * 1024
"""Of records in one transaction: some 3,000 events."""
BACKLOG_BYTES_MAX = 16 * 1024 * 1024
"""Of records in hand past which no more are asked for."""
HOLD_MAX_S = ACK_WAIT_S - 1
"""What we held longer is about to come again; writing it would be twice the work."""
BACKOFF_S = (0.1, 5.0)
"""First and longest wait after the database failed; doubles in between."""
ROUND_S = 3
"""Between looks for new ledgers (regions) and at their lag."""
TICK_S = 1
"""Between looks for requests that NATS forgot."""
FUTURE_DELAY_S = 5
"""A record of a newer version waits so long for a newer worker."""


class Writer:
    """Several in any number of processes are safe."""

    def __init__(self, bus: Bus, store: Store, round_s: float = ROUND_S) -> None:
        self._round_s = round_s
        self._bus = bus
        self._js = bus.jetstream()
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pulls: dict[str, Pull] = {}
        self._arrived: list[Delivery] = []
        self._bytes = 0
        self._some = asyncio.Event()
        self._all_swept = asyncio.Event()
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._backoff_s = 0.0
        self._paused = False
        self.failing: str | None = None
        """Kind of error the database gave last; None: it took the last batch."""

    def start(self, service: Service) -> None:
        service.spawn("ledgers", self._follow_ledgers())
        service.spawn("pulls", self._tick())
        self._writing = service.spawn("writer", self._run(), may_end=True)

    def reconnected(self) -> None:
        """NATS is back: it knows of no request of ours."""
        for pull in self._pulls.values():
            pull.ask_if_overdue(at_once=True)

    def hurry(self) -> None:
        """Somebody waits for what the database doesn't have yet."""
        self._wanted.set()

    async def stop(self) -> None:
        """Take no more, write what is in hand, acknowledge it."""
        self._stopping.set()
        self._wanted.set()
        for pull in self._pulls.values():
            pull.close()
        self._some.set()
        await self._writing
        with contextlib.suppress(nats.errors.Error):  # then they come again
            await self._bus.flush()
        self._thread.shutdown()
        self._store.close()

    # ---- ledgers -------------------------------------------------------------

    async def _follow_ledgers(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._find_ledgers()
                for pull in list(self._pulls.values()):
                    await pull.look(self._js)
            except (nats.errors.Error, APIError, TimeoutError) as error:
                log.warning("JetStream does not answer", error=repr(error))
            await self._pause(together_s(self._round_s))

    async def _find_ledgers(self) -> None:
        names = await streams.names(self._bus)
        for name in names - self._pulls.keys():
            if region_of_ledger(name) is None or self._stopping.is_set():
                continue
            pull = Pull(self._bus, name, self._deliver, self._may_ask, self._swept)
            await pull.prepare(self._js)
            self._pulls[name] = pull
            log.info("following ledger", region=pull.region)
        for name in self._pulls.keys() - names:
            pull = self._pulls.pop(name)
            pull.close()
            log.warning("ledger is gone", region=pull.region)

    async def _tick(self) -> None:
        while not self._stopping.is_set():
            for pull in self._pulls.values():
                pull.ask_if_overdue()
            await self._pause(together_s(TICK_S))

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop`."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    # ---- deliveries ----------------------------------------------------------

    def _may_ask(self) -> bool:
        return self._bytes < BACKLOG_BYTES_MAX and not self._paused

    def _deliver(self, delivery: Delivery) -> None:
        self._arrived.append(delivery)
        self._bytes += len(delivery.payload)
        self._some.set()

    def _swept(self) -> None:
        if not any(pull.sweeping for pull in self._pulls.values()):
            self._all_swept.set()

    def _acknowledge(self, delivery: Delivery) -> None:
        # A lost acknowledgement brings the record again, and its rows are there.
        self._bus.send(delivery.reply, ACK)
        delivery.pull.acknowledged.inc()

    def _take(self) -> list[Delivery]:
        """The next batch: the oldest in hand, but those that will come again."""
        taken = []
        size = 0
        count = 0
        fresh = time.monotonic() - HOLD_MAX_S
        for delivery in self._arrived:
            if size >= BATCH_BYTES_MAX:
                break
            count += 1
            self._bytes -= len(delivery.payload)
            if delivery.at >= fresh:
                size += len(delivery.payload)
                taken.append(delivery)
        del self._arrived[:count]
        metrics.held_records.set(len(self._arrived))
        if not self._arrived:
            self._some.clear()
        return taken

    # ---- writing -------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            if not self._arrived:
                for pull in self._pulls.values():
                    pull.ask()
                if self._stopping.is_set():
                    return
                self._some.clear()
                await self._some.wait()
            pulls = self._pulls.values()
            if not any(pull.full or pull.sweeping for pull in pulls):
                await self._gather()
            await self._sweep()
            batch = self._take()
            for pull in self._pulls.values():
                if pull.full:
                    pull.sweep()  # NATS sends the next while the database writes this
            if batch and not await self._write(batch):
                if self._stopping.is_set():
                    return  # what is in hand comes again, here or elsewhere
                self._paused = True
                await self._pause(self._backoff_s)
                self._paused = False

    async def _gather(self) -> None:
        least_s, most_s = GATHER_S
        await self._pause(least_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), most_s - least_s)
        self._wanted.clear()

    async def _sweep(self) -> None:
        """Have what gathered at the server since the first record came."""
        self._all_swept.clear()
        for pull in self._pulls.values():
            pull.sweep()
        if any(pull.sweeping for pull in self._pulls.values()):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_swept.wait(), SWEEP_MAX_S)

    async def _write(self, batch: list[Delivery]) -> bool:
        """Write and acknowledge; False: the database is away, and all was handed back
        to come again.
        """
        done, rows, unreadable = self._read(batch)
        start_ns = time.time_ns()
        try:
            if rows or unreadable:
                dead = await asyncio.get_running_loop().run_in_executor(
                    self._thread,
                    self._store.write,
                    rows,
                    unreadable,
                    time.time_ns() // 1_000_000,
                )
                if dead:
                    log.error("events went to dead_letters", count=dead)
        except Exception as error:  # noqa: BLE001 each is logged and handed back
            self._hand_back(done, error)
            return False
        for delivery in done:
            self._acknowledge(delivery)
        if tracing.is_on():
            end_ns = time.time_ns()
            for row in rows:
                if row.traceparent:
                    tracing.record(
                        "persistence write",
                        row.traceparent,
                        start_ns,
                        end_ns,
                        seq=row.seq,
                    )
        if self.failing is not None:
            log.info("the database is back")
            metrics.database_away.set(0)
        self.failing = None
        self._backoff_s = 0
        return True

    def _read(
        self, batch: list[Delivery]
    ) -> tuple[list[Delivery], list[AnyRow], list[Unreadable]]:
        done: list[Delivery] = []
        rows: list[AnyRow] = []
        unreadable: list[Unreadable] = []
        for delivery in batch:
            if is_empty(delivery.payload):
                done.append(delivery)
                continue
            stream = delivery.pull.stream
            sequence = sequence_of(delivery.reply)
            try:
                good, bad = read_record(stream, sequence, delivery.payload)
            except FutureRecord as error:
                log.error(  # noqa: TRY400
                    "record left for a newer version",
                    region=delivery.pull.region,
                    record=sequence,
                    error=str(error),
                )
                self._bus.send(delivery.reply, nak(FUTURE_DELAY_S))
                continue
            done.append(delivery)
            rows += good
            unreadable += bad
        return done, rows, unreadable

    def _hand_back(self, batch: list[Delivery], error: Exception) -> None:
        first, longest = BACKOFF_S
        self._backoff_s = min(longest, max(first, self._backoff_s * 2))
        self.failing = failures.kind(error)
        metrics.retries.labels(self.failing).inc()
        metrics.database_away.set(1)
        log.warning(
            "the database did not take a batch; it comes again",
            error=str(error)[:500],
            kind=self.failing,
            records=len(batch),
            again_in_s=self._backoff_s,
        )
        for delivery in batch:
            self._bus.send(delivery.reply, nak(self._backoff_s))
