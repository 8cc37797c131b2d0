"""One user as addressee of pushes: order, repeats and gaps, for all their sessions.

Pure. What is lost between the leader and this gateway shows as a hole in a trip's
versions; then everything is held until a sync has filled it. Must not know sockets.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Raw, Struct

from gateway import framing
from schemas import codec
from schemas.commands import SyncData
from schemas.events import DriverPush, TripHead, TripPush
from schemas.kinds import ToUsers, by_push
from schemas.trips import TERMINAL, Role, Status

Stamped = tuple[int, bytes]
"""(seq, frame); seq 0: a frame without one, delivered whatever a session has seen."""

_ENDED = frozenset(status.value for status in TERMINAL)


class Settled(Struct, frozen=True):
    """What a sync brought: frames in order. `lost`: a trip may have ended unseen."""

    frames: list[Stamped]
    lost: bool = False


class Recipient:
    """Starts out unsynced (`held` is a list): the first sync settles it."""

    __slots__ = ("asking", "held", "held_feed", "id", "online", "role", "seq", "trips")

    def __init__(self, user_id: str, role: Role) -> None:
        self.id = user_id
        self.role = role
        self.seq = 0
        """Everything of this user's up to here has been passed on."""
        self.trips: dict[str, int] = {}
        """Versions of the trips they take part in."""
        self.online = False
        self.held: list[TripPush | DriverPush] | None = []
        self.held_feed: list[Stamped] = []
        self.asking = False
        """A sync for the user (not for one new session) is on its way or queued."""

    @property
    def takes_feed(self) -> bool:
        """Whether a driver is to get the feed's entries as they come."""
        return self.held is None and self.online

    def receive(self, push: TripPush | DriverPush) -> bytes | None:
        """The frame to deliver, if any. Where this finds a gap, `held` becomes a list
        and the caller must ask for a sync since `seq`.
        """
        if self.held is not None:
            self.held.append(push)
            return None
        if push.seq <= self.seq:
            return None
        return _RECEIVES[type(push)](self, push)

    def _driver(self, push: DriverPush) -> None:
        self.seq = push.seq
        self.online = push.online

    def _trip(self, push: TripPush) -> bytes | None:
        head = codec.decode(push.trip, TripHead)
        known = self.trips.get(head.id)
        if not self._follows(head, known):
            self.held = [push]
            return None
        self.seq = push.seq
        self._note(push.type, head)
        return _frame(push)

    def hold(self, seq: int = 0) -> None:
        """Something may be lost after `seq`: keep what comes until a sync."""
        if self.held is None:
            self.held = []
        self.seq = max(self.seq, seq)
        self.asking = True

    def start(self, data: SyncData) -> list[Stamped]:
        """A new session's sync, which serves an unsynced recipient too."""
        if self.held is None or self.asking:
            return []
        frames = self._adopt(data)
        feed, self.held_feed = self.held_feed, []
        if self.online:
            frames += [pair for pair in feed if pair[0] > data.seq]
        return sorted(frames, key=_seq)

    def settle(self, data: SyncData) -> Settled:
        """The recipient's own sync. Afterwards `held` may be a list again: another
        gap.
        """
        self.asking = False
        heads = {head.id for head in codec.decode(data.trips, list[TripHead])}
        # A user has one trip at a time: while it goes on, no other began and ended.
        lost = not data.recovered and not (heads and heads == self.trips.keys())
        if data.recovered:
            frames = missed(data)
        else:
            trips = codec.decode(data.trips, list[Raw])
            frames = [(0, framing.push("trip.snapshot", trip)) for trip in trips]
        feed, self.held_feed = self.held_feed, []
        frames = sorted(frames + feed + self._adopt(data), key=_seq)
        return Settled(frames, lost)

    def _adopt(self, data: SyncData) -> list[Stamped]:
        heads = codec.decode(data.trips, list[TripHead])
        self.trips = {head.id: head.version for head in heads}
        self.online = data.online
        self.seq = data.seq
        held, self.held = self.held or [], None
        frames = []
        for push in held:
            frame = self.receive(push)
            if frame is not None:
                frames.append((push.seq, frame))
        return frames

    def _follows(self, head: TripHead, known: int | None) -> bool:
        if known is not None:
            # A driver who gave the trip back meets it again at a later version.
            return head.version == known + 1
        if self.role is Role.DRIVER:
            return head.status == Status.STARTED
        return head.version == 1

    def _note(self, kind: str, head: TripHead) -> None:
        given_back = kind == "trip.released" and self.role is Role.DRIVER
        if given_back or head.status in _ENDED:
            self.trips.pop(head.id, None)
        else:
            self.trips[head.id] = head.version

    HANDLERS: "ToUsers[Callable[[Recipient, Any], bytes | None]]" = ToUsers(
        trip=_trip, driver=_driver
    )


_RECEIVES = by_push(Recipient.HANDLERS)


def missed(data: SyncData) -> list[Stamped]:
    """The events of a sync as frames, in order."""
    pushes = [codec.decode(raw, TripPush) for raw in data.events]
    return [(push.seq, _frame(push)) for push in pushes]


def _frame(push: TripPush) -> bytes:
    return framing.event(push.type, push.seq, push.trip, push.traceparent)


def _seq(stamped: Stamped) -> int:
    return stamped[0]
