"""Service accounts: operators that are other people's systems, and known by keys.

A key is `cbk_` and 256 random bits, base64url. What is stored of it is its SHA-256: a
password's slow hash is there for secrets that can be guessed, and nobody guesses 256
bits.
"""

import hashlib
import re
from enum import StrEnum

from msgspec import Struct

from schemas.trips import User

PREFIX = "cbk_"
"""Told by it in logs and by scanners for leaked secrets, and from our JWTs."""
KEY_BYTES = 32
KEY_CHARS = 47
"""The prefix, and 32 bytes in base64url without padding."""
EXPIRES_DAYS_MAX = 3_650
"""Ten years; who wants longer wants no end."""
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{{KEY_CHARS - len(PREFIX)}}}")


class Scope(StrEnum):
    """What a key may be confined to (schemas/scopes.py has the ways)."""

    TRIPS = "trips"
    DRIVERS = "drivers"
    ROOMS = "rooms"
    WEBHOOKS = "webhooks"
    READ = "read"


def is_key(text: str) -> bool:
    """Whether it looks like one."""
    return _KEY.fullmatch(text) is not None


def hash_of(key: str) -> str:
    """SHA-256, 64 hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def id_of(key_hash: str) -> str:
    """A key's id, which is no secret: half of its hash."""
    return key_hash[:32]


class CheckKey(Struct):
    """`accounts.check_key` → KeyHolder; `not_authenticated`; `rate_limited` after too
    many of these from this address.
    """

    key: str
    address: str = ""


class KeyHolder(Struct, frozen=True):
    """Whose key it is. Instants in ms since 1970. `scopes`: none: all."""

    user: User
    region: str
    key: str
    """Its id."""
    scopes: tuple[Scope, ...]
    made_ms: int
    expires_ms: int | None


class ExchangeKey(Struct):
    """`accounts.exchange` → AccessToken; `bad_credentials` where `CheckKey` says
    `not_authenticated`; `invalid_data` for scopes that the key has not.
    """

    key: str
    address: str = ""
    scopes: tuple[Scope, ...] = ()
    """Those that are asked for; none: all that the key has."""


class AccessToken(Struct):
    """RFC 6749 section 5.1. `expires_in`: seconds."""

    access_token: str
    token_type: str
    expires_in: int


class End(Struct):
    """`operations.end` → Ended: that key, or all keys and sessions of the user with
    that id or username, are over. 404 `invalid_data`: there is neither.
    """

    who: str
    by: str


class Ended(Struct):
    user: str
    key: str | None = None
    """The id of the one key that was meant."""
