"""What an endpoint's answer means, and when a delivery is tried again. Pure."""

from http import HTTPStatus

from msgspec import Struct

from schemas.webhooks import DeliveryStatus

HOUR_S = 3_600
AGAIN_S = (
    *(5, 5 * 60, 30 * 60, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S),
    *(14 * HOUR_S, 20 * HOUR_S, 24 * HOUR_S),
)
"""After the first try that failed, the second …; then it is dead (PROTOCOL.md 8)."""
SPREAD = 0.1
"""Each wait is up to so much longer: what failed together doesn't come together."""


class Answer(Struct, frozen=True):
    """`status` None: there was none, and `error` says why."""

    status: int | None
    error: str = ""


class Verdict(Struct, frozen=True):
    status: DeliveryStatus
    error: str | None = None
    again_ms: int = 0
    is_gone: bool = False
    """The endpoint wants nothing any more."""


def verdict(answer: Answer, attempts: int, spread: float) -> Verdict:
    """`attempts`: tries so far, this one included; `spread`: 0 to 1, by chance."""
    status = answer.status
    if status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict("taken")
    error = answer.error or f"it answered {_named(status)}"
    if status == HTTPStatus.GONE:
        return Verdict("dead", error, is_gone=True)
    if attempts > len(AGAIN_S):
        return Verdict("dead", error)
    # The first are short, and promised.
    more = SPREAD * spread if attempts > 2 else 0  # noqa: PLR2004
    wait_s = AGAIN_S[attempts - 1] * (1 + more)
    return Verdict("waiting", error, round(wait_s * 1000))


def _named(status: int | None) -> str:
    try:
        return f"{status} {HTTPStatus(status or 0).phrase}"
    except ValueError:
        return str(status)
