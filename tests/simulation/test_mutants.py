"""Each guard that is taken away is missed: the simulation tests what it claims to."""

import pytest

from tests.simulation import plan as plans
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.world import run

SEEDS_MAX = 1000
FIRST = {"replay from the wrong record": 1600, "two records in flight": 1200}
"""Where to begin with those that show late: with 0, after 1,654 and 1,282 schedules."""


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_catches(name: str) -> None:
    with mutated(name):
        first = FIRST.get(name, 0)
        seeds = range(first, first + SEEDS_MAX)
        caught = any(run(plans.of(seed)).violations for seed in seeds)
    assert caught, f"{SEEDS_MAX} schedules did not notice: {name}"
