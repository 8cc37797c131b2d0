"""A rider of the city, for one trip: asks, waits, rides; or thinks better of it."""

import asyncio
import random
import time
import uuid
from typing import Any

from cabrank.demo import people
from cabrank.demo.session import GoneError, RefusedError, Session
from cabrank.demo.streets import Place, Streets, metres
from runtime.lifecycle import cancel
from schemas.trips import TERMINAL, Status

LOOK_S = 0.5
RIDE_M = (400, 1_500)
"""As the crow flies: nearer one walks, farther few live. By road it is twice that."""
HOP_M = (100, 300)
"""Of who goes from a rank, to what is nearest by road of `HOPS` places: most of these
rides take less than a minute.
"""
HOPS = 6


class Rider:
    """`rank`: where a driver stands, for one who goes from there, and not far."""

    def __init__(
        self,
        streets: Streets,
        rnd: random.Random,
        speed: float,
        rank: Place | None = None,
    ) -> None:
        self._rank = rank
        self._streets = streets
        self._rnd = rnd
        self._speed = speed
        self.session: Session
        self._trip: dict[str, Any] | None = None
        self._welcome = asyncio.Event()
        self._answers: str | None = None
        self._to_say: list[str] = []

    def hear(self, kind: str, data: Any) -> None:
        if kind == "welcome":
            # One that went on while nobody was here is theirs again.
            self._trip = next(iter(data["trips"]), self._trip)
            self._welcome.set()
        elif kind == "chat.message":
            is_mine = data["sender"]["id"] == self.session.user["id"]
            if not is_mine and self._answers is not None:
                self._to_say.append(self._answers)
                self._answers = None
        elif (
            kind.startswith("trip.") and data["rider"]["id"] == self.session.user["id"]
        ):
            self._trip = data

    async def ride(self) -> bool:
        """One trip, to its end; whether it was completed."""
        running = asyncio.create_task(self.session.run())
        habits = people.habits(self._rnd)
        self._answers = habits.answers
        try:
            await self._welcome.wait()
            if self._trip is None or self._trip["status"] in TERMINAL:
                await self._request()
            return await self._wait(habits)
        finally:
            await cancel([running])

    async def _request(self) -> None:
        key = uuid.uuid4().hex
        start, end = self.ends()
        wanted = {
            "pick_up_address": self._streets.address(start, self._rnd),
            "drop_off_address": self._streets.address(end, self._rnd),
            "pick_up": start._asdict(),
            "drop_off": end._asdict(),
            "idempotency_key": key,
        }
        while True:  # with the key it is asked once, however often it is sent
            try:
                self._trip = await self.session.ask("trip.request", **wanted)
            except GoneError:
                await asyncio.sleep(LOOK_S)
            else:
                return

    def ends(self) -> tuple[Place, Place]:
        """Where they are, and where they want to be."""
        start = self._rank or self._streets.somewhere(self._rnd)
        least, most = RIDE_M if self._rank is None else HOP_M
        ends = [e for e in self._streets.lived_in if least <= metres(start, e) <= most]
        if self._rank is None:
            return start, self._rnd.choice(ends)
        # One-way streets and hills: what is near may be far by car.
        some = self._rnd.sample(ends, min(HOPS, len(ends)))
        return start, min(some, key=lambda end: self._streets.way_m(start, end))

    async def _wait(self, habits: people.Habits) -> bool:
        began = time.monotonic()
        says = habits.says
        while True:
            await asyncio.sleep(LOOK_S)
            trip = self._trip
            assert trip is not None, "it was requested"
            status = Status(trip["status"])
            if status in TERMINAL:
                return status is Status.COMPLETED
            waited_s = (time.monotonic() - began) * people.haste(self._speed)
            try:
                if self._is_tired(habits, status, waited_s):
                    self._trip = await self.session.ask("trip.cancel", id=trip["id"])
                elif status is not Status.REQUESTED and (says or self._to_say):
                    text, says = says or self._to_say.pop(), None
                    await self._say(trip, text)
            except (RefusedError, GoneError):
                pass  # another look tells

    @staticmethod
    def _is_tired(habits: people.Habits, status: Status, waited_s: float) -> bool:
        if status is Status.REQUESTED and waited_s > habits.patience_s:
            return True
        mind_s = habits.changes_mind_s
        is_before = status in {Status.REQUESTED, Status.STARTED}
        return is_before and mind_s is not None and waited_s > mind_s

    async def _say(self, trip: dict[str, Any], text: str) -> None:
        room = f"trip_{trip['id']}"
        await self.session.ask("chat.join", room=room)
        await self.session.ask("chat.send", room=room, text=text)
