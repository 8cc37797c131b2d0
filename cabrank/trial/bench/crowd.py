"""Many clients in a process of their own: opens them, lets them ask, counts what comes.

`python -m cabrank.trial.bench.crowd` reads a `Task` a line on standard input and
answers each with a `Done` line; it ends with its input. It counts and times, it judges
nothing.
"""

import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable

import uvloop

from cabrank.trial.bench.tally import MARK, REQUESTED, Tally, request_mark
from cabrank.trial.bench.tasks import (
    Ask,
    Clear,
    Cut,
    Done,
    Gather,
    Locate,
    Open,
    Return,
    Task,
    Watch,
)
from cabrank.trial.load.frames import command, read_frame, read_refused, read_trip_ref
from cabrank.trial.load.link import Connect, Link, LinkError, connect
from schemas.codec import decode, encode

WELCOME_MAX_S = 60.0
QUIET_S = 3.0
"""What has not come after so long without any progress is lost; beyond the 1 s after
which a gateway repeats a command."""
PIECE = 50
"""Positions written between two looks at the event loop."""

WELCOME = b'{"type":"welcome"'
REPLY = b'{"type":"reply"'
REFUSED = b'{"type":"refused"'


class Driver:
    __slots__ = ("crowd", "link", "seen", "tally", "token")

    def __init__(self, crowd: "Crowd", token: str) -> None:
        self.crowd = crowd
        self.token = token
        self.tally = crowd.tally
        self.seen = 0
        self.link: Link | None = None

    def read(self, message: bytes) -> None:
        if message.startswith(REQUESTED):
            self.seen += 1
            self.tally.got(message, time.monotonic)
        elif not message.startswith((b'{"type":"trip.', b'{"type":"reply"')):
            self.crowd.read(message)


class Rider:
    __slots__ = ("crowd", "link", "trip")

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.trip: str | None = None
        self.link: Link | None = None

    def read(self, message: bytes) -> None:
        if message.startswith(REPLY):
            frame = read_frame(message)
            self.trip = read_trip_ref(frame.data).id if frame.ref == "ask" else None
            self.crowd.answered += 1
        else:
            self.crowd.read(message)


class Watched:
    """From when on is counted: what each driver had `seen`, and all of them `received`;
    `each` driver is to see so many more.
    """

    def __init__(self, seen: list[int], received: int, each: int) -> None:
        self.seen = seen
        self.received = received
        self.each = each

    @property
    def frames(self) -> int:
        return len(self.seen) * self.each


class Crowd:
    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._drivers: list[Driver] = []
        self._riders: list[Rider] = []
        self._welcomes = 0
        self._open = 0
        self._troubles: Counter[str] = Counter()
        self._number = 0
        self._barriers = 0
        self._watched = Watched([], 0, 0)
        self._reached: asyncio.Future[None] | None = None
        self._cutting = False
        self._began = (0.0, 0.0)
        self.answered = 0
        self.told = 0
        """Requests that welcomes have told of."""
        self.tally = Tally()

    def read(self, message: bytes) -> None:
        """A frame that concerns neither a request nor its answer."""
        if message.startswith(WELCOME):
            self._welcomes += 1
            self.told += message.count(MARK)
        elif message.startswith(REFUSED):
            frame = read_frame(message)
            if frame.ref == "barrier":
                self._barriers += 1
                return
            refused = read_refused(frame.data)
            self._troubles[f"{refused.code.value}: {refused.message}"] += 1

    async def do(self, task: Task) -> Done:
        cpu_s, began_s = time.process_time(), time.monotonic()
        done = Done(0, 0, 0)
        if isinstance(task, Open):
            await self._open_all(task)
        elif isinstance(task, Ask):
            await self._ask(task, done)
        elif isinstance(task, Watch):
            self._watch(task.requests, task.copies)
            self._reached = self._aim(self._watched.frames)
            self._began = cpu_s, began_s
        elif isinstance(task, Gather):
            assert self._reached is not None
            cpu_s, began_s = self._began
            await self._arrival(self._reached)
            self._sum_up(done)
        elif isinstance(task, Clear):
            await self._clear()
        elif isinstance(task, Locate):
            await self._locate(task, done)
        elif isinstance(task, Cut):
            await self._cut()
        elif isinstance(task, Return):
            await self._return(task, done)
        done.seconds = time.monotonic() - began_s
        done.cpu_s = time.process_time() - cpu_s
        done.open = self._open
        done.troubles, self._troubles = dict(self._troubles), Counter()
        return done

    # ---- connecting ----------------------------------------------------------

    async def _open_all(self, task: Open) -> None:
        limit = asyncio.Semaphore(task.at_once)
        wanted = self._welcomes + len(task.tokens)
        await asyncio.gather(*(self._open_one(task, limit, t) for t in task.tokens))
        wanted -= self._troubles["not connected"]
        await self._until(lambda: self._welcomes >= wanted, WELCOME_MAX_S)
        if self._welcomes < wanted:
            self._troubles["no welcome"] += wanted - self._welcomes

    async def _open_one(self, task: Open, limit: asyncio.Semaphore, token: str) -> None:
        client = Driver(self, token) if task.drivers else Rider(self)
        async with limit:
            try:
                client.link = await self._connect(
                    task.base, token, None, client.read, self._closed
                )
            except LinkError as error:
                self._troubles["not connected"] += 1
                self._troubles[str(error)] += 1
                return
        self._open += 1
        if isinstance(client, Driver):
            self._drivers.append(client)
        else:
            self._riders.append(client)

    def _closed(self, code: int) -> None:
        self._open -= 1
        if not self._cutting:
            self._troubles[f"connection closed with {code}"] += 1

    async def _cut(self) -> None:
        left = self._open - sum(driver.link is not None for driver in self._drivers)
        self._cutting = True
        for driver in self._drivers:
            if driver.link is not None:
                driver.link.abort()
        await self._until(lambda: self._open <= left, WELCOME_MAX_S)
        self._cutting = False

    @property
    def _known(self) -> int:
        return self.tally.received + self.told

    async def _return(self, task: Return, done: Done) -> None:
        limit = asyncio.Semaphore(task.at_once)
        before = self._known

        async def back(driver: Driver) -> None:
            async with limit:
                try:
                    driver.link = await self._connect(
                        task.base, driver.token, 1, driver.read, self._closed
                    )
                except LinkError as error:
                    driver.link = None
                    self._troubles[str(error)] += 1
                    return
            self._open += 1

        done.expected = len(self._drivers) * task.requests
        await asyncio.gather(*(back(driver) for driver in self._drivers))
        last = -1
        while last != self._known < before + done.expected:
            last = self._known
            await self._until(lambda: self._known >= before + done.expected, QUIET_S)
        done.deliveries = self._known - before
        done.lost = max(0, done.expected - done.deliveries)

    async def _until(self, condition: Callable[[], bool], limit_s: float) -> None:
        ends_at = time.monotonic() + limit_s
        while not condition() and time.monotonic() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    # ---- requests ------------------------------------------------------------

    def _watch(self, requests: int, copies: int) -> None:
        drivers = self._drivers
        self.tally.expect(len(drivers) * copies)
        self._watched = Watched(
            [driver.seen for driver in drivers], self.tally.received, requests * copies
        )

    def _sum_up(self, done: Done) -> None:
        tally, watched = self.tally, self._watched
        each = watched.each
        got = [d.seen - s for d, s in zip(self._drivers, watched.seen, strict=True)]
        done.deliveries = tally.received - watched.received
        done.expected = watched.frames
        done.lost = sum(max(0, each - count) for count in got)
        done.repeats = sum(max(0, count - each) for count in got)
        done.last_s = tally.last_s
        done.frame_bytes = tally.frame_bytes

    async def _ask(self, task: Ask, done: Done) -> None:
        self._watch(task.requests, task.copies)
        drivers = len(self._drivers)
        if task.per_s is None:
            for first in range(0, task.requests, task.burst):
                count = min(task.burst, task.requests - first)
                reached = self._aim(count * drivers * task.copies)
                for number in range(first, first + count):
                    self._request(number, done)
                await self._arrival(reached)
        else:
            await self._ask_steadily(task, done)
        self._sum_up(done)

    async def _ask_steadily(self, task: Ask, done: Done) -> None:
        assert task.per_s is not None
        reached = self._aim(self._watched.frames)
        start_s = time.monotonic()
        for number in range(0, task.requests, task.burst):
            wait_s = start_s + number / task.per_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            for one in range(number, min(number + task.burst, task.requests)):
                self._request(one, done)
        await self._arrival(reached)

    def _aim(self, frames: int) -> asyncio.Future[None]:
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tally.target = self.tally.received + frames
        self.tally.on_target = lambda: reached.set_result(None)
        return reached

    async def _arrival(self, reached: asyncio.Future[None]) -> None:
        """Until all have come, or nothing has for a while."""
        last = -1
        while self.tally.received != last:
            last = self.tally.received
            done, _ = await asyncio.wait({reached}, timeout=QUIET_S)
            if done:
                break
        self.tally.on_target = None

    def _request(self, rider: int, done: Done) -> None:
        self._number += 1
        mark = request_mark(self._number)
        link = self._riders[rider % len(self._riders)].link
        assert link is not None
        data: dict[str, object] = {
            "pick_up_address": f"{mark} Main Street",
            "drop_off_address": "2 Station Road",
        }
        done.asked_s[mark] = time.monotonic()
        link.send(command("trip.request", "ask", data))

    async def _clear(self) -> None:
        await asyncio.sleep(0.2)  # the last answers
        trips = [rider for rider in self._riders if rider.trip is not None]
        wanted = self.answered + len(trips)
        for rider in trips:
            assert rider.link is not None
            rider.link.send(command("trip.cancel", "clear", {"id": rider.trip}))
        await self._until(lambda: self.answered >= wanted, WELCOME_MAX_S)
        await asyncio.sleep(0.3)  # and what the drivers hear of it

    # ---- positions -----------------------------------------------------------

    async def _locate(self, task: Locate, done: Done) -> None:
        links = [d.link for d in self._drivers if d.link is not None]
        frame = command(
            "driver.location", "", {"lat": 40.71284, "lon": -74.00601, "heading": 90}
        ).replace(b'"ref":"",', b"")
        start_s, count = time.monotonic(), 0
        for number in range(task.frames):
            for position, link in enumerate(links):
                link.send(frame)
                count += 1
                if count % PIECE:
                    continue
                if task.per_s is not None:
                    share = number + position / len(links)
                    wait_s = start_s + share / task.per_s - time.monotonic()
                    await asyncio.sleep(max(0, wait_s))
                else:
                    await asyncio.sleep(0)
        # A gateway refuses what it doesn't know by itself, and in order.
        wanted = self._barriers + len(links)
        for link in links:
            link.send(command("bench.barrier", "barrier", {}))
        await self._until(lambda: self._barriers >= wanted, WELCOME_MAX_S)
        done.expected = done.deliveries = count
        done.lost = max(0, wanted - self._barriers) * task.frames


async def serve(connect: Connect) -> None:
    """Do what standard input says, until it ends."""
    crowd = Crowd(connect)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        done = await crowd.do(decode(line, Task))  # type: ignore[arg-type]
        sys.stdout.buffer.write(encode(done) + b"\n")
        sys.stdout.buffer.flush()


def main(connect: Connect = connect) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(connect))


if __name__ == "__main__":
    main()
