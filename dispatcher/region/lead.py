"""One lead of one region: commands in, records under the fence, answers out.

Begins after the epoch record is stored and ends with the first doubt. Whoever owns it
throws the engine away then, since it is ahead of the ledger. Must not decide.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum

import structlog
from nats.js import JetStreamContext

from dispatcher import metrics
from dispatcher.commit.fence import Fate, Fence
from dispatcher.commit.observing import Observing
from dispatcher.commit.publisher import Publisher
from dispatcher.engine.batch import OVERLOADED, Batch, Batcher, Entry
from dispatcher.engine.engine import Engine
from dispatcher.region import inbox
from dispatcher.region.clocks import RESTFUL_MS, TICK_S
from dispatcher.region.lead_metrics import LeadMetrics
from dispatcher.region.ledger_full import FULL, Denied, refused
from dispatcher.region.offer_metrics import OfferMetrics
from dispatcher.region.snapshots import Frozen
from dispatcher.region.waiting import Waiting
from dispatcher.region.watching import Watching
from dispatcher.region.whereabouts import Whereabouts
from runtime import tracing
from runtime.bus import Bus
from runtime.ledger import Ledger
from runtime.raw_subscription import RawSubscription
from runtime.resting import SLACK_S, Pause
from schemas import codec, subjects, traceparent
from schemas.commands import Announcement, Answer, AnyCommand
from schemas.ledger import Writer
from schemas.members import NONE, HandOver, Standbys
from schemas.rooms import PRESENCE_INTERVAL_S

log = structlog.get_logger()

ANNOUNCE_S = 1.0
REPUBLISHED_RECORDS = 2
"""Record n + 1 being stored proves that NATS got record n's events; of two nothing."""

Clock = Callable[[], int]  # in ms


class Ended(Enum):
    """Why a lead is over."""

    DEPOSED = "deposed"
    FULL = "full"
    UNKNOWN = "unknown"
    RESIGNED = "resigned"
    UNSENT = "unsent"


class Lead:
    """Over once `ended` tells why."""

    def __init__(
        self,
        bus: Bus,
        js: JetStreamContext,
        ledger: Ledger,
        engine: Engine,
        writer: Writer,
        *,
        last: int,
        clock: Clock,
        stamp: Clock,
        freeze: Callable[[Engine, int], Frozen | None],
        on_snapshot: Callable[[Frozen], None],
        denied: Denied,
    ) -> None:
        self._bus = bus
        self._ledger = ledger
        self._engine = engine
        self._writer = writer
        self._clock = clock
        self._stamp = stamp
        """The region's time in ms, which no wall clock makes leap."""
        self._loop = asyncio.get_running_loop()
        self._publisher = Publisher(bus, ledger.region)
        self._observing = Observing(bus, ledger.region, ledger.id)
        self._whereabouts = Whereabouts(bus, ledger.region, engine, self._observing)
        self._metrics = LeadMetrics(ledger.region)
        self._offers = OfferMetrics(ledger.region)
        self._batcher = batcher = Batcher(engine, writer, last + 1)
        flow = self._offers.flow
        self._watching = Watching(bus, ledger.region, writer.epoch, batcher, flow)
        self._fence = Fence(bus, js, ledger, self._settled)
        self._in_flight: Batch | None = None
        self._recent: deque[Batch] = deque(maxlen=REPUBLISHED_RECORDS)
        self._queue = Waiting(ledger.region)
        self._takes: list[RawSubscription] = []
        """Subscriptions that bring something to be done."""
        self._hears: list[RawSubscription] = []
        self._pump_scheduled = False
        self._sent_s = 0.0
        self._announced_s = 0.0
        self._swept_s = 0.0
        self._said = (engine.head_seq, engine.feed)
        self._resigning = False
        self._heir: str | None = None
        self._denied = denied
        for answer in denied:
            engine.remember(answer)
        self._on_snapshot = on_snapshot
        self._freeze = freeze
        self._snapshot: Frozen | None = None
        self.wants_snapshot = False
        """Set: the next record is followed by `on_snapshot`, once it is stored."""
        self.last = last
        self._pause = Pause()
        self.ended: Ended | None = None

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    @property
    def at_rest(self) -> bool:
        """Nothing is to be done before something comes, or it looks again."""
        if self._fence.busy or self._resigning or self._watching.is_watched:
            return False
        return self._batcher.at_rest(self._stamp() + RESTFUL_MS)

    # ---- start and end -------------------------------------------------------

    def start(self, recent: list[Batch]) -> None:
        """`recent`: the records before the epoch record, to be published again."""
        region = self._ledger.region
        self._recent.extend(recent)
        for subject, callback in (
            (subjects.commands(region), self._on_commands),
            (subjects.locations(region), self._on_locations),
            (subjects.presence(region), self._on_presence),
        ):
            self._takes.append(self._bus.subscribe_raw(subject, callback))
        for subject, hear in (
            (subjects.ping(region), self._on_ping),
            (subjects.leader(region), self._on_announcement),
        ):
            self._hears.append(self._bus.subscribe_raw(subject, hear))
        self._engine.lead(self._now_ms())
        self._offers.begin(self._engine)
        self.republish()
        self._announce()
        metrics.leads.labels(region).set(1)
        metrics.epoch.labels(region).set(self.epoch)
        metrics.takeovers.labels(region).inc()
        log.info("leads", region=region, epoch=self.epoch)

    def republish(self) -> None:
        """Send the events of the last two records again; who has them drops them."""
        for batch in self._recent:
            self._publisher.events(batch.events, batch.encoded)

    def reconnected(self) -> None:
        self.republish()
        self._fence.again()
        self._announce()

    def resign(self, heir: str | None = None) -> None:
        """Take no more commands; the lead is over when all taken are answered. Until
        then pings are answered, lest a standby's epoch record overtake the last one.
        Then `heir`, an instance id, is told to take over at once, if there is one.
        """
        if self._resigning:
            return
        self._resigning = True
        self._heir = heir
        for subscription in self._takes:
            subscription.cancel()
        self._pump()

    def written(self, last: int) -> None:
        """The ledger's last record, as NATS tells it. One behind ours is of who deposed
        us while we heard nothing: they may be gone, and pings keep others from leading.
        """
        if last > self.last and not self._fence.busy:
            self._end(Ended.DEPOSED)

    def _end(self, why: Ended) -> None:
        if self.ended is not None:
            return
        self.ended = why
        if self._snapshot is not None:
            self._snapshot.close()  # what it is of may never be stored
        for subscription in self._takes + self._hears:
            subscription.cancel()
        self._fence.close()
        region = self._ledger.region
        if why is Ended.RESIGNED and self._heir is not None:
            payload = codec.encode(HandOver(self._heir))
            self._bus.send(subjects.handover(region), payload)
            self._bus.write_now()
        metrics.leads.labels(region).set(0)
        metrics.queue_commands.labels(region).set(0)
        metrics.step_downs.labels(region, why.value).inc()
        log.info("leads no more", region=region, epoch=self.epoch, why=why.value)
        self._pause.end()

    # ---- messages ------------------------------------------------------------

    def _on_ping(self, _: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        if reply:
            self._bus.send(reply.decode(), b"")

    def _on_announcement(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        try:
            said = codec.decode(payload, Announcement)
        except codec.CodecError:
            return
        if said.epoch > self.epoch:
            self._end(Ended.DEPOSED)

    def _on_commands(
        self, _: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        region = self._ledger.region
        trace = traceparent.of_block(headers) if headers else ""
        subject, commands = inbox.read(region, reply, payload)
        wall_ms, now_ms = self._clock(), self._stamp()
        take = self._take if trace else self._batcher.take
        for command in commands:
            if command.deadline_ms < wall_ms:
                metrics.dropped.labels(region, "late").inc()
            elif self._queue or not take(subject, command, now_ms, trace):
                self._enqueue(subject, command, now_ms, trace)
        self._pump_later()
        self._stir()

    def _take(self, reply: str, command: AnyCommand, now_ms: int, trace: str) -> bool:
        if not trace:
            return self._batcher.take(reply, command, now_ms)
        span = tracing.begin("dispatcher decide", trace)
        is_taken = self._batcher.take(reply, command, now_ms, span.traceparent)
        if is_taken:
            span.end(command=command.id, region=self._ledger.region)
        return is_taken

    def _enqueue(
        self, reply: str, command: AnyCommand, now_ms: int, trace: str
    ) -> None:
        is_full = not self._queue.put(reply, command, trace)
        if is_full and not self._batcher.refuse(reply, command, OVERLOADED, now_ms):
            # Its gateway asks again, until the deadline.
            metrics.dropped.labels(self._ledger.region, "queue").inc()

    def _on_locations(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        now_ms = self._stamp()
        self._whereabouts.hear(payload, now_ms, self._stored_before_ms())
        self._batcher.expire(now_ms)  # who has come near is offered what is open
        self._pump_later()
        self._stir()

    def _stored_before_ms(self) -> int:
        """What was decided before is stored."""
        batch = self._in_flight or self._batcher.batch
        return self._engine.stamp_ms + 1 if batch is None else batch.stamp_ms

    def _on_presence(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        news = inbox.read_presence(self._ledger.region, payload)
        if news is not None:
            self._engine.hear(news, self._now_ms())
            self._watching.hear(news, self._now_ms())
            self._stir()

    def _now_ms(self) -> int:
        """Monotonic: only who is present is told by it."""
        return int(self._loop.time() * 1000)

    # ---- records -------------------------------------------------------------

    def _pump_later(self) -> None:
        """What one tick brings goes into one record."""
        if not self._pump_scheduled and not self._fence.busy:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self.ended is not None or self._fence.busy:
            return
        if self._batcher.empty:
            if self._resigning:
                self._end(Ended.RESIGNED)
            return
        batch = self._in_flight = self._batcher.close()
        if self.wants_snapshot:
            # Only here is the engine just what a record will make of it.
            self.wants_snapshot = False
            self._snapshot = self._freeze(self._engine, batch.n)
        self._sent_s = self._loop.time()
        with self._bus.one_write:
            self._fence.append(batch.payload, batch.n, batch.n - 1)
        self._metrics.sent(batch)
        self._take_queued()

    def _take_queued(self) -> None:
        if self._queue:
            self._queue.take(self._clock(), self._stamp(), self._take)

    def _settled(self, fate: Fate) -> None:
        batch, self._in_flight = self._in_flight, None
        if batch is None or self.ended is not None:
            return
        if fate is not Fate.STORED:
            if fate is Fate.FULL:
                self._refuse_all()
            self._end(Ended(fate.value))
            return
        self.last = batch.n
        self._said = (batch.head_seq, batch.feed)
        with self._bus.one_write:  # answers and the next record, too
            self._stored(batch)

    def _stored(self, batch: Batch) -> None:
        sent = self._publisher.events(batch.events, batch.encoded)
        self._publisher.answers(self.epoch, batch.entries)
        self._observing.rounds(batch.seen)
        self._offers.take(batch)
        self._batcher.delivered(batch)
        if batch.events:
            self._recent.append(batch)
        now_ms = self._stamp()
        commit_s = self._loop.time() - self._sent_s
        self._metrics.stored(batch, now_ms, commit_s)
        if self._snapshot is not None:
            self._on_snapshot(self._snapshot)
            self._snapshot = None
        self._metrics.tell_tally(self._batcher)
        self._take_queued()
        self._batcher.expire(now_ms)  # of what is due, a record holds a part
        if not sent and self._bus.is_connected:
            # NATS takes nothing: whoever leads next publishes these events again.
            self._bus.write_now()
            self._end(Ended.UNSENT)
            return
        self._pump()

    def _refuse_all(self) -> None:
        """What was decided here is not stored: that is true whoever leads. What is only
        repeated may have been stored long ago, and gets no answer.
        """
        entries = [entry for entry in self._batcher.undelivered() if entry.fresh]
        for entry in entries:
            entry.answer = refused(entry.answer, FULL)
        for reply, command in self._queue:
            if self._engine.remembered(command.id) is None:
                answer = Answer(command.id, command.attempt, refused=FULL)
                entries.append(Entry(reply, answer, fresh=True))
        self._denied += [entry.answer for entry in entries]
        self._publisher.answers(self.epoch, entries)

    # ---- time ----------------------------------------------------------------

    def tick(self, standbys: Standbys = NONE) -> None:
        if self.ended is not None:
            return
        self._fence.tick()
        self._whereabouts.tick(self._stored_before_ms())
        if self._loop.time() - self._announced_s >= ANNOUNCE_S - SLACK_S:
            self._announce(standbys)
        self._sweep()
        self._observing.tick()
        self._batcher.expire(self._stamp())
        self._watching.tick(self._now_ms(), self._stamp(), self.last)
        self._pump_later()

    async def pause(self) -> None:
        """Until it is to `tick` again; none where the last ended it."""
        if self.ended is None and self.at_rest:
            await self._pause.rest(ANNOUNCE_S)
        elif self.ended is None:
            await self._pause.take(TICK_S)

    def _stir(self) -> None:
        """What came may have ended a rest."""
        if self._pause.is_rest and not self.at_rest:
            self._pause.end()

    def _sweep(self) -> None:
        """Members whose gateway is silent leave, as expiries do, in a batch."""
        now_s = self._loop.time()
        is_early = now_s - self._swept_s < PRESENCE_INTERVAL_S - SLACK_S
        if is_early or not self._bus.is_connected:
            return
        self._swept_s = now_s
        self._engine.sweep(self._now_ms())
        self._metrics.tell_state(self._engine)
        self._offers.tell(self._stamp())

    def _announce(self, standbys: Standbys = NONE) -> None:
        self._announced_s = self._loop.time()
        self._publisher.announce(self._writer, self._said, standbys)
