"""Each guard that is taken away is missed: the simulation tests what it claims to."""

import pytest

from tests.simulation import plan as plans
from tests.simulation.mutants import DRAWN, MUTANTS, mutated
from tests.simulation.world import run

SEEDS_MAX = 1000
"""Each shows within 150 (docs/RELIABILITY.md); which ones, moves with the plans."""


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_catches(name: str) -> None:
    draw = DRAWN.get(name, plans.of)
    with mutated(name):
        caught = any(run(draw(seed)).violations for seed in range(SEEDS_MAX))
    assert caught, f"{SEEDS_MAX} schedules did not notice: {name}"
