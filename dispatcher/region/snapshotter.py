"""When a region's snapshot is made: by a standby, and by the leader only where no
standby does. Must not know what is in one.
"""

import time

import structlog

from dispatcher.engine.engine import Engine
from dispatcher.region.frozen import FrozenError
from dispatcher.region.retention import SNAPSHOTS
from dispatcher.region.snapshots import Frozen, SnapshotStore
from runtime.ledger import UNREACHABLE, Ledger

log = structlog.get_logger()

SNAPSHOT_S = 30.0
SNAPSHOT_RECORDS = 20_000
"""About a second of replay."""
LEADER_PATIENCE = 4
"""A leader makes the snapshots only where standbys don't: at four times the above."""


class Snapshotter:
    """Of one region in this process. `begin` at each rebuild."""

    def __init__(self, store: SnapshotStore, region: str) -> None:
        self._store = store
        self._region = region
        self._n = 0
        """The record of the newest snapshot we know of."""
        self._at_s = 0.0
        self.is_saving = False

    def begin(self, n: int) -> None:
        self._n = n
        self._at_s = time.monotonic()

    async def is_due(self, n: int, *, leads: bool = False) -> bool:
        """Whether record `n` should be the last of a new one."""
        patience = LEADER_PATIENCE if leads else 1
        if self._is_due(n, patience):
            await self._take_note()
        return self._is_due(n, patience)

    def _is_due(self, n: int, patience: int) -> bool:
        if self.is_saving:
            return False
        made = n - self._n
        waited_s = time.monotonic() - self._at_s
        return made > 0 and (
            made >= SNAPSHOT_RECORDS * patience or waited_s >= SNAPSHOT_S * patience
        )

    async def _take_note(self) -> None:
        """Another dispatcher may have saved one meanwhile."""
        try:
            heads = await self._store.heads()
        except UNREACHABLE:
            return
        if heads and heads[0].n > self._n:
            self.begin(heads[0].n)

    async def is_behind(self, n: int) -> bool:
        """Whether two are not stored, or the older one ends before record `n`."""
        try:
            heads = await self._store.heads()
        except UNREACHABLE:
            return False
        return len(heads) < SNAPSHOTS or heads[-1].n < n

    def freeze(self, engine: Engine, ledger: Ledger, n: int) -> Frozen | None:
        """A snapshot of an engine that has applied records up to `n`; None: it can't
        be made, and the next is due a while later.
        """
        self.begin(n)
        try:
            return Frozen(engine, ledger, n)
        except OSError as error:
            self._warn(error)
            return None

    async def save(self, frozen: Frozen) -> None:
        """Whether it worked or not, the next is due a while later."""
        self._at_s = time.monotonic()
        self.is_saving = True
        try:
            await self._store.save(frozen.head, frozen.parts())
        except (*UNREACHABLE, FrozenError) as error:
            self._warn(error)
        finally:
            self.is_saving = False
            self._at_s = time.monotonic()
            frozen.close()

    def _warn(self, error: Exception) -> None:
        log.warning("snapshot not saved", region=self._region, error=repr(error))
