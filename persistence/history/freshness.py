"""How far the database is behind a region's ledger, asked for many at once.

The ledger's stream tells what it holds: its consumer counts a record a moment after the
acknowledgement, and who was answered in between would not find it. Only asks.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import nats.errors
from nats.js import JetStreamContext

from schemas import streams

STEP_S = 0.025
"""Between looks at a writer that is behind; it gathers for twice as long."""

_NO_ANSWER = (TimeoutError, nats.errors.Error, ValueError)
"""Of JetStream about a region's ledger; ValueError: no region is called that."""

T = TypeVar("T")


class Shared(Generic[T]):
    """A question that many ask at the same time. Each gets an answer that was asked for
    after they came, so nobody learns less than by asking alone; but there is one
    question of a name on its way, and one more that all who come meanwhile wait for.
    """

    def __init__(self, ask: Callable[[str], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def of(self, name: str) -> T:
        task = self._next.get(name)
        if task is None:
            work = self._after(name, self._asking.get(name))
            task = self._next[name] = asyncio.create_task(work)
        return await asyncio.shield(task)  # others wait for it too

    async def _after(self, name: str, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait({before})
        # Who comes from here on came after this was asked.
        self._asking[name] = self._next.pop(name)
        try:
            return await self._ask(name)
        finally:
            del self._asking[name]


class Freshness:
    """Of all regions' ledgers; or, by `stream_of`, of what else the same durable
    consumer takes to the database.
    """

    def __init__(
        self,
        js: JetStreamContext,
        stream_of: Callable[[str], str] = lambda region: streams.ledger(region).name,
    ) -> None:
        self._js = js
        self._stream_of = stream_of
        self._head = Shared(self._ask_head)
        self._floor = Shared(self._ask_floor)

    async def reached(self, region: str, record: int, within_s: float) -> bool:
        """Whether all records up to `record` are in the database; waits so long, looks
        once at least.
        """
        ends_at = time.monotonic() + within_s
        while (floor := await self._floor.of(region)) is not None:
            if floor >= record:
                return True
            if time.monotonic() > ends_at:
                return False
            await asyncio.sleep(STEP_S)
        return False

    async def brought(self, region: str, within_s: float) -> None:
        """Wait, but not longer than that, until what the ledger holds now is in the
        database.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # Both at once: neither number ever falls.
                head, floor = await asyncio.gather(
                    self._head.of(region), self._floor.of(region)
                )
                if head is not None and floor is not None and floor < head:
                    await self.reached(region, head, within_s)

    async def _ask_head(self, region: str) -> int | None:
        """The last record; None: that can't be had."""
        try:
            info = await self._js.stream_info(self._stream_of(region))
        except _NO_ANSWER:
            return None
        return info.state.last_seq

    async def _ask_floor(self, region: str) -> int | None:
        """The record up to which all is in the database; None: that can't be had."""
        try:
            info = await self._js.consumer_info(
                self._stream_of(region), streams.WRITER_DURABLE
            )
        except _NO_ANSWER:
            return None
        return info.ack_floor.stream_seq if info.ack_floor is not None else None
