"""Monaco's streets, as the demo drives on them and the pages draw them."""

import random
from itertools import pairwise

import pytest

from cabrank.demo import people
from cabrank.demo.streets import Car, Place, Streets, decode, heading, metres
from runtime import environment
from runtime.settings import variable


@pytest.fixture(scope="module")
def streets() -> Streets:
    return Streets()


def test_a_line_is_read_as_the_algorithm_s_own_example_has_it() -> None:
    # https://developers.google.com/maps/documentation/utilities/polylinealgorithm
    line = decode("_p~iF~ps|U_ulLnnqC_mqNvxq`@")
    assert line == [(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]


def test_one_can_drive_from_anywhere_to_anywhere_along_streets(
    streets: Streets,
) -> None:
    rnd = random.Random(1)
    for _ in range(40):
        start, end = streets.somewhere(rnd), streets.somewhere(rnd)
        way = streets.way(start, end)
        assert (way[0], way[-1]) == (start, end)
        assert len(set(way)) == len(way)
        straight = metres(start, end)
        driven = sum(metres(one, other) for one, other in pairwise(way))
        assert straight - 1 <= driven
        for one, other in pairwise(way):
            assert metres(one, other) < 1_000


def test_one_way_streets_are_driven_one_way(streets: Streets) -> None:
    """There and back differ somewhere, as they do in Monaco."""
    rnd = random.Random(2)
    pairs = [(streets.somewhere(rnd), streets.somewhere(rnd)) for _ in range(20)]
    assert any(
        streets.way(one, other) != streets.way(other, one)[::-1] for one, other in pairs
    )


def test_addresses_are_streets_of_the_map(streets: Streets) -> None:
    rnd = random.Random(3)
    told = {streets.address(streets.somewhere(rnd), rnd) for _ in range(50)}
    assert len(told) > 20
    assert all(text.split()[0].isdigit() and len(text) < 100 for text in told)


def test_the_nearest_corner_is_one(streets: Streets) -> None:
    corner = streets.corners[100]
    beside = Place(corner.lat + 1e-6, corner.lon)
    assert streets.nearest(beside) == corner


def test_a_car_drives_as_far_as_it_is_told_and_looks_where_it_goes(
    streets: Streets,
) -> None:
    rnd = random.Random(4)
    way = streets.way(streets.somewhere(rnd), streets.somewhere(rnd))
    length = sum(metres(one, other) for one, other in pairwise(way))
    car = Car(way[0])
    car.drive(way)
    places = [car.place]
    for _ in range(10):
        car.move(length / 10 + 0.01)
        places.append(car.place)
    assert car.stands
    assert car.place == way[-1]
    assert car.heading == heading(way[-2], way[-1])
    assert all(metres(one, two) < length / 10 + 1 for one, two in pairwise(places))
    car.move(1_000)
    assert car.place == way[-1]


def test_headings_are_degrees_from_north() -> None:
    here = Place(43.7, 7.4)
    assert heading(here, Place(43.8, 7.4)) == pytest.approx(0)
    assert heading(here, Place(43.7, 7.5)) == pytest.approx(90)
    assert heading(here, Place(43.6, 7.4)) == pytest.approx(180)
    assert heading(here, Place(43.7, 7.3)) == pytest.approx(270)


@pytest.mark.parametrize("speed", [1, 5, 20])
def test_the_minutes_that_are_told_are_about_those_by_road(
    streets: Streets, speed: float
) -> None:
    """PROTOCOL.md section 7's ETA, by the settings that a demo gives its dispatcher."""
    told = {name: float(value) for name, value in people.pace(speed).items()}
    rnd = random.Random(3)
    by_road_s = by_air_s = 0.0
    for _ in range(60):
        one, other = streets.somewhere(rnd), streets.somewhere(rnd)
        by_road_s += streets.way_m(one, other) / (people.KMH * speed / 3.6)
        by_air_s += metres(one, other) * told["detour"] / (told["speed_kmh"] / 3.6)
    assert 0.75 < by_air_s / by_road_s < 1.35


def test_a_demo_s_pace_can_be_set_however_fast_it_goes() -> None:
    for speed in (0.1, 1, 1_000):
        environ = {variable(name): text for name, text in people.pace(speed).items()}
        assert environment.load(environ).speed_kmh <= 1_000
