"""The stream MATCHES into the database, beside the ledgers and never in their way: what
leaders saw of their matching, and where drivers of active trips were.

At least once, as ledgers; but nothing rests on it, so what the database can't take is
logged and let go of, and a database that is away is waited for by the stream, which
forgets by itself. Must not decide what a row is (observations.py).
"""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nats.errors
import structlog
from nats.js import JetStreamContext
from nats.js.errors import APIError
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from persistence import erased, metrics
from persistence.models import MatchRow, TrackRow
from persistence.projected import failures, observations
from persistence.projected.observations import Seen
from persistence.projected.pull import ACK, Delivery, Pull, nak
from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.resting import together_s
from schemas import streams

log = structlog.get_logger()

GATHER_S = 0.1
"""Ten transactions a second at most; explanations are that much behind."""
BACKLOG_BYTES_MAX = 8 * 1024 * 1024
"""Of messages in hand past which no more are asked for."""
BATCH_BYTES_MAX = 2 * 1024 * 1024
"""Of one transaction."""
ROUND_S = 15.0
"""Between looks whether the stream and its consumer are there: nothing waits for what
they bring, and at rest each look was a fifth of what persistence costs."""
TICK_S = 3.0
"""Between looks for requests that NATS forgot, and whether it answers again."""
AGAIN_S = 2.0
"""After the database failed."""
NEWER_S = 5.0
"""What is of a newer version waits so long for a newer worker."""


class Observer:
    """Several in any number of processes are safe."""

    def __init__(
        self, bus: Bus, engine: Engine, kept_s: float, replicas: int = 1
    ) -> None:
        self._bus = bus
        self._engine = engine
        self._spec = streams.matches(kept_s)
        self._replicas = replicas
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="observer")
        self._arrived: list[Delivery] = []
        self._bytes = 0
        self._is_prepared = False
        self._some = asyncio.Event()
        self._stopping = asyncio.Event()
        self._pull = Pull(
            bus, streams.MATCHES, self._deliver, self._may_ask, lambda: None
        )
        self._projector = Projector(engine)

    def start(self, service: Service) -> None:
        service.spawn("matches stream", self._follow())
        self._writing = service.spawn("matches", self._run(), may_end=True)

    def reconnected(self) -> None:
        self._pull.ask_if_overdue(at_once=True)

    async def stop(self) -> None:
        """Take no more; what is in hand comes again, here or elsewhere."""
        self._stopping.set()
        self._some.set()
        self._pull.close()
        await self._writing
        self._thread.shutdown()
        self._engine.dispose()

    # ---- the stream ------------------------------------------------------------

    async def _follow(self) -> None:
        js = self._bus.jetstream()
        looked_s, said = -ROUND_S, ""
        while not self._stopping.is_set():
            if time.monotonic() - looked_s >= ROUND_S:
                try:
                    await self._look(js)
                    looked_s, said = time.monotonic(), ""
                except (nats.errors.Error, APIError, TimeoutError) as error:
                    if repr(error) != said:  # Once, however long it lasts.
                        said = repr(error)
                        log.warning("MATCHES does not answer", error=said)
            self._pull.ask_if_overdue()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), together_s(TICK_S))

    async def _look(self, js: JetStreamContext) -> None:
        await runtime_streams.ensure(js, self._spec, replicas=self._replicas)
        if not self._is_prepared:
            await self._pull.prepare(js)
            self._is_prepared = True
        await self._pull.look(js)

    def _may_ask(self) -> bool:
        return self._bytes < BACKLOG_BYTES_MAX and not self._stopping.is_set()

    def _deliver(self, delivery: Delivery) -> None:
        self._arrived.append(delivery)
        self._bytes += len(delivery.payload)
        self._some.set()

    # ---- writing -----------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping.is_set():
            self._some.clear()
            if not self._arrived:
                self._pull.ask()
                await self._some.wait()
                continue
            self._pull.sweep()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), GATHER_S)
            await self._write(self._take())

    def _take(self) -> list[Delivery]:
        size = count = 0
        for delivery in self._arrived:
            if count and size + len(delivery.payload) > BATCH_BYTES_MAX:
                break
            size += len(delivery.payload)
            count += 1
        taken, self._arrived = self._arrived[:count], self._arrived[count:]
        self._bytes -= size
        return taken

    async def _write(self, batch: list[Delivery]) -> None:
        seen, done, unreadable = Seen([], []), [], 0
        for delivery in batch:
            try:
                found, bad = observations.read(delivery.payload)
            except observations.NewerError as error:
                log.error("left for a newer version", error=str(error))  # noqa: TRY400
                self._bus.send(delivery.reply, nak(NEWER_S))
                continue
            unreadable += bad
            seen.rounds.extend(found.rounds)
            seen.crumbs.extend(found.crumbs)
            done.append(delivery)
        if unreadable:
            metrics.unreadable_observations.inc(unreadable)
            log.error("observations can't be read", count=unreadable)
        answer = ACK
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._projector.write, seen
            )
        except Exception as error:  # noqa: BLE001 - logged, and handed back or let go of
            is_poison = failures.is_poison(error)
            log.warning(
                "the database did not take what leaders saw",
                error=str(error)[:500],
                lost=is_poison,
            )
            if not is_poison:
                answer = nak(AGAIN_S)
        for delivery in done:
            self._bus.send(delivery.reply, answer)


class Projector:
    """Writes them, in one transaction; blocks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
            engine.dialect.name
        ]
        self._matches = insert(MatchRow.__table__).on_conflict_do_nothing()
        self._track = insert(TrackRow.__table__).on_conflict_do_nothing()

    def write(self, seen: Seen) -> None:
        """Raises, whatever the database raised: nothing is written then."""
        people = seen.people()
        if not people:
            return
        with self._engine.begin() as connection:
            erased.keep_out(connection)
            left = seen.without(erased.among(connection, people))
            for statement, table, values in (
                (self._matches, "matches", observations.match_values(left.rounds)),
                (self._track, "track", observations.track_values(left.crumbs)),
            ):
                if values:
                    connection.execute(statement, values)
                metrics.rows.labels(table).inc(len(values))
