"""Service accounts' keys as a gateway knows them, and the tokens that come of them."""

import pytest
from msgspec import UNSET

from gateway.errors import ExpiredToken, InvalidToken, RevokedToken, UncheckedKey
from gateway.identity.service_keys import KEYS_MAX, KNOWN_S
from gateway.identity.tokens import Identity
from schemas.accounts import Revocation
from schemas.claims import Service
from schemas.service_accounts import PREFIX, KeyHolder, Scope, hash_of, id_of, is_key
from schemas.trips import Role, User
from tests.unit.gateway.identity.making import (
    NOW_MS,
    NOW_S,
    SIGNER,
    claims,
    identity,
    issue,
    sign,
)

BILLING = User("6d1f8f0e-0000-4f6e-9a43-0d3f4c1a7b21", "billing", "", "", Role.OPERATOR)
KEY = PREFIX + "k" * 43


def holder(key: str = KEY, expires_ms: int | None = None) -> KeyHolder:
    kid = id_of(hash_of(key))
    return KeyHolder(BILLING, "main", kid, (Scope.READ,), NOW_MS - 5_000, expires_ms)


@pytest.fixture
def known() -> Identity:
    made = identity()
    made.service_keys.learn(KEY, holder(), NOW_S)
    return made


def refused(of: Identity, token: str, now_s: float = NOW_S) -> type[Exception]:
    with pytest.raises(InvalidToken) as raised:
        of.verify(token, now_s)
    assert token not in str(raised.value)
    return raised.type


def test_a_key_is_to_be_asked_about_and_then_known_for_a_while(known: Identity) -> None:
    assert refused(identity(), KEY) is UncheckedKey
    found = known.verify(KEY, NOW_S + KNOWN_S - 0.1)
    assert found.user() == BILLING
    assert found.service == Service(id_of(hash_of(KEY)), (Scope.READ,))
    assert found.key == found.sid == id_of(hash_of(KEY))
    assert known.known(KEY) == known.whose(KEY, NOW_S) == BILLING.id
    assert refused(known, KEY, NOW_S + KNOWN_S) is UncheckedKey
    assert known.whose(KEY, NOW_S + KNOWN_S) is None


@pytest.mark.parametrize(
    "key",
    ["cbk_", KEY[:-1], KEY + "k", PREFIX + "=" * 43, PREFIX + "ä" * 43, KEY + "\n"],
)
def test_what_only_looks_like_a_key_is_not_asked_about(key: str) -> None:
    assert not is_key(key)
    with pytest.raises(InvalidToken) as raised:
        identity().verify(key, NOW_S)
    assert raised.type is InvalidToken
    assert identity().known(key) is None


def test_it_ends_with_its_time_its_own_end_and_its_users(known: Identity) -> None:
    soon_ms = NOW_MS + 1_000
    known.service_keys.learn(KEY, holder(expires_ms=soon_ms), NOW_S)
    known.verify(KEY, soon_ms / 1000 - 0.001)
    assert refused(known, KEY, soon_ms / 1000) is ExpiredToken
    for revocation in (
        Revocation(BILLING.id, id_of(hash_of(KEY)), 0),
        Revocation(BILLING.id, None, NOW_MS),
    ):
        made = identity()
        made.service_keys.learn(KEY, holder(), NOW_S)
        made.revoke(revocation)
        assert refused(made, KEY) is RevokedToken
        # An answer that was on its way when it ended.
        made.service_keys.learn(KEY, holder(), NOW_S)
        assert refused(made, KEY) is RevokedToken


def test_a_key_made_after_its_users_sessions_ended_is_taken(known: Identity) -> None:
    known.revoke(Revocation(BILLING.id, None, NOW_MS - 5_001))
    known.verify(KEY, NOW_S)


def test_the_keys_that_are_known_are_bounded(known: Identity) -> None:
    for number in range(KEYS_MAX):
        other = f"{PREFIX}{number:043d}"
        known.service_keys.learn(other, holder(other), NOW_S)
    assert refused(known, KEY) is UncheckedKey
    known.verify(f"{PREFIX}{KEYS_MAX - 1:043d}", NOW_S)


# ---- tokens --------------------------------------------------------------------


def exchanged(key: str = "k1") -> str:
    made = Service(key, (Scope.TRIPS, Scope.READ))
    return SIGNER.issue(BILLING, "main", "s1", NOW_MS, 900, made)


def test_a_token_names_its_key_and_ends_with_it() -> None:
    made = identity()
    found = made.verify(exchanged(), NOW_S)
    assert (found.sid, found.key) == ("s1", "k1")
    assert found.service == Service("k1", (Scope.TRIPS, Scope.READ))
    made.revoke(Revocation(BILLING.id, "k1", 0))
    assert refused(made, exchanged()) is RevokedToken
    made.verify(exchanged("k2"), NOW_S)


def test_a_persons_token_says_nothing_of_keys() -> None:
    found = identity().verify(issue(), NOW_S)
    assert found.service is UNSET
    assert (found.key, found.iss) == ("", "cabrank")


def test_gateways_of_before_would_refuse_it_by_its_issuer() -> None:
    """They know no scopes, and would take it for an operator's."""
    assert identity().verify(exchanged(), NOW_S).iss == "cabrank-service"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "cabrank-service"},
        {"service": {"key": "k", "scopes": []}},
        {"iss": "cabrank-service", "service": {"key": "", "scopes": []}},
        {"iss": "cabrank-service", "service": {"key": "k", "scopes": ["all"]}},
        {"iss": "cabrank-service", "service": {"key": "k"}},
        {"iss": "cabrank-service", "service": None},
    ],
)
def test_a_service_accounts_token_says_all_of_it_or_is_none(changes: object) -> None:
    assert isinstance(changes, dict)
    assert refused(identity(), sign(claims(**changes))) is InvalidToken
