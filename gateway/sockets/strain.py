"""How much one address may make a gateway refuse: work that is done for nobody.

A connection may send 1,000 frames a second, and may have each refused; fifty of them
took most of a core. So what is refused, and what means nothing (control frames, pieces
of messages), is counted over all connections of an address, and whoever adds to what is
too much isn't read for a while. What is taken counts nothing, however much it is.

Pure: monotonic seconds come in, and never fall.
"""

from gateway.limits import Limits
from gateway.sockets.turns import FRAME_COST

CONNECTIONS = 2
"""An address may have as much refused as so many connections may send: 2,000 small
frames a second, 2.5 % of a core, and twice that at once, so that one connection is held
by its own rate first. A frame counts its bytes and 1,024 more
(gateway/sockets/turns.py)."""
WAIT_MAX_S = 5.0
"""Nobody who shares an address with a flood waits longer, and whoever had nothing
refused for so long doesn't wait at all (gateway/sockets/runner.py); it is still no more
than two frames of each of its connections each such time."""
PRUNED_EVERY = 1024


class Strain:
    """So many bytes a second, and so many at once."""

    __slots__ = ("_added", "_burst_s", "_bytes_per_s", "_paid_s")

    def __init__(self, bytes_per_s: float, burst_bytes: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._burst_s = burst_bytes / bytes_per_s
        self._paid_s: dict[str, float] = {}
        """By address: when all it caused is paid for. A virtual schedule, as ATM's GCRA
        has it (ITU-T I.371)."""
        self._added = 0

    @classmethod
    def of(cls, limits: Limits) -> "Strain":
        each = CONNECTIONS * FRAME_COST
        return cls(each * limits.frames_per_s, each * limits.frames_burst)

    def __len__(self) -> int:
        """Addresses held."""
        return len(self._paid_s)

    def add(self, place: str, size: int, now_s: float) -> float:
        """Count what was refused.

        Returns:
            Seconds for which whoever sent it isn't to be read; 0: it is read on.
        """
        self._added += 1
        if self._added % PRUNED_EVERY == 0:
            self._prune(now_s)
        paid_s = max(self._paid_s.get(place, now_s), now_s) + size / self._bytes_per_s
        wait_s = paid_s - now_s - self._burst_s
        if wait_s <= 0:
            self._paid_s[place] = paid_s
            return 0.0
        wait_s = min(wait_s, WAIT_MAX_S)
        self._paid_s[place] = now_s + self._burst_s + wait_s
        return wait_s

    def _prune(self, now_s: float) -> None:
        self._paid_s = {key: at_s for key, at_s in self._paid_s.items() if at_s > now_s}
