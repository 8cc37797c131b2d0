"""Each guard that is taken away is missed: the simulation tests what it claims to."""

import pytest

from tests.simulation import plan as plans
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.world import run

SEEDS_MAX = 1500
"""Some 45 s; the one that shows last (a wrong replay) takes 570 of them."""


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_catches(name: str) -> None:
    with mutated(name):
        caught = any(run(plans.of(seed)).violations for seed in range(SEEDS_MAX))
    assert caught, f"{SEEDS_MAX} schedules did not notice: {name}"
