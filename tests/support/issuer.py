"""A small OpenID Connect issuer over real HTTP, with keys that a test turns over."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

AUDIENCE = "cabrank"
ALGORITHMS = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_key(algorithm: str) -> Any:
    if algorithm == "RS256":
        return _RSA  # a fresh one takes a tenth of a second
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return Ed25519PrivateKey.generate()


class Key:
    def __init__(self, kid: str, algorithm: str = "EdDSA") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = new_key(algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        said = ALGORITHMS[self.algorithm].to_jwk(public, as_dict=True)
        return {**said, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, said: dict[str, Any], **header: Any) -> str:
        headers = {"kid": self.kid, **header}
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(said, self.private, self.algorithm, headers=headers)


def jwks(*keys: Key) -> bytes:
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


def claims(issuer: str, now_s: float | None = None, **changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    now_s = time.time() if now_s is None else now_s
    said = {
        "iss": issuer,
        "sub": "00u1",
        "aud": AUDIENCE,
        "iat": int(now_s),
        "exp": int(now_s) + 300,
        "preferred_username": "ann",
        "given_name": "Ann",
        "family_name": "Löw",
        "role": "rider",
    } | changes
    return {name: value for name, value in said.items() if value is not None}


class IssuerServer:
    """`keys`: what it tells of. `asked`: the paths, one an answer."""

    def __init__(self) -> None:
        self.keys = [Key("k1")]
        self.asked: list[str] = []
        self.url = ""
        self.configuration: dict[str, Any] = {}
        self.status = 200
        self.answer_keys_with()

    def answer_keys_with(
        self,
        body: bytes | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
        *,
        is_slow: bool = False,
    ) -> None:
        """None: `keys`. `is_slow`: a byte, then another one, until who asked leaves."""
        self._keys_as = (body, status, headers or {}, is_slow)

    def token(self, key: Key | None = None, **changes: Any) -> str:
        return (key or self.keys[0]).sign(claims(self.url, **changes))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.asked.append(path)
        body, status, headers, is_slow = self._keys_as
        if path.endswith("openid-configuration"):
            said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            body = json.dumps(said | self.configuration).encode()
            status, headers, is_slow = self.status, {}, False
        elif self.status != 200:
            status = self.status
        if body is None:
            body = jwks(*self.keys)
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": [(n.encode(), v.encode()) for n, v in headers.items()],
        }
        await send(start)
        if is_slow:
            drip = {"type": "http.response.body", "body": b" ", "more_body": True}
            for _ in range(1000):
                await send(drip)
                if await _is_left(receive):
                    return
        await send({"type": "http.response.body", "body": body})

    def keys_fetched(self) -> int:
        return self.asked.count("/keys")


async def _is_left(receive: Any) -> bool:
    """Whether who asked went away within a moment."""
    try:
        async with asyncio.timeout(0.02):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


@contextlib.asynccontextmanager
async def running(made: IssuerServer, port: int = 0) -> AsyncIterator[IssuerServer]:
    config = uvicorn.Config(made, port=port, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    found = server.servers[0].sockets[0].getsockname()[1]
    made.url = f"http://127.0.0.1:{found}"
    try:
        yield made
    finally:
        # Who asks keeps its connection; it would be waited for.
        server.force_exit = True
        await server.shutdown()


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
