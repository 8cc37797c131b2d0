"""Refresh tokens: how they are made, followed, and judged. Pure.

A token is 64 bytes, base64url: the session's id (16), a body (32), and a tag (16) that
only we can make. The first body of a session is random; each later one is
HMAC(secret, the token before). So a successor can be told again to who lost the answer,
without being kept: the database holds SHA-256 hashes only. And since the tag proves
that a token was once ours, one that is neither the current nor the one before is known
to be an older one, used again: somebody has a copy (RFC 9700 section 4.14.2).
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Iterable
from enum import Enum, auto

from msgspec import Struct

GRACE_MS = 30_000
"""How long the token before still gets its successor."""

_SESSION_BYTES = 16
_BODY_BYTES = 32
_TAG_BYTES = 16
TOKEN_BYTES = _SESSION_BYTES + _BODY_BYTES + _TAG_BYTES
TOKEN_CHARS = 86
"""64 bytes in base64url without padding."""


class RefreshToken(Struct, frozen=True):
    """One that we made: its tag was checked, or set."""

    raw: bytes

    @property
    def session(self) -> str:
        return str(uuid.UUID(bytes=self.raw[:_SESSION_BYTES]))

    @property
    def text(self) -> str:
        return base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode("ascii")

    @property
    def digest(self) -> str:
        """What the database holds: SHA-256, 64 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()


class Forge:
    """Makes refresh tokens under one 32-byte secret, and recognises those made under
    `others` as well: keys before the current one, and the one that comes next. A token
    is followed by one of the current secret, so that sessions outlive their first key.
    """

    def __init__(self, secret: bytes, others: Iterable[bytes] = ()) -> None:
        self._tags = hmac.digest(secret, b"tag", "sha256")
        self._bodies = hmac.digest(secret, b"successor", "sha256")
        self._others = [Forge(other) for other in others]

    def first(self, session: str, entropy: bytes) -> RefreshToken:
        """The token a session starts with; `entropy`: 32 random bytes."""
        assert len(entropy) == _BODY_BYTES
        return self._tagged(uuid.UUID(session).bytes, entropy)

    def successors(self, token: RefreshToken) -> list[RefreshToken]:
        """All that may follow it, the current secret's first: a worker that knows
        other keys than we may have been the one to say.
        """
        return [forge.successor(token) for forge in (self, *self._others)]

    def successor(self, token: RefreshToken) -> RefreshToken:
        """Always the same for the same token."""
        body = hmac.digest(self._bodies, token.raw, "sha256")
        return self._tagged(token.raw[:_SESSION_BYTES], body)

    def read(self, text: str) -> RefreshToken | None:
        """The token, or None where we never made such a one."""
        if len(text) != TOKEN_CHARS or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        untagged, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if len(raw) != TOKEN_BYTES:
            return None
        if not any(forge.made(untagged, tag) for forge in (self, *self._others)):
            return None
        return RefreshToken(raw)

    def made(self, untagged: bytes, tag: bytes) -> bool:
        """Whether the tag is this secret's."""
        return hmac.compare_digest(tag, self._tag(untagged))

    def _tagged(self, session: bytes, body: bytes) -> RefreshToken:
        untagged = session + body
        return RefreshToken(untagged + self._tag(untagged))

    def _tag(self, untagged: bytes) -> bytes:
        return hmac.digest(self._tags, untagged, "sha256")[:_TAG_BYTES]


class SessionState(Struct, frozen=True):
    """A session as the database has it; instants in ms since 1970."""

    current_hash: str
    previous_hash: str | None
    rotated_at_ms: int | None
    expires_at_ms: int


class Verdict(Enum):
    ROTATE = auto()
    """The current token: hand out its successor, and make that the current one."""
    REPEAT = auto()
    """The one before, within the grace: the same successor again."""
    EXPIRED = auto()
    REUSED = auto()
    """An older one: end the session."""


def judge(state: SessionState, presented_hash: str, now_ms: int) -> Verdict:
    """What a token of ours, presented for that session, is worth."""
    current = presented_hash == state.current_hash
    if current or presented_hash == state.previous_hash:
        if now_ms >= state.expires_at_ms:
            return Verdict.EXPIRED
        if current:
            return Verdict.ROTATE
        assert state.rotated_at_ms is not None
        if now_ms - state.rotated_at_ms <= GRACE_MS:
            return Verdict.REPEAT
    return Verdict.REUSED
