"""How far the database is behind a region's ledger, asked for many at once.

The ledger's stream tells what it holds: its consumer counts a record a moment after the
acknowledgement, and who was answered in between would not find it. Only asks.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
import nats.errors

from runtime.bus import Bus
from schemas import codec, streams

STEP_S = 0.025
"""Between looks at a writer that is behind; it gathers for twice as long at least."""

COMPANY_S = 0.002
"""So long who comes first after a question that several shared waits for company. With
50 connections that read without end JetStream was asked once for each two reads, for a
third of NATS's processor time and of persistence's (2026-11-30)."""

_NO_ANSWER = (TimeoutError, nats.errors.Error, ValueError, codec.CodecError)
"""Of JetStream about a region's ledger; ValueError: no region is called that;
CodecError: it tells an error in place of what was asked for."""

T = TypeVar("T")


class _State(msgspec.Struct):
    last_seq: int


class _Stream(msgspec.Struct):
    """Of `$JS.API.STREAM.INFO.*`, whose rest takes nats-py four times as long to read
    as all of this takes.
    """

    state: _State


class _Sequences(msgspec.Struct):
    stream_seq: int


class _Consumer(msgspec.Struct):
    """Of `$JS.API.CONSUMER.INFO.*.*`."""

    ack_floor: _Sequences


class Shared(Generic[T]):
    """A question that many ask at the same time. Each gets an answer that was asked for
    after they came, so nobody learns less than by asking alone; but there is one
    question of a name on its way, and one more that all who come meanwhile wait for;
    after one that was shared, as long as `company` takes.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[T]],
        company: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(COMPANY_S),
    ) -> None:
        self._ask = ask
        self._company = company
        self._asking: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}
        self._waiting: dict[str, int] = {}
        """For `_next`."""
        self._shared: set[str] = set()
        """Of which the last question was."""

    async def of(self, name: str) -> T:
        task = self._next.get(name)
        if task is None:
            work = self._after(name, self._asking.get(name))
            task = self._next[name] = asyncio.create_task(work)
            self._waiting[name] = 0
        self._waiting[name] += 1
        return await asyncio.shield(task)  # others wait for it too

    async def _after(self, name: str, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait({before})
        if name in self._shared:
            await self._company()
        # Who comes from here on came after this was asked.
        self._asking[name] = self._next.pop(name)
        if self._waiting.pop(name) > 1:
            self._shared.add(name)
        else:
            self._shared.discard(name)
        try:
            return await self._ask(name)
        finally:
            del self._asking[name]


class Freshness:
    """Of all regions' ledgers; or, by `stream_of`, of what else the same durable
    consumer takes to the database. `hurry` is called while somebody waits.
    """

    def __init__(
        self,
        bus: Bus,
        wait_max_s: float,
        stream_of: Callable[[str], str] = lambda region: streams.ledger(region).name,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._wait_max_s = wait_max_s
        self._stream_of = stream_of
        self._hurry = hurry
        self._head = Shared(self._ask_head)
        self._floor = Shared(self._ask_floor)

    async def reached(self, region: str, record: int, within_s: float) -> bool:
        """Whether all records up to `record` are in the database; waits so long, looks
        once at least. The writer of a new region may be about to begin.
        """
        ends_at = time.monotonic() + within_s
        while (floor := await self._floor.of(region)) is None or floor < record:
            if time.monotonic() > ends_at:
                return False
            self._hurry()
            await asyncio.sleep(STEP_S)
        return True

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

    async def ends(self, region: str) -> tuple[int | None, int | None]:
        """The last record of the ledger, and the last up to which all is in the
        database; None: that can't be had.
        """
        floor = await self._floor.of(region)  # first: what is told is never too little
        return await self._head.of(region), floor

    async def _ask_head(self, region: str) -> int | None:
        """The last record; None: that can't be had."""
        found = await self._ask("STREAM.INFO", region, "", _Stream)
        return None if found is None else found.state.last_seq

    async def _ask_floor(self, region: str) -> int | None:
        """The record up to which all is in the database; None: that can't be had."""
        reader = f".{streams.WRITER_DURABLE}"
        found = await self._ask("CONSUMER.INFO", region, reader, _Consumer)
        return None if found is None else found.ack_floor.stream_seq

    async def _ask(
        self, what: str, region: str, reader: str, shape: type[T]
    ) -> T | None:
        try:
            subject = f"$JS.API.{what}.{self._stream_of(region)}{reader}"
            answer = await self._bus.request(subject, b"", self._wait_max_s)
            return codec.decode(answer.data, shape)
        except _NO_ANSWER:
            return None
