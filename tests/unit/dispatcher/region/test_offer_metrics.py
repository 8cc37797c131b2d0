"""What Prometheus hears of offers, by the events of a town."""

import itertools

import pytest
from prometheus_client import REGISTRY

from dispatcher import metrics
from dispatcher.region.offer_metrics import OfferMetrics
from schemas.trips import Role
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import DAN, DORA, OLGA, user

ROSA = user(Role.RIDER, "rosa")
NAMES = itertools.count(1)


class Told:
    """What one region's metrics say of a town."""

    def __init__(self) -> None:
        self.region = f"told-{next(NAMES)}"
        metrics.begin(self.region)
        self.offers = OfferMetrics(self.region)
        self._read = 0

    def read(self, town: Town) -> None:
        events, self._read = town.events[self._read :], len(town.events)
        for event in events:
            self.offers.note(event)
        self.offers.tell(town.now_ms)

    def value(self, name: str, **labels: str) -> float:
        labels = {"region": self.region, **labels}
        found = REGISTRY.get_sample_value(f"cabrank_dispatcher_{name}", labels)
        assert found is not None, name
        return found

    def ends(self) -> dict[str, float]:
        told = {
            end: self.value("offers_ended_total", end=end) for end in metrics.OFFER_ENDS
        }
        return {end: count for end, count in told.items() if count}


@pytest.fixture
def told() -> Told:
    return Told()


def test_before_anything_happened_all_counters_are_zero(told: Told) -> None:
    assert told.ends() == {}
    for how in ("nearest", "waiting", "setting", "no_pick_up", "no_positions"):
        assert told.value("matchings_total", how=how) == 0
    for how in ("offers_max", "too_long"):
        assert told.value("matchings_total", how=how) == 0


def test_each_end_of_an_offer_is_counted_as_what_it_was(told: Told) -> None:
    town = Town(offer_ttl_ms=15_000)
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    town.decline(DORA, trip)
    town.wait(15.1)  # dan's runs out
    told.read(town)
    assert told.ends() == {"declined": 1, "expired": 1}
    town.move("cancel", OLGA, trip)
    again = town.request()
    town.move("cancel", OLGA, again)
    third = town.request()
    town.offline(DORA)
    town.assign(third, user(Role.DRIVER, "extra"))
    told.read(town)
    assert told.ends() == {
        "declined": 1,
        "expired": 1,
        "cancelled": 1,
        "withdrawn": 1,
        "taken": 1,
    }
    fourth = town.request(ROSA)
    town.accept(DAN, fourth)
    told.read(town)
    assert told.ends()["accepted"] == 1
    assert told.value("offers_made_total") == 6


def test_waits_are_from_the_opening_to_the_first_offer_and_to_the_driver(
    told: Told,
) -> None:
    town = Town()
    town.driver("dora", 1_000)
    told.read(town)
    first = town.request()
    second = town.request(ROSA)  # nobody is left for it
    told.read(town)
    assert told.value("first_offer_seconds_count") == 1
    assert told.value("first_offer_seconds_sum") == 0
    town.wait(7)
    town.accept(DORA, first)
    told.read(town)
    assert told.value("match_seconds_sum") == pytest.approx(7)
    assert told.value("oldest_open_seconds") == pytest.approx(7)
    town.driver("dan", 500)
    town.wait(3)
    told.read(town)
    assert told.value("first_offer_seconds_count") == 2
    assert told.value("first_offer_seconds_sum") == pytest.approx(7, abs=0.2)
    town.decline(DAN, second)
    town.driver("eve", 600)
    told.read(town)
    assert told.value("first_offer_seconds_count") == 2, "a later round is no first"
    town.move("cancel", OLGA, second)
    told.read(town)
    assert told.value("oldest_open_seconds") == 0
    assert told.value("match_seconds_count") == 1


def test_trips_are_counted_by_how_a_driver_is_found(told: Told) -> None:
    town = Town(offers_max=1, offer_ttl_ms=5_000, broadcast_after_ms=0)
    trip = town.request()
    town.move("cancel", OLGA, trip)
    town.driver("dora", 1_000)
    trip = town.request(place_m=None)
    town.move("cancel", OLGA, trip)
    town.request()
    town.wait(6)
    told.read(town)
    assert told.value("matchings_total", how="no_positions") == 1
    assert told.value("matchings_total", how="no_pick_up") == 1
    assert told.value("matchings_total", how="nearest") == 1
    assert told.value("matchings_total", how="offers_max") == 1


def test_a_lead_that_begins_knows_since_when_trips_are_open(told: Told) -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.wait(4)
    told.offers = OfferMetrics(told.region)
    told.offers.begin(town.engine)
    town.accept(DORA, trip)
    told.offers.note(town.events[-1])
    assert told.value("match_seconds_sum") == pytest.approx(4)


def test_the_time_of_each_turn_of_the_matcher_is_told(told: Told) -> None:
    town = Town()
    town.driver("dora", 1_000)
    told.offers.begin(town.engine)
    trip = town.request()
    told.read(town)
    assert told.value("matching_seconds_count") == 1
    assert told.value("matching_seconds_sum") > 0
    town.decline(DORA, trip)  # nobody is left to be looked at
    told.read(town)
    turns = told.value("matching_seconds_count")
    town.wait(5, fixes=False)
    told.read(town)
    assert told.value("matching_seconds_count") == turns, "nothing changed"
