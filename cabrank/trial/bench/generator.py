"""The load generator: a process of its own, so that its CPU is told from the system's.

`python -m cabrank.trial.bench.generator` reads an `Order` on standard input and writes
`Window`s and one `Summary` on standard output, a line of JSON each; a window is
announced by a line `{"started": n}`.
"""

import asyncio
import sys
import time
from collections import Counter
from typing import Any

import uvloop

from cabrank.trial.bench.orders import Member, Order, Summary, Window
from cabrank.trial.bench.pair import DRIVER, RIDER, STEPS, Pair
from cabrank.trial.load.figures import percentile
from cabrank.trial.load.link import Connect, Link, connect
from schemas.codec import decode, encode

WELCOME_MAX_S = 30.0
DRAIN_MAX_S = 15.0
"""Beyond the 10 s after which a gateway answers `unavailable`."""
CONNECTING_AT_ONCE = 32


def _say(what: Any) -> None:
    sys.stdout.buffer.write(encode(what) + b"\n")
    sys.stdout.buffer.flush()


class Generator:
    def __init__(self, order: Order, connect: Connect) -> None:
        self._order = order
        self._connect = connect
        self._trips: dict[str, list[str]] = {m.user.id: [] for m in order.riders}
        self._count = 0
        self._going_on = True
        self._troubles: Counter[str] = Counter()
        self._welcomes = 0
        self._pairs: list[Pair] = []

    async def run(self) -> None:
        order = self._order
        limit = asyncio.Semaphore(CONNECTING_AT_ONCE)
        couples = zip(order.riders, order.drivers, strict=True)
        await asyncio.gather(*(self._open(limit, *couple) for couple in couples))
        await self._until(
            lambda: self._welcomes == 2 * len(self._pairs), WELCOME_MAX_S, "welcomes"
        )
        for pair in self._pairs:
            pair.start(time.monotonic())
        await asyncio.sleep(order.warm_up_s)
        for number in range(order.windows):
            _say({"started": number})
            _say(await self._window())
        self._going_on = False
        await self._until(
            lambda: all(pair.idle for pair in self._pairs), DRAIN_MAX_S, "last trips"
        )
        unfinished = sum(not pair.idle for pair in self._pairs)
        _say(Summary(self._trips, unfinished, dict(self._troubles)))

    async def _until(self, condition: Any, limit_s: float, what: str) -> None:
        ends_at = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > ends_at:
                self._troubles[f"{what} missing after {limit_s:.0f} s"] += 1
                return
            await asyncio.sleep(0.01)

    async def _window(self) -> Window:
        for pair in self._pairs:
            for values in pair.latencies:
                values.clear()
        count, cpu, at = self._count, time.process_time(), time.monotonic()
        await asyncio.sleep(self._order.window_s)
        seconds = time.monotonic() - at
        made = Window(self._count - count, seconds, time.process_time() - cpu, {}, {})
        for step, name in enumerate(STEPS):
            values = [value for pair in self._pairs for value in pair.latencies[step]]
            made.p50_ms[name] = 1000 * (percentile(values, 0.5) or 0)
            made.p99_ms[name] = 1000 * (percentile(values, 0.99) or 0)
        return made

    async def _open(
        self, limit: asyncio.Semaphore, rider: Member, driver: Member
    ) -> None:
        links: list[Link] = []
        trips = self._trips[rider.user.id]
        now = time.monotonic

        def done(pair: Pair, trip: str) -> None:
            trips.append(trip)
            self._count += 1
            if self._going_on:
                pair.start(now())

        pair = Pair(
            rider.user,
            lambda side, message: links[side].send(message),
            done,
            self._trouble,
        )

        def from_rider(message: bytes) -> None:
            pair.read(RIDER, message, now())
            self._welcomes += message.startswith(b'{"type":"welcome"')

        def from_driver(message: bytes) -> None:
            if pair.concerns_driver(message):
                pair.read(DRIVER, message, now())
            elif message.startswith(b'{"type":"welcome"'):
                self._welcomes += 1

        async with limit:
            for member, read in ((rider, from_rider), (driver, from_driver)):
                links.append(
                    await self._connect(
                        self._order.base, member.access, None, read, self._closed
                    )
                )
        self._pairs.append(pair)

    def _closed(self, code: int) -> None:
        self._trouble(f"connection closed with {code}")

    def _trouble(self, what: str) -> None:
        self._troubles[what] += 1


def main(connect: Connect = connect) -> None:
    """`connect`: how a client is opened; the benchmarks' peers have their own."""
    order = decode(sys.stdin.buffer.read(), Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Generator(order, connect).run())


if __name__ == "__main__":
    main()
