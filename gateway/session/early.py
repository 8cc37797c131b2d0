"""A log-in that is not answered yet, and frames that came behind it, in order. Pure."""

from typing import Any

from msgspec import Struct

from gateway.limits import Limits
from schemas.frames import ClientFrame


class LogIn(Struct, frozen=True):
    """A `session.login`. `token`: or a service account's key, empty: a password;
    `is_settled`: the key was asked about.
    """

    ref: str | None
    since: Any
    token: str = ""
    is_settled: bool = False


class Early:
    __slots__ = ("_bytes", "_frames", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._frames: list[tuple[ClientFrame, bool]] = []
        self._bytes = 0

    def keep(self, frame: ClientFrame, size: int, *, has_nul: bool) -> bool:
        """Whether it waits; else it is one too many. Its Raw shares the message's
        bytes.
        """
        self._bytes += size
        limits = self._limits
        full = len(self._frames) >= limits.early_frames_max
        if full or self._bytes > limits.early_bytes_max:
            return False
        self._frames.append((frame, has_nul))
        return True

    def keep_on(self, frame: ClientFrame, *, has_nul: bool) -> None:
        """It waits for another log-in, which was among them."""
        self._frames.append((frame, has_nul))

    def take(self) -> list[tuple[ClientFrame, bool]]:
        """All that waited, each with whether it has a U+0000."""
        kept, self._frames, self._bytes = self._frames, [], 0
        return kept
