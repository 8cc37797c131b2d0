"""A region's time: what its records are stamped with.

Pure. Between two readings it moves by what has passed, as a clock tells it that only
counts; a tenth more where the wall clock is ahead of it, a tenth less where that is
behind. So a wall clock that leaps takes no trip's time from it, and one that is right
is met again. Whoever follows knows it by the leader's stamps, and goes on from there.
"""

SLEW = 10
"""One part in so many; RFC 5905's clocks slew far slower, but are milliseconds off."""


class Stamps:
    """Of one process. In ms: `wall_ms` since 1970, `steady_ms` since whenever."""

    __slots__ = ("_at_ms", "_heard", "_steady_ms")

    def __init__(self) -> None:
        self._at_ms: float | None = None
        self._steady_ms = 0.0
        self._heard = False
        """The time is a leader's, not this process's own guess."""

    def begin(self, stamp_ms: int, wall_ms: int, steady_ms: float) -> None:
        """All that was stamped so far is known, but not when: the wall clock, which is
        all there is, tells; unless this process has known the time before.
        """
        if self._at_ms is None:
            self._at_ms, self._steady_ms = max(stamp_ms, wall_ms), steady_ms

    def hear(self, stamp_ms: int, steady_ms: float) -> None:
        """A leader stamped a record so: just now, or before, where it comes late (who
        was cut off reads the last one of an idle region). Since what was heard before,
        no leader's time went slower than by a tenth.
        """
        least_ms = float(stamp_ms)
        if self._heard and self._at_ms is not None:
            passed_ms = max(0.0, steady_ms - self._steady_ms)
            least_ms = self._at_ms + passed_ms * (1 - 1 / SLEW)
        self._at_ms, self._steady_ms = max(float(stamp_ms), least_ms), steady_ms
        self._heard = True

    def now(self, wall_ms: int, steady_ms: float) -> int:
        """The stamp of what happens now. After `begin`."""
        at_ms = self._at_ms
        assert at_ms is not None, "nothing is known of the time"
        passed_ms = max(0.0, steady_ms - self._steady_ms)
        ahead_ms = wall_ms - at_ms - passed_ms
        most_ms = passed_ms / SLEW
        self._at_ms = at_ms + passed_ms + min(max(ahead_ms, -most_ms), most_ms)
        self._steady_ms = steady_ms
        return int(self._at_ms)
