"""Which ledgers there are, and when one has something new."""

import asyncio
import time
from typing import Any

import structlog
from msgspec import Struct
from nats.js.errors import NotFoundError

from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.follower import Follower
from runtime.ledger import Ledger
from runtime.raw_subscription import RawSubscription
from schemas import streams, subjects
from webhooks import metrics

log = structlog.get_logger()

FIND_S = 3.0
"""Between looks for new ledgers (regions)."""


class Source(Struct):
    """A ledger that is there. `bell` rings for each record that is written."""

    ledger: Ledger
    follower: Follower
    bell: asyncio.Event
    subscription: RawSubscription
    last: int
    """Its last record, when it was last looked at."""

    @property
    def region(self) -> str:
        return self.ledger.region

    def close(self) -> None:
        self.follower.close()
        self.subscription.cancel()


class Ledgers:
    """By region."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._js = bus.jetstream()
        self.there: dict[str, Source] = {}
        self._looked_at = float("-inf")

    async def look(self) -> list[Source]:
        """Find what is new, unless that was done a moment ago; returns those that are
        gone, closed.

        Raises:
            nats.errors.Error, TimeoutError: JetStream does not answer.
        """
        if time.monotonic() - self._looked_at < FIND_S:
            return []
        names = await runtime_streams.names(self._bus)
        gone = []
        for name in sorted(names):
            region = streams.region_of_ledger(name)
            if region is None:
                continue
            try:
                info = await self._js.stream_info(name)
            except NotFoundError:
                continue
            gone += self._notice(region, name, info)
        self._looked_at = time.monotonic()
        regions = {streams.region_of_ledger(name) for name in names}
        gone += [self.there.pop(region) for region in self.there.keys() - regions]
        for source in gone:
            source.close()
        return gone

    def _notice(self, region: str, name: str, info: Any) -> list[Source]:
        """Returns the one in whose place it came, if any."""
        id_ = (info.config.metadata or {}).get(streams.LEDGER_ID, "")
        before = self.there.get(region)
        last = int(info.state.last_seq)
        if before is not None and before.ledger.id == id_:
            before.last = last
            return []
        first = max(info.state.first_seq, 1)
        ledger = Ledger(region, name, subjects.ledger(region), id_, first)
        bell = asyncio.Event()
        subscription = self._bus.subscribe_raw(ledger.subject, lambda *_: bell.set())
        follower = Follower(self._bus, ledger)
        self.there[region] = Source(ledger, follower, bell, subscription, last)
        metrics.events.labels(region)
        log.info("there is a ledger", region=region, ledger=id_)
        return [] if before is None else [before]
