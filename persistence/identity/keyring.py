"""The keys that sign, as a ring: one signs, others did, or will.

Access tokens are signed with Ed25519 (RFC 8037). The secret behind the refresh tokens
is derived from the same key (HKDF, RFC 5869), so that there is one secret to keep; who
takes a key away ends the sessions that were refreshed with it last. How rings are kept
in files is persistence/identity/keyfiles.py's.
"""

import base64
import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import UNSET, Struct

from persistence.errors import PersistenceError
from persistence.identity.tokens import Forge
from schemas import claims
from schemas.claims import Claims, Service
from schemas.codec import encode
from schemas.times import from_rfc3339, rfc3339
from schemas.trips import User

REFRESH_INFO = b"cabrank refresh tokens v1"
"""HKDF's `info`: another use of the key would have another."""
SIGNS_FROM = "Signs-From:"
"""Before a key's PEM block, where RFC 7468 section 5.2 lets text stand."""
_BLOCK = re.compile(
    rf"(?:^{SIGNS_FROM} *(?P<since>\S*)\s*)?"
    r"(?P<pem>^-----BEGIN PRIVATE KEY-----.*?^-----END PRIVATE KEY-----)",
    re.MULTILINE | re.DOTALL,
)


class KeyFileError(PersistenceError):
    """A key file that is missing or can't be used."""


class Signer:
    """Signs access tokens; knows nothing of sessions."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.kid = thumbprint(key)
        self.refresh_secret = HKDF(SHA256(), 32, salt=None, info=REFRESH_INFO).derive(
            key.private_bytes_raw()
        )
        """32 bytes, from which persistence/identity/tokens.py makes refresh tokens."""

    @property
    def jwk(self) -> dict[str, str]:
        """The public half, RFC 7517 and RFC 8037."""
        named = {"kid": self.kid, "use": "sig", "alg": claims.ALGORITHM}
        return _jwk(self._key) | named

    def pem(self) -> str:
        """The private half, PKCS #8."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode("ascii")

    @classmethod
    def load(cls, path: str | Path) -> "Signer":
        """The one that signs now, of the PEM file at `path`.

        Raises:
            KeyFileError: there is none, or it holds no Ed25519 private key.
        """
        return KeyRing.load(path).signer(time.time_ns() // 1_000_000)

    def issue(  # noqa: PLR0917 - a token's claims, in their order
        self,
        user: User,
        region: str,
        session: str,
        now_ms: int,
        ttl_s: float,
        service: Service | None = None,
    ) -> str:
        """An access token, good from `now_ms` (wall clock) for `ttl_s` seconds.
        `service`: of which key of a service account it comes; None: a person's.
        """
        iat = now_ms / 1000
        said = Claims(
            user.id,
            user.username,
            user.first_name,
            user.last_name,
            user.role,
            region,
            session,
            iat,
            iat + ttl_s,
            claims.ISSUER if service is None else claims.SERVICE_ISSUER,
            UNSET if service is None else service,
        )
        # As UTF-8: PyJWT's own writer makes twelve characters of an emoji.
        return jwt.PyJWS().encode(
            encode(said),
            self._key,
            algorithm=claims.ALGORITHM,
            headers={"kid": self.kid},
        )


class RingKey(Struct, frozen=True):
    signer: Signer
    signs_from_ms: int
    """0: since ever."""


class KeyRing:
    """`keys`: at least one, by when they begin to sign, the latest first."""

    def __init__(self, keys: Iterable[RingKey]) -> None:
        self.keys = sorted(keys, key=lambda key: key.signs_from_ms, reverse=True)
        assert self.keys

    @classmethod
    def load(cls, path: str | Path) -> "KeyRing":
        """Read the PEM file at `path`.

        Raises:
            KeyFileError: there is none, or a key in it can't be used.
        """
        try:
            text = Path(path).read_text("latin-1")
        except OSError as error:
            msg = f"the signing key {path} can't be read: {error.strerror}"
            raise KeyFileError(msg) from error
        return cls.of_pem(text, path)

    @classmethod
    def of_pem(cls, text: str, path: str | Path) -> "KeyRing":
        """`path`: what errors call it. Raises: KeyFileError: as `load`."""
        keys = []
        for found in _BLOCK.finditer(text):
            since = found["since"]
            try:
                since_ms = from_rfc3339(since) if since else 0
            except ValueError as error:
                msg = f"the signing key {path} says {SIGNS_FROM} {since!r}: {error}"
                raise KeyFileError(msg) from error
            keys.append(RingKey(Signer(_private_key(found["pem"], path)), since_ms))
        if not keys:
            _private_key(text, path)  # says what it is instead
            raise KeyFileError(f"the signing key {path} is not PKCS #8 in PEM")
        return cls(keys)

    def pem(self) -> str:
        """What `of_pem` reads."""
        return "".join(_header(key) + key.signer.pem() for key in self.keys)

    def signer(self, now_ms: int) -> Signer:
        """Who signs now."""
        return self.key(now_ms).signer

    def key(self, now_ms: int) -> RingKey:
        for key in self.keys:
            if key.signs_from_ms <= now_ms:
                return key
        return self.keys[-1]

    def forge(self, now_ms: int) -> Forge:
        """Makes refresh tokens with the current key, and knows those of all."""
        current = self.signer(now_ms)
        others = (key.signer for key in self.keys if key.signer is not current)
        return Forge(current.refresh_secret, (one.refresh_secret for one in others))

    def superseded_ms(self, kid: str) -> int | None:
        """When the key's successor began, or begins, to sign; None: it has none."""
        later = None
        for key in self.keys:
            if key.signer.kid == kid:
                return later
            later = key.signs_from_ms
        return None


def _header(key: RingKey) -> str:
    return f"{SIGNS_FROM} {rfc3339(key.signs_from_ms)}\n" if key.signs_from_ms else ""


def _private_key(pem: str, path: str | Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode("latin-1"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"the signing key {path} is not an unencrypted PEM private key"
        raise KeyFileError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"the signing key {path} is not an Ed25519 key"
        raise KeyFileError(msg)
    return key


def thumbprint(key: Ed25519PrivateKey) -> str:
    """RFC 7638, RFC 8037 appendix A.3: SHA-256 over the required members, sorted."""
    jwk = _jwk(key)
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _base64(hashlib.sha256(encode(members)).digest()).decode("ascii")


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    x = _base64(key.public_key().public_bytes_raw()).decode("ascii")
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def _base64(raw: bytes) -> bytes:
    """Base64url without padding, RFC 7515 section 2."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
