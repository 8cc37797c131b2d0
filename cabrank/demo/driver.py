"""A driver of the city: goes about, takes what is offered, and drives it to its end."""

import asyncio
import random
import time
from typing import Any

from cabrank.demo import people
from cabrank.demo.session import GoneError, RefusedError, Session
from cabrank.demo.streets import Car, Place, Streets
from schemas.trips import TERMINAL, Status

TICK_S = 1.0
"""Between two positions."""
THINKS_S = (1.0, 4.0)
"""Our seconds: an offer's life doesn't get shorter."""
BOARDS_S = (6.0, 18.0)
CRUISES = 0.03
"""Chance, a tick, that one who stands goes for a drive."""
SPEED_MAX_MPS = 150
"""PROTOCOL.md section 2: what `driver.location` takes."""


class Driver:
    """`speed`: how much faster than ours the city's time goes."""

    def __init__(self, streets: Streets, rnd: random.Random, speed: float) -> None:
        self._streets = streets
        self._rnd = rnd
        self._speed = speed
        self._car = Car(streets.somewhere(rnd))
        self.session: Session
        self._trip: dict[str, Any] | None = None
        self._headed: tuple[str, str] | None = None
        """Of which trip, in which status, the car has its way."""
        self._wanted: list[tuple[float, dict[str, Any], str | None]] = []
        """Offers and open trips: when they are answered."""
        self._boards_at = 0.0
        self._is_new = True

    @property
    def place(self) -> Place:
        return self._car.place

    def hear(self, kind: str, data: Any) -> None:
        if kind == "welcome":
            self._is_new = True
            self._take(next(iter(data["trips"]), None))
            for trip in data["open_trips"][:3]:
                self._consider(trip, None)
            for offer in data.get("offers", ()):
                self._consider(offer["trip"], offer["offer"])
        elif kind == "trip.offered":
            self._consider(data["trip"], data["offer"])
        elif kind == "trip.requested":
            self._consider(data, None)
        elif kind == "driver.state" and not data["online"]:
            self._is_new = True
        elif kind.startswith("trip.") and self._trip and data["id"] == self._trip["id"]:
            self._take(data)

    def _consider(self, trip: dict[str, Any], offer: str | None) -> None:
        thinks_s = self._rnd.uniform(*THINKS_S) / people.haste(self._speed)
        self._wanted.append((time.monotonic() + thinks_s, trip, offer))

    def _take(self, trip: dict[str, Any] | None) -> None:
        """As the server has it: mine, or not any more."""
        me = self.session.user.get("id")
        is_mine = trip is not None and (trip["driver"] or {}).get("id") == me
        is_over = trip is not None and trip["status"] in TERMINAL
        self._trip = trip if is_mine and not is_over else None

    async def live(self) -> None:
        """Until cancelled."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            try:
                await self._tick(now, (now - before) * self._speed)
            except RefusedError:
                pass  # the next tick does what fits then
            except GoneError:
                self._wanted.clear()
            before = now

    async def _tick(self, now: float, city_s: float) -> None:
        if self._is_new:
            await self.session.ask("driver.online", offers=True)
            self._is_new = False
        await self._answer(now)
        speed_mps = people.KMH / 3.6
        was = self._car.place
        self._car.move(speed_mps * city_s)
        driven = speed_mps * self._speed if self._car.place != was else 0.0
        await self.session.tell(
            "driver.location",
            lat=round(self._car.place.lat, 6),
            lon=round(self._car.place.lon, 6),
            heading=round(self._car.heading),
            speed=min(driven, SPEED_MAX_MPS),
        )
        if self._trip is not None:
            await self._drive(self._trip, now)
        elif self._car.stands and self._rnd.random() < CRUISES * self._speed:
            self._go(self._streets.somewhere(self._rnd))

    async def _answer(self, now: float) -> None:
        due = [each for each in self._wanted if each[0] <= now]
        self._wanted = [each for each in self._wanted if each[0] > now]
        for _, trip, offer in due:
            answer = people.answer_to_an_offer(self._rnd)
            if self._trip is not None or answer is None:
                continue
            if offer is None and answer == "decline":
                continue
            about = (
                {"id": trip["id"]}
                if offer is None
                else {"id": trip["id"], "offer": offer}
            )
            self._take(await self.session.ask(f"trip.{answer}", **about))

    async def _drive(self, trip: dict[str, Any], now: float) -> None:
        status = Status(trip["status"])
        state = (trip["id"], trip["status"])
        if self._headed != state:
            self._headed = state
            boards_s = self._rnd.uniform(*BOARDS_S) / self._speed
            self._boards_at = now + boards_s
            goal = trip["drop_off" if status is Status.IN_PROGRESS else "pick_up"]
            if status is not Status.ARRIVED:
                self._go(self._place(goal))
            return
        if status is Status.ARRIVED:
            if now >= self._boards_at:
                self._take(await self.session.ask("trip.begin", id=trip["id"]))
        elif self._car.stands:
            step = "arrive" if status is Status.STARTED else "complete"
            self._take(await self.session.ask(f"trip.{step}", id=trip["id"]))
            if step == "arrive":
                await self._say(trip, self._rnd.choice(people.HERE))

    def _place(self, goal: dict[str, float] | None) -> Place:
        """A corner near to it; words alone lead somewhere."""
        if goal is None:
            return self._streets.somewhere(self._rnd)
        return self._streets.nearest(Place(goal["lat"], goal["lon"]))

    def _go(self, end: Place) -> None:
        start = self._streets.nearest(self._car.place)
        self._car.drive(self._streets.way(start, end))

    async def _say(self, trip: dict[str, Any], text: str) -> None:
        room = f"trip_{trip['id']}"
        await self.session.ask("chat.join", room=room)
        await self.session.ask("chat.send", room=room, text=text)
