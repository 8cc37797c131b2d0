"""How often a client may send what can't be read, and how much before it logs in.

Pure: monotonic seconds come in as arguments.
"""

from collections import deque

from gateway.limits import Limits


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


_HEAD_BYTES_MAX = 14
"""Of one frame, RFC 6455 section 5.2."""


class Stranger:
    """What somebody sent who hasn't logged in; each says whether it is too much now."""

    __slots__ = ("_bytes", "_frames", "_limits", "_text_bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = self._text_bytes = self._frames = 0

    def sends(self) -> bool:
        """One frame more."""
        self._frames += 1
        return self._frames > self._limits.stranger_frames_max

    def says(self, size: int) -> bool:
        """A message of so many bytes."""
        self._text_bytes += size
        return self._text_bytes > self._limits.stranger_bytes_max

    def weighs(self, size: int) -> bool:
        """So many bytes of whatever kind. Frames' heads are not what PROTOCOL.md's
        256 KiB are of.
        """
        self._bytes += size
        heads_bytes = self._limits.stranger_frames_max * _HEAD_BYTES_MAX
        return self._bytes > self._limits.stranger_bytes_max + heads_bytes
