"""Snapshots in the object store: one a region, the newest. A torn or foreign one is
as none, since the ledger can be replayed without it while it still begins at its start.
"""

import asyncio

import structlog
from msgspec import Struct
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from dispatcher import metrics
from dispatcher.engine import Engine, Limits
from dispatcher.errors import SnapshotError
from dispatcher.ledger import Ledger, patiently
from runtime import streams as runtime_streams
from schemas import codec, streams
from schemas.codec import Raw
from schemas.events import record_of

log = structlog.get_logger()

VERSION = 1
LOAD_MAX_S = 10
"""A snapshot whose chunks are missing is waited for in vain."""


class Head(Struct, frozen=True):
    """What tells whether a snapshot fits, and where it stands."""

    v: int
    ledger: str
    n: int
    """The last record it contains."""
    replay_from: int
    """The record a replay must begin with: the ring's oldest, or n + 1."""


class Snapshot(Head, frozen=True):
    engine: Raw


def of(engine: Engine, ledger: Ledger, n: int) -> bytes:
    """A snapshot of an engine that has applied records up to `n`."""
    floor = record_of(engine.ring_floor_seq)[0]
    start = min(floor, n + 1) if floor else n + 1
    payload = Raw(engine.snapshot())
    return codec.encode(Snapshot(VERSION, ledger.id, n, start, payload))


class SnapshotStore:
    def __init__(self, store: ObjectStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

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

        return cls(await patiently("snapshots", once), ledger)

    async def save(self, payload: bytes) -> None:
        """Raises: nats.errors.Error, TimeoutError: not saved, the one before stays."""
        head = codec.decode(payload, Head)
        meta = ObjectMeta(description=codec.encode(head).decode())
        await self._store.put(self._ledger.region, payload, meta=meta)
        metrics.snapshot_bytes.labels(self._ledger.region).set(len(payload))
        metrics.snapshot_record.labels(self._ledger.region).set(head.n)
        log.info("snapshot saved", region=self._ledger.region, n=head.n)

    async def head(self) -> Head | None:
        """Of the newest, without reading it."""
        try:
            info = await self._store.get_info(self._ledger.region)
        except NotFoundError:
            return None
        return self._fitting((info.description or "").encode())

    async def load(self, limits: Limits) -> tuple[Head, Engine] | None:
        """The newest snapshot as an engine whose ring waits for its refill."""
        payload = await self._load()
        head = None if payload is None else self._fitting(payload)
        if payload is None or head is None:
            return None
        try:
            raw = codec.decode(payload, Snapshot).engine
            return head, Engine.restore(bytes(raw), limits)
        except (codec.CodecError, SnapshotError) as error:
            log.warning("snapshot ignored", region=self._ledger.region, why=str(error))
            return None

    async def _load(self) -> bytes | None:
        try:
            got = await asyncio.wait_for(
                self._store.get(self._ledger.region), LOAD_MAX_S
            )
        except NotFoundError:
            return None
        except (NatsError, TimeoutError) as error:
            # Torn: its digest doesn't fit, or chunks are missing.
            log.warning("snapshot ignored", region=self._ledger.region, why=repr(error))
            return None
        return got.data

    def _fitting(self, payload: bytes) -> Head | None:
        try:
            head = codec.decode(payload, Head)
        except codec.CodecError as error:
            why = str(error)
        else:
            if head.v == VERSION and head.ledger == self._ledger.id:
                return head
            why = f"it is of version {head.v}, ledger {head.ledger}"
        log.warning("snapshot ignored", region=self._ledger.region, why=why)
        return None
