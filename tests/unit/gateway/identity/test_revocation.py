import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.tokens import Revocations, RevokedToken
from schemas.accounts import Revocation
from schemas.claims import Claims
from schemas.trips import Role
from tests.unit.gateway.identity.making import (
    NOW_MS,
    NOW_S,
    SESSION,
    USER,
    identity,
    issue,
)

OTHER = "00000000-0000-4000-8000-000000000000"


def test_a_session_that_ended_takes_all_its_tokens_with_it() -> None:
    gate = identity()
    before = gate.verify(issue(), NOW_S)
    assert not gate.is_revoked(before)
    gate.revoke(Revocation(USER.id, SESSION, NOW_MS - 5_000))
    assert gate.is_revoked(before)
    for at_ms in (NOW_MS, NOW_MS + 60_000):
        with pytest.raises(RevokedToken):
            gate.verify(issue(at_ms), NOW_S)


def test_another_session_of_the_same_user_goes_on() -> None:
    gate = identity()
    gate.revoke(Revocation(USER.id, SESSION, NOW_MS))
    assert gate.verify(issue(session=OTHER), NOW_S)


def test_a_revoked_user_loses_every_token_issued_until_then() -> None:
    gate = identity()
    gate.revoke(Revocation(USER.id, None, NOW_MS))
    for session in (SESSION, OTHER):
        for at_ms in (NOW_MS, NOW_MS - 1, NOW_MS - 60_000):
            with pytest.raises(RevokedToken):
                gate.verify(issue(at_ms, session), NOW_S)


def test_a_log_in_later_in_the_second_of_the_revocation_is_good() -> None:
    gate = identity()
    gate.revoke(Revocation(USER.id, None, NOW_MS))
    assert gate.verify(issue(NOW_MS + 1), NOW_S)


def test_another_user_is_not_touched() -> None:
    gate = identity()
    gate.revoke(Revocation(OTHER, None, NOW_MS))
    assert gate.verify(issue(), NOW_S)


def test_the_later_of_two_revocations_counts_in_any_order() -> None:
    for order in ((NOW_MS, NOW_MS - 9_000), (NOW_MS - 9_000, NOW_MS)):
        gate = identity()
        for at_ms in order:
            gate.revoke(Revocation(USER.id, None, at_ms))
        with pytest.raises(RevokedToken):
            gate.verify(issue(NOW_MS - 1), NOW_S)


def claims_at(sub: str, iat_ms: int) -> Claims:
    iat = iat_ms / 1000
    return Claims(sub, "u", "", "", Role.RIDER, "main", "s", iat, iat + 1)


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_a_token_of_the_very_millisecond_is_revoked(at_ms: int) -> None:
    held = Revocations(ttl_s=60)
    held.add(Revocation("u", None, at_ms))
    assert held.cover(claims_at("u", at_ms))
    assert not held.cover(claims_at("u", at_ms + 1))


def test_revocations_older_than_any_token_are_forgotten() -> None:
    held = Revocations(ttl_s=60)
    for number in range(100):
        session = None if number % 2 else f"s{number}"
        held.add(Revocation(f"u{number}", session, NOW_MS + number * 10_000))
    assert len(held) <= 7
    assert held.cover(claims_at("u99", NOW_MS))
    assert not held.cover(claims_at("u1", NOW_MS))
