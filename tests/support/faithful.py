"""Riders and drivers that come back whenever they are sent away, and miss nothing."""

import asyncio
import itertools
from typing import Any

from tests.support.client import Client, Frame, welcomed
from tests.support.stack import Person
from tests.support.waiting import until

ADDRESSES = {"pick_up_address": "14 Main Street", "drop_off_address": "2 Station Road"}
PARTS = ("trip.requested", "trip.started", "trip.in_progress", "trip.completed")
"""What happens to each trip of `drive`."""


class Faithful:
    """A client that comes back, with its cursor, whenever it is sent away."""

    def __init__(self, url: str, person: Person) -> None:
        self._url = url
        self._person = person
        self.closes: list[int] = []
        self.events: list[Frame] = []
        self.recovered: list[bool] = []
        self.client: Client | None = None
        self.cursor = 0
        self.stopped = False

    async def live(self) -> None:
        while not self.stopped:
            since = self.cursor or None
            client, data = await welcomed(self._url, self._person.access, since=since)
            self.recovered.append(data["recovered"] or since is None)
            self.client = client
            self.closes.append(await client.closed(limit_s=None))
            self.cursor = max(self.cursor, client.cursor)
            self.events += [f for f in client.frames if "seq" in f]

    def has_heard(self, kind: str, trip: str) -> bool:
        now = [] if self.client is None else self.client.frames
        return any(
            frame["type"] == kind and frame["data"]["id"] == trip
            for frame in (*self.events, *now)
        )

    async def stop(self) -> None:
        self.stopped = True
        assert self.client is not None
        await self.client.close()
        self.closes.pop()

    async def insist(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Until it is answered: a connection may end before its answer comes."""
        while True:
            client = self.client
            assert client is not None
            try:
                answer = await client.ask(kind, data)
            except Exception:  # noqa: BLE001 - whatever a closed connection raises
                await until(lambda old=client: self.client is not old, "a new one", 20)
                continue
            if answer["type"] == "reply":
                reply: dict[str, Any] = answer["data"]
                return reply
            assert answer["data"]["retryable"], answer


async def drive(rider: Faithful, driver: Faithful, over: asyncio.Event) -> list[str]:
    """Trips one after another, until `over`; their ids."""
    trips = []
    for number in itertools.count():
        if over.is_set():
            # The driver was answered; the rider's connection hears by a way of its own.
            await until(
                lambda: rider.has_heard("trip.completed", trips[-1]), limit_s=60
            )
            return trips
        request = {**ADDRESSES, "idempotency_key": f"trip-{number}"}
        trip = (await rider.insist("trip.request", request))["id"]
        trips.append(trip)
        for kind in ("trip.accept", "trip.begin", "trip.complete"):
            await driver.insist(kind, {"id": trip})
    raise AssertionError


def missed_nothing(each: Faithful, trips: list[str]) -> None:
    """Every part of every trip came once, in order, over all connections."""
    assert each.closes, "nobody was sent away"
    assert set(each.closes) == {4002}
    assert all(each.recovered)
    mine = [frame for frame in each.events if frame["type"] in PARTS]
    parts = [(frame["data"]["id"], frame["type"]) for frame in mine]
    seen = [pair for pair in parts if pair[1] != "trip.requested"]
    assert seen == [(trip, kind) for trip in trips for kind in PARTS[1:]]
