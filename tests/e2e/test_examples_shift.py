"""examples/shift: a driver asks for offers, and drives what is near."""

import asyncio
import os
import sys

from cabrank_client import Client, Position

from tests.e2e.conftest import Town
from tests.support.applications import CLIENT, EXAMPLES, LIMIT_S
from tests.support.stack import Person
from tests.support.waiting import until_is

PLACE: Position = {"lat": -41.29, "lon": 179.9999}
NEAR: Position = {"lat": -41.29, "lon": -179.9996}
"""42 m over the date line."""
FAR: Position = {"lat": -41.28, "lon": 179.9999}
"""1.1 km, so some 200 s."""


async def begun(town: Town, driver: Person, *words: str) -> asyncio.subprocess.Process:
    program = str(EXAMPLES / "shift" / "drive.py")
    place = f"--at={PLACE['lat']},{PLACE['lon']}"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, program, "--url", town.url, place, *words),
        env={**os.environ, "PYTHONPATH": CLIENT, "CABRANK_TOKEN": driver.access},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_driver_on_shift_declines_what_is_far_and_drives_what_is_near(
    town: Town,
) -> None:
    driver = town.driver()
    words = ("--speed=300", "--every=0.2", "--eta-max=60", "--trips=1")
    async with (
        asyncio.timeout(2 * LIMIT_S),
        Client(town.url, token=town.operator.access) as desk,
        Client(town.url, token=town.rider().access) as far,
        Client(town.url, token=town.rider().access) as near,
    ):
        process = await begun(town, driver, *words)

        async def state() -> str:
            return (await desk.http.driver(driver.id))["state"]

        await until_is(state, lambda seen: seen == "free", LIMIT_S)
        declined = await far.request_trip("Hill", "Quay", pick_up=FAR)

        async def ends() -> list[str | None]:
            told = await desk.http.matching(declined["id"])
            return [offer["end"] for offer in told["offers"]]

        await until_is(ends, lambda seen: seen == ["declined"], LIMIT_S)
        moves = near.events("driver.moved")
        trip = await near.request_trip("Quay", "Hill", pick_up=NEAR, drop_off=PLACE)
        statuses = [e.trip["status"] async for e in near.follow(trip["id"])]
        assert statuses[-1] == "COMPLETED"
        assert {"STARTED", "ARRIVED", "IN_PROGRESS"} <= set(statuses)
        assert (await anext(moves)).data["trip"] == trip["id"]
        said, wrong = await process.communicate()
        assert (process.returncode, wrong) == (0, b"")
        assert said.decode().splitlines() == ["on shift", f"{trip['id']} is done"]
        await until_is(state, lambda seen: seen == "offline", LIMIT_S)
        await far.cancel_trip(declined["id"])


async def test_without_a_token_no_shift_begins(town: Town) -> None:
    driver = town.driver()
    driver.access = ""
    process = await begun(town, driver)
    _, wrong = await process.communicate()
    assert process.returncode == 2
    assert wrong.decode().strip() == "CABRANK_TOKEN must be the driver's token."
