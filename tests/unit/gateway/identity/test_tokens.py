import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.tokens import (
    CACHE_TOKENS_MAX,
    ExpiredToken,
    Identity,
    IdentityError,
    InvalidToken,
)
from persistence.identity.keyfiles import Signer
from schemas.codec import encode
from tests.unit.gateway.identity.making import (
    KEY,
    NOW_MS,
    NOW_S,
    SESSION,
    SIGNER,
    TTL_S,
    USER,
    base64url,
    claims,
    identity,
    issue,
    jwks_of,
    sign,
)

STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


def refused(token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        identity().verify(token, NOW_S)
    assert encode(str(caught.value)), "it can be told"


def test_a_good_token_says_who_its_bearer_is() -> None:
    said = identity().verify(issue(), NOW_S)
    assert said.user() == USER
    assert (said.sid, said.region) == (SESSION, "main")
    assert round(said.iat * 1000) == NOW_MS
    assert said.exp == pytest.approx(NOW_S + TTL_S)


def test_another_library_verifies_our_tokens() -> None:
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    token = SIGNER.issue(USER, "main", SESSION, 1_000, 10**10)
    said = jwt.decode(token, pem, algorithms=["EdDSA"], issuer="cabrank")
    assert said["sub"] == USER.id
    assert jwt.get_unverified_header(token)["kid"] == SIGNER.kid


def test_a_token_another_library_signed_is_verified() -> None:
    token = jwt.encode(claims(), KEY, algorithm="EdDSA", headers={"kid": SIGNER.kid})
    assert identity().verify(token, NOW_S).user() == USER


def test_a_token_is_good_until_the_moment_it_expires() -> None:
    gate = identity()
    assert gate.verify(issue(), NOW_S + TTL_S - 0.001)
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            gate.verify(issue(), NOW_S + TTL_S)


def test_alg_none_is_refused() -> None:
    header = base64url(json.dumps({"alg": "none", "kid": SIGNER.kid}).encode())
    payload = base64url(json.dumps(claims()).encode())
    good_signature = issue().rpartition(".")[2]
    for signature in ("", base64url(b"x"), good_signature):
        refused(f"{header}.{payload}.{signature}")
    refused(f"{header}.{payload}")
    refused(sign(claims(), header={"alg": "none"}))


@pytest.mark.parametrize("encoding", ["raw", "pem"])
def test_hs256_with_the_public_key_as_secret_is_refused(encoding: str) -> None:
    public = KEY.public_key()
    secret = public.public_bytes_raw()
    if encoding == "pem":
        secret = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    header = {"alg": "HS256", "kid": SIGNER.kid, "typ": "JWT"}
    signed = ".".join(base64url(json.dumps(p).encode()) for p in (header, claims()))
    tag = hmac.digest(secret, signed.encode(), hashlib.sha256)
    refused(f"{signed}.{base64url(tag)}")


@pytest.mark.parametrize("alg", ["HS256", "ES256", "RS256", "eddsa", "Ed448", ""])
def test_any_other_alg_is_refused_under_a_good_signature(alg: str) -> None:
    refused(sign(claims(), header={"alg": alg}))


def test_a_header_that_was_good_once_does_not_vouch_for_another_token() -> None:
    gate = identity()
    header, payload, signature = issue().split(".")
    gate.verify(f"{header}.{payload}.{signature}", NOW_S)
    richer = base64url(json.dumps(claims(role="operator")).encode())
    with pytest.raises(InvalidToken):
        gate.verify(f"{header}.{richer}.{signature}", NOW_S)
    with pytest.raises(InvalidToken):
        gate.verify(sign(claims(), STRANGER), NOW_S)
    gate.trust(jwks_of(STRANGER))
    with pytest.raises(InvalidToken):
        gate.verify(issue(NOW_MS + 1), NOW_S)


def test_a_strangers_key_is_refused_whatever_kid_it_names() -> None:
    refused(sign(claims(), STRANGER))
    refused(sign(claims(), STRANGER, {"kid": Signer(STRANGER).kid}))


def test_another_kid_is_refused_under_a_good_signature() -> None:
    refused(sign(claims(), header={"kid": "another"}))
    refused(sign(claims(), header={"kid": None}))


HALF = "\ud800"
"""Of a surrogate pair: Python's JSON reads it, and nobody can write it again."""


@pytest.mark.parametrize(
    "header",
    [{"crit": [HALF]}, {"kid": HALF}, {"alg": HALF}, {"typ": HALF}, {HALF: "x"}],
    ids=ascii,
)
def test_a_header_with_half_a_surrogate_pair_is_refused_in_words(
    header: dict[str, Any],
) -> None:
    refused(sign(claims(), header=header))


@pytest.mark.parametrize("extra", ["crit", "jwk", "jku", "x5u", "b64"])
def test_a_header_that_says_how_to_verify_it_is_refused(extra: str) -> None:
    refused(sign(claims(), header={extra: ["exp"]}))


def test_a_tampered_part_is_refused() -> None:
    header, payload, signature = issue().split(".")
    richer = base64url(json.dumps(claims(role="operator")).encode())
    refused(f"{header}.{richer}.{signature}")
    refused(f"{header}.{payload}.{signature[:-8]}AAAAAAAA")
    refused(f"{header}.{payload}.{signature[:40]}")
    other_header = base64url(b'{"kid":"%s","alg":"EdDSA"}' % SIGNER.kid.encode())
    refused(f"{other_header}.{payload}.{signature}")


@pytest.mark.parametrize("missing", ["sub", "username", "role", "sid", "iat", "exp"])
def test_a_missing_claim_is_refused(missing: str) -> None:
    refused(sign(claims(**{missing: None})))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "someone-else"},
        {"role": "admin"},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": None},
        {"sub": "*"},
        {"sub": "a.b"},
        {"sub": ""},
        {"sid": ">"},
        {"region": "eu.*"},
        {"sub": 7},
    ],
    ids=str,
)
def test_a_claim_that_is_not_ours_is_refused(change: dict[str, object]) -> None:
    refused(sign(claims(**change)))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 2000])
def test_a_signed_payload_of_another_shape_is_refused(payload: bytes) -> None:
    refused(sign(payload))


def test_an_oversize_token_is_refused_though_it_is_signed() -> None:
    fits = sign(claims(first_name="A" * 2000))
    assert identity().verify(fits, NOW_S)
    refused(sign(claims(first_name="A" * 4000)))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "é.é.é", "\ud800.a.b", "a b.c.d", "😀", "\x00"]
)
def test_garbage_is_refused(token: str) -> None:
    refused(token)
    refused(token + " " + issue())
    refused(issue() + token + "\n")


GATE = identity()


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(InvalidToken):
        GATE.verify(text, NOW_S)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=70))
def test_any_three_parts_are_refused(header: bytes, said: bytes, tag: bytes) -> None:
    with pytest.raises(InvalidToken):
        GATE.verify(".".join(map(base64url, (header, said, tag))), NOW_S)


@given(st.binary(max_size=200))
def test_any_signed_payload_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidToken):
        GATE.verify(sign(said), NOW_S)


def test_a_wrong_token_is_refused_the_second_time_too() -> None:
    gate = identity()
    forged = sign(claims(), STRANGER)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            gate.verify(forged, NOW_S)


def test_the_memory_of_verified_tokens_is_bounded() -> None:
    gate = identity()
    said = gate.verify(issue(), NOW_S)
    for number in range(CACHE_TOKENS_MAX - 1):
        gate._verified[str(number).encode()] = said
    for at_ms in (NOW_MS + 1, NOW_MS + 2):
        gate.verify(issue(at_ms), NOW_S)
        assert len(gate._verified) == CACHE_TOKENS_MAX


def test_two_keys_are_trusted_while_one_replaces_the_other() -> None:
    gate = Identity(jwks_of(KEY, STRANGER))
    assert gate.verify(issue(), NOW_S)
    assert gate.verify(issue(signer=Signer(STRANGER)), NOW_S)


def test_keys_of_other_kinds_are_let_pass() -> None:
    keys = json.loads(jwks_of(KEY))["keys"]
    keys.append({"kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "rsa"})
    assert Identity(json.dumps({"keys": keys}).encode()).verify(issue(), NOW_S)


@pytest.mark.parametrize(
    "jwks",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys": []}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "k"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "\xc3\xa9", "kid": "k"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "kid": "k"}]}',
    ],
)
def test_an_unusable_key_set_is_named(jwks: bytes, tmp_path: Path) -> None:
    with pytest.raises(IdentityError):
        Identity(jwks)
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks)
    with pytest.raises(IdentityError, match=r"jwks\.json can't be used"):
        Identity.load(str(path))


def test_a_missing_key_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no-such-file can't be read"):
        Identity.load(str(tmp_path / "no-such-file"))
