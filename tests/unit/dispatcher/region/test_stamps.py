"""A region's time goes on as time does, whatever wall clocks say."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.region.stamps import Stamps

NOON_MS = 1_795_262_400_000
HOUR_MS = 3_600_000


def begun(stamp_ms: int = 0, wall_ms: int = NOON_MS) -> Stamps:
    made = Stamps()
    made.begin(stamp_ms, wall_ms, 0)
    return made


def test_with_a_clock_that_is_right_it_is_that_clock() -> None:
    made = begun()
    for passed_ms in (0, 1, 1, 250, 86_400_000):
        assert made.now(NOON_MS + passed_ms, passed_ms) == NOON_MS + passed_ms


def test_a_clock_that_leaps_an_hour_ahead_takes_a_tenth_of_what_passes() -> None:
    made = begun()
    assert made.now(NOON_MS + HOUR_MS, 0) == NOON_MS
    assert made.now(NOON_MS + HOUR_MS + 1_000, 1_000) == NOON_MS + 1_100
    assert made.now(NOON_MS + 11_000, 11_000) == NOON_MS + 11_000, "it is right again"


def test_a_clock_that_leaps_back_slows_it_down_and_never_turns_it_back() -> None:
    made = begun()
    assert made.now(NOON_MS - HOUR_MS, 0) == NOON_MS
    assert made.now(NOON_MS - HOUR_MS + 1_000, 1_000) == NOON_MS + 900


def test_it_meets_a_clock_that_stays_ahead() -> None:
    made = begun()
    wall_ms, passed_ms = NOON_MS + HOUR_MS, 0
    while passed_ms < 10 * HOUR_MS:
        passed_ms += 60_000
        made.now(wall_ms + passed_ms, passed_ms)
    assert made.now(wall_ms + passed_ms, passed_ms) == wall_ms + passed_ms


def test_who_follows_goes_on_where_the_leader_was_whatever_its_own_clock_says() -> None:
    made = begun(wall_ms=NOON_MS + HOUR_MS)
    made.hear(NOON_MS + 5_000, 5_000)
    assert made.now(NOON_MS + HOUR_MS + 7_000, 7_000) == NOON_MS + 7_200


def test_a_record_that_comes_late_turns_no_follower_s_time_back() -> None:
    """Who was cut off for an hour reads then what was stamped when it began."""
    made = begun()
    made.hear(NOON_MS + 5_000, 5_000)
    made.hear(NOON_MS + 6_000, HOUR_MS)
    late_ms = NOON_MS + HOUR_MS - made.now(NOON_MS + HOUR_MS, HOUR_MS)
    assert 0 <= late_ms <= HOUR_MS / 10


def test_who_follows_a_leader_whose_time_is_slowed_down_stays_with_it() -> None:
    made = begun()
    for second in range(1, 3_600):
        made.hear(NOON_MS + 900 * second, 1_000 * second)
    told_ms = made.now(NOON_MS + 3_600_000, 3_600_000)
    assert told_ms <= NOON_MS + 900 * 3_600 + 500


def test_who_knows_only_the_ledger_begins_with_the_wall_clock_and_not_before_it() -> (
    None
):
    assert begun(NOON_MS - 5 * HOUR_MS).now(NOON_MS, 0) == NOON_MS
    ahead = begun(NOON_MS + HOUR_MS)
    assert ahead.now(NOON_MS, 0) == NOON_MS + HOUR_MS
    assert ahead.now(NOON_MS + 10_000, 10_000) == NOON_MS + HOUR_MS + 9_000


def test_who_led_before_goes_on_from_its_own_time() -> None:
    made = begun()
    made.now(NOON_MS + 1_000, 1_000)
    made.begin(NOON_MS + 1_000, NOON_MS + HOUR_MS, 2_000)
    assert made.now(NOON_MS + HOUR_MS + 2_000, 2_000) == NOON_MS + 2_100


@given(
    st.lists(
        st.tuples(st.integers(0, 60_000), st.integers(-HOUR_MS, HOUR_MS)), max_size=50
    )
)
def test_it_never_falls_and_never_outruns_time_by_more_than_a_tenth(
    steps: list[tuple[int, int]],
) -> None:
    made, passed_ms, before = begun(), 0, NOON_MS
    for step_ms, off_ms in steps:
        passed_ms += step_ms
        now = made.now(NOON_MS + passed_ms + off_ms, passed_ms)
        assert 0.9 * step_ms - 1 <= now - before <= 1.1 * step_ms + 1
        before = now
