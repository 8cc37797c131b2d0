"""Key sets (RFC 7517), our own and an outside issuer's: read, and held apart.

Any bytes may come: what is no key set is one error, and what is no key that we take is
passed over (section 5), one that is null among them. Pure.
"""

from collections.abc import Collection
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from gateway.errors import IdentityError
from gateway.identity.ed25519 import Ed25519

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
RSA_BITS = range(2048, 8192 + 1)
"""RFC 7518 section 3.3; a longer key makes each check dear (8,192 bits: 0.5 ms)."""
KEYS_MAX = 100
"""Of one set; issuers have two to ten."""

_ED25519 = Ed25519()
_SAME_KID_MAX = 8
"""How many keys one token may be tried with."""
_NO_KEY = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
)
"""What PyJWT and cryptography raise for JSON that is no key: test_jwks.py."""


class Trusted(Struct, frozen=True):
    """A public key for signatures, and the one algorithm that it is for."""

    kid: str | None
    algorithm: str
    spki: bytes
    """The key itself, DER: a set that has another under the same `kid` has lost it."""
    jwk: jwt.PyJWK


class KeySet:
    """Raises, when made:
    IdentityError: not a JWK Set, or there is no key in it for these algorithms.
    """

    def __init__(self, jwks: bytes, algorithms: Collection[str] = ALGORITHMS) -> None:
        wanted = ", ".join(sorted(algorithms))
        try:
            keys = msgspec.json.decode(jwks, type=_Set).keys
        except (ValueError, RecursionError) as error:
            msg = f'not a JWK Set, {{"keys": [...]}}: {error}'
            raise IdentityError(msg) from error
        found = [key for key in map(_key, keys[:KEYS_MAX]) if key is not None]
        self.keys = [key for key in found if key.algorithm in algorithms]
        if not self.keys:
            raise IdentityError(f"it holds no key for {wanted}")
        self._identities = {(key.kid, key.algorithm, key.spki) for key in self.keys}
        self._by_kid: dict[str | None, list[Trusted]] = {}
        for key in self.keys:
            self._by_kid.setdefault(key.kid, []).append(key)

    def named(self, kid: str | None) -> list[Trusted]:
        """The keys that a token with this `kid` may be signed by. One without a `kid`:
        those that have none either, or the only one there is.
        """
        if kid is None and len(self.keys) == 1:
            return self.keys
        return self._by_kid.get(kid, [])[:_SAME_KID_MAX]

    def lacks(self, other: "KeySet") -> bool:
        """Whether `other` has a key that this one has not, or has otherwise."""
        return not other._identities <= self._identities  # noqa: SLF001 - its own kind


class Jwt(jwt.PyJWT):
    """Claims are strict JSON: Python's own reader takes NaN, Infinity, and halves of
    surrogate pairs, none of which can be compared or written again.
    """

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        try:
            return msgspec.json.decode(decoded["payload"], type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            raise jwt.DecodeError(f"its claims are no JSON object: {error}") from error


def header_of(token: str) -> dict[str, Any]:
    """What a token's header says, read as strictly as its claims are: what is wrong
    with it is told to who sent it, which half a surrogate pair can't be.

    Raises:
        jwt.PyJWTError: it is no JSON object, or its `kid` no text.
    """
    try:
        head = jwt.utils.base64url_decode(token.partition(".")[0])
        said: dict[str, Any] = msgspec.json.decode(head, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise jwt.DecodeError(f"its header is no JSON object: {error}") from error
    if not isinstance(said.get("kid", ""), str):
        raise jwt.DecodeError("its kid is no text")
    return said


class _Set(Struct):
    keys: list[Any]


def _key(said: Any) -> Trusted | None:
    """None: it is no key, or for something else than signatures that we take."""
    if not isinstance(said, dict) or said.get("use", "sig") != "sig":
        return None
    kid = said.get("kid")
    if not isinstance(kid, str | None):
        return None
    try:
        # Without its `alg`: the key's own kind says for what it is.
        public = jwt.PyJWK({name: said[name] for name in said if name != "alg"}).key
        algorithm = _algorithm(public)
        if algorithm is None or said.get("alg", algorithm) != algorithm:
            return None
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        jwk = jwt.PyJWK(said, algorithm)
        if algorithm == "EdDSA":
            jwk.Algorithm = _ED25519
        return Trusted(kid or None, algorithm, spki, jwk)
    except _NO_KEY:
        return None


def _algorithm(key: object) -> str | None:
    """The one that a key of this kind is for; None: not one of ours."""
    if isinstance(key, RSAPublicKey):
        return "RS256" if key.key_size in RSA_BITS else None
    if isinstance(key, EllipticCurvePublicKey):
        return "ES256" if isinstance(key.curve, SECP256R1) else None
    return "EdDSA" if isinstance(key, Ed25519PublicKey) else None
