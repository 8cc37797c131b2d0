"""An operator who watches, over real sockets: PROTOCOL.md section 2, `ops.watch`."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town
from tests.support.client import LIMIT_S, Client
from tests.support.stack import Person

REEF = {"lat": -17.5, "lon": 179.99}
"""Where no other test is: by the date line."""
BEYOND = {"lat": -17.5, "lon": -179.99}
INLAND = {"lat": -17.5, "lon": 179.3}
BOUNDS = [-18.0, 179.5, -17.0, -179.5]
FIGURES = {
    "free", "offered", "busy", "stale", "requested", "matching", "broadcast", "started",
    "arrived", "in_progress", "scheduled", "oldest_unmatched_s", "offers_per_min",
    "accepted_share", "wait_p50_s", "wait_p95_s",
}  # fmt: skip


class Screen:
    """What an operator's session has put together."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.drivers: dict[str, list[Any]] = {}
        self.trips: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, Any] = {}

    async def watch(self, **data: Any) -> None:
        whole = await self.client.do("ops.watch", data)
        assert set(whole) == {"drivers", "gone", "trips", "ended", "figures"}
        assert whole["gone"] == whole["ended"] == []
        assert set(whole["figures"]) == FIGURES
        self.drivers.clear()
        self.trips.clear()
        self._take(whole)

    def _take(self, data: dict[str, Any]) -> None:
        self.drivers |= {row[0]: row for row in data["drivers"]}
        self.trips |= {trip["id"]: trip for trip in data["trips"]}
        for driver in data["gone"]:
            del self.drivers[driver]
        for trip in data["ended"]:
            del self.trips[trip]
        self.figures = data["figures"]

    async def until(self, seen: Callable[["Screen"], object]) -> None:
        while not seen(self):
            frame = await self.client.expect("ops.update")
            assert set(frame) == {"type", "data"}
            self._take(frame["data"])

    def state(self, driver: Person) -> str | None:
        row = self.drivers.get(driver.id)
        return None if row is None else row[4]


@pytest.fixture
async def screen(town: Town, sockets: Sockets) -> Screen:
    return Screen(await sockets.open(town.operator))


@pytest.fixture
async def driver(town: Town, sockets: Sockets) -> AsyncIterator[tuple[Person, Client]]:
    """Who asks for offers by the reef."""
    person = town.driver()
    client = await sockets.open(person)
    await client.do("driver.online", {"offers": True})
    await client.send({"type": "driver.location", "data": {**REEF, "heading": 90}})
    yield person, client
    await client.do("driver.online", {"offers": False})


async def test_an_operator_sees_a_trip_and_its_driver_go_through_all_states(
    town: Town, sockets: Sockets, screen: Screen, driver: tuple[Person, Client]
) -> None:
    person, client = driver
    await screen.watch(bounds=BOUNDS)
    await screen.until(lambda s: s.state(person) == "free")
    row = screen.drivers[person.id]
    assert row[:6] == [person.id, REEF["lat"], REEF["lon"], 90, "free", None]
    assert 0 <= row[6] <= LIMIT_S
    assert screen.figures["free"] >= 1

    rider = await sockets.open(town.rider())
    trip = await rider.do("trip.request", {**ADDRESSES, "pick_up": BEYOND})
    await screen.until(lambda s: s.state(person) == "offered" and trip["id"] in s.trips)
    assert screen.trips[trip["id"]] == trip
    assert screen.figures["offers_per_min"] >= 1
    started = await client.do("trip.accept", {"id": trip["id"]})
    await screen.until(lambda s: s.trips[trip["id"]]["status"] == "STARTED")
    assert screen.trips[trip["id"]] == started
    await screen.until(lambda s: s.state(person) == "busy")
    assert screen.drivers[person.id][5] == trip["id"]
    assert screen.figures["wait_p50_s"] is not None
    assert screen.figures["busy"] >= screen.figures["started"] >= 1

    await client.send({"type": "driver.location", "data": INLAND})
    await screen.until(lambda s: person.id not in s.drivers)
    assert trip["id"] in screen.trips  # its pick-up is where it was
    await client.send({"type": "driver.location", "data": BEYOND})
    await screen.until(lambda s: s.state(person) == "busy")
    await rider.do("trip.cancel", {"id": trip["id"]})
    await screen.until(lambda s: not s.trips and s.state(person) == "free")
    await client.do("driver.offline")
    await screen.until(lambda s: s.state(person) == "offline")


async def test_without_bounds_what_has_no_position_is_shown_too(
    town: Town, sockets: Sockets, screen: Screen
) -> None:
    person = town.driver()
    client = await sockets.open(person)
    await client.do("driver.online", {"offers": True})
    rider = await sockets.open(town.rider())
    trip = await rider.do("trip.request", ADDRESSES)
    await screen.watch()
    await screen.until(lambda s: trip["id"] in s.trips and s.state(person) == "stale")
    assert screen.drivers[person.id] == [
        person.id, None, None, None, "stale", None, None,
    ]  # fmt: skip
    # Another watch replaces it: nothing of what it showed comes any more.
    await screen.watch(bounds=BOUNDS)
    assert trip["id"] not in screen.trips
    assert person.id not in screen.drivers
    await rider.do("trip.cancel", {"id": trip["id"]})
    await client.do("driver.online", {"offers": False})


async def test_who_watches_no_more_is_sent_no_more(
    town: Town, sockets: Sockets, screen: Screen
) -> None:
    other = Screen(await sockets.open(town.operator))
    person = town.driver()
    client = await sockets.open(person)
    await screen.watch(bounds=BOUNDS)
    await other.watch(bounds=BOUNDS)
    assert await screen.client.do("ops.unwatch") == {}
    assert await screen.client.do("ops.unwatch", {}) == {}
    updates = len(screen.client.seen("ops.update"))
    await client.send({"type": "driver.location", "data": REEF})
    await other.until(lambda s: person.id in s.drivers)
    await screen.client.quiet()
    assert len(screen.client.seen("ops.update")) == updates
    await screen.watch(bounds=BOUNDS)
    assert person.id in screen.drivers


async def test_it_is_for_operators_and_bounds_must_be_some(
    town: Town, sockets: Sockets, screen: Screen
) -> None:
    for person in (town.rider(), town.driver()):
        client = await sockets.open(person)
        assert await client.refusal("ops.watch") == "wrong_role"
        assert await client.refusal("ops.unwatch") == "wrong_role"
        # What is asked for is looked at before who asks.
        bad = {"bounds": [1, 0, 0, 0]}
        assert await client.refusal("ops.watch", bad) == "invalid_data"
    for bounds in (
        [1, 0, 0, 0],
        [0, 0, 1],
        [0, 0, 91, 1],
        [0, -181, 1, 1],
        [0, 0, 1, "1"],
        [0, 0, 1, None],
        "0,0,1,1",
        {},
    ):
        refused = await screen.client.refusal("ops.watch", {"bounds": bounds})
        assert refused == "invalid_data", bounds
    await screen.client.send(
        '{"type":"ops.watch","ref":"n","data":{"bounds":[0,0,NaN,1]}}'
    )
    assert (await screen.client.expect("refused"))["data"]["code"] == "bad_frame"
