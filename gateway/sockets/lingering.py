"""A refused body that is still being sent: thrown away for a while, so that who sends
it learns why it was refused (RFC 9112 section 9.6). Pure.
"""

from gateway.limits import Limits

LINGER_BYTES_MAX = 16 * 1024 * 1024


class Lingering:
    """Begins with the refusal; monotonic seconds."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._last_s = now_s + limits.http_body_s
        self._bytes = 0

    def until_s(self, amount: int, now_s: float) -> float | None:
        """So many bytes more came; until when it goes on, None: no longer."""
        self._bytes += amount
        if self._bytes > LINGER_BYTES_MAX:
            return None
        return min(now_s + self._limits.http_linger_s, self._last_s)
