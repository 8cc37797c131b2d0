"""Which regions this process follows and leads: hears who else is there, says that it
is, and starts, ends and hands over its regions accordingly.

Decides only who should do what; that two never lead at once is the fence's (fence.py),
whatever is believed here. Must not know what happens inside a region.
"""

import asyncio
import time

import msgspec
import structlog
from nats.js import JetStreamContext

from dispatcher import metrics
from dispatcher.placement.ranking import Duty
from dispatcher.placement.roster import BEAT_S, Roster
from dispatcher.region.region import Region
from runtime.bus import Bus, is_no_responders
from runtime.lifecycle import Service
from runtime.resting import SLACK_S, Pause
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.members import Member

log = structlog.get_logger()

TICK_S = 0.1
HUNG_S = 2.0
"""A tick so late says that this process was stopped, not that the others are gone."""
ANSWERS_S = 0.1
"""A newcomer waits so long after the first answer for the others'; the machine's own
network takes well under a millisecond, a region's some."""
NOBODY_S = 0.25
"""And so long for the first; where nobody listens, NATS says so at once."""


class Placement:
    """`join`, then `run` until it is cancelled, then `leave`."""

    def __init__(
        self,
        service: Service,
        bus: Bus,
        js: JetStreamContext,
        settings: Settings,
        instance: str,
    ) -> None:
        self._service = service
        self._bus = bus
        self._js = js
        self._settings = settings
        self._instance = instance
        self._serves = tuple(settings.region_list())
        self._roster = Roster(instance)
        self._regions: dict[str, Region] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._said = Member(instance, self._serves)
        self._said_s = 0.0
        self._ticked_s = time.monotonic()
        self._leaving = False
        self._pause = Pause()

    # ---- coming and going ----------------------------------------------------

    async def join(self) -> None:
        """Learn who is there, and begin; where nobody is, at once."""
        heard = asyncio.Event()

        def on_answer(_: bytes, _r: bytes, payload: bytes, headers: bytes) -> None:
            heard.set()
            if not is_no_responders(headers):
                self._hear(payload)

        inbox = self._bus.new_inbox()
        answers = self._bus.subscribe_raw(inbox, on_answer)
        # Asked before we listen: our own ears would hide that nobody else has any.
        self._bus.send(subjects.DISPATCHERS, codec.encode(self._said), inbox)
        self._bus.subscribe_raw(subjects.DISPATCHERS, self._on_beat)
        try:
            async with asyncio.timeout(NOBODY_S):
                await heard.wait()
        except TimeoutError:
            pass  # NATS has gone away again; heartbeats will tell
        if self._roster.others:
            await asyncio.sleep(ANSWERS_S)
        answers.cancel()
        log.info(
            "joins", instance=self._instance, dispatchers=1 + len(self._roster.others)
        )
        self._place(time.monotonic())

    async def run(self) -> None:
        while True:
            self._tick()
            # One that is alone and leads all it was given: nobody can fall silent.
            at_rest = not self._roster.others and self.missing() is None
            if at_rest:
                await self._pause.rest(BEAT_S)
            else:
                await self._pause.take(TICK_S)

    async def leave(self) -> None:
        """Have others lead what this one leads, and end."""
        self._leaving = True
        self._beat(time.monotonic())
        for name, region in self._regions.items():
            region.resign(self._duty(name, time.monotonic()).heir)
        await asyncio.gather(*self._runs.values())

    # ---- what others see -----------------------------------------------------

    def reconnected(self) -> None:
        self._roster.excuse(time.monotonic())
        self._said_s = 0.0
        for region in self._regions.values():
            region.reconnected()

    def missing(self) -> str | None:
        """None: everything this process was given is led or followed."""
        for name, region in list(self._regions.items()):
            if region.missing is not None:
                return f"region {name}: {region.missing}"
        return None

    def _member(self) -> Member:
        regions = self._regions.items()
        ready = tuple(name for name, region in regions if region.missing is None)
        aside = {name for name, region in regions if region.stands_aside}
        serves = tuple(name for name in self._serves if name not in aside)
        behind = {
            name: region.behind
            for name, region in regions
            if region.behind is not None and not region.leads
        }
        return Member(self._instance, serves, ready, self._leaving, behind)

    def _beat(self, now_s: float) -> None:
        self._said = self._member()
        if self._bus.send(subjects.DISPATCHERS, codec.encode(self._said)):
            self._said_s = now_s

    def _on_beat(self, _: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        is_new = self._hear(payload)
        if reply:
            self._bus.send(reply.decode(), codec.encode(self._member()))
        elif is_new:
            self._said_s = 0.0  # it may not have heard us yet

    def _hear(self, payload: bytes) -> bool:
        try:
            member = codec.decode(payload, Member)
        except codec.CodecError as error:
            log.warning("unreadable heartbeat", error=str(error))
            return False
        was_there = member.id in self._roster.others
        is_new = self._roster.hear(member, time.monotonic())
        if is_new:
            log.info("another dispatcher is there", instance=member.id)
            self._pause.end()
        elif was_there and member.leaving:
            log.info("another dispatcher leaves", instance=member.id)
        return is_new

    # ---- time ----------------------------------------------------------------

    def _tick(self) -> None:
        now_s = time.monotonic()
        if not self._bus.is_connected or now_s - self._ticked_s > HUNG_S:
            self._roster.excuse(now_s)
        self._ticked_s = now_s
        for silent in self._roster.sweep(now_s):
            log.warning("another dispatcher is silent", instance=silent)
        metrics.dispatchers.set(1 + len(self._roster.others))
        if not self._leaving:
            self._place(now_s)

    def _place(self, now_s: float) -> None:
        for name in self._serves:
            self._settle(name, self._duty(name, now_s))
        # How far behind it is changes with each record: no news of its own.
        now = msgspec.structs.replace(self._member(), behind=self._said.behind)
        if now_s - self._said_s >= BEAT_S - SLACK_S or now != self._said:
            self._beat(now_s)

    def _duty(self, region: str, now_s: float) -> Duty:
        return self._roster.duty(region, self._member(), now_s)

    def _settle(self, name: str, todo: Duty) -> None:
        run = self._runs.get(name)
        if run is not None and run.done():
            del self._runs[name], self._regions[name]
            metrics.end(name)
            run = None
        if run is None:
            if todo.begins:
                self._begin(name)
            return
        region = self._regions[name]
        if region.stands_aside:
            return  # until this process ends: /readyz tells it
        region.standbys = self._roster.standbys(name)
        # Whom we took over from is there by its heartbeats, for seconds, and may hang
        # or be dead: only who was heard since can take the region back.
        since_s = region.led_since_s
        heir = todo.heir
        is_alive = heir is not None and self._roster.heard_s(heir) > since_s
        region.hand_over(heir if is_alive else None)
        if not todo.stays and not region.leads:
            log.info("follows no more", region=name)
            region.resign(None)

    def _begin(self, name: str) -> None:
        region = self._regions[name] = Region(
            self._service,
            self._bus,
            self._js,
            name=name,
            settings=self._settings,
            instance=self._instance,
        )
        self._runs[name] = self._service.spawn(
            f"region {name}", region.run(), may_end=True
        )
