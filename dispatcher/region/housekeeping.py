"""Care of one region's ledger: how much of it is kept, and what is told of it."""

import asyncio
import time

import structlog
from nats.js import JetStreamContext

from dispatcher.region import ledger_metrics, retention
from dispatcher.region.lead import Lead
from dispatcher.region.snapshots import SnapshotStore
from dispatcher.region.snapshotter import Snapshotter
from runtime.follower import Follower
from runtime.ledger import UNREACHABLE, Ledger
from runtime.resting import together_s

log = structlog.get_logger()

INTERVAL_S = 1.0


class Housekeeping:
    def __init__(
        self,
        js: JetStreamContext,
        ledger: Ledger,
        store: SnapshotStore,
        follower: Follower,
        *,
        snapshotter: Snapshotter,
        kept_s: float,
    ) -> None:
        self._js = js
        self._ledger = ledger
        self._store = store
        self._follower = follower
        self._snapshotter = snapshotter
        self._kept_s = kept_s

    async def keep(self, lead: Lead) -> None:
        """For as long as one leads. To be cancelled then; where that is lost
        (runtime/lifecycle.py: cancel) it ends a little later.
        """
        purged_s = time.monotonic()
        surveyed_s = 0.0
        while lead.ended is None:
            await asyncio.sleep(together_s(INTERVAL_S))
            if time.monotonic() - surveyed_s > ledger_metrics.INTERVAL_S:
                surveyed_s = time.monotonic()
                await self._survey(lead)
            if await self._snapshotter.is_due(lead.last, leads=True):
                lead.wants_snapshot = True
            if time.monotonic() - purged_s > retention.INTERVAL_S:
                purged_s = time.monotonic()
                await self.purge(self._kept_s)

    async def _survey(self, lead: Lead) -> None:
        """Tell the gauges where the ledger ends, and the lead, which may not know."""
        try:
            last = await ledger_metrics.look(self._js, self._ledger, self._follower)
        except UNREACHABLE as error:
            log.warning(
                "ledger not surveyed", region=self._ledger.region, error=repr(error)
            )
            return
        lead.written(last)

    async def purge(self, kept_s: float, *, ring: bool = True) -> bool:
        """Whether anything went (dispatcher/region/retention.py)."""
        try:
            return await retention.purge(
                self._js, self._ledger, self._store, self._follower, kept_s, ring=ring
            )
        except UNREACHABLE as error:
            log.warning(
                "ledger not purged", region=self._ledger.region, error=repr(error)
            )
            return False
