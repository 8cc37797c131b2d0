"""Access tokens for tests that have no persistence to ask."""

import base64
import time

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.claims import ALGORITHM, Claims
from schemas.codec import encode
from schemas.trips import Role

RIDER = "0192f0c4-1111-7000-8000-000000000001"


class Tokens:
    """Issues access tokens, as persistence does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        x = base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw())
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x.decode().rstrip("=")}
        self.jwks = encode({"keys": [jwk]})

    def issue(
        self,
        user: str = RIDER,
        role: Role = Role.RIDER,
        ttl_s: float = 900,
        session: str = "5e55",
        *,
        first_name: str = "Ada",
        last_name: str = "L",
    ) -> str:
        now = time.time()
        claims = Claims(
            sub=user,
            username="ada",
            first_name=first_name,
            last_name=last_name,
            role=role,
            region="main",
            sid=session,
            iat=now,
            exp=now + ttl_s,
        )
        payload = msgspec.to_builtins(claims)
        return jwt.encode(payload, self._key, ALGORITHM, headers={"kid": "k1"})
