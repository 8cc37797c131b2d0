"""Drivers who ask for offers, for tests of offers over real sockets."""

import asyncio
from typing import Any

import httpx

from tests.e2e.conftest import ADDRESSES, Sockets, Town
from tests.support.client import Client
from tests.support.stack import Person
from tests.support.standing import until_free

PLACE = {"lat": 64.1466, "lon": -21.9426}
"""Where no other test is."""
NEARBY = {"lat": 64.1506, "lon": -21.9426}
FARTHER = {"lat": 64.1646, "lon": -21.9426}


async def get(town: Town, path: str, status: int = 200) -> Any:
    """What an operator is answered."""
    answer = await asyncio.to_thread(
        httpx.get,
        f"{town.url}/api/{path}",
        headers={"Authorization": f"Bearer {town.operator.access}"},
        timeout=10,
    )
    assert answer.status_code == status, answer.text
    return answer.json()


class Fleet:
    """Drivers who asked for offers; at the end they want none, lest other tests' trips
    be offered to them.
    """

    def __init__(self, town: Town, sockets: Sockets) -> None:
        self._town = town
        self._sockets = sockets
        self.people: list[Person] = []

    async def driver(self, place: dict[str, float]) -> tuple[Person, Client]:
        person = self._town.driver()
        self.people.append(person)
        client = await self._sockets.open(person)
        answer = await client.do("driver.online", {"offers": True})
        assert answer == {"online": True, "offers": True}
        await client.send({"type": "driver.location", "data": place})
        await until_free(self._town.url, self._town.operator.access, person.id)
        return person, client

    async def state_of(self, person: Person) -> str:
        return str((await get(self._town, f"drivers/{person.id}"))["state"])

    async def rest(self) -> None:
        for person in self.people:
            client = await self._sockets.open(person)
            await client.do("driver.online", {"offers": False})


async def requested(
    rider: Client, bystander: Client, place: dict[str, float] = PLACE
) -> dict[str, Any]:
    """A trip that is matched: others are not told of it."""
    trip: dict[str, Any] = await rider.do(
        "trip.request", {**ADDRESSES, "pick_up": place}
    )
    await bystander.quiet()
    assert not bystander.seen("trip.requested", trip["id"])
    return trip
