"""Ledgers into deliveries: reads those that are this worker's to read, and has
persistence store what happened.

The position is persistence's, moved in the transaction that makes the deliveries: a
worker that dies has lost nothing and made nothing twice, and one that thought a ledger
was still its own is told so (Moved). Records are read in order, whatever NATS does
meanwhile. Must not send anything.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import nats.errors
import structlog
from msgspec import Struct, structs
from nats.js.errors import APIError

from runtime.bus import Bus
from runtime.errors import RecordError
from runtime.follower import Message
from runtime.lifecycle import Service, cancel
from schemas.budget import size_of
from schemas.events import Event, record_of, seq_of
from schemas.webhooks import (
    STORE_BYTES_MAX,
    STORE_EVENTS_MAX,
    Happened,
    Hook,
    LedgerAt,
    Plan,
    Planned,
    Reading,
    Replaying,
    Store,
)
from webhooks import metrics
from webhooks.desk import Desk
from webhooks.errors import Moved, NotAnswered
from webhooks.happening import drivers_in, happened
from webhooks.ledgers import Ledgers, Source
from webhooks.names import Names

log = structlog.get_logger()

PLAN_S = 1.0
"""Between looks at which webhooks there are; a lease to read lasts six of these."""
REST_S = 2.0
"""The same while there is no webhook: who is new is heard of so much later."""
BELL_S = 1.0
"""A record that rang no bell is read by then."""
TROUBLE_S = 0.5
FUTURE_S = 5.0
"""A record of a newer version waits so long for a newer worker."""
READ_RECORDS_MAX = 256
REPLAY_WAITING_MAX = 10_000
"""A replay rests while so much waits for its endpoint: far from where deliveries are
dead at once."""

NOTHING = Planned([], [], [], [])


class Place(Struct):
    """How far a part of a ledger is read; `webhook`: for that one alone, again."""

    region: str
    ledger: str
    seq: int
    webhook: str | None = None


class Reader:
    """`know` is called with the webhooks of each plan, `stored` whenever there is
    something to send.
    """

    def __init__(
        self,
        bus: Bus,
        desk: Desk,
        know: Callable[[list[Hook]], None],
        stored: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._know = know
        self._stored = stored
        self._worker = secrets.token_hex(8)
        self._ledgers = Ledgers(bus)
        self._names = Names(desk)
        self._plan = NOTHING
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Region → who reads its ledger, where that is this worker."""
        self._wake = asyncio.Event()
        self._heard_at = time.monotonic()
        self._stopping = False

    def silence_s(self) -> float:
        """Since persistence last answered."""
        return time.monotonic() - self._heard_at

    def start(self, service: Service) -> None:
        self._service = service
        service.spawn("plan", self._follow_plan())

    async def stop(self) -> None:
        """Let others read."""
        self._stopping = True
        await cancel(list(self._tasks.values()))
        if self._plan.hooks:
            with contextlib.suppress(NotAnswered):  # the leases end by themselves
                await self._desk.plan(Plan(self._worker, leaving=True))

    # ---- the plan ------------------------------------------------------------

    async def _follow_plan(self) -> None:
        while True:
            self._wake.clear()
            try:
                if not self._stopping:
                    await self._renew()
            except (nats.errors.Error, APIError, TimeoutError, NotAnswered) as error:
                log.warning("no plan yet", error=repr(error)[:300])
            with contextlib.suppress(TimeoutError):
                pause_s = PLAN_S if self._plan.hooks else REST_S
                await asyncio.wait_for(self._wake.wait(), pause_s)

    async def _renew(self) -> None:
        if self._plan.hooks:
            for gone in await self._ledgers.look():
                self._end(gone.region)
        there = [
            LedgerAt(region, one.ledger.id, one.ledger.born_seq)
            for region, one in self._ledgers.there.items()
        ]
        plan = await self._desk.plan(Plan(self._worker, there))
        self._heard_at = time.monotonic()
        _show(self._plan, plan)
        self._plan = plan
        self._know(plan.hooks)
        mine = {one.region: one for one in plan.reading}
        for region in self._tasks.keys() - mine.keys():
            self._end(region)
        for region, at in mine.items():
            source = self._ledgers.there.get(region)
            if source is not None and source.ledger.id == at.ledger:
                self._begin(source, at)
        if plan.hooks and not self._ledgers.there:
            self._wake.set()  # the first of them: ledgers are looked for at once

    def _begin(self, source: Source, at: Reading) -> None:
        task = self._tasks.get(source.region)
        lag = source.last - record_of(at.seq + 1)[0] + 1
        metrics.lag_records.labels(source.region).set(max(0, lag))
        metrics.gone_records.labels(source.region)  # its first is an increase
        if task is None or task.done():
            work = self._read(source, Place(at.region, at.ledger, at.seq))
            name = f"ledger {source.region}"
            self._tasks[source.region] = self._service.spawn(name, work, may_end=True)

    def _end(self, region: str) -> None:
        task = self._tasks.pop(region, None)
        if task is not None:
            task.cancel()
        metrics.lag_records.labels(region).set(0)

    # ---- reading -------------------------------------------------------------

    async def _read(self, source: Source, place: Place) -> None:
        """Until it is somebody else's, also where a cancellation is lost
        (runtime/lifecycle.py: cancel).
        """
        while self._tasks.get(source.region) is asyncio.current_task():
            source.bell.clear()
            try:
                more = await self._read_some(source, place)
                more = await self._replay(source) or more
            except Moved as moved:
                log.info("looking again where to read on", why=str(moved))
                self._wake.set()
                return
            except (NotAnswered, TimeoutError) as error:
                log.warning("a ledger waits", region=place.region, error=str(error))
                await asyncio.sleep(TROUBLE_S)
            except RecordError as error:
                log.error("a ledger waits", region=place.region, error=str(error))  # noqa: TRY400
                await asyncio.sleep(FUTURE_S)
            else:
                if not more:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(source.bell.wait(), BELL_S)

    async def _read_some(self, source: Source, place: Place) -> bool:
        """Whether there was anything."""
        record, _ = record_of(place.seq + 1)
        messages = await source.follower.read(record, READ_RECORDS_MAX)
        if not messages:
            return False
        gone = messages[0].seq - record
        if gone > 0:
            metrics.gone_records.labels(place.region).inc(gone)
            log.error("records are gone unread", region=place.region, count=gone)
        events = list(_events(source, messages, place.seq))
        metrics.events.labels(place.region).inc(len(events))
        await self._store(place, events, seq_of(messages[-1].seq + 1, 0) - 1)
        return True

    async def _replay(self, source: Source) -> bool:
        """A part of each replay of this ledger; whether there is more to do at once."""
        more = False
        for replay in [r for r in self._plan.replays if r.ledger == source.ledger.id]:
            if self._plan.waiting.get(replay.webhook, 0) > REPLAY_WAITING_MAX:
                continue
            plan = self._plan
            plan.replays.remove(replay)
            with contextlib.suppress(Moved):  # asked for anew, or its webhook is gone
                left = await self._replay_some(source, replay)
                if left.seq < left.until and self._plan is plan:
                    plan.replays.append(left)
                more = True
        return more

    async def _replay_some(self, source: Source, replay: Replaying) -> Replaying:
        """What is left of it."""
        record, _ = record_of(replay.seq + 1)
        messages = await source.follower.read(max(record, 1), READ_RECORDS_MAX)
        place = Place(replay.region, replay.ledger, replay.seq, replay.webhook)
        found = _events(source, messages, place.seq)
        events = [event for event in found if event.seq <= replay.until]
        last = seq_of(messages[-1].seq + 1, 0) - 1 if messages else replay.until
        await self._store(place, events, min(last, replay.until))
        return structs.replace(replay, seq=place.seq)

    # ---- storing -------------------------------------------------------------

    async def _store(self, place: Place, events: Sequence[Event], upto: int) -> None:
        """Raises: Moved, NotAnswered: what was stored until then is, and `place` is
        there.
        """
        patterns = self._plan.types
        names = await self._names.of(drivers_in(events))
        found = [happened(event, patterns, names) for event in events]
        kept = [one for one in found if one is not None]
        for chunk, last in _chunks(kept, upto):
            asked = Store(
                self._worker,
                place.region,
                place.ledger,
                place.seq,
                last,
                patterns,
                chunk,
                place.webhook,
            )
            await self._desk.store(asked)
            place.seq = last
        if kept:
            self._stored()


def _events(source: Source, messages: Iterable[Message], after: int) -> Iterator[Event]:
    """Raises: RecordError: one can't be read by this version."""
    for message in messages:
        record = source.follower.decode(message)
        if record is not None:
            yield from (event for event in record.events if event.seq > after)


def _chunks(
    events: Sequence[Happened], upto: int
) -> Iterator[tuple[list[Happened], int]]:
    """Each small enough for a message, with the last event it speaks for."""
    chunk: list[Happened] = []
    size = 0
    for event in events:
        taken = size_of(event.body)
        is_full = size + taken > STORE_BYTES_MAX
        if chunk and (is_full or len(chunk) >= STORE_EVENTS_MAX):
            yield chunk, chunk[-1].seq
            chunk, size = [], 0
        chunk.append(event)
        size += taken
    yield chunk, upto


def _show(before: Planned, now: Planned) -> None:
    there = {hook.id for hook in now.hooks}
    for webhook in {hook.id for hook in before.hooks} - there:
        metrics.waiting.remove(webhook)
    for webhook in there:
        metrics.waiting.labels(webhook).set(now.waiting.get(webhook, 0))
