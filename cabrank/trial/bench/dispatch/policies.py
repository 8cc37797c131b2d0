"""Who is offered what: what the shipped way is held against. Pure."""

from collections.abc import Callable

from msgspec import Struct

from cabrank.trial.bench.dispatch.evening import (
    BEGIN_MS,
    FIX_EVERY_S,
    Driver,
    Evening,
    Trip,
)
from cabrank.trial.bench.dispatch.people import Answer
from dispatcher.engine.free import Free
from dispatcher.engine.matching import (
    Rules,
    Unmatched,
    propose,
)
from dispatcher.engine.positions import Positions
from dispatcher.engine.standing import Standing
from dispatcher.engine.travel import GreatCircle, Travel, point
from runtime.settings import Settings
from schemas.commands import Fix
from schemas.times import rfc3339

NEAREST = Rules(idle_credit=0, pick_up_max_s=1e8)


class Broadcast:
    """Every free driver is told of every open trip; the first to accept has it."""

    def __init__(self, settings: Settings) -> None:
        del settings
        self._open: dict[int, Trip] = {}

    def begin(self, evening: Evening) -> None:
        self._evening = evening

    def opened(self, trip: Trip) -> None:
        self._open[trip.number] = trip
        for driver in self._evening.drivers:
            if driver.trip is None:
                self._evening.offer(trip, driver)

    def left(self, trip: Trip) -> None:
        self._open.pop(trip.number, None)

    def answered(self, trip: Trip, driver: Driver, answer: Answer) -> None:
        if answer is Answer.ACCEPT:
            del self._open[trip.number]
            self._evening.match(trip, driver)

    def freed(self, driver: Driver) -> None:
        for trip in list(self._open.values()):
            self._evening.offer(trip, driver)


class Waiting(Struct):
    """An open trip of a policy that offers to one driver at a time."""

    trip: Trip
    passed: dict[str, str]
    offered: Driver | None = None
    offer: int = 0

    def unmatched(self) -> Unmatched:
        ask = self.trip.request
        opened_ms = BEGIN_MS + round(ask.at_s * 1000)
        place = point(ask.pick_up.lat, ask.pick_up.lon)
        return Unmatched(
            f"{self.trip.number:06d}", place, opened_ms, passed=self.passed
        )


class Nearest:
    """The nearest driver for the oldest trip, then for the next, however far, one offer
    at a time: what most systems do. The shipped matcher finds who that is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._travel: Travel = GreatCircle(settings.detour, settings.speed_kmh)
        self._positions = Positions(round(settings.position_max_age_s * 1000))
        self._open: dict[str, Waiting] = {}
        self._idle_since_ms: dict[int, int] = {}
        self._is_due = False

    # ---- what the evening tells ----------------------------------------------

    def begin(self, evening: Evening) -> None:
        self._evening = evening
        for driver in evening.drivers:
            self._idle_since_ms[driver.number] = BEGIN_MS
            self._stand(driver)
            self._locate(driver)

    def opened(self, trip: Trip) -> None:
        self._open[_name(trip)] = Waiting(trip, {})
        self._soon()

    def left(self, trip: Trip) -> None:
        waiting = self._open.pop(_name(trip), None)
        if waiting is not None and waiting.offered is not None:
            self._stand(waiting.offered)
            self._soon()

    def answered(self, trip: Trip, driver: Driver, answer: Answer) -> None:
        waiting = self._open.get(_name(trip))
        if waiting is None or waiting.offered is not driver:
            return
        if answer is Answer.DECLINE:
            self._pass(waiting, "declined")
            return
        del self._open[_name(trip)]
        if self._evening.match(trip, driver):
            self._stand(driver, busy=True)
        else:
            self.freed(driver)

    def freed(self, driver: Driver) -> None:
        self._idle_since_ms[driver.number] = self._now_ms
        self._stand(driver)
        self._hear(driver)
        self._soon()

    # ---- inside --------------------------------------------------------------

    @property
    def _now_ms(self) -> int:
        return BEGIN_MS + round(self._evening.now_s * 1000)

    def _pass(self, waiting: Waiting, why: str) -> None:
        driver = waiting.offered
        assert driver is not None
        waiting.passed[_id(driver)] = why
        waiting.offered = None
        self._stand(driver)
        self._soon()

    def _stand(
        self, driver: Driver, *, busy: bool = False, offered: bool = False
    ) -> None:
        since_ms = self._idle_since_ms[driver.number]
        standing = Standing(
            offers=True, busy=busy, offered=offered, idle_since_ms=since_ms
        )
        self._positions.stand(_id(driver), standing)

    def _hear(self, driver: Driver) -> None:
        where, at = driver.place, rfc3339(self._now_ms)
        fix = Fix(_id(driver), where.lat, where.lon, None, None, at)
        self._positions.hear(fix, self._now_ms)

    def _locate(self, driver: Driver) -> None:
        """Again and again."""
        if driver.trip is None:
            self._hear(driver)
        every_s = min(FIX_EVERY_S, self._settings.position_max_age_s / 2)
        self._evening.at(self._evening.now_s + every_s, lambda: self._locate(driver))

    def _soon(self) -> None:
        """A round, once for all that happens now."""
        if not self._is_due:
            self._is_due = True
            self._evening.at(self._evening.now_s, self._match)

    def _match(self) -> None:
        self._is_due = False
        self._positions.expire(self._now_ms)
        left = Free.of(*self._positions.free.by_id.values())
        waiting = [one for one in self._open.values() if one.offered is None]
        for one in waiting:
            asked = [one.unmatched()]
            for made in propose(asked, left, self._travel, NEAREST, self._now_ms):
                left.remove(left.by_id[made.driver])
                self._offer(one, int(made.driver))

    def _offer(self, waiting: Waiting, number: int) -> None:
        driver = self._evening.drivers[number]
        waiting.offered = driver
        waiting.offer += 1
        self._stand(driver, offered=True)
        self._evening.offer(waiting.trip, driver)
        ends_s = self._evening.now_s + self._settings.offer_ttl_s
        self._evening.at(ends_s, self._expiry(waiting, waiting.offer))

    def _expiry(self, waiting: Waiting, offer: int) -> Callable[[], None]:
        def expires() -> None:
            is_live = waiting.offer == offer and waiting.offered is not None
            if is_live and waiting.trip.is_open:
                self._pass(waiting, "missed")

        return expires


def _id(driver: Driver) -> str:
    return f"{driver.number:05d}"


def _name(trip: Trip) -> str:
    return f"{trip.number:06d}"
