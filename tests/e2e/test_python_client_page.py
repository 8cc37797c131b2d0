"""What clients/python/README.md tells to write works."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from cabrank_client import Client

from tests.e2e.conftest import ADDRESSES, Town
from tests.support.waiting import until_is

PAGE = Path(__file__).parents[2] / "clients" / "python" / "README.md"
LIMIT_S = 60


def programs() -> dict[str, Any]:
    """The page's functions, by name."""
    found: dict[str, Any] = {}
    for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(text, found)
    return found


async def test_the_page_s_rider_and_driver_meet(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    page = programs()
    rider, driver = town.rider(), town.driver()

    def where() -> dict[str, float]:
        return {"lat": 59.911, "lon": 10.751}

    async with (
        asyncio.timeout(LIMIT_S),
        Client(town.url, token=town.operator.access) as desk,
    ):
        driving = asyncio.create_task(page["drive"](town.url, driver.access, where))

        async def state() -> str:
            return (await desk.http.driver(driver.id))["state"]

        await until_is(state, lambda seen: seen == "free", LIMIT_S)
        await page["ride"](town.url, rider.access)
        driving.cancel()
        await asyncio.wait([driving])
        said = capsys.readouterr().out.split("\n")
        assert said[0] == "trip.snapshot REQUESTED"
        assert said[-2:] == ["trip.completed COMPLETED", ""]


async def test_the_page_s_desk_and_talker_do_their_work(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    page = programs()
    rider, driver, operator = town.rider(), town.driver(), town.operator
    async with (
        asyncio.timeout(LIMIT_S),
        Client(town.url, token=rider.access) as client,
    ):
        work = (page["operate"], town.url, operator.access, rider.id, driver.id)
        await asyncio.to_thread(*work)

        async def trips() -> list[str]:
            return [trip["status"] for trip in await client.http.trips()]

        await until_is(trips, lambda seen: seen == ["CANCELLED"])
        trip = await client.request_trip(**ADDRESSES)
        said = page["talk"](town.url, rider.access, trip["id"])
        talking = asyncio.create_task(said)

        async def log() -> list[str]:
            room = f"trip_{trip['id']}"
            return [message["text"] for message in await client.http.messages(room)]

        await until_is(log, lambda seen: seen == ["I'm at the door."], LIMIT_S)
        talking.cancel()
        await asyncio.wait([talking])
        await client.cancel_trip(trip["id"])
