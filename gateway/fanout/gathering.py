"""When a region's feed, and what is said in a room, go out: when the tick ends or,
while more of it is sure to come, a little later, with that.

A burst of requests, or of messages, is several commits of the leader's, and what each
brings written by itself is a system call for everybody who hears it. More is to come
while commands of ours wait for their answers: of the feed any, of a room messages to
that room. What is alone has its answer behind it, so it waits for nothing.

The feed waits before it is made frames of, once for all drivers. Who hears something
else meanwhile gets what is held before it, so that a session's `seq` only grows. A
room's frames wait in the sockets' own queues, as they stand: whatever is written to one
goes behind them, and takes them along.
"""

from collections.abc import Callable

from gateway.clock import Clock
from gateway.fanout.region import Region
from gateway.fanout.room import Room
from gateway.leader.link import Link
from schemas.commands import Answers

HOLD_S = 0.01
"""The longest that an entry is held: several commits with their fsync."""
PER_DRIVER_S = 50e-6
"""The longest for each driver it goes to: what holding spares is a write for each, and
where they are few, what they do next waits longer than that is worth.
"""
ROOM_HOLD_S = 0.003
"""The same as `HOLD_S` of a room's message: a commit or two."""


def hold_s(region: Region) -> float:
    """The longest that an entry of its feed is held now."""
    return min(HOLD_S, PER_DRIVER_S * len(region.drivers))


class Gathering:
    """`wake` asks for `flush` at the end of this tick, `later` for it after so long."""

    def __init__(
        self,
        link: Link,
        now: Clock,
        wake: Callable[[], None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._link = link
        self._now = now
        self._wake = wake
        self._later = later
        self._awake: set[Region] = set()
        self._held: dict[Region, float] = {}
        """Those whose entries wait, and since when."""
        self._rooms: dict[Room, float] = {}
        """Those that sockets wait for more of, and since when."""
        self._timed_s = float("inf")
        """When somebody looks."""

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def add(self, region: Region) -> None:
        """The tick brought something."""
        self._awake.add(region)
        self._wake()

    def hand_on(self, room: Room) -> None:
        """Hand on what the tick brought to that room. One message without an answer is
        most likely the one that came.
        """
        gathers = self._talk(room) > 1
        room.flush(gathers=gathers)
        if gathers:
            self._rooms.setdefault(room, self._now().mono_s)
            self._wake()

    def _talk(self, room: Room) -> int:
        region = room.region
        return 0 if region is None else self._link.talk(region.name, room.name)

    def flush(self) -> None:
        """The tick ends."""
        if not (self._awake or self._rooms):
            return
        now_s = self._now().mono_s
        due_s = float("inf")
        while self._awake:
            region = self._awake.pop()
            since_s = self._held.pop(region, now_s)
            is_more_to_come = region.ready and self._link.waits_for(region.name)
            until_s = since_s + hold_s(region)
            if is_more_to_come and now_s < until_s:
                region.flush_own()
                self._held[region] = since_s
                due_s = min(due_s, until_s)
            else:
                region.flush()
        for room, since_s in list(self._rooms.items()):
            until_s = since_s + ROOM_HOLD_S
            if self._talk(room) and now_s < until_s:
                due_s = min(due_s, until_s)
            else:
                del self._rooms[room]
                room.let_go()
        if due_s < self._timed_s:
            self._timed_s = due_s
            self._later(due_s - now_s, self._look)

    def _look(self) -> None:
        self._timed_s = float("inf")
        self._awake.update(self._held)
        self._wake()

    def before(self, region: Region, answers: Answers) -> None:
        """Hand on what those answers may depend on: of drivers' commands to those, of
        questions of the gateway's own to all.
        """
        if not (region.ready or region.own):
            return
        for answer in answers.answers:
            pending = self._link.find(region.name, answer.id)
            if pending is None:
                continue
            if pending.owner is None:
                region.flush()
                return
            driver = region.drivers.get(pending.command.by.id)
            if driver is not None:
                region.hand_out(driver)

    def after(self, region: Region) -> None:
        """What was waited for may be over."""
        if region in self._held and not self._link.waits_for(region.name):
            self.add(region)
        if self._rooms:
            self._wake()
