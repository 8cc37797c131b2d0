"""How fast something may go: a token bucket.

Pure: monotonic seconds come in as arguments.
"""


class TokenBucket:
    """`burst` at once, then `per_s` a second."""

    __slots__ = ("_at_s", "_tokens", "burst", "per_s")

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now; if so it is counted."""
        tokens = self._tokens + (now_s - self._at_s) * self.per_s
        if tokens > self.burst:  # noqa: PLR1730 - `min` takes as long as all the rest
            tokens = self.burst
        self._at_s = now_s
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True

    def wait_s(self, count: float, now_s: float) -> float:
        """From `now_s` until so many (at most `burst`) are allowed at once."""
        tokens = self._tokens + (now_s - self._at_s) * self.per_s
        return max(0.0, (min(count, self.burst) - tokens) / self.per_s)
