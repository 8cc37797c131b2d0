"""One evening in a city: riders, drivers, and a policy that brings them together, as
events in virtual time. Pure.

The evening knows where everybody really is and how long a way really takes; a policy
knows what drivers and riders tell it (`Policy`), and offers (`Evening.offer`).
"""

import heapq
import random
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from cabrank.trial.bench.dispatch.city import City, Place, Request
from cabrank.trial.bench.dispatch.people import ALIGHTING_S, BOARDING_S, Answer, People

BEGIN_MS = 1_795_255_200_000
"""What the evening's beginning is for who needs a wall clock."""
FIX_EVERY_S = 30.0
"""How often a driver says where they are, at least."""


class Driver(Struct):
    """`trip`: who they drive to or with; None: they are free."""

    number: int
    place: Place
    trip: int | None = None


class Trip(Struct):
    number: int
    request: Request
    is_open: bool = True
    """Neither has it a driver, nor has its rider left."""
    picked_up_s: float | None = None


class Figures(Struct, frozen=True):
    """Of an evening without its warm-up. `wait_s`: request to pick-up, of the served,
    a mean; `empty_km`: to pick-ups, of a served trip; `gini`: of the time for which
    trips occupy drivers, from accepting to the drop-off; `offers`: of a trip.
    """

    requests: int
    served: float
    wait_s: float
    empty_km: float
    gini: float
    offers: float


class Policy(Protocol):
    """What it is told, at `Evening.now_s`. It calls `Evening.offer`."""

    def begin(self, evening: "Evening") -> None: ...
    def opened(self, trip: Trip) -> None: ...
    def left(self, trip: Trip) -> None:
        """Its rider, without a driver or on hearing of the way."""
        ...

    def answered(self, trip: Trip, driver: Driver, answer: Answer) -> None:
        """Not to a trip that is no longer open. `Evening.match` makes an accept true;
        a driver who gives no answer is never told of here.
        """
        ...

    def freed(self, driver: Driver) -> None:
        """Who had a trip has none."""
        ...


class Evening:
    def __init__(
        self,
        city: City,
        policy: Policy,
        requests: list[Request],
        drivers: list[Place],
        people: People,
    ) -> None:
        self.city = city
        self.people = people
        self.drivers = [Driver(number, one) for number, one in enumerate(drivers)]
        self.trips = [Trip(number, one) for number, one in enumerate(requests)]
        self.now_s = 0.0
        self._policy = policy
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._empty_km: list[tuple[float, float]] = []
        self._rides: list[tuple[int, float, float]] = []
        self._offers: list[float] = []

    # ---- time ----------------------------------------------------------------

    def at(self, at_s: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at_s, self._count, do))

    def run(self, until_s: float) -> None:
        self._policy.begin(self)
        for trip in self.trips:
            self.at(trip.request.at_s, self._opening(trip))
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, do = heapq.heappop(self._due)
            do()

    def _opening(self, trip: Trip) -> Callable[[], None]:
        def opens() -> None:
            self.at(self.now_s + self.people.patience_s(trip.number), leaves)
            self._policy.opened(trip)

        def leaves() -> None:
            if trip.is_open:
                trip.is_open = False
                self._policy.left(trip)

        return opens

    # ---- what a policy asks for ----------------------------------------------

    def offer(self, trip: Trip, driver: Driver) -> None:
        """Ask this driver; the answer comes by `Policy.answered`, if one does."""
        self._offers.append(self.now_s)
        eta_s = self.city.seconds(driver.place, trip.request.pick_up)
        answer, after_s = self.people.answer(trip.number, driver.number, eta_s)
        silent = self.people.is_silent(driver.number, self.now_s)
        if silent or answer is Answer.NONE:
            return

        def answers() -> None:
            if trip.is_open and driver.trip is None:
                self._policy.answered(trip, driver, answer)

        self.at(self.now_s + after_s, answers)

    def match(self, trip: Trip, driver: Driver) -> bool:
        """This driver takes that trip. Returns: whether the rider stays, told of the
        way.
        """
        assert trip.is_open
        assert driver.trip is None
        trip.is_open = False
        eta_s = self.city.seconds(driver.place, trip.request.pick_up)
        if not self.people.stays(trip.number, eta_s):
            self._policy.left(trip)
            return False
        driver.trip = trip.number
        way_km = self.city.km(driver.place, trip.request.pick_up)
        self._empty_km.append((self.now_s, way_km))
        began_s = self.now_s
        self.at(self.now_s + eta_s, lambda: self._pick_up(trip, driver, began_s))
        return True

    def _pick_up(self, trip: Trip, driver: Driver, began_s: float) -> None:
        trip.picked_up_s = self.now_s
        ask = trip.request
        ride_s = self.city.seconds(ask.pick_up, ask.drop_off)
        ends_s = self.now_s + BOARDING_S + ride_s + ALIGHTING_S
        self._rides.append((driver.number, began_s, ends_s))
        driver.place = ask.drop_off
        self.at(ends_s, lambda: self._drop_off(driver))

    def _drop_off(self, driver: Driver) -> None:
        driver.trip = None
        self._policy.freed(driver)

    # ---- what came of it -----------------------------------------------------

    def figures(self, from_s: float, to_s: float) -> Figures:
        """Of the requests of these seconds; what came of them may take longer."""
        asked = [one for one in self.trips if from_s <= one.request.at_s < to_s]
        waits = [
            one.picked_up_s - one.request.at_s
            for one in asked
            if one.picked_up_s is not None
        ]
        served = max(1, len(waits))
        times = [0.0] * len(self.drivers)
        for driver, began_s, ended_s in self._rides:
            times[driver] += max(0.0, min(ended_s, to_s) - max(began_s, from_s))
        empty_km = sum(km for at_s, km in self._empty_km if from_s <= at_s < to_s)
        offers = sum(from_s <= at_s < to_s for at_s in self._offers)
        return Figures(
            len(asked),
            len(waits) / max(1, len(asked)),
            sum(waits) / served,
            empty_km / served,
            gini(times),
            offers / max(1, len(asked)),
        )


def gini(values: list[float]) -> float:
    """0: all have the same; near 1: one has all."""
    total = sum(values)
    if not total:
        return 0.0
    count = len(values)
    ranked = sum(rank * value for rank, value in enumerate(sorted(values), 1))
    return 2 * ranked / (count * total) - (count + 1) / count


def dice(seed: int, what: str) -> random.Random:
    """Of its own for each purpose, so that one doesn't change another."""
    return random.Random(f"{seed}:{what}")  # noqa: S311 (no secret)
