"""Keeps asking the servers that hold our ledgers whether they sync every write: an
answer that one of them can lose is none; and what room they have, for Prometheus. Must
not stop a lead; it tells, by readiness.
"""

import asyncio
from collections.abc import Sequence

import structlog
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from runtime import durability
from runtime.bus import Bus
from runtime.durability import Synced
from runtime.ledger import UNREACHABLE
from schemas import streams

log = structlog.get_logger()

INTERVAL_S = 30.0
FIRST_S = 1.0
"""Between looks until the first verdict: a start waits for it."""


class Watch:
    """`missing`: what /readyz is to say; None: all is well, or there is nobody to ask
    (no CABRANK_NATS_MONITORING_URLS).
    """

    def __init__(
        self,
        bus: Bus,
        js: JetStreamContext,
        regions: Sequence[str],
        urls: Sequence[str],
    ) -> None:
        self._bus = bus
        self._js = js
        self._regions = regions
        self._urls = urls
        self._told: dict[str, Synced] = {}
        """By server, as it said last: one that is away now has said it before."""
        self.missing = "durability not yet known" if urls else None

    async def run(self) -> None:
        if not self._urls:
            log.info("durability is not watched", why="no CABRANK_NATS_MONITORING_URLS")
            await asyncio.Event().wait()
        known = False
        while True:
            known = await self._look() or known
            await asyncio.sleep(INTERVAL_S if known else FIRST_S)

    async def _look(self) -> bool:
        """Whether there is a verdict."""
        for url in self._urls:
            try:
                server = await asyncio.to_thread(durability.ask, url)
            except (OSError, ValueError) as error:
                log.warning("no monitoring endpoint", url=url, error=str(error))
            else:
                self._told[server.name] = server
                metrics.nats_store_bytes.labels(server.name).set(server.store_bytes)
                metrics.nats_store_bytes_max.labels(server.name).set(
                    server.store_bytes_max
                )
        try:
            holders = await self._holders()
        except UNREACHABLE as error:
            log.warning("JetStream does not answer yet", error=repr(error))
            return False
        before, self.missing = self.missing, self._judge(holders)
        if self.missing not in (None, before):
            log.error("an answer may be lost", why=self.missing)
        return bool(holders) and self.missing is None

    async def _holders(self) -> set[str]:
        found: set[str] = set()
        for region in self._regions:
            try:
                info = await self._js.stream_info(streams.ledger(region).name)
            except NotFoundError:
                continue  # about to be made
            found |= durability.holders(info, self._bus.server_name)
        return found

    def _judge(self, holders: set[str]) -> str | None:
        for name in sorted(holders & self._told.keys()):
            if not self._told[name].always:
                return f"{self._told[name]}: {durability.REMEDY}"
        if not holders:
            return "no ledger yet"
        unknown = holders - self._told.keys()
        if unknown:
            where = "CABRANK_NATS_MONITORING_URLS"
            return f"{durability.untold(unknown)}: name it in {where}"
        return None
