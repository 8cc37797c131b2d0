"""Key sets, whatever the bytes: one error or keys, and which keys went."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IdentityError, InvalidToken, UnknownKey
from gateway.identity.jwks import KeySet
from gateway.identity.oidc import Outside
from gateway.identity.tokens import Identity
from persistence.identity.keyfiles import Signer
from tests.support.issuer import Key, jwks
from tests.unit.gateway.identity.making import KEY as OURS
from tests.unit.gateway.identity.making import NOW_S, identity, issue, jwks_of, sign
from tests.unit.gateway.identity.making import claims as our_claims
from tests.unit.gateway.identity.test_oidc import (
    KEYS,
    RULES,
    gate,
    outside,
    said,
)

KEY = KEYS["EdDSA"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "d", "k")
TWISTED = st.sampled_from([key.jwk for key in KEYS.values()]).flatmap(
    lambda jwk: st.dictionaries(
        st.sampled_from(FIELDS), JSON | st.sampled_from(list(jwk.values())), max_size=3
    ).map(lambda changes: jwk | changes)
)


def set_of(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"keys":[null]}',
        b'{"keys":[[]]}',
        b'{"keys":["x", 7, true]}',
        b'{"keys":{"a": {}}}',
        b'{"keys":null}',
        b'{"keys":[{"kty":["OKP"]}]}',
        b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":null,"kid":"k"}]}',
        b'{"keys":[{"kty":"EC","crv":"P-256","x":{},"y":[]}]}',
        b'{"keys":[{"kty":"RSA","n":"","e":""}]}',
        b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}',
        b"[" * 5000,
        b'{"keys":' + b"[" * 5000,
        b"\xff\xfe",
        b"<html>",
        b"null",
        b"NaN",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_key_set_is_one_error_and_changes_nothing(body: bytes) -> None:
    made = outside()
    with pytest.raises(InvalidToken):
        made.trust(body)
    assert gate(made).verify(KEY.sign(said()), NOW_S)
    ours = identity()
    with pytest.raises(IdentityError):
        ours.trust(body)
    assert ours.verify(issue(), NOW_S)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_keys_or_one_error(body: bytes) -> None:
    with pytest.raises(IdentityError):
        KeySet(body)


@given(st.lists(JSON | TWISTED, max_size=4))
def test_a_good_key_is_found_among_any_others(others: list[Any]) -> None:
    made = Outside(RULES)
    good = Key("the good one")
    made.trust(set_of(*others, good.jwk))
    assert gate(made).verify(good.sign(said()), NOW_S)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_another_key_under_the_same_kid_ends_the_old_ones_tokens(
    algorithm: str,
) -> None:
    old, new = Key("k", algorithm), Key("k", algorithm)
    made = Outside(RULES)
    made.trust(jwks(old))
    identity = gate(made)
    token = old.sign(said())
    assert identity.verify(token, NOW_S)
    made.trust(jwks(new))
    with pytest.raises(InvalidToken):
        identity.verify(token, NOW_S)
    assert identity.verify(new.sign(said()), NOW_S)


def test_another_key_of_ours_under_the_same_kid_ends_the_old_ones_tokens() -> None:
    ours = identity()
    token = issue()
    assert ours.verify(token, NOW_S)
    other = json.loads(jwks_of(Ed25519PrivateKey.generate()))["keys"][0]
    ours.trust(set_of(other | {"kid": Signer(OURS).kid}))
    with pytest.raises(InvalidToken):
        ours.verify(token, NOW_S)


def test_the_same_keys_again_forget_no_verified_token() -> None:
    made = outside()
    told: list[int] = []
    made.lost = lambda: told.append(1)
    made.trust(jwks(*KEYS.values()))
    made.trust(jwks(*reversed(KEYS.values())))
    made.trust(jwks(*KEYS.values(), Key("one more")))
    assert not told


def test_keys_without_a_kid_are_each_tried() -> None:
    keys = [Key("", "EdDSA"), Key("", "ES256"), Key("", "EdDSA")]
    bare = [
        {name: value for name, value in key.jwk.items() if name != "kid"}
        for key in keys
    ]
    made = Outside(RULES)
    made.trust(set_of(KEY.jwk, *bare))
    for number, key in enumerate(keys):
        token = key.sign(said(jti=str(number)), kid=None)
        assert gate(made).verify(token, NOW_S)
    assert gate(made).verify(KEY.sign(said(jti="named")), NOW_S)
    with pytest.raises(InvalidToken):
        gate(made).verify(KEY.sign(said(jti="its name left out"), kid=None), NOW_S)
    with pytest.raises(InvalidToken):
        gate(made).verify(Key("").sign(said(jti="stranger"), kid=None), NOW_S)


def test_two_kinds_of_key_may_share_a_kid() -> None:
    keys = [Key("shared", "ES256"), Key("shared", "EdDSA")]
    made = Outside(RULES)
    made.trust(jwks(*keys))
    for key in keys:
        assert gate(made).verify(key.sign(said(jti=key.algorithm)), NOW_S)


def test_a_kid_that_is_no_text_names_nothing() -> None:
    made = Outside(RULES)
    made.trust(set_of(KEY.jwk | {"kid": 7}, KEYS["ES256"].jwk))
    token = jwt.encode(said(), KEY.private, KEY.algorithm, headers={"kid": "7"})
    with pytest.raises(UnknownKey):
        gate(made).verify(token, NOW_S)


NEVER = [float("nan"), float("inf"), -float("inf"), 10**400, 1e300, "9", True, [], -1]


@pytest.mark.parametrize("value", NEVER, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
def test_no_token_has_an_end_that_never_comes(claim: str, value: Any) -> None:
    with pytest.raises(InvalidToken):
        gate().verify(KEY.sign(said(**{claim: value})), NOW_S)
    if claim != "nbf":  # ours have none
        with pytest.raises(InvalidToken):
            gate().verify(sign(our_claims(**{claim: value})), NOW_S)


CLAIMS = st.dictionaries(
    st.sampled_from([*our_claims(), "nbf", "jti", "aud", "email", "name", *said()]),
    JSON | st.floats() | st.sampled_from(["\ud800", "a\ud800", "\udfff"]),
    max_size=5,
)


@given(CLAIMS)
def test_whatever_a_signed_token_says_it_is_refused_or_ends_and_can_be_told(
    changes: dict[str, Any],
) -> None:
    for token in (
        sign(our_claims() | changes),
        KEY.sign(said() | changes | {"iss": RULES.issuer}),
    ):
        check = Identity(jwks_of(OURS))
        check.accept(outside())
        try:
            read = check.verify(token, NOW_S)
        except InvalidToken as error:
            str(error).encode()
            continue
        assert NOW_S < read.exp < 253_402_300_800
        assert read.iat >= 0
        repr(read).encode()
        jwt.utils.base64url_encode(repr(read.user()).encode())
