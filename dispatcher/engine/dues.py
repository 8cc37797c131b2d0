"""What is due when: one heap for bookings, requests, offers, and what follows from
other events.

Derived from the state, and in no snapshot: what was put in it may be true no more, so
whoever takes something out looks whether it still holds.
"""

import heapq
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class What(StrEnum):
    """What is to be done; each with an id."""

    OPEN_TRIP = "open trip"
    """That is SCHEDULED: it becomes REQUESTED."""
    EXPIRE_TRIP = "expire trip"
    """Nobody took it in time, or it could not open."""
    EXPIRE_OFFER = "expire offer"
    """Of that trip."""
    SAY_END = "say end"
    """Of that offer, whose driver doesn't know yet."""
    TELL_ALL = "tell all"
    """Of that trip: no more offers."""
    STOP_WAITING = "stop waiting"
    """For positions, with that trip."""
    PAUSE = "pause"
    """That driver, who let too many offers expire."""
    RESUME = "resume"
    """That driver, since what paused them counts no more."""


class Due(NamedTuple):
    at_ms: int
    number: int
    """Of two at once the first to be put in is the first."""
    what: What
    id: str


Holds = Callable[[Due], bool]
"""Whether something is (still) to be done."""


class Dues:
    __slots__ = ("_compact_at", "_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._number = 0
        self._compact_at = SPARE

    def put(self, at_ms: int, what: What, about: str, holds: Holds) -> None:
        self._number += 1
        heapq.heappush(self._heap, Due(at_ms, self._number, what, about))
        if len(self._heap) > self._compact_at:
            self._heap = [due for due in self._heap if holds(due)]
            heapq.heapify(self._heap)
            self._compact_at = 2 * len(self._heap) + SPARE

    def begin_after(self, at_ms: int) -> bool:
        """Whether surely nothing is due by then."""
        return not self._heap or self._heap[0].at_ms > at_ms

    def next_ms(self, holds: Holds) -> int | None:
        """When the next is due; None: nothing is."""
        while self._heap:
            if holds(self._heap[0]):
                return self._heap[0].at_ms
            heapq.heappop(self._heap)
        return None

    def until(self, at_ms: int, count_max: int, holds: Holds) -> list[Due]:
        """What is due at that instant, in order; each stays until it holds no more."""
        found: list[Due] = []
        heap = self._heap
        while heap and heap[0].at_ms <= at_ms and len(found) < count_max:
            due = heapq.heappop(heap)
            if holds(due):
                found.append(due)
        for due in found:
            heapq.heappush(heap, due)
        return found

    def clear(self) -> None:
        self._heap = []

    def __len__(self) -> int:
        """With what holds no more, and lies there yet."""
        return len(self._heap)


SPARE = 1_024
"""So many may lie there that hold no more, or as many as do hold."""
