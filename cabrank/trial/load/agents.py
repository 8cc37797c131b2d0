"""What simulated riders and drivers do, and when: random, but from one seed.

They meet on purpose: drivers accept at once, several the same trip; some cancel,
release, decline, or lose their connection at the worst moment.
"""

import asyncio
import functools
import random
import time
import uuid

from msgspec import Struct

from cabrank.trial.load.client import Client, wait_for_change
from cabrank.trial.load.watch import Watch
from schemas.rooms import of_trip
from schemas.trips import Status, Trip

LOOK_AGAIN_S = 1.0
LOUNGE_S = 3.0
"""Mean between two messages of one in an open room: far below the 100 that a join
after a loss can answer with."""
DRIVERS_PER_RACE = 6
"""About how many idle drivers jump at each trip; all of a thousand would only time
the refusals.
"""
CITY = (40.7128, -74.0060)
"""Degrees; everybody drives in a square of SIDE degrees north-east of here."""
SIDE = 0.02
"""Two kilometres: whoever is free is near enough to any trip to be asked."""
OFFERS = 0.5
"""Share of the drivers who ask for them."""
FIX_S = 3.0
"""Between two positions of a driver: phones say it every few seconds."""


class Habits(Struct, frozen=True):
    """Seconds are means of exponential, or ranges of uniform waits; shares are 0-1."""

    think_s: float = 1.0
    patience_s: float = 6.0
    step_s: tuple[float, float] = (0.02, 0.4)
    connected_s: float = 15.0
    rider_cancels: float = 0.06
    driver_cancels: float = 0.04
    driver_releases: float = 0.06
    driver_declines: float = 0.03
    driver_pauses: float = 0.01
    skips_arrival: float = 0.2
    wants_offers: float = OFFERS
    """Share of the drivers who ask for offers, and say where they are."""
    misses: float = 0.04
    """Share of offers that a driver doesn't answer."""
    declines: float = 0.1
    """Share of those that they decline."""
    talks: float = 0.2
    """Share of steps of a trip at which its rider or driver says something."""
    lounges: float = 0.3
    """Share of everybody that is in an open room as well."""
    vanishes: float = 0.6
    """Share of losses of connection without a close frame."""


class Agent:
    """`over`: no new trips any more; the agent ends when it has none."""

    def __init__(
        self,
        client: Client,
        habits: Habits,
        rng: random.Random,
        watch: Watch,
        over: asyncio.Event,
    ) -> None:
        self.client = client
        self.habits = habits
        self.rng = rng
        self.watch = watch
        self.over = over
        self.lounge: str | None = None
        """An open room to be in."""
        self._said = 0

    async def live(self) -> None:
        """Until it is over and the last trip has ended."""
        raise NotImplementedError

    @property
    def trip(self) -> Trip | None:
        return next(iter(self.client.trips.values()), None)

    async def lose_connections(self) -> None:
        """Until it is over."""
        while not await self.pause(self.rng.expovariate(1 / self.habits.connected_s)):
            self.client.drop(politely=self.rng.random() > self.habits.vanishes)

    async def chat(self) -> None:
        """Every now and then, in the open room, until it is over."""
        if self.lounge is None:
            return
        await self.client.visits.enter(self.lounge)
        while not await self.pause(self.rng.expovariate(1 / LOUNGE_S)):
            await self._say(self.lounge)

    async def talk(self, trip: str) -> None:
        """Perhaps, in the trip's room, having left that of the trip before."""
        visits, room = self.client.visits, of_trip(trip)
        if self.rng.random() > self.habits.talks:
            return
        for other in visits.rooms - {room, self.lounge}:
            await visits.leave(other)
        if room in visits.rooms or await visits.enter(room):
            await self._say(room)

    async def _say(self, room: str) -> None:
        self._said += 1
        text = f"{self.client.account.user.id} {self._said}"
        await self.client.visits.say(room, text)

    async def pause(self, seconds: float) -> bool:
        """Wait; True (at once) where it is over."""
        try:
            await asyncio.wait_for(self.over.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def step(self) -> None:
        await asyncio.sleep(self.rng.uniform(*self.habits.step_s))

    def point(self) -> dict[str, object]:
        north, east = self.rng.uniform(0, SIDE), self.rng.uniform(0, SIDE)
        return {"lat": CITY[0] + north, "lon": CITY[1] + east}


class Rider(Agent):
    async def live(self) -> None:
        while not await self.pause(self.rng.expovariate(1 / self.habits.think_s)):
            if self.trip is None:
                await self._request()
            while self.trip is not None:
                await self._ride(self.trip.id)
        while self.trip is not None:
            await self._ride(self.trip.id)

    async def _request(self) -> None:
        data: dict[str, object] = {
            "pick_up_address": f"{self.rng.randrange(1, 999)} Main Street",
            "drop_off_address": f"{self.rng.randrange(1, 999)} Station Road",
            "idempotency_key": str(uuid.UUID(int=self.rng.getrandbits(128))),
        }
        if self.rng.random() < 0.5:  # noqa: PLR2004 (positions are optional)
            data["pick_up"], data["drop_off"] = self.point(), self.point()
        await self.client.ask("trip.request", data)

    async def _ride(self, trip_id: str) -> None:
        """Follow one trip to its end, or give it up."""
        asked_at = time.monotonic()
        gives_up = self.rng.random() < self.habits.rider_cancels
        patience_s = self.habits.patience_s * self.rng.uniform(0.5, 1.5)
        waited = False
        while trip_id in self.client.trips:
            status = self.client.trips[trip_id].status
            if status is not Status.REQUESTED:
                await self.talk(trip_id)
            patient = time.monotonic() - asked_at < patience_s
            if status is Status.STARTED and not waited:
                waited = True
                self.watch.figures.waits.append(time.monotonic() - asked_at)
            if (status is Status.REQUESTED and not patient) or (
                gives_up and status in {Status.STARTED, Status.ARRIVED}
            ):
                gives_up = False
                asked_at = time.monotonic()
                await self.client.ask(
                    "trip.cancel", {"id": trip_id, "reason": "took too long"}
                )
                continue
            await wait_for_change(self.client, LOOK_AGAIN_S)


class Driver(Agent):
    """`drivers`: how many of them there are."""

    drivers = 1

    @functools.cached_property
    def wants_offers(self) -> bool:
        return self.rng.random() < self.habits.wants_offers

    async def live(self) -> None:
        if self.wants_offers:
            await self.client.ask("driver.online", {"offers": True})
        await self._work()
        if self.wants_offers:  # others' trips are not to be offered to who has left
            await self.client.ask("driver.online", {"offers": False})

    async def move(self) -> None:
        """Say where they are, until it is over."""
        while self.wants_offers and not await self.pause(FIX_S):
            self.client.tell("driver.location", self.point())

    async def _work(self) -> None:
        client = self.client
        while not (
            self.over.is_set()
            and self.trip is None
            and not (client.open or client.asked.live)
        ):
            if self.trip is not None:
                await self._drive(self.trip)
            elif client.asked.live:
                await self._answer()
            elif self.wants_offers and not client.asked.online:
                await client.ask("driver.online", {})
                client.asked.online = True  # answered, whatever is told yet
            elif self.client.open:
                await self._jump()
            else:
                if self.rng.random() < self.habits.driver_pauses:
                    await self._rest()
                await wait_for_change(self.client, LOOK_AGAIN_S)
                if self.client.open and self.rng.random() > self._eagerness():
                    await self.step()

    def _eagerness(self) -> float:
        return DRIVERS_PER_RACE / self.drivers

    async def _rest(self) -> None:
        await self.client.ask("driver.offline", {})
        await self.step()
        await self.client.ask("driver.online", {})

    async def _answer(self) -> None:
        """What they are offered: mostly taken, with or without saying which it is."""
        rng, live = self.rng, self.client.asked.live
        offered = live.pop(next(iter(live)))
        if rng.random() < self.habits.misses:
            return
        await self.step()
        data: dict[str, object] = {"id": offered.trip.id}
        if rng.random() < 0.5:  # noqa: PLR2004 (`offer` is optional)
            data["offer"] = offered.offer
        is_foreign = not self.client.is_of_run(offered.trip)
        declines = is_foreign or rng.random() < self.habits.declines
        await self.client.ask("trip.decline" if declines else "trip.accept", data)

    async def _jump(self) -> None:
        trip_id = self.rng.choice(list(self.client.open))
        self.client.open.pop(trip_id)
        declines = self.rng.random() < self.habits.driver_declines
        await self.client.ask(
            "trip.decline" if declines else "trip.accept", {"id": trip_id}
        )

    async def _drive(self, trip: Trip) -> None:
        await self.step()
        self.client.tell("driver.location", self.point())
        await self.talk(trip.id)
        kind = self._next_command(trip.status)
        outcome = await self.client.ask(kind, {"id": trip.id})
        if outcome.refused is not None and self.trip == trip:
            await wait_for_change(self.client, LOOK_AGAIN_S)

    def _next_command(self, status: Status) -> str:
        habits, chance = self.habits, self.rng.random()
        if status is Status.IN_PROGRESS:
            return "trip.complete"
        if chance < habits.driver_releases:
            return "trip.release"
        if chance < habits.driver_releases + habits.driver_cancels:
            return "trip.cancel"
        if status is Status.STARTED and chance < 1 - habits.skips_arrival:
            return "trip.arrive"
        return "trip.begin"
