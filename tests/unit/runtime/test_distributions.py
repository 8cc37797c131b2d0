"""What Prometheus is told is what its own client would tell."""

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.registry import Collector

from runtime.distributions import Distributions

BUCKETS = (0.5, 1, 2.5)
OBSERVED = (0, 0.5, 0.6, 1, 2.5, 2.6, 1e9, -1)


def told(collector: Collector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return "\n".join(line for line in lines if "_created" not in line)


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> Distributions:
    made = Distributions("a_seconds", "How long", request.param, buckets=BUCKETS)
    REGISTRY.unregister(made)
    return made


@pytest.mark.parametrize("ours", [()], indirect=True)
def test_one_without_labels_is_told_as_a_histogram(ours: Distributions) -> None:
    theirs = Histogram("a_seconds", "How long", buckets=BUCKETS, registry=None)
    ours.labels()
    assert told(ours) == told(theirs)
    for value in OBSERVED:
        ours.labels().observe(value)
        theirs.observe(value)
    assert told(ours) == told(theirs)


@pytest.mark.parametrize("ours", [("region",)], indirect=True)
def test_each_value_of_the_labels_is_told_by_itself(ours: Distributions) -> None:
    theirs = Histogram(
        "a_seconds", "How long", ["region"], buckets=BUCKETS, registry=None
    )
    assert told(ours) == told(theirs)
    for number, value in enumerate(OBSERVED):
        ours.labels(f"r{number % 2}").observe(value)
        theirs.labels(f"r{number % 2}").observe(value)
    assert told(ours) == told(theirs)


def test_it_is_among_what_a_process_tells() -> None:
    made = Distributions("b_seconds", "How long", buckets=BUCKETS)
    made.labels().observe(1)
    assert REGISTRY.get_sample_value("b_seconds_bucket", {"le": "1.0"}) == 1
    REGISTRY.unregister(made)
