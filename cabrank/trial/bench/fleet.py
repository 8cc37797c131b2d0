"""Drivers who move and are offered trips, and their riders, in a process of their own.

`python -m cabrank.trial.bench.fleet` reads a `FleetOrder` a line on standard input and
answers each with a `Lived` line; it ends with its input. It times, it judges nothing.
"""

import asyncio
import itertools
import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Callable

import uvloop

from cabrank.trial.bench.fleet_orders import Attend, Enlist, FleetOrder, Live, Lived
from cabrank.trial.load.frames import (
    Frame,
    command,
    read_frame,
    read_offered,
    read_refused,
    read_trip_ref,
)
from cabrank.trial.load.link import Connect, Link, LinkError, connect
from runtime.lifecycle import cancel
from schemas.codec import decode, encode

OPENING_AT_ONCE = 64
WELCOME_MAX_S = 120.0
DRAIN_MAX_S = 10.0
PIECE = 20
"""Positions written between two looks at the event loop."""
SOUTH_WEST = (40.70, -74.02)
SIZE = (0.18, 0.04)
"""Degrees: a dense town of some 60 km², as `bench matching` has it."""
STEP = 0.0003
"""Degrees between two positions: 33 m."""
LOCATION = (
    b'{"type":"driver.location","data":{"lat":%.6f,"lon":%.6f,"heading":90,"speed":8}}'
)
CANCELLED_S = 0.1
ENDS = (b'{"type":"trip.completed"', b'{"type":"trip.cancelled"')
REFUSED = b'{"type":"refused"'
TOO_LATE = (b'"trip_already_taken"', b'"trip_not_open"')
"""Of trips told to all, when a driver of another process was quicker: it is under way,
or over.
"""
NEXT = {"accept": "begin", "begin": "complete"}


class Driver:
    """Takes what is offered, and drives it to its end at once."""

    __slots__ = ("fleet", "lat", "link", "lon", "trip")

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet = fleet
        self.lat = SOUTH_WEST[0] + fleet.random.random() * SIZE[0]
        self.lon = SOUTH_WEST[1] + fleet.random.random() * SIZE[1]
        self.trip = ""
        self.link: Link | None = None

    def say_where(self) -> None:
        self.lat += self.fleet.random.choice((-STEP, STEP))
        assert self.link is not None
        self.link.send(LOCATION % (self.lat, self.lon))

    def read(self, message: bytes) -> None:
        fleet = self.fleet
        if message.startswith(b'{"type":"trip.requested"'):
            if not self.trip and not fleet.cancels:
                trip = read_trip_ref(read_frame(message).data).id
                if fleet.heard(trip):
                    self._take(trip)
        elif message.startswith(b'{"type":"trip.offered"'):
            offer = read_offered(read_frame(message).data)
            fleet.heard(offer.trip.id)
            if not fleet.cancels:
                self._take(offer.trip.id, offer=offer.offer)
        elif message.startswith(b'{"type":"reply"'):
            self._answered(read_frame(message))
        elif message.startswith(REFUSED) and any(code in message for code in TOO_LATE):
            self.trip = ""
        elif not message.startswith(b'{"type":"trip.'):
            self.fleet.read(message)

    def _take(self, trip: str, **more: object) -> None:
        self.trip = trip
        assert self.link is not None
        self.link.send(command("trip.accept", "accept", {"id": trip, **more}))

    def _answered(self, frame: Frame) -> None:
        """Of the trip that it names: the next may have been offered before."""
        step = NEXT.get(frame.ref or "")
        if step is not None and self.link is not None:
            trip = read_trip_ref(frame.data).id
            self.link.send(command(f"trip.{step}", step, {"id": trip}))
        elif frame.ref == "complete":
            if read_trip_ref(frame.data).id == self.trip:
                self.trip = ""
        elif frame.ref == "attend":
            self.fleet.ready += 1


class Rider:
    __slots__ = ("fleet", "link")

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet = fleet
        self.link: Link | None = None

    def read(self, message: bytes) -> None:
        if message.startswith(ENDS):
            self.fleet.completed += 1
            self.fleet.idle.append(self)
        elif message.startswith(b'{"type":"reply"'):
            frame = read_frame(message)
            trip = read_trip_ref(frame.data).id
            if frame.ref != "cancel":
                self.fleet.requested(frame.ref or "", trip)
                if self.fleet.cancels:
                    later = asyncio.get_running_loop().call_later
                    later(CANCELLED_S, self._cancel, trip)
        elif message.startswith(b'{"type":"welcome"'):
            self.fleet.ready += 1
            self.fleet.idle.append(self)
        elif not message.startswith((b'{"type":"trip.', b'{"type":"driver.moved"')):
            self.fleet.read(message)

    def _cancel(self, trip: str) -> None:
        assert self.link is not None
        self.link.send(command("trip.cancel", "cancel", {"id": trip}))


class Fleet:
    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.random = random.Random(1)  # noqa: S311 (no secret)
        self.drivers: list[Driver] = []
        self.idle: deque[Rider] = deque()
        self.ready = 0
        self.completed = 0
        self.cancels = False
        self._number = 0
        self._asked_s: dict[str, float] = {}
        """By the request's reference, until the answer says which trip it is."""
        self._trips: dict[str, float] = {}
        """Trip → when it was requested, until somebody heard of it."""
        self._heard_s: dict[str, float] = {}
        """Trip → when somebody heard of it, before its rider knew its id."""
        self._known: set[str] = set()
        """Trips that somebody heard of."""
        self._waits_s: list[float] = []
        self._requested_s: dict[str, float] = {}
        self._first_s: dict[str, float] = {}
        """For who joins processes: all of `Live`'s trips."""
        self._troubles: Counter[str] = Counter()

    async def do(self, order: FleetOrder) -> Lived:
        cpu_s, began_s = time.process_time(), time.monotonic()
        done = Lived(0, 0)
        if isinstance(order, Enlist):
            await self._enlist(order)
        elif isinstance(order, Attend):
            await self._attend(order)
        else:
            await self._live(order, done)
        done.seconds = time.monotonic() - began_s
        done.cpu_s = time.process_time() - cpu_s
        done.troubles, self._troubles = dict(self._troubles), Counter()
        return done

    # ---- what is heard ---------------------------------------------------------

    def read(self, message: bytes) -> None:
        """A frame that concerns no trip."""
        if message.startswith(REFUSED):
            refused = read_refused(read_frame(message).data)
            self._troubles[f"{refused.code.value}: {refused.message}"] += 1

    def heard(self, trip: str) -> bool:
        """A driver hears of it; whether they are the first."""
        if trip in self._known:
            return False
        self._known.add(trip)
        self._first_s[trip] = time.monotonic()
        asked_s = self._trips.pop(trip, None)
        if asked_s is None:
            self._heard_s[trip] = time.monotonic()
        else:
            self._waits_s.append(time.monotonic() - asked_s)
        return True

    def requested(self, ref: str, trip: str) -> None:
        """Its rider is answered, before or after."""
        asked_s = self._asked_s.pop(ref)
        self._requested_s[trip] = asked_s
        heard_s = self._heard_s.pop(trip, None)
        if heard_s is None:
            self._trips[trip] = asked_s
        else:
            self._waits_s.append(heard_s - asked_s)

    # ---- connecting ------------------------------------------------------------

    async def _enlist(self, order: Enlist) -> None:
        limit = asyncio.Semaphore(OPENING_AT_ONCE)
        self.ready = 0
        wanted = len(order.drivers) + len(order.riders)
        people: list[tuple[str, Driver | Rider]] = [
            *((token, Driver(self)) for token in order.drivers),
            *((token, Rider(self)) for token in order.riders),
        ]
        opening = (self._open(order.base, limit, *one) for one in people)
        await asyncio.gather(*opening)
        await self._until(lambda: self.ready >= wanted, WELCOME_MAX_S)
        if self.ready < wanted:
            self._troubles["not there"] += wanted - self.ready

    async def _attend(self, order: Attend) -> None:
        self.ready = 0
        kind = "driver.online" if order.online else "driver.offline"
        for driver in self.drivers:
            assert driver.link is not None
            driver.link.send(command(kind, "attend", {}))
        await self._until(lambda: self.ready >= len(self.drivers), WELCOME_MAX_S)

    async def _open(
        self, base: str, limit: asyncio.Semaphore, token: str, who: Driver | Rider
    ) -> None:
        async with limit:
            try:
                who.link = await self._connect(
                    base, token, None, who.read, self._closed
                )
            except LinkError as error:
                self._troubles[str(error)] += 1
                return
        if isinstance(who, Driver):
            self.drivers.append(who)
            who.link.send(command("driver.online", "attend", {"offers": True}))
            who.say_where()

    def _closed(self, code: int) -> None:
        self._troubles[f"connection closed with {code}"] += 1

    async def _until(self, condition: Callable[[], bool], limit_s: float) -> None:
        ends_at = time.monotonic() + limit_s
        while not condition() and time.monotonic() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    # ---- living ----------------------------------------------------------------

    async def _live(self, order: Live, done: Lived) -> None:
        self._waits_s, self.completed, self.cancels = [], 0, order.cancels
        self._requested_s, self._first_s = {}, {}
        moving = asyncio.ensure_future(self._move(order, done))
        try:
            await self._ask(order, done)
            await self._until(lambda: self.completed >= done.requests, DRAIN_MAX_S)
        finally:
            await cancel([moving])
        done.completed, done.waits_s = self.completed, self._waits_s
        done.asked_s, done.heard_s = self._requested_s, self._first_s
        done.lost = done.requests - self.completed
        self._trips.clear()

    async def _ask(self, order: Live, done: Lived) -> None:
        start_s = time.monotonic()
        ends_s = start_s + order.seconds
        for number in itertools.count() if order.per_s else ():
            at_s = start_s + number / order.per_s
            if at_s >= ends_s:
                break
            await asyncio.sleep(max(0.0, at_s - time.monotonic()))
            self._request(order, done)
        await asyncio.sleep(max(0.0, ends_s - time.monotonic()))

    def _request(self, order: Live, done: Lived) -> None:
        if not self.idle:
            self._troubles["no rider was idle"] += 1
            return
        rider = self.idle.popleft()
        self._number += 1
        data: dict[str, object] = {"pick_up_address": "A", "drop_off_address": "B"}
        if order.placed:
            by = self.random.choice(self.drivers)
            data["pick_up"] = {"lat": by.lat + STEP, "lon": by.lon}
        done.requests += 1
        ref = str(self._number)
        self._asked_s[ref] = time.monotonic()
        assert rider.link is not None
        rider.link.send(command("trip.request", ref, data))

    async def _move(self, order: Live, done: Lived) -> None:
        """Evenly over the time, so that each position comes alone as real ones do."""
        if not order.every_s:
            return
        start_s = time.monotonic()
        for count in itertools.count():
            self.drivers[count % len(self.drivers)].say_where()
            done.positions += 1
            if count % PIECE == 0:
                at_s = start_s + count / len(self.drivers) * order.every_s
                await asyncio.sleep(max(0.0, at_s - time.monotonic()))


async def serve(connect: Connect) -> None:
    """Do what standard input says, until it ends."""
    fleet = Fleet(connect)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        done = await fleet.do(decode(line, FleetOrder))  # type: ignore[arg-type]
        sys.stdout.buffer.write(encode(done) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(connect))


if __name__ == "__main__":
    main()
