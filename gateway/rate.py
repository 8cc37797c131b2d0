"""How fast a client may talk: a token bucket, and a window of bad frames.

Pure: monotonic seconds come in as arguments.
"""

from collections import deque


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
        tokens = min(tokens, self.burst)
        self._at_s = now_s
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True


class Window:
    """Counts what happened within the last `seconds`, up to one over `most`."""

    __slots__ = ("_times", "most", "seconds")

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._times: deque[float] | None = None

    def exceeded(self, now_s: float) -> bool:
        """Count one more; whether that is over `most` within `seconds`."""
        if self._times is None:
            self._times = deque(maxlen=self.most + 1)
        self._times.append(now_s)
        full = len(self._times) > self.most
        return full and now_s - self._times[0] < self.seconds
