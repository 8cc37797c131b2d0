"""Who a token says its bearer is, checked without asking anybody.

Access tokens are Ed25519 JWTs (schemas/claims.py). Of JOSE's many ways PyJWT is told to
take one: `alg` is EdDSA and `kid` names a key of ours, so nothing in a token chooses
how it is checked (RFC 8725 sections 3.1, 3.10). Pure but for `load`: no clock, no
network. Tokens of an outside issuer are gateway/identity/oidc.py's to read.
"""

import base64
import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jwt
import msgspec
from jwt.types import Options

from gateway.errors import ExpiredToken, IdentityError, InvalidToken, RevokedToken
from gateway.identity.jwks import Jwt, KeySet, Trusted, header_of
from gateway.identity.oidc import Outside
from gateway.identity.service_keys import ServiceKeys, looks_like_key
from schemas import claims, subjects
from schemas.accounts import Revocation
from schemas.claims import Claims

__all__ = [
    "ExpiredToken",
    "Identity",
    "IdentityError",
    "InvalidToken",
    "Revocations",
    "RevokedToken",
]

TOKEN_CHARS_MAX = 4096
"""Ours are 500 to 3,850 characters, with the longest names there may be, in the bytes
that take most (tests/unit/gateway/identity/test_token_sizes.py)."""
CACHE_TOKENS_MAX = 8192
"""About 1 KiB each. A verified signature costs 100 µs, a remembered one 1 µs; sessions
that come back at once come back with the token they had."""
HEADS_MAX = 64
"""A few keys, each named by a header or two."""

_HEADER = frozenset({"alg", "kid", "typ"})
_OPTIONS: Options = {
    # Against the caller's clock, each time, also for a remembered signature.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,  # ours have none
    "require": ["exp", "iat", "iss", "sub"],
}
_JWT = Jwt()
_ISSUERS = [claims.ISSUER, claims.SERVICE_ISSUER]


class Identity:
    """The keys that are trusted, and the tokens that no longer are.

    `revocation_ttl_s`: how long a revocation is remembered after its `at_ms`, pass
    `access_ttl_s`; never under 24 h, which is how long `cabrank tokens`' tokens live.
    """

    def __init__(
        self, jwks: bytes, revocation_ttl_s: float = claims.LOAD_TEST_TTL_S
    ) -> None:
        self._keys = _keys(jwks)
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()
        self._heads: dict[str, str] = {}
        """Headers of verified tokens, as encoded → kid; reading one costs 40 µs."""
        self._outside: Outside | None = None
        longest_s = max(revocation_ttl_s, claims.LOAD_TEST_TTL_S)
        self._revocations = Revocations(longest_s)
        self.service_keys = ServiceKeys()

    @classmethod
    def load(
        cls, path: str, revocation_ttl_s: float = claims.LOAD_TEST_TTL_S
    ) -> "Identity":
        """Read the JWK Set (RFC 7517) at `path`.

        Raises:
            IdentityError: there is none, or it holds no Ed25519 key.
        """
        try:
            jwks = Path(path).read_bytes()
        except OSError as error:
            msg = f"the key set {path} can't be read: {error.strerror}"
            raise IdentityError(msg) from error
        try:
            return cls(jwks, revocation_ttl_s)
        except IdentityError as error:
            msg = f"the key set {path} can't be used: {error}"
            raise IdentityError(msg) from error

    def trust(self, jwks: bytes) -> None:
        """These keys from now on, and no others.

        Raises:
            IdentityError: not a JWK Set, or it holds no Ed25519 key; all stays.
        """
        keys = _keys(jwks)
        if keys.lacks(self._keys):
            self._verified.clear()  # by a key that is gone, perhaps
            self._heads.clear()
        self._keys = keys

    def accept(self, outside: Outside) -> None:
        """Take that issuer's tokens besides ours."""
        self._outside = outside
        outside.lost = self._verified.clear

    def jwks(self) -> list[dict[str, str]]:
        """The keys that are trusted, for others who want to verify our tokens."""
        return [_public(key) for key in self._keys.keys]

    def verify(self, token: str, now_s: float) -> Claims:
        """Check signature, issuer, expiry and revocation.

        Raises:
            InvalidToken: it isn't one of ours; ExpiredToken, RevokedToken: it was;
                UnknownKey: it may be an outside issuer's; UncheckedKey: or a service
                account's key.
        """
        if looks_like_key(token):
            verified = self.service_keys.claims(token, now_s)
        else:
            verified = self._claims(token, now_s)
        if verified.exp <= now_s:
            raise ExpiredToken("the token has expired")
        if self._revocations.cover(verified):
            raise RevokedToken("the token has been revoked")
        return verified

    def known(self, token: str) -> str | None:
        """The user of a token that was verified before, and isn't now: no more than a
        hint, for 1 us. None: it is new, or none.
        """
        if looks_like_key(token):
            return self.service_keys.user(token)
        known = self._verified.get(_digest(token)) if token.isascii() else None
        return None if known is None else known.sub

    def whose(self, token: str, now_s: float) -> str | None:
        """The user of a good token; None: it is none."""
        try:
            return self.verify(token, now_s).sub if token else None
        except InvalidToken:
            return None

    def revoke(self, revocation: Revocation) -> None:
        """Refuse what it covers from now on. Idempotent; any order."""
        self._revocations.add(revocation)

    def is_revoked(self, claims: Claims) -> bool:
        return self._revocations.cover(claims)

    def _claims(self, token: str, now_s: float) -> Claims:
        if len(token) > TOKEN_CHARS_MAX:
            msg = f"the token has {len(token)} characters, over {TOKEN_CHARS_MAX}"
            raise InvalidToken(msg)
        if not token.isascii():
            raise InvalidToken("the token is not a JWT")
        digest = _digest(token)
        known = self._verified.get(digest)
        if known is not None:
            self._verified.move_to_end(digest)
            return known
        verified = self._verify(token, now_s)
        self._verified[digest] = verified
        if len(self._verified) > CACHE_TOKENS_MAX:
            self._verified.popitem(last=False)
        return verified

    def _verify(self, token: str, now_s: float) -> Claims:
        head = token.partition(".")[0]
        known = self._heads.get(head)
        outside = self._outside
        if known is None and outside is not None and outside.claims_it(token):
            return outside.read(token, now_s)
        try:
            kid = known or self._kid(token)
            payload = _JWT.decode(
                token,
                self._keys.named(kid)[0].jwk,
                algorithms=[claims.ALGORITHM],
                issuer=_ISSUERS,
                options=_OPTIONS,
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            msg = f"the token is not one of ours: {error}"
            raise InvalidToken(msg) from error
        if len(self._heads) < HEADS_MAX:
            self._heads[head] = kid
        return _read_claims(payload)

    def _kid(self, token: str) -> str:
        """Of a token whose header says no more than ours do and names our key."""
        header = header_of(token)
        if header.keys() - _HEADER:
            raise InvalidToken("the token's header says more than ours do")
        kid: str = header.get("kid", "")
        if not kid or not self._keys.named(kid):
            raise InvalidToken("the token's kid names no key of ours")
        return kid


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


class Revocations:
    """Which sessions and users were revoked, as long as a token of theirs may live.

    Bounded by time, and that without a clock of its own: what is older than the newest
    revocation by more than `ttl_s` is forgotten, since every token it covers expired.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_ms = ttl_s * 1000
        self._newest_ms = 0
        # Oldest first, as far as they come in order; user ids and session ids are
        # UUIDs apart, so one map holds both.
        self._sessions: OrderedDict[str, int] = OrderedDict()
        self._users: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions) + len(self._users)

    def add(self, revocation: Revocation) -> None:
        at_ms = revocation.at_ms
        if revocation.session is None:
            held, name = self._users, revocation.user
        else:
            held, name = self._sessions, revocation.session
        held[name] = max(at_ms, held.get(name, at_ms))
        held.move_to_end(name)
        self._newest_ms = max(self._newest_ms, at_ms)
        self._forget(self._sessions)
        self._forget(self._users)

    def cover(self, claims: Claims) -> bool:
        """By session, or the key that it comes of; or by user, where issued no later
        than the revocation.
        """
        if claims.sid in self._sessions or claims.key in self._sessions:
            return True
        at_ms = self._users.get(claims.sub)
        return at_ms is not None and round(claims.iat * 1000) <= at_ms

    def _forget(self, held: "OrderedDict[str, int]") -> None:
        oldest_ms = self._newest_ms - self._ttl_ms
        while held and next(iter(held.values())) < oldest_ms:
            held.popitem(last=False)


def _read_claims(payload: dict[str, Any]) -> Claims:
    """Claims under a good signature: still checked, since they become subjects."""
    try:
        read = msgspec.convert(payload, Claims)
        subjects.user(read.region, read.sub)
        subjects.token(read.sid)
        if (read.iss == claims.SERVICE_ISSUER) != bool(read.key):
            raise InvalidToken("the token's claims are not ours")
    except ValueError as error:  # msgspec's and subjects' are ValueErrors
        raise InvalidToken("the token's claims are not ours") from error
    return read


def _public(key: Trusted) -> dict[str, str]:
    """Nothing but what RFC 8037 has of a public key, whatever the file had."""
    raw = key.jwk.key.public_bytes_raw()
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    said = {"kty": "OKP", "crv": "Ed25519", "x": x}
    return said | {"kid": key.kid or "", "use": "sig", "alg": claims.ALGORITHM}


def _keys(jwks: bytes) -> KeySet:
    """The Ed25519 keys of a JWK Set.

    Raises:
        IdentityError: not a JWK Set, or none of its keys is an Ed25519 key with a
            `kid`, or two have the same.
    """
    keys = KeySet(jwks, {claims.ALGORITHM})
    kids = [key.kid for key in keys.keys]
    if None in kids or len(set(kids)) < len(kids):
        raise IdentityError("its Ed25519 keys have no kids, or two the same")
    return keys
