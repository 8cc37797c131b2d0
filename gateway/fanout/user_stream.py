"""One user as addressee of pushes: order, repeats and gaps, for all their sessions.

Pure. What is lost between the leader and this gateway shows as a hole in a trip's
versions; then everything is held until a sync has filled it. Must not know sockets.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from msgspec import Raw, Struct

from gateway import framing
from gateway.fanout.sync import IN_STEP, UNKNOWN, Seen, after
from schemas import codec
from schemas.commands import LiveOffer, SyncData
from schemas.events import (
    DriverPush,
    FactPush,
    Moved,
    OfferEndedPush,
    OfferPush,
    TripHead,
    TripPush,
)
from schemas.frames import DriverState, Offered, OfferEnded
from schemas.kinds import ToUsers, by_push
from schemas.times import rfc3339
from schemas.trips import TERMINAL, Role, Status

Stamped = tuple[int, bytes]
"""(seq, frame); seq 0: a frame without one, delivered whatever a session has seen."""
_read_head = codec.reader(TripHead)
_ENDED = frozenset(status.value for status in TERMINAL)


class Settled(Struct, frozen=True):
    """What a sync brought: frames in order. `lost`: a trip may have ended unseen."""

    frames: list[Stamped]
    lost: bool = False


class Passing(Enum):
    """What becomes of the feed's entries, so that the highest `seq` that a driver's
    client saw stays a safe cursor.
    """

    PASSES = auto()
    """They are handed on as they come."""
    WAITS = auto()
    """They are kept until a sync."""
    WAITS_WITH_OWN = auto()
    """So are the driver's own events that waited for a hole in the feed."""
    NONE = auto()
    """The driver is offline."""


PASSES, WAITS, WAITS_WITH_OWN, NONE = Passing


class UserStream:
    """Starts out unknown: a session's sync settles it, or, once it is holed, a question
    of its own.
    """

    __slots__ = (
        "held",
        "held_feed",
        "id",
        "offers",
        "online",
        "role",
        "seq",
        "sync",
        "trips",
    )

    def __init__(self, user_id: str, role: Role) -> None:
        self.id = user_id
        self.role = role
        self.seq = 0
        """Everything of this user's up to here has been passed on."""
        self.trips: dict[str, int] = {}
        """Versions of the trips they take part in."""
        self.online: bool | None = None
        """Of a driver, as far as their sessions were told; None: they weren't."""
        self.offers: dict[str, str] = {}
        """Live ones of a driver, as far as their sessions were told → their trips."""
        self.sync = UNKNOWN
        self.held: list[FactPush] = []
        self.held_feed: list[Stamped] = []

    @property
    def feed(self) -> Passing:
        """What becomes of the feed's entries, for a driver."""
        if self.sync is IN_STEP:
            return PASSES if self.online else NONE
        if self.sync is UNKNOWN:
            return WAITS
        return WAITS_WITH_OWN if self.online else NONE

    def receive(self, push: FactPush) -> bytes | None:
        """The frame to deliver, if any. Where this finds a gap it is no longer in step,
        and the caller must see that somebody asks for a sync since `seq`.
        """
        if self.sync is not IN_STEP:
            self.held.append(push)
            return None
        if push.seq <= self.seq:
            return None
        return _RECEIVES[type(push)](self, push)

    def is_current(self, moved: Moved) -> bool:
        """Whether it is of a trip as it was passed on, or newer: NATS may give a
        message twice, the second time after the trip's end.
        """
        known = self.trips.get(moved.trip)
        if self.sync is not IN_STEP or known is None:
            return False
        return not moved.version or moved.version >= known

    def _driver(self, push: DriverPush) -> bytes | None:
        self.seq = push.seq
        if push.online == self.online:
            return None
        self.online = push.online
        data = DriverState(push.online, push.why)
        return _event("driver.state", push, codec.encode(data))

    def _offer(self, push: OfferPush) -> bytes:
        self.seq = push.seq
        self.offers[push.offer] = codec.decode(push.trip, TripHead).id
        return _offered(push)

    def _offer_ended(self, push: OfferEndedPush) -> bytes:
        self.seq = push.seq
        self.offers.pop(push.offer, None)
        return _offer_ended(push)

    def _trip(self, push: TripPush) -> bytes | None:
        head = _read_head(push.trip)
        known = self.trips.get(head.id)
        if not self._follows(head, known):
            self.sync = after(self.sync, Seen.DOUBT)
            self.held.append(push)
            return None
        self.seq = push.seq
        self._note(push.type, head)
        return _frame(push)

    def hold(self, seq: int = 0) -> None:
        """Something may be lost after `seq`: hold what comes until its own sync."""
        self.seq = max(self.seq, seq)
        self.sync = after(self.sync, Seen.ASKED)

    def start(self, data: SyncData) -> list[Stamped]:
        """A new session's sync, which serves whom nothing is known of, too."""
        if self.sync is not UNKNOWN:
            return []
        frames = self._adopt(data)
        feed, self.held_feed = self.held_feed, []
        if self.online:
            frames += [pair for pair in feed if pair[0] > data.seq]
        return sorted(frames, key=_seq)

    def settle(self, data: SyncData) -> Settled:
        """The stream's own sync. Afterwards there may be another gap."""
        heads = {head.id for head in codec.decode(data.trips, list[TripHead])}
        # While those that were told of go on, all are told by their snapshots: of a
        # booking that was made and cancelled meanwhile nothing is left to tell.
        lost = not data.recovered and not (heads and heads == self.trips.keys())
        if data.recovered:
            frames = missed(data)
        else:
            trips = codec.decode(data.trips, list[Raw])
            frames = [(0, framing.push("trip.snapshot", trip)) for trip in trips]
        frames += self._state_changed(data) + self._offers_changed(data)
        feed, self.held_feed = self.held_feed, []
        frames = sorted(frames + feed + self._adopt(data), key=_seq)
        return Settled(frames, lost)

    def _state_changed(self, data: SyncData) -> list[Stamped]:
        """Nor is how a driver stands: its sessions hear of it where it isn't as they
        knew.
        """
        if self.online in {None, data.online}:
            return []
        now = codec.encode(DriverState(data.online, data.why))
        return [(0, framing.push("driver.state", now))]

    def _offers_changed(self, data: SyncData) -> list[Stamped]:
        """How those that were told of ended, and what lives now."""
        frames: list[Stamped] = []
        live = live_offers(data)
        known = {offer.offer for offer, _ in live}
        ends = {push.offer: push for push in offers_ended(data)}
        mine = {head.id for head in codec.decode(data.trips, list[TripHead])}
        for offer, trip in self.offers.items():
            if offer in ends:
                frames.append((ends[offer].seq, _offer_ended(ends[offer])))
            elif data.ended is None and offer not in known and trip not in mine:
                # How it ended nobody remembers; an accepted one ends by its trip.
                ended = codec.encode(OfferEnded(trip, offer, "withdrawn"))
                frames.append((0, framing.push("trip.offer_ended", ended)))
        for shown, seq in live:
            if shown.offer not in self.offers:
                frame = framing.event("trip.offered", seq, codec.encode(shown))
                frames.append((seq, frame))
        return frames

    def _adopt(self, data: SyncData) -> list[Stamped]:
        heads = codec.decode(data.trips, list[TripHead])
        self.trips = {head.id: head.version for head in heads}
        self.online = data.online
        self.offers = {
            shown.offer: codec.decode(shown.trip, TripHead).id
            for shown, _ in live_offers(data)
        }
        self.seq = data.seq
        self.sync = after(self.sync, Seen.TOLD)
        held, self.held = self.held, []
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
        if kind == "trip.started" and self.offers:
            left = self.offers.items()
            self.offers = {offer: trip for offer, trip in left if trip != head.id}
        given_back = kind == "trip.released" and self.role is Role.DRIVER
        if given_back or head.status in _ENDED:
            self.trips.pop(head.id, None)
        else:
            self.trips[head.id] = head.version

    HANDLERS: "ToUsers[Callable[[UserStream, Any], bytes | None]]" = ToUsers(
        trip=_trip, driver=_driver, offer=_offer, offer_ended=_offer_ended
    )


_RECEIVES = by_push(UserStream.HANDLERS)


def missed(data: SyncData) -> list[Stamped]:
    """The events of a sync as frames, in order."""
    pushes = [codec.decode(raw, TripPush) for raw in data.events]
    return [(push.seq, _frame(push)) for push in pushes]


def _frame(push: TripPush) -> bytes:
    return framing.event(push.type, push.seq, push.trip, push.traceparent)


def live_offers(data: SyncData) -> list[tuple[Offered, int]]:
    """Those of a driver that live as of a sync, and the `seq` of each."""
    if data.offers is None:
        return []
    return [
        (
            Offered(
                one.trip,
                one.offer,
                one.round,
                rfc3339(one.expires_ms),
                one.expires_in_ms,
                one.pick_up_distance_m,
                one.pick_up_eta_s,
            ),
            one.seq,
        )
        for one in codec.decode(data.offers, list[LiveOffer])
    ]


def offers_ended(data: SyncData) -> list[OfferEndedPush]:
    """Those of a driver that ended between, as far as it is known."""
    if data.ended is None:
        return []
    return codec.decode(data.ended, list[OfferEndedPush])


def _offer_ended(push: OfferEndedPush) -> bytes:
    data = OfferEnded(push.trip, push.offer, push.why)
    return _event("trip.offer_ended", push, codec.encode(data))


def _event(kind: str, push: FactPush, data: bytes) -> bytes:
    return framing.event(kind, push.seq, data, push.traceparent)


def _offered(push: OfferPush) -> bytes:
    data = Offered(
        push.trip,
        push.offer,
        push.round,
        rfc3339(push.expires_ms),
        max(0, push.expires_ms - push.at_ms),
        push.evidence.pick_up_distance_m,
        push.evidence.pick_up_eta_s,
    )
    return _event("trip.offered", push, codec.encode(data))


def _seq(stamped: Stamped) -> int:
    return stamped[0]
