import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.identity.tokens import (
    GRACE_MS,
    TOKEN_CHARS,
    Forge,
    SessionState,
    Verdict,
    judge,
)

FORGE = Forge(b"k" * 32)
SESSION = str(uuid.UUID(int=7))
FIRST = FORGE.first(SESSION, b"e" * 32)
SECOND = FORGE.successor(FIRST)
THIRD = FORGE.successor(SECOND)
NOW_MS = 1_795_255_200_123


def state(rotated_at_ms: int = NOW_MS, expires_at_ms: int = 2 * NOW_MS) -> SessionState:
    """SECOND is current, FIRST the one before."""
    return SessionState(SECOND.digest, FIRST.digest, rotated_at_ms, expires_at_ms)


def test_a_token_reads_back_as_itself() -> None:
    for token in (FIRST, SECOND, THIRD):
        assert FORGE.read(token.text) == token
        assert token.session == SESSION
        assert len(token.text) == TOKEN_CHARS


def test_each_generation_is_another_token_of_the_same_session() -> None:
    assert len({t.text for t in (FIRST, SECOND, THIRD)}) == 3
    assert len({t.digest for t in (FIRST, SECOND, THIRD)}) == 3
    assert FORGE.successor(FIRST) == SECOND


def test_without_the_secret_nobody_makes_or_follows_a_token() -> None:
    other = Forge(b"o" * 32)
    assert other.read(FIRST.text) is None
    assert FORGE.read(other.first(SESSION, b"e" * 32).text) is None
    assert other.successor(FIRST) != SECOND


@given(st.integers(0, TOKEN_CHARS - 2), st.sampled_from("AZaz09-_"))
def test_a_changed_token_is_not_ours(at: int, letter: str) -> None:
    text = FIRST.text
    changed = text[:at] + letter + text[at + 1 :]
    assert FORGE.read(changed) == (FIRST if changed == text else None)


@given(st.text(min_size=TOKEN_CHARS, max_size=TOKEN_CHARS) | st.text(max_size=100))
def test_any_text_is_no_token_and_raises_nothing(text: str) -> None:
    assert FORGE.read(text) is None


def test_the_current_token_rotates() -> None:
    assert judge(state(), SECOND.digest, NOW_MS + 10**9) is Verdict.ROTATE


@pytest.mark.parametrize(
    ("late_ms", "verdict"),
    [
        (0, Verdict.REPEAT),
        (-50, Verdict.REPEAT),  # another worker's clock
        (GRACE_MS, Verdict.REPEAT),
        (GRACE_MS + 1, Verdict.REUSED),
    ],
)
def test_the_one_before_is_good_for_its_grace(late_ms: int, verdict: Verdict) -> None:
    assert judge(state(), FIRST.digest, NOW_MS + late_ms) is verdict


def test_an_older_one_is_reuse_even_at_once() -> None:
    later = SessionState(THIRD.digest, SECOND.digest, NOW_MS, 2 * NOW_MS)
    assert judge(later, FIRST.digest, NOW_MS) is Verdict.REUSED


def test_an_expired_session_refreshes_nothing() -> None:
    for token in (FIRST, SECOND):
        assert judge(state(NOW_MS, NOW_MS), token.digest, NOW_MS) is Verdict.EXPIRED
