"""Fan-out: which subjects this gateway listens to, and what their messages cause.

Subscribes a user while they are connected and a region's feed while drivers are; asks
the leader for a session's welcome and for what was lost. Decides nothing about trips.
Its callbacks run in NATS's read loop: they never block and never raise.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

import structlog

from gateway import framing, metrics
from gateway.clock import Clock
from gateway.fanout.gathering import Gathering
from gateway.fanout.questions import OfFeed, OfOpen, OfUser, check
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import (
    Ask,
    Effect,
    Fed,
    Opened,
    Question,
    Removed,
    Resync,
    Settled,
    Synced,
)
from gateway.fanout.rooms import Rooms
from gateway.fanout.sync import HOLED, IN_STEP
from gateway.fanout.trip_rooms import TripRooms
from gateway.fanout.welcome import Welcome
from gateway.leader.link import Link
from gateway.limits import Limits
from gateway.ports import Connection
from runtime.bus import Bus, is_no_responders
from runtime.raw_subscription import RawCallback
from schemas import codec, subjects
from schemas.accounts import Revocation
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import Announcement, Answer, Answers
from schemas.events import FeedEntry, Heard, Live, Moved, TripPush, UserPush
from schemas.trips import Role, User

log = structlog.get_logger()

_read_push: Callable[[bytes], UserPush] = codec.reader(UserPush)  # type: ignore[arg-type]
_read_feed = codec.reader(list[FeedEntry])
_read_answers = codec.reader(Answers)

SILENCE_S = 2.5  # two of a leader's announcements (one a second) did not come


class Router:
    def __init__(
        self,
        *,
        gateway: str,
        bus: Bus,
        link: Link,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
        wake: Callable[[], None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._gateway = gateway
        self._bus = bus
        self._courier = link
        self._ids = ids
        self._limits = limits
        self._now = now
        self.regions: dict[str, Region] = {}
        self.gathering = Gathering(link, now, wake, later)
        self._unwelcomed: defaultdict[Region, list[Welcome]] = defaultdict(list)
        """Asked for again once it is known what is open."""
        self._is_away = False
        """The connection to NATS was lost, and what was missed not yet asked for."""
        self.oldest_ms = 0
        """When the oldest of this tick's events was decided; 0: there is none."""
        self._itself = User(gateway, "gateway", "", "", Role.OPERATOR)
        self._resyncs = Resync(link, ids, limits, now, self._do)
        self.rooms = Rooms(
            gateway=gateway,
            bus=bus,
            link=link,
            ids=ids,
            limits=limits,
            now=now,
            resync=self._resyncs,
            wake=wake,
            safe=self._safe,
            hand_on=self.gathering.hand_on,
        )
        self.trip_rooms = TripRooms(self.rooms, limits, now)
        bus.subscribe_raw(subjects.all_replies(gateway), self._safe(self._on_reply))

    # ---- sessions come and go ------------------------------------------------

    def attach(
        self, connection: Connection, claims: Claims, since: int | None
    ) -> Seat | None:
        """Give a session its seat and ask for its welcome; None: overloaded."""
        region = self._region(claims.region)
        listener = region.listeners.get(claims.sub)
        if listener is None:
            listener = self._listen(region, claims)
        seat = Seat(connection, listener)
        listener.add(seat)
        metrics.CONNECTIONS_OF[claims.role].inc()
        if not self._ask_welcome(Welcome(seat, claims, since, self._limits)):
            self.detach(seat)
            return None
        return seat

    def _ask_welcome(self, welcome: Welcome) -> bool:
        """False: overloaded."""
        region = welcome.seat.listener.region
        metrics.WELCOMES.inc()

        def answered(answer: Answer) -> None:
            effects = welcome.told(answer)
            if effects is None:
                self._unwelcomed[region].append(welcome)
                self._ask_open(region)
            else:
                self._resyncs.carry_out(effects)

        command = welcome.command(self._resyncs.head())
        now_s = self._now().mono_s
        return not self._courier.submit(region.name, command, None, answered, now_s)

    def detach(self, seat: Seat) -> None:
        """The session is over. Idempotent."""
        listener = seat.listener
        if seat not in listener.seats:
            return
        self.rooms.end(seat)
        listener.remove(seat)
        metrics.CONNECTIONS_OF[listener.stream.role].dec()
        if listener.seats:
            return
        region = listener.region
        self.rooms.forget(listener)
        if listener.subscription is not None:
            listener.subscription.cancel()
            listener.subscription = None  # its callback holds the listener
        del region.listeners[listener.stream.id]
        region.own.pop(listener, None)
        if listener.stream.role is Role.DRIVER:
            region.remove_driver(listener)
            if not region.drivers:
                region.stop_feed()

    def _region(self, name: str) -> Region:
        region = self.regions.get(name)
        if region is None:
            region = self.regions[name] = Region(name, self._limits.held_max)
            region.heard_s = self._now().mono_s
            self.rooms.begin(region)

            def announced(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
                self._on_announcement(region, payload)

            def told(subject: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
                user = subjects.user_of_notice(subject.decode())
                listener = region.listeners.get(user)
                if listener is not None:
                    self._on_push(listener, payload)
                    if reply:
                        heard = codec.encode(Heard(len(listener.seats)))
                        self._bus.send(reply.decode(), heard)

            self._bus.subscribe_raw(subjects.leader(name), self._safe(announced))
            # All of the region's: one subscription, since they are rare.
            self._bus.subscribe_raw(subjects.all_notices(name), self._safe(told))
        return region

    def _listen(self, region: Region, claims: Claims) -> Listener:
        listener = Listener(region, claims)

        def pushed(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
            self._on_push(listener, payload)

        subject = subjects.user(region.name, claims.sub)
        listener.subscription = self._bus.subscribe_raw(subject, self._safe(pushed))
        region.listeners[claims.sub] = listener
        if claims.role is Role.DRIVER:
            region.add_driver(listener)
            if region.drivers_subscription is None:

                def fed(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
                    self._on_feed(region, payload)

                region.drivers_subscription = self._bus.subscribe_raw(
                    subjects.drivers(region.name), self._safe(fed)
                )
                self._ask_open(region)
        return listener

    # ---- messages ------------------------------------------------------------

    def _safe(self, callback: RawCallback) -> RawCallback:
        """What is not of its shape is logged and dropped: others' bugs don't end us."""

        def guarded(subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
            try:
                callback(subject, reply, data, headers)
            except (codec.CodecError, subjects.SubjectError) as error:
                log.error("unreadable message", subject=subject, error=str(error))  # noqa: TRY400

        return guarded

    def _on_reply(self, subject: bytes, _: bytes, data: bytes, headers: bytes) -> None:
        region = subjects.region_of_reply(subject.decode())
        now_s = self._now().mono_s
        if is_no_responders(headers):
            self._courier.no_responders(region, now_s)
            return
        answers = _read_answers(data)
        known = self.regions.get(region)
        if known is None:
            self._courier.answered(region, answers, now_s)
            return
        self.gathering.before(known, answers)  # events an answer depends on go first
        self.rooms.flush()
        self._courier.answered(region, answers, now_s)
        self.gathering.after(known)

    def _on_announcement(self, region: Region, payload: bytes) -> None:
        said = codec.decode(payload, Announcement)
        self._courier.announced(region.name, said.epoch, self._now().mono_s)
        region.epoch = said.epoch
        if region.open_trips.unserved not in {None, said.epoch}:
            region.open_trips.unserved = None  # who leads now may be able to tell
            self._ask_open(region)
        self._heard(region, said.seq)
        region.feed.announced(said.feed)
        self._ask_feed(region)
        self.rooms.announced(region, said)

    def _heard(self, region: Region, seq: int) -> None:
        if self._is_away:
            return
        if region.is_cut:
            self._resync(region)
        region.seq, region.heard_s = seq, self._now().mono_s

    def _on_push(self, listener: Listener, payload: bytes) -> None:
        push = _read_push(payload)
        if isinstance(push, Live):
            self._pass_on(listener, push)
            return
        if self.rooms.awake:
            self.rooms.flush()  # they were decided before: `seq` only grows
        if type(push) is TripPush:
            self.trip_rooms.moved(listener, push)
        frame_or_none = listener.receive(push)
        if frame_or_none is not None:
            listener.region.deliver(listener, (push.seq, frame_or_none))
            if type(push) is TripPush:
                self._age(push.at_ms)
            self.gathering.add(listener.region)
        elif listener.stream.sync is not IN_STEP:
            self._check(listener)

    def _pass_on(self, listener: Listener, push: Live) -> None:
        if isinstance(push, Moved) and not listener.stream.is_current(push):
            return  # of a trip that isn't as they know it; the next one comes
        frame = framing.push(push.FRAME, codec.encode(push.shown()))
        if not isinstance(push, Moved):
            listener.region.give(listener, [(0, frame)])
            return
        for seat in listener.seats:
            if seat.held is None:
                seat.writer.write_latest(push.trip, frame)
        metrics.MOVED_DELIVERIES.inc(len(listener.seats))

    def _on_feed(self, region: Region, payload: bytes) -> None:
        entries = _read_feed(payload)
        self._feed_ready(region, region.feed.receive(entries))

    def _feed_ready(self, region: Region, entries: list[FeedEntry]) -> None:
        if entries:
            self._age(entries[0].at_ms)
        if entries and self.rooms.awake:
            self.rooms.flush()
        region.open_trips.take(entries)
        region.ready.extend(entries)
        if region.ready or region.own:
            self.gathering.add(region)
        self._ask_feed(region)

    # ---- what is lost --------------------------------------------------------

    def _do(self, effect: Effect) -> None:
        """What an answer to a question of ours wants done."""
        if type(effect) is Fed:
            self._feed_ready(effect.region, effect.entries)
            if effect.at_once:
                effect.region.flush()
        elif type(effect) is Synced:
            self.trip_rooms.synced(effect.listener, effect.data)
        elif type(effect) is Opened:
            self._welcome_all(effect.region)
        elif type(effect) is Settled:
            self.rooms.check(effect.region, effect.room)
        elif type(effect) is Removed:
            self.rooms.remove(effect.seat, effect.room)

    def _check(self, listener: Listener) -> None:
        self._resyncs.carry_out(check(listener, self._limits.held_max))

    def _ask(self, question: Question, *, at_once: bool = False) -> None:
        self._resyncs.carry_out([Ask(question, at_once)])

    def _ask_feed(self, region: Region) -> None:
        """Ask for what is lost of it, unless that is under way."""
        feed = region.feed
        if feed.has_gap and not self._resyncs.is_asked(feed):
            self._ask(OfFeed(region, self._itself), at_once=True)

    def _ask_open(self, region: Region) -> None:
        """Ask which trips are open, unless that is under way."""
        if not self._resyncs.is_asked(region.open_trips):
            self._ask(OfOpen(region, self._itself), at_once=True)

    def _welcome_all(self, region: Region) -> None:
        for welcome in self._unwelcomed.pop(region, ()):
            if not welcome.is_over and not self._ask_welcome(welcome):
                welcome.seat.connection.close(Close.TRY_AGAIN_LATER)

    # ---- the rest ------------------------------------------------------------

    def revoked(
        self, revocation: Revocation, is_revoked: Callable[[Claims], bool]
    ) -> None:
        """Close the live sessions that a revocation covers."""
        for region in self.regions.values():
            listener = region.listeners.get(revocation.user)
            for seat in list(listener.seats) if listener is not None else ():
                claims = seat.connection.current_claims()
                if claims is not None and is_revoked(claims):
                    log.info("session revoked", user=claims.sub, session=claims.sid)
                    seat.connection.close(Close.SESSION_REVOKED)

    def _age(self, at_ms: int) -> None:
        if not self.oldest_ms or at_ms < self.oldest_ms:
            self.oldest_ms = at_ms

    def flush(self) -> None:
        """The tick ends: hand on what it brought."""
        self.rooms.flush()
        self.gathering.flush()

    def measure(self) -> None:
        for region in self.regions.values():
            region.measure()

    def tick(self, now_s: float) -> None:
        for region in self.regions.values():
            if not region.is_cut and now_s > region.heard_s + SILENCE_S:
                # Servers of a cluster may have lost one another: no connection broke.
                log.warning("leader is silent", region=region.name)
                self._hold(region)
        self._resyncs.tick(now_s)
        self.rooms.tick(now_s)
        self.trip_rooms.tick(now_s)

    def hold(self) -> None:
        """NATS is away. Once it is back, the first messages come before it is known."""
        self._is_away = True
        for region in self.regions.values():
            self._hold(region)

    def resync(self) -> None:
        """NATS was away: something of everything may be lost."""
        self._is_away = False
        for region in self.regions.values():
            self._resync(region)

    def _hold(self, region: Region) -> None:
        region.is_cut = True
        region.feed.lose()
        for listener in region.listeners.values():
            if listener.stream.sync is IN_STEP:
                listener.hold(region.seq)
        self.rooms.hold(region)

    def _resync(self, region: Region) -> None:
        self._hold(region)
        region.is_cut = False
        region.heard_s = self._now().mono_s  # silence may set in before it is heard
        self._ask_feed(region)
        for listener in list(region.listeners.values()):
            is_holed = listener.stream.sync is HOLED
            if is_holed and not self._resyncs.is_asked(listener):
                self._ask(OfUser(listener, "reconnect", self._limits.held_max))
        self.rooms.resync(region)
