"""kill -9 in the middle of a simulation: nothing that was answered is lost.

`cabrank simulate` checks the invariants of PROTOCOL.md from what its clients saw, and
the history against it; its exit status is the verdict.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from tests.e2e.simulation import Simulation
from tests.support.stack import Person, Stack
from tests.support.waiting import until


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two of each."""
    stack = Stack(
        tmp_path_factory.mktemp("fleet") / "data",
        *("--gateways", "2", "--dispatchers", "2", "--persistence", "2"),
    )
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def operator(fleet: Stack) -> Person:
    return fleet.people("operator", 1)[0]


async def kill(fleet: Stack, name: str) -> None:
    """kill -9, and wait until `up` has replaced it."""
    killed = fleet.kill(name)

    def replaced() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return fleet.pid(name) != killed
        return False

    await until(replaced, f"a new {name}", 20)


async def test_killed_leader_loses_nothing(fleet: Stack, operator: Person) -> None:
    """One of the two leads, and whoever is killed second led by then."""
    simulation = Simulation(fleet, operator)
    await simulation.start()
    await kill(fleet, "dispatcher-1")
    await kill(fleet, "dispatcher-2")
    await simulation.verdict()


async def test_killed_gateway_loses_nothing(fleet: Stack, operator: Person) -> None:
    simulation = Simulation(fleet, operator)
    await simulation.start()
    await kill(fleet, "gateway-1")
    await fleet.ready(1)
    await kill(fleet, "gateway-2")
    report = await simulation.verdict()
    assert "abnormal" in report or "1006" in report


async def test_killed_persistence_loses_nothing(fleet: Stack, operator: Person) -> None:
    simulation = Simulation(fleet, operator)
    await simulation.start()
    await kill(fleet, "persistence-1")
    await kill(fleet, "persistence-2")
    await simulation.verdict()


async def test_everything_killed_at_once_loses_nothing(
    fleet: Stack, operator: Person
) -> None:
    simulation = Simulation(fleet, operator)
    await simulation.start()
    names = [name for name in fleet.pids() if name != "nats"]
    await asyncio.gather(*(kill(fleet, name) for name in names))
    await simulation.verdict()


async def test_killed_nats_server_loses_nothing(fleet: Stack, operator: Person) -> None:
    simulation = Simulation(fleet, operator)
    await simulation.start()
    await kill(fleet, "nats")
    await simulation.verdict()
