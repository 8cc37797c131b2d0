"""The eight behaviours of the older Channels tutorials, and rejoining, each in their
shapes (`create.trip`, `update.trip` on `/taxi/`) and in ours.
"""

from typing import Any

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town
from tests.support.client import Client


class Shape:
    """How a client speaks: which path, which frames."""

    def __init__(self, path: str, create: str, old: bool) -> None:
        self.path = path
        self.create = create
        self.old = old

    async def update(self, driver: Client, trip: str, status: str) -> Any:
        if self.old:
            return await driver.do("update.trip", {"id": trip, "status": status})
        command = {
            "STARTED": "trip.accept",
            "ARRIVED": "trip.arrive",
            "IN_PROGRESS": "trip.begin",
            "COMPLETED": "trip.complete",
        }[status]
        return await driver.do(command, {"id": trip})


@pytest.fixture(params=["old", "new"])
def shape(request: pytest.FixtureRequest) -> Shape:
    if request.param == "old":
        return Shape("/taxi/", "create.trip", old=True)
    return Shape("/ws", "trip.request", old=False)


async def test_driver_can_connect(shape: Shape, town: Town, sockets: Sockets) -> None:
    driver = town.driver()
    _, welcome = await sockets.welcome(driver, path=shape.path)
    assert welcome["user"] == driver.user
    assert welcome["trips"] == []
    assert isinstance(welcome["open_trips"], list)


async def test_rider_can_connect(shape: Shape, town: Town, sockets: Sockets) -> None:
    rider = town.rider()
    _, welcome = await sockets.welcome(rider, path=shape.path)
    assert welcome["user"] == rider.user
    assert welcome["recovered"] is False


async def test_rider_can_create_a_trip(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    person = town.rider()
    rider = await sockets.open(person, path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    assert trip["status"] == "REQUESTED"
    assert trip["version"] == 1
    assert trip["driver"] is None
    assert trip["rider"]["username"] == person.user["username"]
    assert trip["pick_up_address"] == ADDRESSES["pick_up_address"]


async def test_rider_is_subscribed_to_their_trip(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider(), path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    shown = await rider.expect_trip("trip.requested", trip["id"])
    assert shown == trip


async def test_driver_can_update_a_trip(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    person = town.driver()
    rider = await sockets.open(town.rider(), path=shape.path)
    driver = await sockets.open(person, path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    for version, status in enumerate(
        ("STARTED", "ARRIVED", "IN_PROGRESS", "COMPLETED"), 2
    ):
        updated = await shape.update(driver, trip["id"], status)
        assert updated["status"] == status
        assert updated["version"] == version
        assert updated["driver"]["id"] == person.id


async def test_driver_is_subscribed_to_the_trip(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider(), path=shape.path)
    driver = await sockets.open(town.driver(), path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    await shape.update(driver, trip["id"], "STARTED")
    await driver.expect_trip("trip.started", trip["id"])
    await rider.do("trip.cancel", {"id": trip["id"]})
    assert (await driver.expect_trip("trip.cancelled", trip["id"]))["version"] == 3


async def test_driver_is_alerted_when_a_trip_is_created(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    driver = await sockets.open(town.driver(), path=shape.path)
    person = town.rider()
    rider = await sockets.open(person, path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    alert = await driver.expect_trip("trip.requested", trip["id"])
    assert alert["rider"] == {
        "id": person.id,
        "first_name": person.user["first_name"],
    }
    assert alert["pick_up_address"] == ADDRESSES["pick_up_address"]


async def test_rider_is_alerted_when_the_trip_is_updated(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    person = town.driver()
    rider = await sockets.open(town.rider(), path=shape.path)
    driver = await sockets.open(person, path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    await shape.update(driver, trip["id"], "STARTED")
    alert = await rider.expect_trip("trip.started", trip["id"])
    assert alert["driver"]["id"] == person.id
    assert alert["driver"]["username"] == person.user["username"]


async def test_active_trips_are_rejoined_on_reconnect(
    shape: Shape, town: Town, sockets: Sockets
) -> None:
    riding, driving = town.rider(), town.driver()
    rider = await sockets.open(riding, path=shape.path)
    driver = await sockets.open(driving, path=shape.path)
    trip = await rider.do(shape.create, ADDRESSES)
    await shape.update(driver, trip["id"], "STARTED")
    await rider.close()
    await driver.close()
    rider, seen = await sockets.welcome(riding, path=shape.path)
    assert [t["id"] for t in seen["trips"]] == [trip["id"]]
    driver, seen = await sockets.welcome(driving, path=shape.path)
    assert [t["status"] for t in seen["trips"]] == ["STARTED"]
    await shape.update(driver, trip["id"], "ARRIVED")
    await rider.expect_trip("trip.arrived", trip["id"])
    await driver.expect_trip("trip.arrived", trip["id"])
