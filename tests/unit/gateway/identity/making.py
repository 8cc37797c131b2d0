"""Keys and tokens, good ones and forged ones."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.identity.tokens import Identity
from persistence.identity.keyfiles import Signer
from schemas.trips import Role, User

NOW_MS = 1_795_255_200_123
NOW_S = NOW_MS / 1000
TTL_S = 900
USER = User("6d1f8f0e-7d0a-4f6e-9a43-0d3f4c1a7b21", "anna", "Anna", "Åberg", Role.RIDER)
SESSION = "b5c8f7c4-2f83-4f0f-8f2c-0d2b6b8f0a11"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwks_of(*keys: Ed25519PrivateKey) -> bytes:
    return json.dumps(
        {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "kid": Signer(key).kid,
                    "x": base64url(key.public_key().public_bytes_raw()),
                }
                for key in keys
            ]
        }
    ).encode()


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer(KEY)


def identity() -> Identity:
    return Identity(jwks_of(KEY))


def issue(at_ms: int = NOW_MS, session: str = SESSION, signer: Signer = SIGNER) -> str:
    return signer.issue(USER, "main", session, at_ms, TTL_S)


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    said = {
        "sub": USER.id,
        "username": "anna",
        "first_name": "Anna",
        "last_name": "Åberg",
        "role": "rider",
        "region": "main",
        "sid": SESSION,
        "iat": NOW_S,
        "exp": NOW_S + TTL_S,
        "iss": "cabrank",
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def sign(
    said: Any, key: Ed25519PrivateKey = KEY, header: dict[str, Any] | None = None
) -> str:
    """A token under a good signature, whatever it says."""
    head = {"alg": "EdDSA", "kid": SIGNER.kid, "typ": "JWT"} | (header or {})
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    signed = f"{base64url(json.dumps(head).encode())}.{base64url(text)}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"
