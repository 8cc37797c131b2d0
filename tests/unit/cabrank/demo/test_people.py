"""How the demo's people are."""

import random
from collections import Counter

import pytest

from cabrank.demo import people
from schemas.trips import Role


def test_a_crew_is_the_same_each_time_and_everybody_in_it_is_somebody() -> None:
    crew = people.crew(Role.DRIVER, 200)
    assert crew == people.crew(Role.DRIVER, 200)
    assert len({each.username for each in crew}) == 200
    assert {each.role for each in crew} == {Role.DRIVER}


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_requests_come_as_often_as_the_hour_and_the_speed_have_it(speed: float) -> None:
    def mean_s(hour: int) -> float:
        rnd = random.Random(1)
        return sum(people.wait_s(rnd, 20, hour, speed) for _ in range(4000)) / 4000

    busy = mean_s(18)
    expected = 1 / (20 * people.PER_DRIVER_S * people.BY_HOUR[18] * speed)
    assert busy == pytest.approx(expected, rel=0.1)
    assert mean_s(4) > 3 * busy


def test_most_offers_are_taken_and_some_are_not() -> None:
    rnd = random.Random(1)
    answers = Counter(people.answer_to_an_offer(rnd) for _ in range(1000))
    assert answers["accept"] > 800
    assert answers["decline"] > 10
    assert answers[None] > 10


def test_some_riders_talk_and_a_few_think_better_of_it() -> None:
    rnd = random.Random(1)
    all_of_them = [people.habits(rnd) for _ in range(1000)]
    talking = sum(each.says is not None for each in all_of_them)
    leaving = sum(each.changes_mind_s is not None for each in all_of_them)
    assert 200 < talking < 600
    assert 30 < leaving < 200
