"""`cabrank simulate` beside a test that breaks things; its exit status judges."""

import asyncio
import sys

import httpx

from tests.e2e.conftest import bearer
from tests.support.stack import Person, Stack
from tests.support.waiting import until_is

SIZE = ("--riders", "24", "--drivers", "12", "--duration", "7")


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
