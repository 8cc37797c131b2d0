"""The members of `cabrank bench chat`: a process of its own, so that its CPU is told
from the system's.

`python -m cabrank.trial.bench.chatter` reads an `Order` on standard input and writes
lines of JSON on standard output: `{"started": n}` before each `Window`, a `Summary` at
the end.
"""

import asyncio
import re
import sys
import time
from collections import Counter
from typing import Any

import uvloop

from cabrank.trial.bench.chat_orders import Order, Summary, Window
from cabrank.trial.bench.generator import CONNECTING_AT_ONCE, WELCOME_MAX_S
from cabrank.trial.bench.orders import Member
from cabrank.trial.load.figures import percentile
from cabrank.trial.load.frames import command
from cabrank.trial.load.link import Link, connect
from schemas.codec import decode, encode

DELIVERY_MAX_S = 30.0
"""Beyond any resend; what has not come by then is lost."""
TICK_S = 0.005

_MESSAGE = re.compile(rb'"room":"[^"]*","seq":([0-9]+).*"text":"([0-9]+)"')


def _say(what: Any) -> None:
    sys.stdout.buffer.write(encode(what) + b"\n")
    sys.stdout.buffer.flush()


class Ear:
    """One member: counts what it hears; `seq` must be dense from its join on."""

    __slots__ = ("_crowd", "link", "seq")

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self.link: Link | None = None
        self.seq: int | None = None

    def read(self, message: bytes) -> None:
        if message.startswith(b'{"type":"chat.message"'):
            found = _MESSAGE.search(message)
            assert found is not None
            seq = int(found[1])
            if self.seq is not None and seq != self.seq + 1:
                self._crowd.lost += 1
            self.seq = seq
            self._crowd.heard(int(found[2]))
        elif message.startswith(b'{"type":"welcome"'):
            self._crowd.welcomes += 1
        elif message.startswith(b'{"type":"reply","ref":"join"'):
            self._crowd.joined += 1
        elif message.startswith(b'{"type":"refused"'):
            self._crowd.troubles[message[-200:].decode(errors="replace")] += 1


class Crowd:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._rooms: list[list[Ear]] = []
        self.welcomes = 0
        self.joined = 0
        self.lost = 0
        self.troubles: Counter[str] = Counter()
        self._count = 0
        self._deliveries = 0
        self._waiting: dict[int, tuple[float, int]] = {}
        """Message → when it was sent, how many have not heard it."""
        self._latencies: list[float] = []

    async def run(self) -> None:
        order = self._order
        await self._enter()
        for _ in range(order.warm_up):
            await self._burst()
        for number in range(order.windows):
            _say({"started": number})
            _say(await self._measure("burst", self._bursts))
        for number in range(order.windows if order.steady_s else 0):
            _say({"started": number})
            _say(await self._measure("steady", self._steady))
        _say(Summary(self.lost, dict(self.troubles)))

    # ---- who is there --------------------------------------------------------

    async def _enter(self) -> None:
        limit = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def open_one(ear: Ear, member: Member) -> None:
            async with limit:
                ear.link = await connect(
                    self._order.base, member.access, None, ear.read, self._closed
                )

        opening = []
        for members in self._order.members:
            ears = [Ear(self) for _ in members]
            self._rooms.append(ears)
            opening += [open_one(*pair) for pair in zip(ears, members, strict=True)]
        await asyncio.gather(*opening)
        await self._until(lambda: self.welcomes == len(opening), "welcomes")
        for number, ears in enumerate(self._rooms):
            for ear in ears:
                self._send(ear, "chat.join", "join", {"room": f"bench-{number}"})
        await self._until(lambda: self.joined == len(opening), "joins")

    def _closed(self, code: int) -> None:
        self.troubles[f"connection closed with {code}"] += 1

    async def _until(self, condition: Any, what: str) -> None:
        ends_at = time.monotonic() + WELCOME_MAX_S
        while not condition():
            if time.monotonic() > ends_at:
                self.troubles[f"{what} missing after {WELCOME_MAX_S:.0f} s"] += 1
                return
            await asyncio.sleep(TICK_S)

    # ---- what is said --------------------------------------------------------

    def _send(self, ear: Ear, kind: str, ref: str, data: dict[str, object]) -> None:
        assert ear.link is not None
        ear.link.send(command(kind, ref, data))

    def _talk(self, room: int, speaker: int) -> None:
        ears = self._rooms[room]
        self._count += 1
        self._waiting[self._count] = (time.monotonic(), len(ears))
        data: dict[str, object] = {"room": f"bench-{room}", "text": str(self._count)}
        self._send(ears[speaker % len(ears)], "chat.send", "s", data)

    def heard(self, number: int) -> None:
        self._deliveries += 1
        sent_at, left = self._waiting[number]
        if left > 1:
            self._waiting[number] = (sent_at, left - 1)
        else:
            del self._waiting[number]
            self._latencies.append(time.monotonic() - sent_at)

    async def _all_heard(self) -> None:
        ends_at = time.monotonic() + DELIVERY_MAX_S
        while self._waiting and time.monotonic() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        self.lost += sum(left for _, left in self._waiting.values())
        self._waiting.clear()

    async def _burst(self) -> None:
        for speaker in range(self._order.burst):
            for room in range(len(self._rooms)):
                self._talk(room, speaker)
        await self._all_heard()

    async def _bursts(self) -> None:
        for _ in range(self._order.bursts):
            await self._burst()

    async def _steady(self) -> None:
        order = self._order
        started = time.monotonic()
        for number in range(int(order.rate * order.steady_s)):
            wait_s = started + number / order.rate - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            rooms = len(self._rooms)
            self._talk(number % rooms, number // rooms)
        await self._all_heard()

    async def _measure(self, kind: str, work: Any) -> Window:
        self._latencies.clear()
        count, deliveries = self._count, self._deliveries
        cpu, at = time.process_time(), time.monotonic()
        await work()
        seconds, used = time.monotonic() - at, time.process_time() - cpu
        return Window(
            kind,
            self._count - count,
            self._deliveries - deliveries,
            seconds,
            used,
            [1000 * (percentile(self._latencies, share) or 0) for share in SHARES],
        )


SHARES = (0.5, 0.99)


def main() -> None:
    order = decode(sys.stdin.buffer.read(), Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Crowd(order).run())


if __name__ == "__main__":
    main()
