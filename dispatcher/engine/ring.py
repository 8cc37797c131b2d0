"""Recent events, encoded, as far back as `Limits` say: what a session missed, what a
command was answered, how a trip ended.

All indexes hold the same entries and are evicted from the left with them, so that the
ring is a function of the events and the stamp. Messages are here only to be found by
their command: what a room's member missed, a join tells. Never decides anything.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from dispatcher.engine.limits import (
    MISSED_BYTES_MAX,
    MOVED_BYTES_MAX,
    MOVES_BYTES_MAX,
    SAID_BYTES_MAX,
    Limits,
)
from dispatcher.engine.state import Held
from schemas.codec import decode
from schemas.events import (
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.kinds import ByKind, by_fact
from schemas.rooms import MemberEvent, MessageEvent
from schemas.trips import TERMINAL


class Kept(Struct, frozen=True, gc=False):
    """One event; `ended` is the trip it ended, or empty. `is_aside`: it is no move of a
    trip, though somebody is told of it. `offered`: (trip, driver) of an offer.
    """

    seq: int
    at_ms: int
    encoded: bytes
    audience: tuple[str, ...]
    feed: int
    command: str
    ended: str
    is_aside: bool = False
    offered: tuple[str, str] | None = None


class Marks(Struct, frozen=True):
    """Where the ring begins: seq of the oldest event held (0: none), and the last
    event and feed number evicted (0: none ever).
    """

    floor_seq: int = 0
    gone_seq: int = 0
    gone_feed: int = 0


_LIST_MAX = 32
"""An empty deque takes 0.6 KB, a list 0.1 KB, and most users have a few events."""


class Ring:
    __slots__ = (
        "_all",
        "_awaited",
        "_by_user",
        "_bytes",
        "_ended",
        "_feed",
        "_limits",
        "_made",
        "_moved",
        "_moves",
        "_moves_bytes",
        "_offered",
        "_said",
        "_said_bytes",
        "_top_seq",
        "gone_feed",
        "gone_moves_seq",
        "gone_seq",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: deque[Kept] = deque()
        self._bytes = 0
        self._by_user: dict[str, deque[Kept] | list[Kept]] = {}
        self._feed: deque[Kept] = deque()
        self._made: OrderedDict[str, Kept] = OrderedDict()
        """Command → its event, for `remember_ms`."""
        self._said: OrderedDict[str, Kept] = OrderedDict()
        """The same of rooms' events, which are nowhere else here."""
        self._said_bytes = 0
        self._moves: deque[tuple[int, str]] = deque()
        """(stamp, room) of all that came or went, for `remember_ms`."""
        self._moved: dict[str, deque[tuple[int, bytes]]] = {}
        """By room: (seq, event)."""
        self._moves_bytes = 0
        self._top_seq = 0
        """The last event pushed or refilled."""
        self._ended: dict[str, Kept] = {}
        """Trip → the event that ended it."""
        self._offered: dict[tuple[str, str], Kept] = {}
        """(trip, driver) → the last offer of it that they had."""
        self._awaited: Marks | None = None
        self.gone_seq = 0
        """No event after this one was evicted."""
        self.gone_feed = 0
        self.gone_moves_seq = 0

    # ---- filling and forgetting ----------------------------------------------

    def push(self, event: Event, encoded: bytes) -> None:
        """`encoded` is kept: `codec.exact`."""
        self._awaited = None
        self._top_seq = event.seq
        _KEEPS[type(event)](self, event, encoded)

    def _trip(self, event: TripEvent, encoded: bytes) -> None:
        ended = event.trip.id if event.trip.status in TERMINAL else ""
        self._keep(
            Kept(
                event.seq,
                event.at_ms,
                encoded,
                event.audience,
                event.feed,
                event.command,
                ended,
            )
        )

    def _offer(self, event: OfferEvent, encoded: bytes) -> None:
        at, command = (event.seq, event.at_ms), event.command
        offered = event.trip.id, event.driver
        self._keep(Kept(*at, encoded, (), 0, command, "", offered=offered))

    def _offer_ended(self, event: OfferEndedEvent, encoded: bytes) -> None:
        to = (event.driver,)
        at, command = (event.seq, event.at_ms), event.command
        self._keep(Kept(*at, encoded, to, 0, command, "", is_aside=True))

    def _unaddressed(self, event: DriverEvent, encoded: bytes) -> None:
        """Nobody who missed it is sent it; a command made it, perhaps."""
        self._keep(Kept(event.seq, event.at_ms, encoded, (), 0, event.command, ""))

    def _matching(self, event: MatchingEvent, encoded: bytes) -> None:
        kept = Kept(event.seq, event.at_ms, encoded, (), event.feed, "", "")
        self._keep(kept)

    def _member(self, event: MemberEvent, encoded: bytes) -> None:
        self._move(event, encoded)
        self._say(event, encoded)

    def _keep(self, kept: Kept) -> None:
        self._all.append(kept)
        self._bytes += len(kept.encoded)
        by_user = self._by_user
        for user in kept.audience:
            mine = by_user.get(user)
            if mine is None:
                by_user[user] = [kept]
                continue
            if len(mine) == _LIST_MAX and isinstance(mine, list):
                mine = by_user[user] = deque(mine)
            mine.append(kept)
        if kept.feed:
            self._feed.append(kept)
        if kept.command:
            self._made[kept.command] = kept
        if kept.ended:
            self._ended[kept.ended] = kept
        if kept.offered is not None:
            self._offered[kept.offered] = kept
        limits = self._limits
        while (
            len(self._all) > limits.ring_events_max
            or self._bytes > limits.ring_bytes_max
        ):
            self._drop()

    def _say(self, event: MessageEvent | MemberEvent, encoded: bytes) -> None:
        if not event.command:
            return
        said = self._said
        before = said.pop(event.command, None)
        if before is not None:
            self._said_bytes -= len(before.encoded)
        said[event.command] = Kept(
            event.seq, event.at_ms, encoded, (), 0, event.command, ""
        )
        self._said_bytes += len(encoded)
        while self._said_bytes > SAID_BYTES_MAX:
            self._unsay()

    def _unsay(self) -> None:
        _, kept = self._said.popitem(last=False)
        self._said_bytes -= len(kept.encoded)

    def _move(self, event: MemberEvent, encoded: bytes) -> None:
        self._moves.append((event.at_ms, event.room))
        self._moved.setdefault(event.room, deque()).append((event.seq, encoded))
        self._moves_bytes += len(encoded)
        while self._moves_bytes > MOVES_BYTES_MAX:
            self._unmove()

    def _unmove(self) -> None:
        _, room = self._moves.popleft()
        moved = self._moved[room]
        self.gone_moves_seq, encoded = moved.popleft()
        self._moves_bytes -= len(encoded)
        if not moved:
            del self._moved[room]

    def evict(self, stamp_ms: int) -> None:
        """Forget what is too old at this stamp."""
        until_ms = stamp_ms - self._limits.ring_ms
        while self._all and self._all[0].at_ms <= until_ms:
            self._drop()
        until_ms = stamp_ms - self._limits.remember_ms
        while self._made and next(iter(self._made.values())).at_ms <= until_ms:
            self._made.popitem(last=False)
        while self._said and next(iter(self._said.values())).at_ms <= until_ms:
            self._unsay()
        while self._moves and self._moves[0][0] <= until_ms:
            self._unmove()

    def _drop(self) -> None:
        kept = self._all.popleft()
        self._bytes -= len(kept.encoded)
        self.gone_seq = kept.seq
        for user in kept.audience:
            mine = self._by_user[user]
            if len(mine) == 1:
                del self._by_user[user]
            elif isinstance(mine, deque):
                mine.popleft()
            else:
                del mine[0]
        if kept.feed:
            self._feed.popleft()
            self.gone_feed = kept.feed
        if kept.ended:
            del self._ended[kept.ended]
        if self._made.get(kept.command) is kept:
            del self._made[kept.command]
        if kept.offered is not None and self._offered.get(kept.offered) is kept:
            del self._offered[kept.offered]

    # ---- around a snapshot, which doesn't hold the ring -----------------------

    def marks(self) -> Marks:
        if self._awaited is not None:
            return self._awaited
        firsts = [self._all[0].seq] if self._all else []
        if self._said:
            firsts.append(next(iter(self._said.values())).seq)
        if self._moves:
            firsts.append(self._moved[self._moves[0][1]][0][0])
        floor_seq = min(firsts, default=0)
        return Marks(floor_seq, self.gone_seq, self.gone_feed)

    def await_refill(self, marks: Marks, head_seq: int, feed: int) -> None:
        """Begin empty: nothing is covered until `refill` brings the events back."""
        self.gone_moves_seq = head_seq
        if marks.floor_seq:
            self._awaited = marks
            self.gone_seq, self.gone_feed = head_seq, feed
        else:
            self.gone_seq, self.gone_feed = marks.gone_seq, marks.gone_feed
            self._top_seq = head_seq

    def refill(self, event: Event, encoded: bytes) -> None:
        """Take back, in order, one event from before the snapshot. What comes twice or
        was not in the ring is let pass; where the ledger begins later than the ring
        did, so does the ring now.
        """
        if self._awaited is not None:
            if event.seq < self._awaited.floor_seq:
                return
            if event.seq == self._awaited.floor_seq:
                self.gone_seq = self._awaited.gone_seq
                self.gone_feed = self._awaited.gone_feed
            else:
                self.gone_seq = event.seq - 1
            self.gone_moves_seq = event.seq - 1
            self._awaited = None
        elif event.seq <= self._top_seq:
            return
        feed = event.feed if isinstance(event, TripEvent | MatchingEvent) else 0
        if 0 < feed <= self.gone_feed:
            self.gone_feed = feed - 1
        self.push(event, encoded)

    # ---- questions -----------------------------------------------------------

    def ended(self, trip: str) -> Held | None:
        """A trip that ended while the ring reaches back."""
        kept = self._ended.get(trip)
        if kept is None:
            return None
        event = decode(kept.encoded, TripEvent)
        return Held(event.trip, event.type, event.by, event.at_ms)

    def offered(self, trip: str, driver: str) -> str | None:
        """The last offer of a trip that a driver had, while the ring reaches back."""
        kept = self._offered.get((trip, driver))
        return None if kept is None else decode(kept.encoded, OfferEvent).offer

    def made(self, command: str) -> bytes | None:
        """The encoded event that a command made, for `remember_ms`."""
        kept = self._made.get(command) or self._said.get(command)
        return None if kept is None else kept.encoded

    def missed(self, user: str, since: int) -> list[Kept] | None:
        """A user's events after seq `since`, oldest first; None if some are gone, or
        if they are more than one answer may carry.
        """
        if since < self.gone_seq:
            return None
        return _after(self._by_user.get(user, []), since)

    def moved(self, room: str, since: int) -> list[bytes] | None:
        """Who came and went in a room after event `since`, the encoded events, oldest
        first; None as for `missed`.
        """
        if since < self.gone_moves_seq:
            return None
        found: list[bytes] = []
        room_bytes = MOVED_BYTES_MAX
        for seq, encoded in reversed(self._moved.get(room, ())):
            if seq <= since:
                break
            room_bytes -= len(encoded)
            if room_bytes < 0:
                return None
            found.append(encoded)
        found.reverse()
        return found

    def missed_feed(self, since: int) -> list[Kept] | None:
        """The same for the feed, after number `since`."""
        if since < self.gone_feed:
            return None
        return _after(self._feed, since, by_feed=True)

    HANDLERS: "ByKind[Callable[[Ring, Any, bytes], None]]" = ByKind(
        trip=_trip,
        driver=_unaddressed,
        offer=_offer,
        offer_ended=_offer_ended,
        matching=_matching,
        message=_say,
        member=_member,
    )


_KEEPS = by_fact(Ring.HANDLERS)


def _after(
    entries: deque[Kept] | list[Kept], since: int, *, by_feed: bool = False
) -> list[Kept] | None:
    found: list[Kept] = []
    room_bytes = MISSED_BYTES_MAX
    for kept in reversed(entries):
        if (kept.feed if by_feed else kept.seq) <= since:
            break
        room_bytes -= len(kept.encoded)
        if room_bytes < 0:
            return None
        found.append(kept)
    found.reverse()
    return found
