"""A region as its ledger tells it: made of the newest snapshot and what follows, then
kept up record by record. Must not write to the ledger, nor decide.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structlog
from nats.js import JetStreamContext

from dispatcher.engine.batch import Batch
from dispatcher.engine.engine import Engine, Limits
from dispatcher.region.lead import REPUBLISHED_RECORDS
from dispatcher.region.snapshots import Head, SnapshotStore
from runtime import ledger as ledgers
from runtime.errors import LedgerGapError, PurgedError
from runtime.follower import Follower, Message
from runtime.ledger import Extent, Ledger, patiently
from schemas.ledger import Record

log = structlog.get_logger()

LET_GO = 10_000
"""Items freed at once: some 5 ms."""
Collection = dict[Any, Any] | set[Any] | list[Any] | deque[Any]


class Standby:
    """Of one region in this process; `rebuild` before anything else, and again after a
    lead, whose engine was ahead of the ledger.
    """

    def __init__(
        self,
        js: JetStreamContext,
        ledger: Ledger,
        store: SnapshotStore,
        follower: Follower,
        limits: Limits,
    ) -> None:
        self._js = js
        self._ledger = ledger
        self._store = store
        self._follower = follower
        self._limits = limits
        self.engine = Engine(ledger.region, limits)
        self.n = 0
        """The last record the engine has applied."""
        self.epoch = 0
        """Of that record: who wrote it took over at this one."""
        self.recent: deque[Batch] = deque(maxlen=REPUBLISHED_RECORDS)
        """The last records with events: whoever leads next publishes them again."""

    async def rebuild(self, tell: Callable[[str], object] = str) -> int:
        """From snapshot and tail, else from the whole ledger. `tell` hears what it
        waits for.

        Returns:
            The record that the snapshot ended with; the one before the ledger's first
            where there was none.

        Raises:
            LedgerGapError: records that are needed are gone.
            RecordError: one of them can't be read.
        """
        self.recent.clear()
        before, self.engine = self.engine, Engine(self._ledger.region, self._limits)
        positions = before.positions
        await _let_go(before)
        held, loaded = await self._load(tell)
        first = held.first if held.messages else held.last + 1
        if loaded is None:
            self.n = first - 1
            if self._is_cut(held):
                stream = self._ledger.stream
                msg = f"{stream} begins at {first}, and no snapshot has what was before"
                raise LedgerGapError(msg)
        else:
            head, self.engine = loaded
            self.n = head.n
            await self._refill(head, first)
        self.engine.hear_from(positions)
        began_at = self.n
        await self.catch_up(held.last)
        log.info("replayed", region=self._ledger.region, n=self.n)
        return began_at

    async def _load(
        self, tell: Callable[[str], object]
    ) -> tuple[Extent, tuple[Head, Engine] | None]:
        """What the ledger holds, and the newest snapshot."""
        held = await self._extent()
        while True:
            is_cut = self._is_cut(held)
            loaded = await self._store.load(
                self._limits, needed=is_cut, tell=tell, fits=self._fits
            )
            held = await self._extent()
            if loaded is not None or is_cut or not self._is_cut(held):
                return held, loaded
            # Purged while it was done without the snapshots.

    async def _fits(self, head: Head, engine: Engine) -> bool:
        """Whether the record that it ends with is the one it was made of. Where an
        older state of the ledger was restored, and has grown beyond it since, that
        record is another, of a later time.
        """
        read = partial(self._follower.read, head.n, 1)
        messages = await patiently("a snapshot's last record", read)
        if not messages or messages[0].seq != head.n:
            return True  # it was purged: nobody can tell
        record = self._follower.decode(messages[0])
        return record is None or record.at_ms <= engine.stamp_ms

    async def _extent(self) -> Extent:
        return await patiently("extent", lambda: ledgers.extent(self._js, self._ledger))

    def _is_cut(self, held: Extent) -> bool:
        """Whether it lacks its beginning."""
        return held.messages > 0 and held.first > self._ledger.born_seq

    async def _refill(self, head: Head, first: int) -> None:
        """The ring of a snapshot, and its last records: their events may have reached
        nobody, and whoever leads next publishes them again.
        """
        start = max(min(head.replay_from, head.n + 1 - REPUBLISHED_RECORDS), first)
        async for message, record in self._follower.records(start, head.n):
            if record is not None:
                if message.seq >= head.replay_from:
                    self.engine.refill_ring(record)
                self._note(message.seq, record)

    async def catch_up(self, last: int) -> None:
        async for message, record in self._follower.records(self.n + 1, last):
            self.apply(message.seq, record)

    def follow(self, message: Message) -> None:
        """Apply the record after the last one.

        Raises:
            PurgedError: it is another, so that one is gone.
            RecordError: it can't be read.
        """
        if message.seq != self.n + 1:
            msg = f"record {self.n + 1} of {self._ledger.stream} is gone"
            raise PurgedError(msg)
        self.apply(message.seq, self._follower.decode(message))

    def apply(self, n: int, record: Record | None) -> None:
        """Record `n`; None: none of this ledger's, and without effect."""
        self.n = n
        if record is None:
            return
        self.engine.apply_record(record)
        self.epoch = record.epoch
        self._note(n, record)

    def _note(self, n: int, record: Record) -> None:
        if record.events:
            batch = Batch(n, record.at_ms)
            batch.events = list(record.events)
            self.recent.append(batch)


async def _let_go(engine: Engine) -> None:
    """Free what an engine holds, a little at a time: 200 MB of a snapshot take 0.3 s
    at once, and would stay beside what takes their place.
    """
    for held in _collections(engine, set()):
        while held:
            _shorten(held)
            await asyncio.sleep(0)


def _shorten(held: Collection) -> None:
    count = min(len(held), LET_GO)
    if isinstance(held, list):
        del held[-count:]
        return
    take = held.popitem if isinstance(held, dict) else held.pop
    for _ in range(count):
        take()


def _collections(owner: object, seen: set[int]) -> Iterator[Collection]:
    for slot in getattr(type(owner), "__slots__", ()):
        held = getattr(owner, slot, None)
        if id(held) in seen:
            continue
        seen.add(id(held))
        if isinstance(held, dict | set | list | deque):
            yield held
        elif type(held).__module__.startswith("dispatcher."):
            yield from _collections(held, seen)
