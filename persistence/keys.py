"""The key that signs: made once, kept in a file, used here only.

Access tokens are signed with Ed25519 (RFC 8037). The secret behind the refresh tokens
is derived from the same key (HKDF, RFC 5869), so that there is one secret to keep; who
takes away the key file ends all sessions. Gateways get the public half, as a JWK Set.
"""

import base64
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from persistence.errors import PersistenceError
from schemas import claims
from schemas.claims import Claims
from schemas.codec import CodecError, decode, encode
from schemas.trips import User

REFRESH_INFO = b"cabrank refresh tokens v1"
"""HKDF's `info`: another use of the key would have another."""


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
        """32 bytes, from which persistence/tokens.py makes refresh tokens."""

    @classmethod
    def load(cls, path: str | Path) -> "Signer":
        """Read the PEM file at `path`.

        Raises:
            KeyFileError: there is none, or it is no Ed25519 private key.
        """
        return cls(_read_key(Path(path)))

    def issue(
        self, user: User, region: str, session: str, now_ms: int, ttl_s: float
    ) -> str:
        """An access token, good from `now_ms` (wall clock) for `ttl_s` seconds."""
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
        )
        return jwt.encode(
            msgspec.to_builtins(said),
            self._key,
            algorithm=claims.ALGORITHM,
            headers={"kid": self.kid},
        )


def ensure(signing_path: str | Path, jwks_path: str | Path) -> None:
    """Make the key file and its JWK Set where they are missing.

    A set that lacks the key is given it and keeps its others, so that a new signing key
    can be put in place while tokens of the old one are about. Idempotent; two processes
    at once end with one key.

    Raises:
        KeyFileError: a file that is there can't be used, or can't be written.
    """
    signing, jwks = Path(signing_path), Path(jwks_path)
    try:
        signing.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        jwks.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not signing.exists():
            _create_key(signing)
        _publish(_read_key(signing), jwks)
    except OSError as error:
        msg = f"the key files {signing} and {jwks} can't be made: {error.strerror}"
        raise KeyFileError(msg) from error


def thumbprint(key: Ed25519PrivateKey) -> str:
    """RFC 7638, RFC 8037 appendix A.3: SHA-256 over the required members, sorted."""
    jwk = _jwk(key)
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _base64(hashlib.sha256(encode(members)).digest()).decode("ascii")


def _create_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Unlike a rename, a link never replaces the key another process just made.
    with _written(path, pem) as made, contextlib.suppress(FileExistsError):
        os.link(made, path)
    _sync_directory(path.parent)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"the signing key {path} can't be read: {error.strerror}"
        raise KeyFileError(msg) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"the signing key {path} is not an unencrypted PEM private key"
        raise KeyFileError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"the signing key {path} is not an Ed25519 key"
        raise KeyFileError(msg)
    return key


def _publish(key: Ed25519PrivateKey, path: Path) -> None:
    keys: list[dict[str, Any]] = []
    if path.exists():
        try:
            keys = decode(path.read_bytes(), dict[str, list[dict[str, Any]]])["keys"]
        except (CodecError, KeyError) as error:
            msg = f"the key set {path} is not a JWK Set"
            raise KeyFileError(msg) from error
    kid = thumbprint(key)
    if any(jwk.get("kid") == kid for jwk in keys):
        return
    named = _jwk(key) | {"kid": kid, "use": "sig", "alg": claims.ALGORITHM}
    text = msgspec.json.format(encode({"keys": [named, *keys]}), indent=2) + b"\n"
    with _written(path, text) as made:
        made.chmod(0o644)
        made.replace(path)
    _sync_directory(path.parent)


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    x = _base64(key.public_key().public_bytes_raw()).decode("ascii")
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


@contextlib.contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside `path`, only ours to read (0600), on disk; gone afterwards."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield made
    finally:
        made.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _base64(raw: bytes) -> bytes:
    """Base64url without padding, RFC 7515 section 2."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
