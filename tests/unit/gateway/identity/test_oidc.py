"""Tokens of an outside issuer: which are good, and who they say somebody is."""

import hmac
import json
import uuid
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ExpiredToken, InvalidToken, RevokedToken, UnknownKey
from gateway.identity.oidc import LEEWAY_S, LIFE_MAX_S, Outside, Rules
from gateway.identity.tokens import Identity
from schemas.accounts import Meet, Revocation
from schemas.claims import Claims
from schemas.trips import Role
from tests.support.issuer import Key, base64url, claims, jwks
from tests.unit.gateway.identity.making import KEY as OURS
from tests.unit.gateway.identity.making import NOW_S, issue, jwks_of

ISSUER = "https://login.example"
RULES = Rules(
    issuer=ISSUER,
    audiences=["cabrank", "other"],
    role_claim="role",
    roles={},
    default_role=Role.RIDER,
    region_claim="region",
    default_region="main",
    username_prefix="sso.",
)
ID = uuid.uuid5(uuid.NAMESPACE_URL, f"{ISSUER}\nuser\n00u1")
KEYS = {name: Key(f"key-{name}", name) for name in ("RS256", "ES256", "EdDSA")}
KEY = KEYS["EdDSA"]


def outside(**rules: Any) -> Outside:
    made = Outside(msgspec.structs.replace(RULES, **rules))
    made.trust(jwks(*KEYS.values()))
    return made


def gate(made: Outside | None = None) -> Identity:
    identity = Identity(jwks_of(OURS))
    identity.accept(made or outside())
    return identity


def said(**changes: Any) -> dict[str, Any]:
    return claims(ISSUER, NOW_S, **changes)


def read(made: Outside | None = None, **changes: Any) -> Claims:
    return gate(made).verify(KEY.sign(said(**changes)), NOW_S)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_good_token_says_who_its_bearer_is(algorithm: str) -> None:
    token = KEYS[algorithm].sign(said())
    who = gate().verify(token, NOW_S)
    assert (who.username, who.first_name, who.last_name) == ("sso.ann", "Ann", "Löw")
    assert (who.role, who.region, who.iss) == (Role.RIDER, "main", ISSUER)
    assert who == gate().verify(token, NOW_S)


def test_ours_are_good_as_before() -> None:
    assert gate().verify(issue(), NOW_S).username == "anna"


def test_the_id_is_issuers_and_subjects_alone() -> None:
    first = read()
    assert read(preferred_username="other", role="driver").sub == first.sub
    assert read(sub="00u2").sub != first.sub
    elsewhere = outside(issuer="https://other.example")
    token = KEY.sign(said() | {"iss": "https://other.example"})
    assert gate(elsewhere).verify(token, NOW_S).sub != first.sub


def test_a_session_is_never_one_of_ours() -> None:
    ours = gate().verify(issue(), NOW_S)
    theirs = read(sid=ours.sid)
    assert theirs.sid != ours.sid
    assert theirs.sid == read(sid=ours.sid, exp=int(NOW_S) + 900).sid
    assert read(jti="a").sid != read(jti="b").sid


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody else"},
        {"aud": []},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": True},
        {"iat": int(NOW_S) + 61},
        {"nbf": int(NOW_S) + 61},
        {"region": "eu.*"},
        {"region": 7},
    ],
    ids=str,
)
def test_a_claim_that_doesnt_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(**change)


def test_either_audience_will_do() -> None:
    assert read(aud=["x", "other"])


def test_clocks_may_differ_by_a_minute() -> None:
    late = int(NOW_S) - 59
    assert read(exp=late, iat=late - 300)
    with pytest.raises(ExpiredToken):
        read(exp=int(NOW_S) - 61, iat=late - 300)
    assert read(iat=int(NOW_S) + 59, nbf=int(NOW_S) + 59).iat <= NOW_S


def test_no_token_outlives_what_revocations_are_kept_for() -> None:
    who = read(exp=int(NOW_S) + 10**9)
    assert who.exp - who.iat == LIFE_MAX_S
    assert LEEWAY_S < LIFE_MAX_S


def test_a_revoked_user_is_refused_until_they_have_a_newer_token() -> None:
    identity = gate()
    who = identity.verify(KEY.sign(said()), NOW_S)
    identity.revoke(Revocation(who.sub, None, int(NOW_S * 1000)))
    with pytest.raises(RevokedToken):
        identity.verify(KEY.sign(said(jti="ahead", iat=int(NOW_S) + 30)), NOW_S)
    later = KEY.sign(said(iat=int(NOW_S) + 2))
    assert identity.verify(later, NOW_S + 5)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "RS512", "PS256"])
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    for key in KEYS.values():
        head = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
        public = json.dumps(key.jwk)
        signed = ".".join(
            base64url(json.dumps(part).encode()) for part in (head, said())
        )
        tag = hmac.digest(public.encode(), signed.encode(), "sha256")
        for signature in ("", base64url(public.encode()), base64url(tag)):
            with pytest.raises(InvalidToken):
                gate().verify(f"{signed}.{signature}", NOW_S)


def test_a_key_is_used_for_its_own_algorithm_only() -> None:
    mixed = Key(KEYS["RS256"].kid, "EdDSA")
    with pytest.raises(InvalidToken):
        gate().verify(mixed.sign(said()), NOW_S)


@pytest.mark.parametrize(
    "header", [{"crit": ["exp"]}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}], ids=str
)
def test_a_header_that_demands_more_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        gate().verify(KEY.sign(said(), **header), NOW_S)


@pytest.mark.parametrize("name", ["crit", "kid", "typ", "x"])
def test_half_a_surrogate_pair_in_a_header_is_refused_in_words(name: str) -> None:
    halves = {"crit": ["\ud800"]}.get(name, "\ud800")
    with pytest.raises(InvalidToken) as caught:
        gate().verify(KEY.sign(said(), **{name: halves}), NOW_S)
    assert msgspec.json.encode(str(caught.value))


def test_an_access_token_by_rfc_9068_is_taken() -> None:
    assert gate().verify(KEY.sign(said(), typ="at+jwt"), NOW_S)


def test_an_unknown_key_is_told_of_and_refused() -> None:
    made = outside()
    told: list[int] = []
    made.unknown = lambda: told.append(1)
    with pytest.raises(UnknownKey):
        gate(made).verify(Key("new").sign(said()), NOW_S)
    assert told == [1]
    with pytest.raises(UnknownKey):
        gate(made).verify(KEY.sign(said(), kid=None), NOW_S)


def test_without_a_kid_the_only_key_is_meant() -> None:
    made = outside()
    made.trust(jwks(KEY))
    token = jwt.encode(said(), KEY.private, KEY.algorithm)
    assert gate(made).verify(token, NOW_S)


def test_a_key_that_went_takes_its_tokens_along() -> None:
    made = outside()
    identity = gate(made)
    token = KEY.sign(said())
    assert identity.verify(token, NOW_S)
    made.trust(jwks(KEYS["ES256"]))
    with pytest.raises(InvalidToken):
        identity.verify(token, NOW_S)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"keys": 5}', b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}'],
)
def test_keys_that_cant_be_used_change_nothing(body: bytes) -> None:
    made = outside()
    with pytest.raises(InvalidToken):
        made.trust(body)
    assert gate(made).verify(KEY.sign(said()), NOW_S)


def test_weak_keys_and_keys_for_encryption_are_let_pass() -> None:
    made = Outside(RULES)
    encrypting = KEY.jwk | {"use": "enc"}
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    body = json.dumps({"keys": [encrypting, secret, KEYS["ES256"].jwk]}).encode()
    assert made.trust(body) == [KEYS["ES256"].kid]


@pytest.mark.parametrize(
    ("rules", "told", "role"),
    [
        ({}, {"role": "driver"}, Role.DRIVER),
        ({}, {"role": ["rider", "operator", "driver"]}, Role.OPERATOR),
        ({}, {"role": None}, Role.RIDER),
        ({}, {"role": "king"}, Role.RIDER),
        ({}, {"role": 7}, Role.RIDER),
        ({"role_claim": "a.b"}, {"a": {"b": ["driver"]}}, Role.DRIVER),
        ({"role_claim": "https://x.y/r"}, {"https://x.y/r": "driver"}, Role.DRIVER),
        ({"roles": {"desk": Role.OPERATOR}}, {"role": ["desk"]}, Role.OPERATOR),
        ({"roles": {"desk": Role.OPERATOR}}, {"role": "operator"}, Role.RIDER),
        ({"default_role": None}, {"role": "king"}, None),
    ],
)
def test_roles_are_mapped(
    rules: dict[str, Any], told: dict[str, Any], role: Role | None
) -> None:
    if role is None:
        with pytest.raises(InvalidToken, match="role"):
            read(outside(**rules), **told)
    else:
        assert read(outside(**rules), **told).role is role


@pytest.mark.parametrize(
    ("told", "username"),
    [
        ({"preferred_username": "bo@x"}, "sso.bo@x"),
        ({"preferred_username": "b o\n*>"}, "sso.b_o_"),
        ({"preferred_username": None, "email": "a@b"}, "sso.a@b"),
        ({"preferred_username": None}, "sso.00u1"),
        ({"preferred_username": "x" * 300}, "sso." + "x" * 146),
        ({"preferred_username": "Rene\u0301"}, "sso.René"),
        ({"preferred_username": "\uff21nn"}, "sso.Ann"),
        ({"preferred_username": "Иван"}, "sso.Иван"),
        ({"preferred_username": "p\u0430ypal"}, f"sso.{ID}"),
        ({"preferred_username": "an\u200bn"}, "sso.an_n"),
        ({"preferred_username": "²"}, f"sso.{ID}"),
    ],
)
def test_a_username_is_one_of_ours_and_never_somebody_elses(
    told: dict[str, Any], username: str
) -> None:
    assert read(**told).username == username


def test_a_name_that_is_shown_has_no_controls() -> None:
    who = read(given_name="A\x00n\x1b[31m\u202en", family_name="\u2066L\u2028öw\x85")
    assert (who.first_name, who.last_name) == ("An[31mn", "Löw")


def test_a_region_is_taken_from_the_claim() -> None:
    assert read(region="north").region == "north"


def test_a_new_user_is_told_of() -> None:
    made = outside()
    met: list[Meet] = []
    made.met = met.append
    who = gate(made).verify(KEY.sign(said()), NOW_S)
    assert met == [Meet(who.user(), "main", ISSUER, "00u1")]


GATE = gate()


@given(st.binary(max_size=80), st.binary(max_size=70))
def test_any_signed_payload_is_refused_and_nothing_else_is_raised(
    payload: bytes, tag: bytes
) -> None:
    body = json.dumps({"iss": ISSUER, "x": payload.hex()}).encode()
    for text in (payload, body):
        head = json.dumps({"alg": "EdDSA", "kid": KEY.kid}).encode()
        signed = f"{base64url(head)}.{base64url(text)}"
        good = base64url(KEY.private.sign(signed.encode()))
        for signature in (good, base64url(tag)):
            with pytest.raises(InvalidToken):
                GATE.verify(f"{signed}.{signature}", NOW_S)
