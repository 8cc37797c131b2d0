"""All people of the city at once: drivers that stay, riders that come and go."""

import asyncio
import math
import random
from datetime import datetime

import httpx

from cabrank.demo import people
from cabrank.demo.driver import Driver
from cabrank.demo.rider import Rider
from cabrank.demo.session import Heard, RefusedError, Session
from cabrank.demo.streets import Place, Streets
from runtime.lifecycle import cancel
from schemas.trips import Role

SEED = 7
AT_ONCE = 0.5
"""Riders that wait when the city wakes up, a driver; half of them beside a car, so that
who looks on sees somebody arrive within the minute.
"""
RIDERS_MIN = 10
TIMEOUT_S = 30


class City:
    """`password`: of all who live in it."""

    def __init__(self, url: str, password: str, drivers: int, speed: float) -> None:
        self._url = url
        self._password = password
        self._drivers = drivers
        self._speed = speed
        self._streets = Streets()
        self._at_once = math.ceil(drivers * AT_ONCE)
        self.completed = 0

    async def live(self) -> None:
        """Until cancelled; raises where something is wrong with the demo itself."""
        async with (
            httpx.AsyncClient(
                base_url=self._url, timeout=TIMEOUT_S, trust_env=False
            ) as http,
            asyncio.TaskGroup() as group,
        ):
            ranks: list[Place] = []
            for number, person in enumerate(people.crew(Role.DRIVER, self._drivers)):
                driver = Driver(
                    self._streets, random.Random(SEED + number), self._speed
                )
                ranks.append(driver.place)
                driver.session = self._session(http, person, driver.hear)
                group.create_task(driver.session.run())
                group.create_task(driver.live())
            # The first to come are the first to be there.
            await self._riders(http, ranks[: math.ceil(self._at_once / 2)])

    def _session(
        self, http: httpx.AsyncClient, person: people.Person, hear: Heard
    ) -> Session:
        return Session(http, person, self._password, hear)

    async def _riders(self, http: httpx.AsyncClient, ranks: list[Place]) -> None:
        """As many as the hour has, while anybody is at home; the first at `ranks`."""
        rnd = random.Random(SEED)
        at_home = people.crew(Role.RIDER, max(self._drivers, RIDERS_MIN))
        out: set[asyncio.Task[None]] = set()
        at_once = self._at_once
        try:
            while True:
                if at_home:
                    rank = ranks.pop(0) if ranks else None
                    task = asyncio.create_task(self._ride(http, at_home, rank))
                    out.add(task)
                    task.add_done_callback(out.discard)
                at_once -= 1
                hour = datetime.now().astimezone().hour
                wait_s = people.wait_s(rnd, self._drivers, hour, self._speed)
                await asyncio.sleep(0.2 if at_once > 0 else wait_s)
        finally:
            await cancel(list(out))

    async def _ride(
        self,
        http: httpx.AsyncClient,
        at_home: list[people.Person],
        rank: Place | None,
    ) -> None:
        person = at_home.pop(0)
        rider = Rider(self._streets, random.Random(), self._speed, rank)
        rider.session = self._session(http, person, rider.hear)
        try:
            self.completed += await rider.ride()
        except RefusedError:
            pass  # over a limit of the operator's; they try another time
        finally:
            at_home.append(person)
