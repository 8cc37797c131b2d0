"""Wall-clock instants: whole milliseconds since 1970 inside, RFC 3339 outside."""

from datetime import UTC, datetime


def rfc3339(at_ms: int) -> str:
    """`1795255200000` → `"2026-11-21T10:00:00.000Z"` (always three decimals and Z)."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def from_rfc3339(text: str) -> int:
    """The inverse, in ms; any offset and precision RFC 3339 allows.

    Raises:
        ValueError: not an RFC 3339 instant with an offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        msg = f"{text!r} has no offset"
        raise ValueError(msg)
    return round(at.timestamp() * 1000)
