"""When to come back, and with what. Pure: time and chance come as arguments.

Sections are those of the protocol. The same rules as the JavaScript client's.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from cabrank_client.errors import Closed, InvalidData

BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 20.0
STABLE_S = 10.0
"""A connection that held for so long starts the backoff anew."""
ANSWER_MAX_S = 15.0
"""Section 2: the server gives up on a welcome, and on a command, after 10 s."""
WAITING_MAX = 200
"""Commands that wait for an answer: beyond 256 of a connection the server refuses."""
FRAME_BYTES_MAX = 64 * 1024
KEY_LIFE_S = 23 * 3600.0
"""Keys are remembered for 24 h; an hour is left for clocks that differ."""
EXPIRED_AGAIN_S = 30.0
"""Between two comings back after 4502: a clock that is wrong by hours has no end."""
RENEW_MARGIN_S = 60.0
"""Tokens are renewed so long before their end, or after half of what is left."""

LOST = 1006
RETURN_MIN, NO_RETURN_MIN, NO_RETURN_MAX = 4000, 4500, 4999
EXPIRED = 4502

_ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRIP_ROOM = "trip_"


def backoff_s(attempt: int, random: float) -> float:
    """Seconds to wait before try `attempt` (from 0): anywhere between the least wait
    and a ceiling that doubles, so that thousands who lost one server don't return as
    one. `random` is in [0, 1).
    """
    ceiling = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** (min(attempt, 16) + 1))
    return BACKOFF_MIN_S + random * (ceiling - BACKOFF_MIN_S)


def comes_back(code: int) -> bool:
    """Section 4: 4500-4999 do not come back; 4000-4499 and the standard codes do."""
    return not NO_RETURN_MIN <= code <= NO_RETURN_MAX


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection ended. `held_s`: how long it had been welcomed."""

    code: int
    reason: str
    token: str
    held_s: float


class Return:
    """When to try again, over the losses of one session."""

    def __init__(self) -> None:
        self._attempt = 0
        self._expired_at = float("-inf")
        self.rejected: str | None = None
        """A token that is not to be used again."""
        self.unless_renewed: Closed | None = None
        """What it ends with where there is no other token."""

    def refused(self, token: str) -> float:
        """The server doesn't take the token: with another, after a wait of try 0."""
        self.rejected = token
        return self._next(0.0)

    def welcomed(self) -> None:
        self.rejected = self.unless_renewed = None

    def lost(self, loss: Loss, now_s: float, rnd: float) -> float:
        """Seconds until the next try.

        Raises:
            Closed: there is none.
        """
        closed = Closed(loss.code, loss.reason)
        if loss.code == EXPIRED and now_s - self._expired_at >= EXPIRED_AGAIN_S:
            self._expired_at = now_s
            self.rejected, self.unless_renewed = loss.token, closed
            return 0.0
        if not comes_back(loss.code):
            raise closed
        if loss.held_s >= STABLE_S:
            self._attempt = 0
        return self._next(rnd)

    def _next(self, rnd: float) -> float:
        wait_s = backoff_s(self._attempt, rnd)
        self._attempt += 1
        return wait_s


def cursor_of_welcome(cursor: int | None, welcome: Mapping[str, Any]) -> int:
    """While recovered it is that of the last event received (the missed ones follow);
    else the welcome's, even where that is smaller.
    """
    if welcome["recovered"] and cursor is not None:
        return cursor
    return int(welcome["seq"])


def cursor_of_event(cursor: int | None, type_: str, seq: int | None) -> int | None:
    """A room's frames don't move it: rooms have cursors of their own, and a server that
    is filling a gap in a trip may send them meanwhile.
    """
    if seq is None or type_.startswith("chat."):
        return cursor
    return seq if cursor is None else max(cursor, seq)


def socket_url(url: str) -> str:
    """`http(s)` becomes `ws(s)`; an address without a path gets `/ws`.

    Raises:
        ValueError: it is no address of http(s) or ws(s).
    """
    scheme, parts = _parts(url)
    secure = "wss" if scheme in {"https", "wss"} else "ws"
    path = parts.path if parts.path not in {"", "/"} else "/ws"
    return urlunsplit((secure, parts.netloc, path, parts.query, ""))


def http_url(url: str) -> str:
    """The server's, without a path.

    Raises:
        ValueError: as `socket_url`.
    """
    scheme, parts = _parts(url)
    secure = "https" if scheme in {"https", "wss"} else "http"
    return urlunsplit((secure, parts.netloc, "", "", ""))


def _parts(url: str) -> tuple[str, SplitResult]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address of http(s) or ws(s)")
    return scheme, parts


def room_name(name: str) -> str:
    """`name` as the server has it: a trip's id in lower case.

    Raises:
        InvalidData: no room can have that name.
    """
    if _ROOM.fullmatch(name) is None:
        raise InvalidData(
            f"{name[:80]!r} is no room: 1 to 64 letters (A to Z), digits, '-' or '_'"
        )
    return name.lower() if name.startswith(_TRIP_ROOM) else name


def renew_in_s(token: str, now_s: float) -> float | None:
    """Seconds until a new token should be asked for; None: the token doesn't say (it is
    a service account's key, or opaque, or this machine's clock and the issuer's are far
    apart). `now_s`: seconds since 1970.
    """
    claims = _claims(token)
    exp, iat = claims.get("exp"), claims.get("iat")
    if not isinstance(exp, int | float):
        return None
    left = exp - now_s
    if isinstance(iat, int | float):
        left = min(left, exp - iat)
    return left - min(RENEW_MARGIN_S, left / 2) if left > 0 else None


def _claims(token: str) -> dict[str, Any]:
    """What a JWT (RFC 7519) says; not checked, for that is the server's."""
    try:
        part = token.split(".")[1]
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        claims = json.loads(raw)
    except (IndexError, binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def frame(type_: str, data: Mapping[str, Any], ref: str | None = None) -> str:
    """The text of a frame.

    Raises:
        InvalidData: it is too long, or holds what JSON has not (NaN).
    """
    said: dict[str, Any] = {"type": type_, "data": data}
    if ref is not None:
        said["ref"] = ref
    try:
        text = json.dumps(said, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except ValueError as error:  # NaN; half a surrogate pair
        raise InvalidData(f"the frame can't be written: {error}") from None
    if size > FRAME_BYTES_MAX:
        raise InvalidData(f"the frame has {size} bytes, over {FRAME_BYTES_MAX}")
    return text


def new_key() -> str:
    """An idempotency key."""
    return secrets.token_hex(16)
