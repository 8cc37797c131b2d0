import pytest

from cabrank.trial.load.figures import Figures, percentile


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([3.0], 0.5) == percentile([3.0], 0.99) == 3.0


def test_percentile_of_nothing_is_none() -> None:
    assert percentile([], 0.5) is None


def test_two_runs_do_not_share_their_figures() -> None:
    first, second = Figures(), Figures()
    first.answered("trip.accept", 0.1)
    first.refusals["driver_busy"] += 1
    assert first.all_latencies() == [0.1]
    assert second.all_latencies() == []
    assert not second.refusals
