"""For when a trip may be booked: one rule for the leader, by its stamp, and for the
gateway, which must say what is wrong with a request before whose it isn't (PROTOCOL.md
section 3). Pure.
"""

from schemas.commands import COMMAND_DEADLINE_MS

AHEAD_MS = 30 * 86_400_000
"""PROTOCOL.md section 1: how far ahead one may be."""
LATE_MS = COMMAND_DEADLINE_MS
"""A `pick_up_at` so long past is now: the command may have waited until its deadline.
"""


def why_not(pick_up_at: str, at_ms: int, now_ms: int) -> str | None:
    """Why nothing can be booked for then, `at_ms`; None: it can."""
    if at_ms - now_ms < -LATE_MS:
        return f"pick_up_at: {pick_up_at} is past"
    if at_ms - now_ms > AHEAD_MS:
        return f"pick_up_at: {pick_up_at} is over {AHEAD_MS // 86_400_000} days ahead"
    return None
