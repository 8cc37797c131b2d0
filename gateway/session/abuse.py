"""How often a client may send what can't be read: a window of bad frames.

Pure: monotonic seconds come in as arguments.
"""

from collections import deque


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
