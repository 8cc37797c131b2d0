"""Snapshots in the object store: the two newest of a region. A torn or foreign one is
as none; the ledger is kept from where the older one needs it (retention.py).
"""

import asyncio

import structlog
from msgspec import Struct
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta
from nats.js.errors import BadObjectMetaError, NotFoundError
from nats.js.object_store import ObjectStore

from dispatcher import metrics
from dispatcher.engine import Engine, Limits
from dispatcher.errors import SnapshotError
from dispatcher.ledger import Ledger, extent, patiently
from dispatcher.snapshot import SNAPSHOT_VERSION
from runtime import streams as runtime_streams
from schemas import codec, streams
from schemas.codec import Raw
from schemas.events import record_of

log = structlog.get_logger()

LOAD_MAX_S = 10
"""A snapshot whose chunks are missing is waited for in vain, and so is a store that is
cut off while the ledger is not.
"""


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
    def __init__(
        self, js: JetStreamContext, store: ObjectStore, ledger: Ledger
    ) -> None:
        self._js = js
        self._store = store
        self._ledger = ledger
        self._places = (ledger.region, f"{ledger.region}.2")
        """Names in the bucket; no region's has a dot."""

    @classmethod
    async def open(
        cls, js: JetStreamContext, ledger: Ledger, replicas: int
    ) -> "SnapshotStore":
        async def once() -> ObjectStore:
            try:
                bucket = await js.object_store(streams.SNAPSHOTS)
            except NotFoundError:
                return await js.create_object_store(
                    streams.SNAPSHOTS, replicas=replicas
                )
            if replicas > 1:
                info = await js.stream_info(streams.SNAPSHOTS_STREAM)
                await runtime_streams.replicate(js, info, replicas)
            return bucket

        return cls(js, await patiently("snapshots", once), ledger)

    async def save(self, payload: bytes) -> None:
        """In place of the older one, so that the newest so far stays; nothing is done
        where both are as new. Saved twice it takes both places.

        Raises:
            nats.errors.Error, TimeoutError: not saved, those before stay.
        """
        head = codec.decode(payload, Head)
        there = await self._there()
        place = min(self._places, key=lambda one: _age(there.get(one)))
        if _age(there.get(place)) >= head.age:
            return  # this process was held up, and others were not
        meta = ObjectMeta(description=codec.encode(head).decode())
        await self._store.put(place, payload, meta=meta)
        metrics.snapshot_bytes.labels(self._ledger.region).set(len(payload))
        metrics.snapshot_record.labels(self._ledger.region).set(head.n)
        log.info("snapshot saved", region=self._ledger.region, n=head.n)

    async def heads(self) -> list[Head]:
        """Of those that fit, the newest first, without reading them; two at most."""
        there = await self._there()
        return sorted(there.values(), key=_age, reverse=True)

    async def _there(self) -> dict[str, Head]:
        """Place → what fits there, by what its writer said of it."""
        found = await self._found()
        # Asked afterwards: what they contain was in the ledger before.
        last = (await extent(self._js, self._ledger)).last if found else 0
        for place, head in list(found.items()):
            if head.n > last:  # an older state of the ledger was restored
                self._ignore(f"it goes to record {head.n}, and the ledger to {last}")
                del found[place]
        return found

    async def _found(self) -> dict[str, Head]:
        found = {}
        for place in self._places:
            try:
                info = await self._store.get_info(place)
            except NotFoundError:
                continue
            except (BadObjectMetaError, ValueError) as error:
                self._ignore(repr(error))
                continue
            head = self._fitting((info.description or "").encode())
            if head is not None:
                found[place] = head
        return found

    async def load(self, limits: Limits) -> tuple[Head, Engine] | None:
        """The newest that can be read, as an engine whose ring waits for its refill."""
        try:
            async with asyncio.timeout(LOAD_MAX_S):
                there = await patiently("snapshots", self._there)
        except TimeoutError:
            log.warning("snapshots not found out", region=self._ledger.region)
            return None
        for place in sorted(there, key=lambda one: _age(there[one]), reverse=True):
            loaded = await self._load(place, limits)
            if loaded is not None:
                return loaded
        return None

    async def _load(self, place: str, limits: Limits) -> tuple[Head, Engine] | None:
        try:
            got = await asyncio.wait_for(self._store.get(place), LOAD_MAX_S)
            payload = got.data or b""
            head = self._fitting(payload)
            if head is None:
                return None
            raw = codec.decode(payload, Snapshot).engine
            return head, Engine.restore(bytes(raw), limits)
        except (NatsError, TimeoutError, codec.CodecError, SnapshotError) as error:
            # Torn, as when its digest doesn't fit or chunks are missing.
            self._ignore(repr(error))
            return None

    def _fitting(self, payload: bytes) -> Head | None:
        try:
            head = codec.decode(payload, Head)
        except codec.CodecError as error:
            why = str(error)
        else:
            if head.v == SNAPSHOT_VERSION and head.ledger == self._ledger.id:
                return head
            why = f"it is of version {head.v}, ledger {head.ledger}"
        self._ignore(why)
        return None

    def _ignore(self, why: str) -> None:
        log.warning("snapshot ignored", region=self._ledger.region, why=why)


def _age(head: Head | None) -> tuple[int, int]:
    return (-1, 0) if head is None else head.age
