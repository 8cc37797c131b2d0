"""Signatures of Ed25519, by libsodium, beside OpenSSL's word on the same."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from gateway.identity.ed25519 import Ed25519
from gateway.identity.jwks import KeySet
from tests.unit.gateway.identity.making import KEY, base64url, jwks_of

OURS, OPENSSLS = Ed25519(), OKPAlgorithm()
PUBLIC = KEY.public_key()
MESSAGE = b"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0"
SIGNATURE = KEY.sign(MESSAGE)
NEUTRAL = b"\x01" + bytes(31)
"""The curve's point that adds nothing: of order 1."""


@given(
    st.binary(max_size=200),
    st.integers(0, 63),
    st.integers(0, 255),
    st.binary(max_size=80),
)
def test_what_openssl_says_of_a_signature_is_said_of_it(
    message: bytes, at: int, flip: int, other: bytes
) -> None:
    good = KEY.sign(message)
    bent = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
    for signature in (good, bent, other):
        says = OPENSSLS.verify(message, PUBLIC, signature)
        assert OURS.verify(message, PUBLIC, signature) == says


def test_a_signature_that_reaches_into_what_it_signs_is_none() -> None:
    assert OURS.verify(MESSAGE, PUBLIC, SIGNATURE)
    whole = SIGNATURE + MESSAGE
    for at in (0, 1, 63, 65, len(whole)):
        assert not OURS.verify(whole[at:], PUBLIC, whole[:at])


def test_a_key_of_small_order_signs_nothing() -> None:
    key = Ed25519PublicKey.from_public_bytes(NEUTRAL)
    forged = NEUTRAL + bytes(32)
    assert OPENSSLS.verify(MESSAGE, key, forged)
    assert not OURS.verify(MESSAGE, key, forged)


def test_key_sets_verify_by_it() -> None:
    said = json.loads(jwks_of(KEY))["keys"][0] | {"x": base64url(NEUTRAL)}
    for jwks in (jwks_of(KEY), json.dumps({"keys": [said]}).encode()):
        (key,) = KeySet(jwks).keys
        assert type(key.jwk.Algorithm) is Ed25519
