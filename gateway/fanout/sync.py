"""How a user's events, a region's feed and a room's messages are followed.

Everything that affects whether what comes is passed on lives in this table. Pure.

                   ┌──NOBODY──┐
                   ▼          │
    OPEN ──LOST──▶ UNKNOWN ──TOLD──▶ IN_STEP ──LOST──▶ HOLED ──TOLD──▶ IN_STEP
      └────────────FIRST──────────────▶│
"""

from enum import Enum, auto


class Sync(Enum):
    OPEN = auto()
    """Nothing is known, and nothing is held: the first that comes tells (a room)."""
    UNKNOWN = auto()
    """What comes is held until a session's own sync, or join, is answered."""
    IN_STEP = auto()
    """What comes is passed on."""
    HOLED = auto()
    """Something is lost: what comes is held until a question about it is answered."""


OPEN, UNKNOWN, IN_STEP, HOLED = Sync
"""Looked up so once: Python 3.11 takes 0.1 us for a member, by its class, and a
delivery has one (2026-11-29)."""


class Seen(Enum):
    FIRST = auto()
    """Something came that nothing can be missing before."""
    LOST = auto()
    """Something is, or may be, missing; or is about to be told."""
    DOUBT = auto()
    """The same, where a session's welcome may tell."""
    ASKED = auto()
    """A question about it is on its way: no welcome is waited for."""
    TOLD = auto()
    """A sync, a join or a question was answered."""
    NOBODY = auto()
    """Nobody is left whose answer would tell."""


MOVES = {
    (Sync.OPEN, Seen.FIRST): Sync.IN_STEP,
    (Sync.OPEN, Seen.LOST): Sync.UNKNOWN,
    (Sync.UNKNOWN, Seen.TOLD): Sync.IN_STEP,
    (Sync.UNKNOWN, Seen.ASKED): Sync.HOLED,
    (Sync.UNKNOWN, Seen.NOBODY): Sync.OPEN,
    (Sync.IN_STEP, Seen.LOST): Sync.HOLED,
    (Sync.IN_STEP, Seen.DOUBT): Sync.UNKNOWN,
    (Sync.IN_STEP, Seen.ASKED): Sync.HOLED,
    (Sync.HOLED, Seen.TOLD): Sync.IN_STEP,
}
"""What isn't here changes nothing."""


def after(now: Sync, seen: Seen) -> Sync:
    return MOVES.get((now, seen), now)
