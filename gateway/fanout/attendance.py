"""Which sessions of a region are in which rooms, as this gateway sees it.

Pure. What a session or a user has to do with rooms is known here, and nowhere else.
"""

from collections import defaultdict
from math import inf

from gateway.fanout.region import Listener, Seat
from gateway.fanout.room import Room
from gateway.ports import Cancellable


class Visitor:
    """One session, as rooms know it. `id` is empty until it has asked to join one."""

    __slots__ = ("id", "rooms")

    def __init__(self) -> None:
        self.id = ""
        self.rooms: set[Room] = set()


class Hearing:
    """A room's subscription, and why it is there: sessions in the room, its trip, or an
    accept that may lead there. Of most trips' rooms it is all there ever is.
    """

    __slots__ = (
        "accepts",
        "ended_s",
        "is_quiet",
        "left",
        "listeners",
        "name",
        "seq",
        "subscription",
    )

    def __init__(self, name: str, subscription: Cancellable) -> None:
        self.name = name
        self.subscription = subscription
        self.accepts: list[str] = []
        """Commands on their way since before whose sending it has stood."""
        self.listeners: list[Listener] = []
        """Who hears it by its trip."""
        self.is_quiet = False
        """Nothing was said in it yet, nor did anybody come: it becomes a `Room`, with
        all sessions of those, when that changes."""
        self.seq = 0
        """Of the trip's last event, or of the state that told of it."""
        self.ended_s = inf
        """When the trip ended; inf: it goes on."""
        self.left: frozenset[Seat] = frozenset()
        """Sessions that asked to leave: their trip doesn't bring them back."""

    def seats(self, listener: Listener) -> list[Seat]:
        """That user's sessions which hear it by its trip."""
        if not self.left:
            return listener.seats
        return [seat for seat in listener.seats if seat not in self.left]


class Attendance:
    """Of one region."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        """Those that sessions of this gateway are in, but for quiet ones of trips."""
        self.hearings: dict[str, Hearing] = {}
        """By room: those, and what else is heard."""
        self.visitors: defaultdict[Seat, Visitor] = defaultdict(Visitor)
        self.trips: defaultdict[Listener, dict[str, Hearing]] = defaultdict(dict)
        """By room, of the trips they drive or ride in, or did a moment ago; oldest
        first."""

    def is_shared(self, room: Room) -> bool:
        """Whether somebody who hears that room hears another, too."""
        return any(len(self.visitors[seat].rooms) > 1 for seat in room.live)

    def has(self, room: Room) -> bool:
        """Whether anybody is, or was a moment ago, in that room."""
        return self.rooms.get(room.name) is room
