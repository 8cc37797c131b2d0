"""This site as its users' issuer of tokens, which cabrank takes as its own."""

import secrets
import time
from functools import cache
from pathlib import Path

import jwt
from cabrank_client import TokenSource
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, JsonResponse

LIFE_S = 300
"""Of a token: what isn't true of a user any more is over with it."""


@cache
def key() -> Ed25519PrivateKey:
    return load_pem_private_key(Path(settings.KEY_FILE).read_bytes(), None)


def tokens_of(user: AbstractUser) -> TokenSource:
    """What a client of cabrank's asks for a token: a new one each time. `sub` is what
    never changes of a user.
    """

    def give(rejected: str | None) -> str:  # noqa: ARG001 - none is given twice
        now = int(time.time())
        said = {"iss": settings.ISSUER, "aud": "cabrank", "sub": str(user.pk)}
        said |= {"role": "rider", "preferred_username": user.get_username()}
        said |= {"given_name": user.first_name, "family_name": user.last_name}
        said |= {"iat": now, "exp": now + LIFE_S, "jti": secrets.token_hex(8)}
        return jwt.encode(said, key(), "EdDSA", {"kid": "1"})

    return give


def configuration(_: HttpRequest) -> JsonResponse:
    issuer = settings.ISSUER
    return JsonResponse({"issuer": issuer, "jwks_uri": f"{issuer}/jwks.json"})


def jwks(_: HttpRequest) -> JsonResponse:
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key().public_key(), as_dict=True)
    return JsonResponse({"keys": [public | {"kid": "1", "use": "sig", "alg": "EdDSA"}]})
