"""Which number events had come to by when: a point a minute, for as long as keys hold.

Of what was forgotten its instant is known, and history is asked for it by a number.
"""

from bisect import bisect_right
from collections.abc import Iterable

STEP_MS = 60_000

Point = tuple[int, int]
"""(stamp in ms, seq of an event at it)."""


class Timeline:
    __slots__ = ("_points", "next_ms")

    def __init__(self) -> None:
        self._points: list[Point] = []
        self.next_ms = 0
        """From when on `note` has something to note."""

    def note(self, at_ms: int, seq: int) -> None:
        """An event, in order."""
        if at_ms >= self.next_ms:
            self._points.append((at_ms, seq))
            self.next_ms = at_ms + STEP_MS

    def covers(self, at_ms: int) -> int | None:
        """A number that no event at `at_ms` or before has a greater one than; None:
        none but the latest of all.
        """
        later = bisect_right(self._points, at_ms, key=lambda point: point[0])
        return self._points[later][1] if later < len(self._points) else None

    def evict(self, until_ms: int) -> None:
        """Forget what was before, but the latest, which tells the next one's turn."""
        points = self._points
        if len(points) > 1 and points[1][0] <= until_ms:
            gone = bisect_right(points, until_ms, key=lambda point: point[0])
            del points[: gone - 1]

    def rows(self) -> list[Point]:
        return list(self._points)

    def add_rows(self, points: Iterable[Point]) -> None:
        """The inverse."""
        self._points.extend(points)
        if self._points:
            self.next_ms = self._points[-1][0] + STEP_MS
