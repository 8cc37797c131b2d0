from hypothesis import given
from hypothesis import strategies as st

from cabrank.stack.restarts import BACKOFF_MAX_S, START_FAILURES_MAX, STEADY_S, Restarts


def test_the_first_death_is_followed_by_a_start_at_once() -> None:
    assert Restarts().died(after_s=0.5) == 0.0


def test_quick_deaths_back_off_from_a_tenth_to_five_seconds() -> None:
    restarts = Restarts()
    delays = [restarts.died(after_s=0.1) for _ in range(9)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_one_that_ran_steadily_is_started_at_once_again() -> None:
    restarts = Restarts()
    for _ in range(4):
        restarts.died(after_s=0.1)
    assert restarts.died(after_s=STEADY_S) == 0.0
    assert restarts.died(after_s=0.1) == 0.1


def test_five_failures_before_it_was_ready_are_hopeless() -> None:
    restarts = Restarts()
    for _ in range(START_FAILURES_MAX - 1):
        restarts.died(after_s=0.1)
        assert not restarts.hopeless
    restarts.died(after_s=0.1)
    assert restarts.hopeless


def test_being_ready_forgets_the_failures() -> None:
    restarts = Restarts()
    for _ in range(START_FAILURES_MAX):
        restarts.died(after_s=0.1)
    restarts.was_ready()
    assert not restarts.hopeless


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=200))
def test_the_wait_is_never_negative_nor_beyond_the_limit(lives: list[float]) -> None:
    restarts = Restarts()
    for life in lives:
        assert 0.0 <= restarts.died(life) <= BACKOFF_MAX_S
