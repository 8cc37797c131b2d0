"""Webhooks in a run: makes one for each endpoint, reads the ledger beside it, waits for
what is owed at the end, and has it judged.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from msgspec import Struct

from cabrank.errors import CabrankError
from cabrank.operate import doctor, hooks, ledgers
from cabrank.operate.ledgers import connected
from cabrank.trial.chaos.database import Database
from cabrank.trial.chaos.endpoints import Endpoint
from cabrank.trial.chaos.system import System
from cabrank.trial.oracle.delivered import RULE, Delivered, Place, Tally
from runtime import ledger as extents
from runtime.bus import Bus
from runtime.follower import Follower

POLL_S = 0.2
OWED_MAX_S = 120.0
"""The claim of a worker that died ends after 25 s."""
HURRY_S = 2.0
_HURRY = (
    "UPDATE webhook_lines SET due_ms = 0",
    "UPDATE webhook_deliveries SET due_ms = 0 WHERE status = 'waiting'",
)
"""What failed twice is tried again after 5 minutes, which nobody waits for; what it
holds back stays so."""


class Told(Struct):
    """What came of an endpoint's webhook. `settled_s`: seconds until all that is owed
    was there, once nothing was broken any more.
    """

    endpoint: str
    tally: Tally
    settled_s: float | None


class Deliveries:
    def __init__(
        self,
        system: System,
        endpoints: list[Endpoint],
        database: Database,
        violate: Callable[[str, str], None],
    ) -> None:
        self._root = system.directory.root
        self._endpoints = endpoints
        self._database = database
        self._violate = violate
        self._delivered = Delivered(violate)
        self._next: dict[str, int] = {}
        """Ledger's id → the record to be read next."""

    async def begin(self) -> None:
        """Make the webhooks. Raises: CabrankError: one can't be made."""
        for endpoint in self._endpoints:
            made = await asyncio.to_thread(
                hooks.add, endpoint.url, endpoint.events, "chaos", self._root
            )
            endpoint.secret = made.secret

    # ---- the ledger ----------------------------------------------------------

    async def follow(self) -> None:
        """Until cancelled: a ledger that fills lets go of what it held."""
        while True:
            with contextlib.suppress(CabrankError):
                async with connected(doctor.subject(self._root)) as bus:
                    while True:
                        await self._read(bus)
                        await asyncio.sleep(POLL_S)
            await asyncio.sleep(POLL_S)

    async def _read(self, bus: Bus) -> None:
        """All that the ledgers hold now. Raises: one of ledger.UNREACHABLE."""
        js = bus.jetstream()
        for ledger in await ledgers.find(js):
            last = (await extents.extent(js, ledger)).last
            follower = Follower(bus, ledger)
            try:
                while (at := self._next.get(ledger.id, ledger.born_seq)) <= last:
                    messages = await follower.read(at, ledgers.BATCH_RECORDS)
                    if messages and messages[0].seq > at:
                        gone = f"records {at} to {messages[0].seq - 1} were purged"
                        self._violate(RULE, f"{gone} before anybody could compare them")
                    for message in messages:
                        record = follower.decode(message)
                        for event in record.events if record is not None else ():
                            self._delivered.fact(ledger.id, event)
                        self._next[ledger.id] = message.seq + 1
            finally:
                follower.close()

    # ---- the end -------------------------------------------------------------

    async def settle(self) -> list[Told]:
        """Wait for what is owed, then judge all that came.

        Raises:
            CabrankError: NATS does not answer.
        """
        began_s = time.monotonic()
        async with connected(doctor.subject(self._root)) as bus:
            await self._read(bus)
            owed = {e.name: self._delivered.wanted(e.events) for e in self._endpoints}
            settled_s = await self._all_taken(owed, began_s)
            posts = {e.name: list(e.collect()) for e in self._endpoints}
            await self._read(bus)  # what was sent is in the ledger since before
        return [
            Told(
                endpoint.name,
                self._delivered.judge(
                    endpoint.name,
                    endpoint.secret,
                    endpoint.events,
                    posts[endpoint.name],
                    owed[endpoint.name],
                ),
                settled_s,
            )
            for endpoint in self._endpoints
        ]

    async def _all_taken(
        self, owed: dict[str, set[Place]], began_s: float
    ) -> float | None:
        """After how long; None: not within `OWED_MAX_S`."""
        hurried_s = began_s
        while time.monotonic() - began_s < OWED_MAX_S:
            if not any(owed[e.name] - _taken(e) for e in self._endpoints):
                return time.monotonic() - began_s
            if time.monotonic() - hurried_s > HURRY_S:
                await asyncio.to_thread(self._hurry)
                hurried_s = time.monotonic()
            await asyncio.sleep(POLL_S)
        return None

    def _hurry(self) -> None:
        for statement in _HURRY:
            self._database.run(statement)

    def waits(self) -> list[tuple[float, float]]:
        """When each event happened, in monotonic seconds, and how many it was on its
        way; the oldest first.
        """
        offset_ms = (time.time() - time.monotonic()) * 1000
        found = [w for e in self._endpoints for w in self._delivered.waits(e.posts)]
        return sorted((((at - offset_ms) / 1000, wait / 1000) for at, wait in found))


def _taken(endpoint: Endpoint) -> set[Place]:
    return {
        post.place
        for post in endpoint.collect()
        if post.is_taken and post.place is not None
    }
