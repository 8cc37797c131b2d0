"""How riders and drivers of the bench behave: DISPATCH.md's, the same for every policy.

What somebody does is drawn from the seed and who and what it is about, never from what
was drawn before.
"""

import math
from enum import StrEnum

LEAVES_AFTER_S = (60.0, 300.0)
"""A rider without a driver."""
LONG_ETA_S = 1_400.0
"""Nobody waits longer than that, once told: half as long leaves a quarter of them. With
this and the next, broadcast and nearest serve as many as the design measured of them
(docs/DISPATCH.md)."""
SILENT = 0.08
"""Of all offers."""
NEAR_S, NEAR = 240.0, 0.92
FAR_S, FAR = 900.0, 0.45
"""Accepted: so many at most so far away, fewer beyond, on one line."""
ANSWERS_S = (1.0, 5.0)
OUT_OF_REACH_S = 240.0
"""A phone is silent for so long at a time, where any is."""
BOARDING_S = ALIGHTING_S = 30.0


class Answer(StrEnum):
    ACCEPT = "accept"
    DECLINE = "decline"
    NONE = "none"


class People:
    """`silent`: the share of time in which a driver's phone says nothing, neither
    where it is nor yes or no.
    """

    def __init__(self, seed: int, silent: float = 0.0) -> None:
        self._seed = seed
        self._silent = silent

    def _drawn(self, *what: int) -> float:
        """In [0, 1): splitmix64, as broadcast asks a million times an evening."""
        mixed = self._seed
        for one in what:
            mixed = (mixed ^ one) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019 & _MASK
            mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
            mixed ^= mixed >> 31
        return mixed / 2**64

    def patience_s(self, trip: int) -> float:
        """How long this rider waits for a driver."""
        least, most = LEAVES_AFTER_S
        return least + (most - least) * self._drawn(trip, _PATIENCE)

    def stays(self, trip: int, eta_s: float) -> bool:
        """Whether the rider does, told of such a way."""
        return eta_s <= LONG_ETA_S * math.sqrt(self._drawn(trip, _ETA))

    def is_silent(self, driver: int, now_s: float) -> bool:
        """Whether the driver's phone is out of reach."""
        begun = self._drawn(driver, _BEGUN)  # each at times of its own
        spell = int(now_s / OUT_OF_REACH_S + begun)
        return self._drawn(driver, _SPELL, spell) < self._silent

    def answer(self, trip: int, driver: int, eta_s: float) -> tuple[Answer, float]:
        """To this trip, and after how many seconds."""
        least, most = ANSWERS_S
        after_s = least + (most - least) * self._drawn(trip, _AFTER, driver)
        drawn = self._drawn(trip, _ANSWER, driver)
        if drawn < SILENT:
            return Answer.NONE, after_s
        # Of all; so nobody who would answer declines a near one.
        accepts = drawn < SILENT + accepted_share(eta_s)
        return Answer.ACCEPT if accepts else Answer.DECLINE, after_s


_PATIENCE, _ETA, _AFTER, _ANSWER, _BEGUN, _SPELL = range(6)
_MASK = 2**64 - 1


def accepted_share(eta_s: float) -> float:
    """Of offers so far away."""
    slope = (NEAR - FAR) / (FAR_S - NEAR_S)
    return max(0.0, NEAR - slope * max(0.0, eta_s - NEAR_S))
