"""Where the city's riders go."""

import random

import pytest

from cabrank.demo.rider import HOP_M, RIDE_M, Rider
from cabrank.demo.streets import Streets, metres


@pytest.fixture(scope="module")
def streets() -> Streets:
    return Streets()


def test_a_ride_is_neither_a_walk_nor_out_of_town(streets: Streets) -> None:
    for seed in range(50):
        start, end = Rider(streets, random.Random(seed), 1.0).ends()
        assert RIDE_M[0] <= metres(start, end) <= RIDE_M[1]


def test_who_starts_beside_a_car_goes_from_there_and_not_far(streets: Streets) -> None:
    for seed in range(50):
        rank = streets.somewhere(random.Random(seed))
        start, end = Rider(streets, random.Random(seed), 1.0, rank).ends()
        assert start == rank
        assert HOP_M[0] <= metres(start, end) <= HOP_M[1]


def test_by_road_it_isn_t_far_either(streets: Streets) -> None:
    """A minute at the demo's speed takes one 670 m."""
    ways = []
    for seed in range(50):
        rank = streets.somewhere(random.Random(seed))
        start, end = Rider(streets, random.Random(seed), 1.0, rank).ends()
        ways.append(streets.way_m(start, end))
    assert sorted(ways)[len(ways) // 2] < 500
