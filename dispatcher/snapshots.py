"""Snapshots in the object store: the two newest of a region. A torn or foreign one is
as none; the ledger is kept from where the older one needs it (retention.py). A store
that is slow, or away, tears nothing: it is asked again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from dispatcher.engine import Engine, Limits
from dispatcher.errors import SnapshotError
from dispatcher.ledger import Ledger, extent, patiently
from dispatcher.objects import Digest, Info, Objects
from dispatcher.snapshot import SNAPSHOT_VERSION
from runtime import streams as runtime_streams
from schemas import codec, streams
from schemas.codec import Raw
from schemas.events import record_of

log = structlog.get_logger()

T = TypeVar("T")
WITHOUT_S = 10.0
"""A store that is silent for so long is done without, where the ledger is whole."""


class Head(Struct, frozen=True):
    """What tells whether a snapshot fits, and where it stands."""

    v: int
    """`SNAPSHOT_VERSION` of the writer."""
    ledger: str
    n: int
    """The last record it contains."""
    replay_from: int
    """The record a replay must begin with: the ring's oldest, or n + 1."""

    @property
    def age(self) -> tuple[int, int]:
        """Greater: newer, or the same and in need of less."""
        return self.n, self.replay_from


class Snapshot(Head, frozen=True):
    engine: Raw


def of(engine: Engine, ledger: Ledger, n: int) -> bytes:
    """A snapshot of an engine that has applied records up to `n`."""
    floor = record_of(engine.ring_floor_seq)[0]
    start = min(floor, n + 1) if floor else n + 1
    payload = Raw(engine.snapshot())
    return codec.encode(Snapshot(SNAPSHOT_VERSION, ledger.id, n, start, payload))


class SnapshotStore:
    def __init__(self, js: JetStreamContext, ledger: Ledger, replicas: int) -> None:
        self._js = js
        self._ledger = ledger
        self._replicas = replicas
        self._objects = Objects(js, streams.SNAPSHOTS)
        self._places = (ledger.region, f"{ledger.region}.2")
        """Names in the bucket; no region's has a dot."""

    # ---- saving ----------------------------------------------------------------

    async def save(self, payload: bytes) -> None:
        """In place of the older one, so that the newest so far stays; nothing is done
        where both are as new. Saved twice it takes both places.

        Raises:
            nats.errors.Error, TimeoutError: not saved, those before stay.
        """
        head = codec.decode(payload, Head)
        await self.ensure()
        there = await self._there()
        place = min(self._places, key=lambda one: _age(there.get(one)))
        if _age(there.get(place)) >= head.age:
            return  # this process was held up, and others were not
        description = codec.encode(head).decode()
        size = await self._objects.put(place, description, _whole(payload))
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
        if head.v != SNAPSHOT_VERSION or head.ledger != self._ledger.id:
            msg = f"it is of version {head.v}, ledger {head.ledger}"
            raise SnapshotError(msg)
        return head

    def _ignore(self, why: str) -> None:
        log.warning("snapshot ignored", region=self._ledger.region, why=why)

    # ---- loading ---------------------------------------------------------------

    async def load(
        self,
        limits: Limits,
        *,
        needed: bool = False,
        tell: Callable[[str], object] = str,
    ) -> tuple[Head, Engine] | None:
        """The newest that can be read, as an engine whose ring waits for its refill;
        None: there is none.

        `needed`: the ledger lacks its beginning, so that a store that doesn't answer,
        or isn't there, is waited for, and `tell` hears it; else it is done without.
        """
        patience = _Patience(None if needed else WITHOUT_S, tell)
        try:
            await patience.ask(self._is_there if needed else self.ensure)
            return await self._newest(patience, limits)
        except TimeoutError:
            log.warning("the snapshots' store is silent", region=self._ledger.region)
            return None

    async def _is_there(self) -> None:
        """Raises: NotFoundError: it isn't; to make it would bring nothing back."""
        await self._js.stream_info(streams.SNAPSHOTS_STREAM)

    async def _newest(
        self, patience: "_Patience", limits: Limits
    ) -> tuple[Head, Engine] | None:
        torn: set[str] = set()
        while True:
            found = (await patience.ask(self._fit)).values()
            left = [one for one in found if one[1].nuid not in torn]
            if not left:
                return None
            head, info = max(left, key=lambda one: one[0].age)
            try:
                return head, await self._read(patience, info, limits)
            except SnapshotError as error:
                # Or another took its place while it was read: that is looked for.
                self._ignore(str(error))
                torn.add(info.nuid)

    async def _read(self, patience: "_Patience", info: Info, limits: Limits) -> Engine:
        """As an engine.

        Raises:
            SnapshotError: chunks are missing, or aren't what was written.
        """
        payload = b"".join([data async for data in self._chunks(patience, info)])
        self._head(payload)
        try:
            raw = codec.decode(payload, Snapshot).engine
        except codec.CodecError as error:
            raise SnapshotError(str(error)) from error
        return Engine.restore(bytes(raw), limits)

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


async def _whole(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


def _age(head: Head | None) -> tuple[int, int]:
    return (-1, 0) if head is None else head.age
