"""Snapshots in the object store: the two newest of a region. A torn or foreign one is
as none; the ledger is kept from where the older one needs it (retention.py). A store
that is slow, or away, tears nothing: it is asked again.
"""

import asyncio
import gc
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from dispatcher.engine import lined
from dispatcher.engine.engine import Engine, Limits
from dispatcher.engine.snapshot import SNAPSHOT_VERSION, Snapshot, Thaw
from dispatcher.errors import SnapshotError
from dispatcher.region import frozen
from dispatcher.region.objects import Digest, Info, Objects
from runtime import streams as runtime_streams
from runtime.ledger import Ledger, extent, patiently
from schemas import codec, streams
from schemas.events import record_of

log = structlog.get_logger()

T = TypeVar("T")
FREEZE_CHUNKS = 64
"""What was made of so many chunks (8 MB) holds no cycles and stays for long: the
collector is to walk it no more, which would take 50 ms a million objects."""
WITHOUT_S = 10.0
"""A store that is silent for so long is done without, where the ledger is whole."""


class Head(Struct, frozen=True):
    """What tells whether a snapshot fits, and where it stands."""

    v: int
    """The snapshot's format."""
    ledger: str
    n: int
    """The last record it contains."""
    replay_from: int
    """The record a replay must begin with: the ring's oldest, or n + 1."""

    @property
    def age(self) -> tuple[int, int]:
        """Greater: newer, or the same and in need of less."""
        return self.n, self.replay_from


class Stored(Head, frozen=True):
    engine: Snapshot


Fits = Callable[[Head, Engine], Awaitable[bool]]
"""Whether a snapshot is of the ledger that there is now."""


async def _anything(_: Head, __: Engine) -> bool:
    return True


class Frozen:
    """A snapshot of one moment, that is written out while the engine goes on."""

    def __init__(self, engine: Engine, ledger: Ledger, n: int) -> None:
        """Of an engine that has applied records up to `n`.

        Raises:
            OSError: no copy of this process could be made.
        """
        self.head = head_of(engine, ledger, n)
        self._copy = frozen.Frozen(lambda: lined.write(of(engine, ledger, n)))
        self.parts = self._copy.parts
        self.close = self._copy.close


def head_of(engine: Engine, ledger: Ledger, n: int) -> Head:
    floor = record_of(engine.ring_floor_seq)[0]
    start = min(floor, n + 1) if floor else n + 1
    return Head(engine.snapshot_format, ledger.id, n, start)


def of(engine: Engine, ledger: Ledger, n: int) -> Stored:
    """To be written before the engine, which has applied records up to `n`, goes on."""
    head = head_of(engine, ledger, n)
    return Stored(head.v, head.ledger, head.n, head.replay_from, engine.freeze())


class SnapshotStore:
    def __init__(self, js: JetStreamContext, ledger: Ledger, replicas: int) -> None:
        self._js = js
        self._ledger = ledger
        self._replicas = replicas
        self._objects = Objects(js, streams.SNAPSHOTS)
        self._places = (ledger.region, f"{ledger.region}.2")
        """Names in the bucket; no region's has a dot."""

    # ---- saving ----------------------------------------------------------------

    async def save(self, head: Head, parts: AsyncIterable[bytes]) -> None:
        """In place of the older one, so that the newest so far stays; nothing is done
        where both are as new. Saved twice it takes both places.

        Raises:
            nats.errors.Error, TimeoutError: not saved, those before stay.
            FrozenError: the same, since `parts` ended too early.
        """
        await self.ensure()
        there = await self._there()
        place = min(self._places, key=lambda one: _age(there.get(one)))
        if _age(there.get(place)) >= head.age:
            return  # this process was held up, and others were not
        description = codec.encode(head).decode()
        size = await self._objects.put(place, description, parts)
        metrics.snapshot_bytes.labels(self._ledger.region).set(size)
        metrics.snapshot_record.labels(self._ledger.region).set(head.n)
        log.info("snapshot saved", region=self._ledger.region, n=head.n, bytes=size)

    async def ensure(self) -> None:
        """Make sure of the store. One that is gone is made anew, empty.

        Raises: one of `ledger.UNREACHABLE`.
        """
        try:
            info = await self._js.stream_info(streams.SNAPSHOTS_STREAM)
        except NotFoundError:
            await self._js.create_object_store(
                streams.SNAPSHOTS, replicas=self._replicas
            )
        else:
            await runtime_streams.replicate(self._js, info, self._replicas)

    # ---- what is there ---------------------------------------------------------

    async def heads(self) -> list[Head]:
        """Of those that fit, the newest first, without reading them; two at most.

        Raises: one of `ledger.UNREACHABLE`.
        """
        there = await self._there()
        return sorted(there.values(), key=_age, reverse=True)

    async def _there(self) -> dict[str, Head]:
        """Place → what fits there, by what its writer said of it."""
        return {place: head for place, (head, _) in (await self._fit()).items()}

    async def _fit(self) -> dict[str, tuple[Head, Info]]:
        found = {}
        for place in self._places:
            try:
                info = await self._objects.info(place)
                if info is not None:
                    found[place] = self._head(info.description.encode()), info
            except SnapshotError as error:
                self._ignore(str(error))
        # Asked afterwards: what they contain was in the ledger before.
        last = (await extent(self._js, self._ledger)).last if found else 0
        for place, (head, _) in list(found.items()):
            if head.n > last:  # an older state of the ledger was restored
                self._ignore(f"it goes to record {head.n}, and the ledger to {last}")
                del found[place]
        return found

    def _head(self, payload: bytes) -> Head:
        try:
            head = codec.decode(payload, Head)
        except codec.CodecError as error:
            raise SnapshotError(str(error)) from error
        self._check(head)
        return head

    def _check(self, head: Head) -> None:
        if not 1 <= head.v <= SNAPSHOT_VERSION or head.ledger != self._ledger.id:
            msg = f"it is of version {head.v}, ledger {head.ledger}"
            raise SnapshotError(msg)

    def _ignore(self, why: str) -> None:
        log.warning("snapshot ignored", region=self._ledger.region, why=why)

    # ---- loading ---------------------------------------------------------------

    async def load(
        self,
        limits: Limits,
        *,
        needed: bool = False,
        tell: Callable[[str], object] = str,
        fits: Fits = _anything,
    ) -> tuple[Head, Engine] | None:
        """The newest that can be read, and `fits`, as an engine whose ring waits for
        its refill; None: there is none.

        `needed`: the ledger lacks its beginning, so that a store that doesn't answer,
        or isn't there, is waited for, and `tell` hears it; else it is done without.
        """
        patience = _Patience(None if needed else WITHOUT_S, tell)
        try:
            await patience.ask(self._is_there if needed else self.ensure)
            return await self._newest(patience, limits, fits)
        except TimeoutError:
            log.warning("the snapshots' store is silent", region=self._ledger.region)
            return None

    async def _is_there(self) -> None:
        """Raises: NotFoundError: it isn't; to make it would bring nothing back."""
        await self._js.stream_info(streams.SNAPSHOTS_STREAM)

    async def _newest(
        self, patience: "_Patience", limits: Limits, fits: Fits
    ) -> tuple[Head, Engine] | None:
        torn: set[str] = set()
        while True:
            found = (await patience.ask(self._fit)).values()
            left = [one for one in found if one[1].nuid not in torn]
            if not left:
                return None
            head, info = max(left, key=lambda one: one[0].age)
            try:
                engine = await self._read(patience, info, limits)
            except SnapshotError as error:
                # Or another took its place while it was read: that is looked for.
                self._ignore(str(error))
            else:
                if await fits(head, engine):
                    return head, engine
                self._ignore(f"record {head.n} is another than it was made of")
            torn.add(info.nuid)

    async def _read(self, patience: "_Patience", info: Info, limits: Limits) -> Engine:
        """As an engine.

        Raises:
            SnapshotError: chunks are missing, or aren't what was written.
        """
        reader, thaw = lined.Reader(Stored), Thaw(limits)
        read = 0
        try:
            async for data in self._chunks(patience, info):
                for part in reader.feed(data):
                    thaw.take(part.engine)
                read += 1
                if not read % FREEZE_CHUNKS:
                    gc.freeze()
                await asyncio.sleep(0)
            last = reader.end()
        except codec.CodecError as error:
            raise SnapshotError(str(error)) from error
        self._check(last)
        thaw.take(last.engine)
        return Engine.thawed(thaw, limits)

    async def _chunks(self, patience: "_Patience", info: Info) -> AsyncIterator[bytes]:
        digest, after_seq = Digest(info), 0
        while not digest.is_whole:
            call = partial(self._objects.chunk, info, after_seq)
            chunk = await patience.ask(call)
            if chunk is None:
                break
            digest.add(chunk.data)
            yield chunk.data
            after_seq = chunk.seq
        digest.check()


class _Patience:
    """Asks until there is an answer, or for `limit_s`; then `TimeoutError`."""

    def __init__(self, limit_s: float | None, tell: Callable[[str], object]) -> None:
        self._limit_s = limit_s
        self._tell = tell

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._limit_s):
            return await patiently("snapshots", call, self._tell)


def _age(head: Head | None) -> tuple[int, int]:
    return (-1, 0) if head is None else head.age
