"""kill -9 in the middle of a simulation: nothing that was answered is lost.

`cabrank simulate` checks the invariants of PROTOCOL.md from what its clients saw, and
the history against it; its exit status is the verdict.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import bearer
from tests.support.stack import Person, Stack
from tests.support.waiting import until, until_is

SIZE = ("--riders", "24", "--drivers", "12", "--duration", "7")


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


class Simulation:
    """`cabrank simulate` against both gateways of a fleet."""

    def __init__(self, fleet: Stack, operator: Person) -> None:
        self._fleet = fleet
        self._operator = operator
        self._log = fleet.data_dir.with_suffix(".simulate")

    async def start(self) -> None:
        """Returns when its trips are under way."""
        before = await self._newest_trip()
        urls = (f"--url={self._fleet.gateway(number)}" for number in (1, 2))
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cabrank", "simulate", *SIZE, *urls),
                *("--data-dir", str(self._fleet.data_dir)),
                stdout=log,
                stderr=log,
            )
        await until_is(self._newest_trip, lambda trip: trip != before, 30)

    async def _newest_trip(self) -> str | None:
        async with httpx.AsyncClient(trust_env=False) as web:
            answer = await web.get(
                f"{self._fleet.gateway(2)}/api/trips?limit=1",
                headers=bearer(self._operator),
            )
        trips = answer.json()
        return trips[0]["id"] if trips else None

    async def verdict(self) -> str:
        """What it printed. Raises: AssertionError: an invariant broke."""
        status = await self._process.wait()
        report = self._log.read_text()
        assert status == 0, report[-6000:]
        assert "COMPLETED" in report
        return report


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
