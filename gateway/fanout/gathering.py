"""When a region's feed goes out: when the tick ends or, while commands of ours wait for
their answers, a little later, with what those bring.

A burst of requests is several commits of the leader's, and each entry written by itself
is a system call for every driver. A request that is alone has its answer behind its
entry, so nothing waits then. Who hears something else meanwhile gets what is held
before it, so that a session's `seq` only grows.
"""

from collections.abc import Callable

from gateway.clock import Clock
from gateway.fanout.region import Listener, Region
from gateway.leader.link import Link
from schemas.commands import Answers

HOLD_S = 0.01
"""The longest that an entry is held: several commits with their fsync."""


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
        self._is_timed = False

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def add(self, region: Region) -> None:
        """The tick brought something."""
        self._awake.add(region)
        self._wake()

    def flush(self) -> None:
        """The tick ends."""
        if not self._awake:
            return
        now_s = self._now().mono_s
        while self._awake:
            region = self._awake.pop()
            since_s = self._held.pop(region, now_s)
            is_more_to_come = region.ready and self._link.waits_for(region.name)
            if is_more_to_come and now_s < since_s + HOLD_S:
                region.flush_own()
                self._held[region] = since_s
            else:
                region.flush()
        if self._held and not self._is_timed:
            self._is_timed = True
            left_s = min(self._held.values()) + HOLD_S - now_s
            self._later(max(0.0, left_s), self._look)

    def _look(self) -> None:
        self._is_timed = False
        for region in self._held:
            self.add(region)

    def before(self, region: Region, answers: Answers) -> None:
        """Hand on what those answers may depend on: of drivers' commands to those, of
        questions of the gateway's own to all.
        """
        if not (region.ready or region.own):
            return
        concerned: dict[Listener, None] = {}
        for answer in answers.answers:
            pending = self._link.find(region.name, answer.id)
            if pending is None:
                continue
            if pending.owner is None:
                region.flush()
                return
            driver = region.drivers.get(pending.command.by.id)
            if driver is not None:
                concerned[driver] = None
        for driver in concerned:
            region.hand_out(driver)

    def after(self, region: Region) -> None:
        """What was waited for may be over."""
        if region in self._held and not self._link.waits_for(region.name):
            self.add(region)
