"""Snapshots as bytes."""

from collections.abc import AsyncIterator

from dispatcher.engine import lined
from dispatcher.engine.engine import Engine
from dispatcher.region import snapshots
from dispatcher.region.snapshots import Head, SnapshotStore
from runtime.ledger import Ledger
from schemas import codec
from schemas.codec import Raw


class Loose(Head, frozen=True):
    """One whose head may be changed."""

    engine: Raw


def written(engine: Engine, ledger: Ledger, n: int) -> bytes:
    """Of an engine that has applied records up to `n`."""
    return b"".join(lined.write(snapshots.of(engine, ledger, n)))


async def save(store: SnapshotStore, payload: bytes) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield payload

    await store.save(codec.decode(payload, Head), parts())
