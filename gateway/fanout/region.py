"""One region as this gateway sees it: who of it is connected, and what a tick brought.

Merges a driver's own events with the feed by `seq`, so that a session's events only
grow, and joins the feed's frames once for all drivers who get the same. No I/O but for
writing to connections; subscribing and asking is gateway/fanout/router.py's.
"""

from operator import itemgetter

from gateway import metrics
from gateway.fanout import channel
from gateway.fanout.channel import Feed
from gateway.fanout.open_trips import OpenTrips
from gateway.fanout.sync import IN_STEP
from gateway.fanout.user_stream import (
    NONE,
    PASSES,
    WAITS,
    WAITS_WITH_OWN,
    Passing,
    Stamped,
    UserStream,
)
from gateway.ports import Cancellable, Connection, Direct
from schemas.claims import Claims
from schemas.closes import Close
from schemas.events import FactPush, FeedEntry
from schemas.trips import Role

HELD_BYTES_MAX = 8 * 1024 * 1024
"""Of what waits for a sync, in each of the lists that `held_max` bounds in number: as
many usual entries, or 300 of a room's longest messages."""

_seq = itemgetter(0)


class Seat:
    """One session's place among its user's."""

    __slots__ = (
        "connection",
        "cursor",
        "held",
        "held_bytes",
        "later",
        "listener",
        "writer",
    )

    def __init__(self, connection: Connection, listener: "Listener") -> None:
        self.connection = connection
        self.writer = connection.writer
        self.listener = listener
        self.cursor = 0
        self.held: list[Stamped] | None = []
        """What waits for the welcome; None once that is out."""
        self.held_bytes = 0
        """Of that, and then of `later`."""
        self.later: list[Stamped] | None = None
        """Rooms' frames that must wait for a sync of the user, so that the highest
        `seq` the client saw stays a safe cursor."""

    def give(self, seq: int, frame: bytes, held_max: int) -> None:
        if self.held is None:
            if seq > self.cursor or seq == 0:
                self.writer.write(frame)
            return
        self.held_bytes += len(frame)
        if len(self.held) < held_max and self.held_bytes <= HELD_BYTES_MAX:
            self.held.append((seq, frame))
        else:
            self.connection.close(Close.RESYNC)

    def give_in_room(self, seq: int, frame: bytes, held_max: int) -> None:
        """A room's frame: no welcome covers it."""
        if self.held is not None or not self.listener.waits:
            self.give(0, frame, held_max)
            return
        if self.later is None:
            self.later, self.held_bytes = [], 0
        # What was fetched again has no `seq`: it stays behind what came before it.
        place = max(seq, self.later[-1][0]) if self.later else seq
        self.later.append((place, frame))
        self.held_bytes += len(frame)
        if len(self.later) > held_max or self.held_bytes > HELD_BYTES_MAX:
            self.later = None
            self.connection.close(Close.RESYNC)


class Listener:
    """A connected user: their pushes' state, their sessions, their subscription.

    `is_steady`: a driver whose sessions all get the feed as it comes, without a look.
    """

    __slots__ = (
        "claims",
        "feed_bytes",
        "is_driver",
        "is_steady",
        "region",
        "seats",
        "stream",
        "subscription",
    )

    def __init__(self, region: "Region", claims: Claims) -> None:
        self.region = region
        self.claims = claims
        self.stream = UserStream(claims.sub, Role(claims.role))
        self.is_driver = self.stream.role is Role.DRIVER
        self.seats: list[Seat] = []
        self.subscription: Cancellable | None = None
        self.is_steady = False
        self.feed_bytes = 0
        """Of the stream's `held_feed`."""

    def receive(self, push: FactPush) -> bytes | None:
        """`UserStream.receive`. Where it changes what becomes of the feed's entries,
        those that came before it go the old way first.
        """
        if not self.is_driver:
            return self.stream.receive(push)
        before = self.stream.feed
        frame = self.stream.receive(push)
        if self.stream.feed is not before:
            self.unsettle()
            self.region.hand_out(self, before)
        return frame

    def hold(self, seq: int = 0) -> None:
        """`UserStream.hold`."""
        self.unsettle()
        self.stream.hold(seq)

    def add(self, seat: Seat) -> None:
        self.unsettle()
        self.seats.append(seat)

    def remove(self, seat: Seat) -> None:
        self.unsettle()
        self.seats.remove(seat)

    def settle(self) -> None:
        """Make it steady, if nothing stands between the feed and its sockets."""
        self.is_steady = True
        steady = self.region.steady
        for seat in self.seats:
            writer = seat.writer.settle(self)
            if writer is None:
                self.unsettle()
                return
            steady[seat] = writer

    def unsettle(self) -> None:
        """Look again before the feed's next entry. Idempotent."""
        if self.is_steady:
            self.is_steady = False
            self.region.look_at[self] = None
            for seat in self.seats:
                seat.writer.steady = None
                self.region.steady.pop(seat, None)

    @property
    def waits(self) -> bool:
        """Whether events with a lower `seq` than a new one's may still come."""
        if self.stream.sync is not IN_STEP:
            return True
        return self.is_driver and self.region.feed.has_gap


class Region:
    def __init__(self, name: str, held_max: int) -> None:
        self.name = name
        self.held_max = held_max
        self.top_seq = 0
        """The highest of any event that was handed on to anybody."""
        self.seq = 0
        """The leader's, at its last announcement: all events up to it have come, or
        never will."""
        self.epoch = 0
        """The leader's, likewise."""
        self.heard_s = 0.0
        """When that was, or when listening began (again)."""
        self.is_cut = False
        """Something may be lost, and hasn't been asked for."""
        self.listeners: dict[str, Listener] = {}
        self.drivers: dict[str, Listener] = {}
        self.steady: dict[Seat, Direct] = {}
        """Drivers' sessions that are written to without a look: 1,000 drivers cost the
        loop over them, and what differs of a few is looked at apart."""
        self.look_at: dict[Listener, None] = {}
        """All other drivers."""
        self.drivers_subscription: Cancellable | None = None
        self.feed = Feed()
        self.open_trips = OpenTrips()
        """At the feed's number, or unknown."""
        self.ready: list[FeedEntry] = []
        """The feed's entries that weren't handed on to all yet, in order."""
        self.frames: list[Stamped] = []
        """Of the first of those."""
        self.excluded: set[str] = set()
        """Users whom one of these isn't for."""
        self.early: dict[Listener, int] = {}
        """Drivers who have so many of them already."""
        self.own: dict[Listener, list[Stamped]] = {}
        """This tick's own events of drivers."""
        self.fed = self.told = self.writes = self.bytes_out = 0
        """Frames of the feed and of users' own, what was written past sockets' queues:
        since they were last counted."""

    def add_driver(self, listener: Listener) -> None:
        self.drivers[listener.stream.id] = listener
        self.look_at[listener] = None

    def remove_driver(self, listener: Listener) -> None:
        """One without sessions."""
        self.drivers.pop(listener.stream.id, None)
        self.look_at.pop(listener, None)
        self.early.pop(listener, None)

    def stop_feed(self) -> None:
        """The last driver is gone; the next one starts afresh."""
        if self.drivers_subscription is not None:
            self.drivers_subscription.cancel()
            self.drivers_subscription = None
        self.feed = Feed()
        self.open_trips = OpenTrips()
        self._take_ready()

    def deliver(self, listener: Listener, stamped: Stamped) -> None:
        """A user's own event: a rider's at once, a driver's merged with the feed."""
        if listener.is_driver:
            self.merge(listener, [stamped])
        else:
            self.give(listener, [stamped])

    def merge(self, listener: Listener, frames: list[Stamped]) -> None:
        """A driver's, handed on with the feed by `flush`."""
        self.own.setdefault(listener, []).extend(frames)

    def hand_on(self, listener: Listener, frames: list[Stamped]) -> None:
        """What a sync of that user brought."""
        if listener.is_driver:
            self.merge(listener, frames)
            self.flush()
        else:
            self.give(listener, frames)

    def give(self, listener: Listener, frames: list[Stamped]) -> None:
        """In order; what is new to a session with nothing else to give is one piece."""
        first = frames[0][0] if frames else 0
        for seat in list(listener.seats):
            if seat.held is None and seat.later is None and first > seat.cursor:
                seat.writer.write(_joined(frames))
                continue
            mine = frames
            if seat.later is not None and not listener.waits:
                mine = sorted([*frames, *seat.later], key=_seq)
                seat.later = None
            for seq, frame in mine:
                seat.give(seq, frame, self.held_max)
        if frames and frames[-1][0] > self.top_seq:
            self.top_seq = frames[-1][0]
        self.told += len(frames) * len(listener.seats)

    def flush(self) -> None:
        """Hand on what is held; with a hole in the feed, when that is filled: `seq`
        only grows.
        """
        if self.feed.has_gap:
            return
        if not self.ready:
            self.flush_own()
            return
        own, self.own = self.own, {}
        stamped = self._stamped()
        self.top_seq = max(self.top_seq, stamped[-1][0])
        special = own.keys() | self.early.keys()
        for user in self.excluded & self.drivers.keys():
            special.add(self.drivers[user])
        for listener in special:
            self._merge(listener, own.get(listener, []))
        self._take_ready()
        self._broadcast(special, stamped)

    def flush_own(self) -> None:
        """Hand on to those drivers alone who have something of their own."""
        if self.feed.has_gap:
            return
        own, self.own = self.own, {}
        for listener, frames in own.items():
            self._merge(listener, frames)

    def hand_out(self, listener: Listener, feed: Passing | None = None) -> None:
        """Hand on to that driver alone, as they stand now, or stood a moment ago."""
        mine = listener in self.own or len(self.ready) > self.early.get(listener, 0)
        if mine and not self.feed.has_gap:
            self._merge(listener, self.own.pop(listener, []), feed)

    def _stamped(self) -> list[Stamped]:
        made = len(self.frames)
        if made < len(self.ready):
            for entry in self.ready[made:]:
                self.frames.append((entry.seq, channel.frame(entry)))
                self.excluded.update(entry.exclude)
        return self.frames

    def _take_ready(self) -> None:
        self.ready, self.frames, self.early, self.excluded = [], [], {}, set()

    def _merge(
        self, listener: Listener, frames: list[Stamped], feed: Passing | None = None
    ) -> None:
        """A driver's own, and what is held of the feed and they haven't had."""
        if not self.ready:
            self.give(listener, frames)
            return
        had = self.early.get(listener, 0)
        entries = self._stamped()[had:]
        self.early[listener] = len(self.frames)
        user = listener.stream.id
        if user in self.excluded:
            new = zip(self.ready[had:], entries, strict=True)
            entries = [pair for entry, pair in new if user not in entry.exclude]
        if feed is None:
            feed = listener.stream.feed
        if feed is PASSES:
            self.give(listener, sorted(frames + entries, key=_seq))
        elif feed is WAITS_WITH_OWN:
            self._keep(listener, [*frames, *entries])
        else:
            if feed is WAITS:
                self._keep(listener, entries)
            self.give(listener, frames)

    def _broadcast(self, special: set[Listener], stamped: list[Stamped]) -> None:
        blob = _joined(stamped)
        first = stamped[0][0]
        for listener in special:
            listener.unsettle()
        writers = list(self.steady.values())
        for writer in writers:
            writer.write(blob)
        count = written = len(writers)
        for listener in list(self.look_at):
            if listener in special:
                continue
            feed = listener.stream.feed
            if feed is not PASSES:
                if feed is not NONE:
                    self._keep(listener, stamped)
                continue
            at_once = 0
            for seat in list(listener.seats):
                if seat.held is None and first > seat.cursor:
                    at_once += seat.writer.deliver(blob)
                else:
                    for seq, frame in stamped:
                        seat.give(seq, frame, self.held_max)
            count += len(listener.seats)
            written += at_once
            if at_once == len(listener.seats) > 0:
                self.look_at.pop(listener, None)
                listener.settle()
        self.fed += count * len(stamped)
        self.writes += written
        self.bytes_out += written * len(blob)

    def _keep(self, listener: Listener, entries: list[Stamped]) -> None:
        """Entries wait for a sync of this driver, up to a bound."""
        waiting = listener.stream.held_feed
        if not waiting:
            listener.feed_bytes = 0
        waiting.extend(entries)
        listener.feed_bytes += sum(len(frame) for _, frame in entries)
        if len(waiting) > self.held_max or listener.feed_bytes > HELD_BYTES_MAX:
            waiting.clear()
            for seat in list(listener.seats):
                seat.connection.close(Close.RESYNC)

    def measure(self) -> None:
        metrics.FEED_DELIVERIES.inc(self.fed)
        metrics.USER_DELIVERIES.inc(self.told)
        metrics.WRITES.inc(self.writes)
        metrics.BYTES_OUT.inc(self.bytes_out)
        self.fed = self.told = self.writes = self.bytes_out = 0


def _joined(frames: list[Stamped]) -> bytes:
    if len(frames) == 1:
        return frames[0][1]
    return b"".join([frame for _, frame in frames])
