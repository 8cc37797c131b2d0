"""Evenings by policy, number of drivers and seed, and what they come to. Pure."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

from msgspec import Struct

from cabrank.trial.bench.dispatch.city import City
from cabrank.trial.bench.dispatch.evening import Evening, Figures, Policy, dice
from cabrank.trial.bench.dispatch.people import People
from cabrank.trial.bench.dispatch.policies import Broadcast, Nearest
from cabrank.trial.bench.dispatch.shipped import NEVER_MS, Shipped
from runtime.settings import Settings

POLICIES: dict[str, Callable[[Settings], Policy]] = {
    "broadcast": Broadcast,
    "nearest": Nearest,
    "pairs": Shipped,
    "capped": partial(Shipped, relaxed_ms=NEVER_MS),
}
"""`capped`: nobody is ever served from farther away than the cap, to see what its
relaxing comes to."""
AFTERWARDS_S = 1_800.0
"""Until the last one's rider is picked up."""


class Load(Struct, frozen=True):
    """`warm_up_s` comes before the `measured_s`. `silent`: people.py."""

    city: City
    per_hour: float
    warm_up_s: float
    measured_s: float
    silent: float = 0.0

    @property
    def ends_s(self) -> float:
        return self.warm_up_s + self.measured_s


class Outcome(Struct, frozen=True):
    """`value`: of the setting that was varied; empty: none was."""

    policy: str
    drivers: int
    seed: int
    figures: Figures
    value: str = ""

    @property
    def name(self) -> str:
        return self.value or self.policy


class Case(Struct, frozen=True):
    policy: str
    drivers: int
    seed: int

    def run(self, load: Load, settings: Settings, value: str = "") -> Outcome:
        """The same riders, drivers and answers for every policy."""
        city = load.city
        requests = city.requests(dice(self.seed, "demand"), load.per_hour, load.ends_s)
        places = dice(self.seed, "drivers")
        drivers = [city.start(places) for _ in range(self.drivers)]
        policy = POLICIES[self.policy](settings)
        evening = Evening(
            city, policy, requests, drivers, People(self.seed, load.silent)
        )
        evening.run(load.ends_s + AFTERWARDS_S)
        figures = evening.figures(load.warm_up_s, load.ends_s)
        return Outcome(self.policy, self.drivers, self.seed, figures, value)


def cases(policies: list[str], drivers: list[int], seeds: range) -> list[Case]:
    return [
        Case(policy, count, seed)
        for count in drivers
        for policy in policies
        for seed in seeds
    ]


def by_case(outcomes: list[Outcome]) -> Iterator[tuple[str, int, list[Figures]]]:
    """Policy, or the varied setting's value; drivers; and the figures of all seeds."""
    found: dict[tuple[str, int], list[Figures]] = {}
    for one in outcomes:
        found.setdefault((one.name, one.drivers), []).append(one.figures)
    for (name, drivers), figures in found.items():
        yield name, drivers, figures


class Column(Struct, frozen=True):
    """A figure as it is shown: `of` takes it from an evening, `digits` after the
    point.
    """

    name: str
    unit: str
    digits: int
    of: Callable[[Figures], float]

    def mean(self, figures: list[Figures]) -> float:
        return statistics.fmean(self.of(one) for one in figures)

    def words(self, figures: list[Figures]) -> str:
        return f"{self.mean(figures):,.{self.digits}f}"


COLUMNS = (
    Column("served", "%", 1, lambda one: 100 * one.served),
    Column("wait", "s, request to pick-up", 0, lambda one: one.wait_s),
    Column("empty", "km to a pick-up", 2, lambda one: one.empty_km),
    Column("Gini", "of occupied time", 3, lambda one: one.gini),
    Column("offers", "a trip", 2, lambda one: one.offers),
)
PLOTTED = COLUMNS[:4]
