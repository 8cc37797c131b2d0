"""One session's place in one room: how it came to hear it, and what happens next.

Everything that affects a place lives in this table; a move to None ends it. Pure.

    a trip begins ──▶ HEARS ──asks──▶ JOINS_FROM_TRIP ──▶ JOINED ──asks──▶ JOINS_AGAIN
                        ▲─────refused────┘                 ▲ ▲──refused, or not──┘
    asks ──▶ JOINS ──answered, and contained in what was passed on──┘
"""

from enum import Enum, auto

from gateway.fanout.region import Seat


class Place(Enum):
    HEARS = auto()
    """It takes part in the room's trip."""
    JOINED = auto()
    """It asked to."""
    JOINS = auto()
    """A join is on its way, or answered with more than was passed on yet."""
    JOINS_FROM_TRIP = auto()
    """The same; refused, it hears the room by its trip."""
    JOINS_AGAIN = auto()
    """The same; refused, it is in the room as before."""


class Turn(Enum):
    ASKS = auto()
    """A join is on its way."""
    ADMITTED = auto()
    """Its trip takes it in."""
    CONTAINED = auto()
    """Its join's answer is, in what was passed on."""
    REFUSED = auto()
    """Its join came to nothing."""


MOVES: dict[tuple[Place | None, Turn], Place | None] = {
    (None, Turn.ASKS): Place.JOINS,
    (None, Turn.ADMITTED): Place.HEARS,
    (Place.HEARS, Turn.ASKS): Place.JOINS_FROM_TRIP,
    (Place.JOINED, Turn.ASKS): Place.JOINS_AGAIN,
    (Place.JOINS, Turn.ADMITTED): Place.JOINS_FROM_TRIP,
    (Place.JOINS, Turn.CONTAINED): Place.JOINED,
    (Place.JOINS_FROM_TRIP, Turn.CONTAINED): Place.JOINED,
    (Place.JOINS_AGAIN, Turn.CONTAINED): Place.JOINED,
    (Place.JOINS, Turn.REFUSED): None,
    (Place.JOINS_FROM_TRIP, Turn.REFUSED): Place.HEARS,
    (Place.JOINS_AGAIN, Turn.REFUSED): Place.JOINED,
}
"""What isn't here changes nothing."""


class Covered:
    """A join's answer: all up to message `n` and event `seq` (0: its leader didn't
    say), with those `members`.
    """

    __slots__ = ("members", "n", "seq")

    def __init__(self, n: int, seq: int, members: set[str]) -> None:
        self.n = n
        self.seq = seq
        self.members = members


class Occupant:
    """`covered`: by the join that was answered; None: none has been. `mark`: how much
    of the room's tail was there when it asked.
    """

    __slots__ = ("asked", "bare", "covered", "mark", "place", "seat")

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.bare = seat.connection.bare
        self.place: Place | None = None
        self.asked = 0
        """Joins on their way."""
        self.covered: Covered | None = None
        self.mark = 0

    def turn(self, seen: Turn) -> Place | None:
        self.place = MOVES.get((self.place, seen), self.place)
        return self.place

    @property
    def is_explicit(self) -> bool:
        """It asked to be in the room; else it hears it by its trip."""
        return self.place is not Place.HEARS
