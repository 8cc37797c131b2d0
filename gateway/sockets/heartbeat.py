"""When a client is pinged, and when it has been silent for too long.

Pure: monotonic seconds come in. The clock stands still while the socket isn't read, for
a pong can't come then.
"""

from enum import Enum, auto

from gateway.limits import Limits

_NEVER = float("inf")


class Beat(Enum):
    NONE = auto()
    PING = auto()
    """Send one."""
    DEAD = auto()
    """The last one wasn't answered in time."""


class Heartbeat:
    __slots__ = ("_ping_s", "_pong_s", "_still_s")

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._ping_s = now_s + limits.ping_s
        self._pong_s = _NEVER
        """When an answer is due; never: none is."""
        self._still_s: float | None = None
        """Since when it stands still."""

    def due_s(self) -> float:
        """When `beat` may have something to say."""
        if self._still_s is not None:
            return _NEVER
        return min(self._ping_s, self._pong_s)

    def beat(self, limits: Limits, now_s: float) -> Beat:
        if self._still_s is not None:
            return Beat.NONE
        if now_s >= self._pong_s:
            return Beat.DEAD
        if now_s < self._ping_s:
            return Beat.NONE
        self._ping_s = now_s + limits.ping_s
        self._pong_s = now_s + limits.pong_s
        return Beat.PING

    def answered(self) -> bool:
        """Whether one was due."""
        was_due = self._pong_s != _NEVER
        self._pong_s = _NEVER
        return was_due

    def stand_still(self, now_s: float) -> None:
        if self._still_s is None:
            self._still_s = now_s

    def go_on(self, now_s: float) -> None:
        if self._still_s is not None:
            self._ping_s += now_s - self._still_s
            self._pong_s += now_s - self._still_s
            self._still_s = None
