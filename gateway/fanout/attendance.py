"""Which sessions of a region are in which rooms, as this gateway sees it.

Pure. What a session or a user has to do with rooms is known here, and nowhere else.
"""

from collections import defaultdict

from gateway.fanout.region import Listener, Seat
from gateway.fanout.room import Room
from gateway.ports import Cancellable


class Visitor:
    """One session, as rooms know it. `id` is empty until it has asked to join one."""

    __slots__ = ("id", "rooms")

    def __init__(self) -> None:
        self.id = ""
        self.rooms: set[Room] = set()


class TripRoom:
    """`seq`: of the event, or of the state, that made the user a participant."""

    __slots__ = ("ended_s", "left", "seq", "version")

    def __init__(self, version: int, seq: int) -> None:
        self.version = version
        self.seq = seq
        self.ended_s: float | None = None
        """When the trip ended; None: it goes on."""
        self.left: set[Seat] = set()
        """Sessions that asked to leave its room: their trip doesn't bring them back."""


class Hearing:
    """A room's subscription; `count`: the room, and accepts that may lead there."""

    __slots__ = ("count", "subscription")

    def __init__(self, subscription: Cancellable) -> None:
        self.count = 0
        self.subscription = subscription


class Attendance:
    """Of one region."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        """Those that sessions of this gateway are in."""
        self.hearings: dict[str, Hearing] = {}
        """By room: those, and rooms of trips that a driver's accept is on its way for.
        """
        self.accepts: dict[str, str] = {}
        """Such a command → that room, whose subscription has stood without a break
        since before it was sent."""
        self.visitors: defaultdict[Seat, Visitor] = defaultdict(Visitor)
        self.trips: defaultdict[Listener, dict[str, TripRoom]] = defaultdict(dict)
        """Of the trips they drive or ride in, or did a moment ago; oldest first."""

    def is_shared(self, room: Room) -> bool:
        """Whether somebody who hears that room hears another, too."""
        return any(len(self.visitors[seat].rooms) > 1 for seat in room.live)

    def has(self, room: Room) -> bool:
        """Whether anybody is, or was a moment ago, in that room."""
        return self.rooms.get(room.name) is room
