"""One region in this process: stands by, takes over, leads, and stands by again.

    rebuild ──▶ stand by ──leader gone──▶ take over ──epoch stored──▶ lead
       ▲            ▲                        │ refused                  │
       │            └────────────────────────┘                          │
       └──────────────────── handed over, or any doubt ─────────────────┘

Whatever an engine knows beyond the ledger is thrown away with it: correctness is the
fence's, and a rebuild is a snapshot and a short replay.
"""

import asyncio
import contextlib
import time
from functools import partial

import structlog
from nats.js import JetStreamContext

from dispatcher import metrics
from dispatcher.commit.fence import Fate, Fence
from dispatcher.engine.engine import Engine, Limits
from dispatcher.region import inbox, ledger_metrics, retention
from dispatcher.region.clocks import TICK_S, steady_ms, wall_ms
from dispatcher.region.housekeeping import Housekeeping
from dispatcher.region.lead import Ended, Lead
from dispatcher.region.ledger_full import Refuser, nothing
from dispatcher.region.match_limits import matching_of
from dispatcher.region.pinger import BEGINNER_S, HEIR_S, Pinger
from dispatcher.region.snapshots import Frozen, SnapshotStore
from dispatcher.region.snapshotter import Snapshotter
from dispatcher.region.stamps import Stamps
from dispatcher.region.standby import Standby
from runtime import ledger as ledgers
from runtime.bus import Bus
from runtime.errors import PurgedError, RecordError
from runtime.follower import POLL_S, Follower, Pace
from runtime.ledger import Ledger, patiently
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import members, subjects
from schemas.codec import encode
from schemas.ledger import RECORD_VERSION, Record, Writer

log = structlog.get_logger()

FULL_RETRY_S = 1.0
FULL_PATIENCE_S = 5.0
"""Of who did not lead when the ledger filled, before it saves a snapshot to make room:
who did saves one at once, and of two at once one would leave its chunks behind.
"""
HANDOVER_PAUSE_S = 10.0
"""An heir that hangs is known to be gone by then (roster.py: 3.5 s)."""
PATIENCE_S = {Ended.RESIGNED: HEIR_S, Ended.DEPOSED: BEGINNER_S}
"""For whoever leads next to answer pings."""


class Region:
    """`run` once. `resign` ends it. `standbys`: of the others that are there."""

    def __init__(
        self,
        service: Service,
        bus: Bus,
        js: JetStreamContext,
        *,
        name: str,
        settings: Settings,
        instance: str,
    ) -> None:
        self.name = name
        self._service = service
        self._bus = bus
        self._js = js
        self._settings = settings
        self._instance = instance
        metrics.begin(name)
        self._lead: Lead | None = None
        self._fence: Fence | None = None
        """Of an epoch record that is being written."""
        self._filled = False
        """The lead before ended with a full ledger."""
        self._denied = nothing()
        self._resigned = asyncio.Event()
        self.heir: str | None = None  # of what it leads
        self._handed, self.standbys = ("", 0.0), members.NONE
        self.led_since_s = 0.0
        """Monotonic: when the latest lead began."""
        self.missing: str | None = "ledger not read"
        """None: ready (leads, or stands by without lag)."""
        self.behind: int | None = None  # records, of who stands by
        self.stands_aside = False
        """It can't read the ledger, and waits for its end (`_stand_aside`)."""
        self._ledger: Ledger
        self._store: SnapshotStore
        self._snapshotter: Snapshotter
        self._stamps = Stamps()
        self._follower: Follower
        self._standby: Standby
        self._housekeeping: Housekeeping

    # ---- from outside --------------------------------------------------------

    def reconnected(self) -> None:
        if self._lead is not None:
            self._lead.reconnected()
        if self._fence is not None:
            self._fence.again()

    def resign(self, heir: str | None = None) -> None:
        """End; `heir`, if there is one, takes over at once what this one leads."""
        self._resigned.set()
        self.heir = heir
        if self._lead is not None:
            self._lead.resign(heir)

    def hand_over(self, heir: str | None) -> None:
        """To whom it is due, if to anybody: another dispatcher that is ready. One that
        did not take it is not tried again at once.
        """
        self.heir, now_s = heir, time.monotonic()
        to, at_s = self._handed
        is_due = heir != to or now_s - at_s >= HANDOVER_PAUSE_S
        if self._lead is not None and heir is not None and is_due:
            self._handed = (heir, now_s)
            log.info("hands over", region=self.name, to=heir)
            self._lead.resign(heir)

    @property
    def leads(self) -> bool:
        return self._lead is not None

    def _wait_for(self, what: str) -> None:
        self.missing = what

    def _stamp(self) -> int:
        return self._stamps.now(wall_ms(), steady_ms())

    def _limits(self) -> Limits:
        return Limits(
            request_ttl_ms=int(self._settings.request_ttl_s * 1000),
            booking_lead_ms=int(self._settings.booking_lead_s * 1000),
            trip_room_ttl_ms=int(self._settings.trip_room_ttl_s * 1000),
            matching=matching_of(self._settings, self.name),
            users=self._settings.user_limits(),
        )

    async def run(self) -> None:
        """Until `resign`.

        Raises:
            LedgerGapError: records that are needed are gone: never lead.
        """
        self._ledger = await ledgers.open_ledger(
            self._js,
            self.name,
            bytes_max=self._settings.ledger_bytes_max,
            replicas=self._settings.replicas,
            tell=self._wait_for,
        )
        self._store = SnapshotStore(self._js, self._ledger, self._settings.replicas)
        self._snapshotter = Snapshotter(self._store, self.name)
        self._follower = Follower(
            self._bus, self._ledger, metrics.bad_records.labels(self._ledger.region).inc
        )
        self._standby = Standby(
            self._js, self._ledger, self._store, self._follower, self._limits()
        )
        self._housekeeping = Housekeeping(
            self._js,
            self._ledger,
            self._store,
            self._follower,
            snapshotter=self._snapshotter,
            kept_s=self._settings.ledger_kept_s,
        )
        try:
            await self._go_round()
        except RecordError as error:
            await self._stand_aside(str(error))
        finally:
            self._follower.close()

    async def _stand_aside(self, why: str) -> None:
        """What was acknowledged is in a record that this program can't read: neither
        follow nor lead without it. Another version leads, now or when it is started.
        """
        self.stands_aside = True
        self.missing = why
        metrics.stands_aside.labels(self.name).set(1)
        log.error("stands aside", region=self.name, why=why)
        await self._resigned.wait()

    async def _go_round(self) -> None:
        rebuilt, patience_s = False, 0.0
        while not self._resigned.is_set():
            if not rebuilt:
                await self._rebuild()
                rebuilt = True
            try:
                await self._stand_by(patience_s)
                if self._resigned.is_set():
                    return
                writer = await self._take_over()
            except PurgedError as error:
                log.warning("fell behind", region=self.name, why=str(error))
                rebuilt = False
                continue
            patience_s, self._filled = BEGINNER_S, False
            if writer is not None:
                rebuilt = False
                ended = await self._hold(writer)
                self._filled = ended is Ended.FULL
                patience_s = PATIENCE_S.get(ended, 0.0)

    # ---- standing by ---------------------------------------------------------

    async def _rebuild(self) -> None:
        self.missing, self.behind = "replaying the ledger", None
        self._snapshotter.begin(await self._standby.rebuild(self._wait_for))
        self._stamps.begin(self._standby.engine.stamp_ms, wall_ms(), steady_ms())

    async def _stand_by(self, patience_s: float) -> None:
        """Follow until nobody leads; believe that only after `patience_s`."""
        pinger = Pinger(self._bus, self.name, self._instance, time.monotonic)
        pinger.hold_back(patience_s)
        pinged_s = 0.0
        hears = self._bus.subscribe_raw(subjects.locations(self.name), self._located)
        try:
            while not self._resigned.is_set() and not pinger.gone.is_set():
                if time.monotonic() - pinged_s >= TICK_S:
                    pinger.tick()
                    pinged_s = time.monotonic()
                try:
                    messages = await self._follower.read(self._standby.n + 1)
                except TimeoutError:
                    self.missing = "NATS does not answer"
                    await asyncio.sleep(POLL_S)
                    continue
                self.behind = self._follower.behind
                metrics.lag_records.labels(self.name).set(self.behind)
                pace = Pace()
                for message in messages:
                    self._standby.follow(message)
                    if self._standby.epoch == message.seq:
                        pinger.hold_back(BEGINNER_S)
                    await pace.after(message)
                if messages:
                    self._stamps.hear(self._standby.engine.stamp_ms, steady_ms())
                if not messages:
                    self.missing = None
                    if await self._snapshotter.is_due(self._standby.n):
                        frozen = self._freeze(self._standby.engine, self._standby.n)
                        self._save_beside(frozen)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(pinger.gone.wait(), POLL_S)
        finally:
            hears.cancel()
            pinger.close()

    def _located(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        """So that whoever takes over knows where drivers are."""
        now_ms = self._stamp()
        for fix in inbox.read_fixes(self.name, payload):
            self._standby.engine.locate(fix, now_ms)

    def _freeze(self, engine: Engine, n: int) -> Frozen | None:
        return self._snapshotter.freeze(engine, self._ledger, n)

    async def _save_snapshot(self) -> None:
        frozen = self._freeze(self._standby.engine, self._standby.n)
        if frozen is not None:
            await self._snapshotter.save(frozen)

    def _save_beside(self, frozen: Frozen | None) -> None:
        """While the region goes on."""
        if frozen is not None:
            saving = self._snapshotter.save(frozen)
            self._service.spawn(f"snapshot of {self.name}", saving, may_end=True)

    # ---- taking over ---------------------------------------------------------

    async def _take_over(self) -> Writer | None:
        """Write the epoch record; None: another was first."""
        self.missing = "taking over"
        epoch = self._standby.epoch
        last = await patiently(
            "last record", lambda: ledgers.last_record(self._js, self._ledger)
        )
        if last is not None:
            await self._standby.catch_up(last[0])
        if last is None or last[0] < self._standby.n:
            reaches = partial(ledgers.check, self._js, self._ledger, self._standby.n)
            await patiently("extent", reaches)
        if self._standby.epoch != epoch:
            return None  # another has just begun to lead, and answers pings by now
        if self._filled:  # what did not fit is larger than an epoch record
            await self._make_room(saves=True)
        n = self._standby.n + 1
        stamp_ms = max(self._standby.engine.stamp_ms, self._stamp())
        writer = Writer(self._ledger.id, n, self._instance)
        payload = writer.record(n, stamp_ms, [])
        fate = await self._append(payload, n, 0 if last is None else n - 1)
        if fate is Fate.FULL:
            fate = await self._wait_for_room(payload, n)
        if fate is not Fate.STORED:
            log.info("another leads", region=self.name, fate=fate.value)
            return None
        self._standby.apply(
            n,
            Record(RECORD_VERSION, self._ledger.id, n, n, self._instance, stamp_ms, []),
        )
        return writer

    async def _append(self, payload: bytes, n: int, expected: int) -> Fate:
        settled: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        fence = Fence(self._bus, self._js, self._ledger, settled.set_result)
        self._fence = fence
        try:
            fence.append(payload, n, expected)
            while not settled.done():
                await asyncio.wait({settled}, timeout=TICK_S)
                fence.tick()
        finally:
            self._fence = None
            fence.close()
        return settled.result()

    async def _wait_for_room(self, payload: bytes, n: int) -> Fate:
        """A full ledger: refuse everything, make room, try again."""
        log.error("the ledger is full", region=self.name)
        self.missing = "the ledger is full"
        refuser = Refuser(self._bus, self.name, self._denied)
        try:
            began_s = purged_s = time.monotonic()
            while not self._resigned.is_set():
                await asyncio.sleep(TICK_S)
                if time.monotonic() - purged_s >= FULL_RETRY_S:
                    is_late = time.monotonic() - began_s >= FULL_PATIENCE_S
                    await self._make_room(saves=self._filled or is_late)
                    purged_s = time.monotonic()
                refuser.collect()
                fate = await self._append(payload, n, n - 1)
                if fate is not Fate.FULL:
                    return fate
                refuser.refuse()
        finally:
            refuser.close()
        return Fate.UNKNOWN

    async def _make_room(self, *, saves: bool) -> None:
        """To go on is worth more than what `rebuild` could go back to, and then than
        the ring. Where nothing may go for want of newer snapshots, they are saved.
        """
        remembered_s = self._limits().remember_ms / 1000
        purge = self._housekeeping.purge
        if await purge(0) or await purge(remembered_s, ring=False):
            return
        for _ in range(retention.SNAPSHOTS):
            if saves and await self._snapshotter.is_behind(self._standby.n):
                await self._save_snapshot()
                await purge(remembered_s, ring=False)

    # ---- leading -------------------------------------------------------------

    async def _hold(self, writer: Writer) -> Ended:
        """Lead until the end of it."""
        for batch in self._standby.recent:
            batch.encoded = [encode(event) for event in batch.events]
        lead = self._lead = Lead(
            self._bus,
            self._js,
            self._ledger,
            self._standby.engine,
            writer,
            last=self._standby.n,
            clock=wall_ms,
            stamp=self._stamp,
            freeze=self._freeze,
            on_snapshot=self._save_beside,
            denied=self._denied,
        )
        if not self._resigned.is_set():
            self.heir = None  # who it was may just have died
        self.led_since_s = time.monotonic()
        lead.start(list(self._standby.recent))
        self.missing = None
        if self._resigned.is_set():
            lead.resign(self.heir)
        housekeeping = asyncio.create_task(self._housekeeping.keep(lead))
        self._service.watch(f"housekeeping of {self.name}", housekeeping, may_end=True)
        try:
            while lead.ended is None:
                lead.tick(self.standbys)
                await lead.pause()
        finally:
            housekeeping.cancel()
            self._lead = None
        ledger_metrics.forget(self.name)
        return lead.ended
