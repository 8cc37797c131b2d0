"""Limits of a user: the last that is allowed, the first that is not, and when again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import allowances
from schemas.allowances import (
    OPERATOR_TIMES,
    UNLIMITED,
    Allowances,
    Budget,
    Rate,
    UserLimits,
    cost_of,
)
from schemas.commands import EndSession, JoinRoom, RequestTrip, SendMessage, SyncUser
from schemas.refusals import Code
from schemas.trips import Role, User

S = 1_000_000_000
NOW = 5_000 * S
BY = User("u", "u", "U", "U", Role.RIDER)
HEAD = {"id": "c", "deadline_ms": 0, "by": BY}
ONE = {
    Budget.COMMANDS: (200, S // 50),
    Budget.REQUESTS: (10, 2 * S),
    Budget.MESSAGES: (100, S // 20),
    Budget.READS: (200, S // 50),
    Budget.ROOMS: (2_000, 43_200_000_000),
}
"""PROTOCOL.md section 2: what is allowed at once, and after how long one more."""


def spend(made: Allowances, budget: Budget, share: int = 1) -> int:
    """How many are allowed at this very moment."""
    count = 0
    while made.take("u", share, (budget,), NOW) is None:
        count += 1
    return count


@pytest.mark.parametrize("budget", Budget)
def test_the_burst_is_allowed_and_the_next_is_not(budget: Budget) -> None:
    assert spend(Allowances(UserLimits()), budget) == ONE[budget][0]


@pytest.mark.parametrize("budget", Budget)
def test_one_more_is_allowed_when_its_time_has_come_and_not_before(
    budget: Budget,
) -> None:
    made = Allowances(UserLimits())
    spend(made, budget)
    each_ns = ONE[budget][1]
    assert made.take("u", 1, (budget,), NOW + each_ns - 1) is not None
    assert made.take("u", 1, (budget,), NOW + each_ns) is None
    assert made.take("u", 1, (budget,), NOW + each_ns) is not None


@pytest.mark.parametrize("budget", Budget)
def test_an_operator_has_ten_times_as_much(budget: Budget) -> None:
    made = Allowances(UserLimits())
    assert spend(made, budget, OPERATOR_TIMES) == 10 * ONE[budget][0]
    soon_ns = NOW + ONE[budget][1] // 10
    assert made.take("u", OPERATOR_TIMES, (budget,), soon_ns) is None
    assert made.take("u", OPERATOR_TIMES, (budget,), soon_ns) is not None


@pytest.mark.parametrize("budget", Budget)
def test_a_refusal_says_when_to_ask_again_in_whole_seconds(budget: Budget) -> None:
    made = Allowances(UserLimits())
    spend(made, budget)
    over = made.take("u", 1, (budget,), NOW)
    assert over is not None
    assert over.retry_after_s == max(1, -(-ONE[budget][1] // S))
    is_room = budget is Budget.ROOMS
    assert over.code is (Code.OVERLOADED if is_room else Code.RATE_LIMITED)


def test_another_user_s_use_is_their_own() -> None:
    made = Allowances(UserLimits())
    spend(made, Budget.MESSAGES)
    assert made.take("v", 1, (Budget.MESSAGES,), NOW) is None


def test_nothing_is_limited_where_a_limit_is_off() -> None:
    made = Allowances(UNLIMITED)
    cost = tuple(Budget)
    assert all(made.take("u", 1, cost, NOW) is None for _ in range(10_000))
    assert len(made) == 0


def test_what_is_refused_for_one_budget_was_asked_for_all_the_same() -> None:
    made = Allowances(UserLimits(commands=Rate(1, 3), messages=Rate(1, 1)))
    said = (Budget.COMMANDS, Budget.MESSAGES)
    assert made.take("u", 1, said, NOW) is None
    assert made.take("u", 1, said, NOW) is not None
    assert made.take("u", 1, (Budget.COMMANDS,), NOW) is None
    assert made.take("u", 1, (Budget.COMMANDS,), NOW) is not None


def test_who_has_used_nothing_up_is_forgotten() -> None:
    made = Allowances(UserLimits())
    for number in range(1_000):
        made.take(f"u{number}", 1, (Budget.COMMANDS,), NOW)
    assert len(made) == 1_000
    for turn in range(1, 5):
        made.take("v", 1, (Budget.COMMANDS,), NOW + turn * 4 * S)
    assert len(made) <= 2


def test_who_has_used_something_up_is_not_forgotten_meanwhile() -> None:
    made = Allowances(UserLimits())
    made.take("v", 1, (Budget.COMMANDS,), NOW - 1)
    spend(made, Budget.COMMANDS)
    for step in range(1, 400):  # whenever generations turn
        later_ns = NOW + step * S // 100
        made.take("v", 1, (Budget.COMMANDS,), later_ns)
        allowed = made.take("u", 1, (Budget.COMMANDS,), later_ns) is None
        assert allowed == (step % 2 == 0)


def test_accounts_are_bounded_and_those_longest_unused_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowances, "USERS_MAX", 3)
    made = Allowances(UserLimits(commands=Rate(1, 1)))
    made.take("z", 1, (Budget.COMMANDS,), NOW)
    for number in range(50):
        assert made.take(f"u{number}", 1, (Budget.COMMANDS,), NOW) is None
        assert len(made) <= 6
    assert made.take("u49", 1, (Budget.COMMANDS,), NOW) is not None
    assert made.take("u0", 1, (Budget.COMMANDS,), NOW) is None


@given(
    st.floats(0, 1_000_000, exclude_min=True),
    st.integers(1, 1_000),
    st.lists(st.integers(0, 5 * S), max_size=60),
    st.sampled_from([1, OPERATOR_TIMES]),
)
def test_no_stretch_of_time_has_more_than_its_burst_and_its_pace(
    per_s: float, burst: int, pauses: list[int], share: int
) -> None:
    made = Allowances(UserLimits(commands=Rate(per_s, burst)))
    now_ns, taken = NOW, []
    for pause in pauses:
        now_ns += pause
        if made.take("u", share, (Budget.COMMANDS,), now_ns) is None:
            taken.append(now_ns)
    for i, first in enumerate(taken):
        for j in range(i, len(taken)):
            over_s = (taken[j] - first) / S
            most = share * (burst + over_s * per_s)
            assert j - i + 1 <= most * 1.001 + 1


def test_a_faster_pace_has_a_greater_burst_and_a_slower_one_the_usual() -> None:
    usual = Rate(50, 200)
    assert usual.at(500) == Rate(500, 2_000)
    assert usual.at(5) == Rate(5, 200)
    assert usual.at(0).per_s == 0


def test_commands_cost_what_the_contract_counts_and_a_gateway_s_own_nothing() -> None:
    request = RequestTrip(pick_up_address="A", drop_off_address="B", **HEAD)
    assert cost_of(request) == (Budget.COMMANDS, Budget.REQUESTS)
    said = SendMessage(room="r", text="t", **HEAD)
    assert cost_of(said) == (Budget.COMMANDS, Budget.MESSAGES)
    assert cost_of(JoinRoom(room="r", **HEAD)) == (Budget.COMMANDS,)
    for own in (
        JoinRoom(room="r", repair=True, **HEAD),
        SyncUser(**HEAD),
        EndSession(session="s", gateway="g", **HEAD),
    ):
        assert cost_of(own) == ()
