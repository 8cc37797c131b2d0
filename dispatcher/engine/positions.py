"""Where drivers are, as the leader and its standbys hear it. Pure: time is an argument,
and one clock is meant throughout.

Memory only, as presence is: never in the ledger, and no event rests on it. What makes a
driver free is the engine's to say (`stand`); `decide` checks it again.
"""

import math
from collections import Counter, OrderedDict

from dispatcher.engine.free import Free, Spot
from dispatcher.engine.limits import POSITIONS_BYTES_MAX
from dispatcher.engine.standing import NEW, Duty, Standing
from dispatcher.engine.travel import Point, chord, metres, vector
from schemas.commands import Fix
from schemas.observations import mark_of
from schemas.subjects import is_token
from schemas.times import from_rfc3339

SPOT_BYTES = 1_248
"""What a driver's position counts in its budget, beside the id's length: measured with
tracemalloc (tests/unit/dispatcher/engine/test_positions.py)."""
FORGET_MS = 900_000
"""After so long without a fix a driver's place is forgotten."""
REORDERED_MS = 10_000
"""A fix older by its own `at` than the last one is out of order only so soon after it;
later, it is a clock that was set back, which must not freeze a driver."""
JUMP_M = 100_000
FASTEST_M_PER_S = 150
"""PROTOCOL.md section 2, of `speed`. Who seems to have gone faster, and farther than
JUMP_M, is believed when a second fix says the same: one stray fix (0, 0) costs nobody
their place."""


class Positions:
    """Of one region. `max_age_ms`: older ones (by when they arrived) are stale."""

    def __init__(self, max_age_ms: int, bytes_max: int = POSITIONS_BYTES_MAX) -> None:
        self._max_age_ms = max_age_ms
        self._bytes_max = bytes_max
        self._bytes = 0
        self._now_ms = 0
        self._fresh: OrderedDict[str, Spot] = OrderedDict()
        """In the order in which they arrived; so is the next."""
        self._stale: OrderedDict[str, Spot] = OrderedDict()
        self._standings: dict[str, Standing] = {}
        self._counts: Counter[Duty] = Counter()
        self.free = Free()
        self.stale_free: dict[str, str] = {}
        """Driver → mark, of those who would be free, were their position fresh."""
        self.missing_free: dict[str, str] = {}
        """The same of those who would be, were it known."""

    def hear(self, fix: Fix, now_ms: int) -> bool:
        """A fix that arrives now. Returns: whether the driver is there now; not so
        where it is out of order, or can't be believed.
        """
        lat, lon = fix.lat, fix.lon
        if not (-90 <= lat <= 90 and -180 <= lon <= 180):  # noqa: PLR2004 (degrees)
            return False
        self._now_ms = now_ms = max(now_ms, self._now_ms)
        at_ms = _at_ms(fix.at, now_ms)
        spot = self.spot(fix.driver)
        if spot is None:
            return self._meet(fix, at_ms)
        if at_ms < spot.at_ms and now_ms - spot.arrived_ms < REORDERED_MS:
            return False
        unit = vector(lat, lon)
        if math.dist(unit, spot.unit) > _JUMP:
            there = Point(lat, lon, unit)
            if not self._believed(spot, there, now_ms):
                return False
        spot.stray = None
        spot.lat, spot.lon, spot.unit = lat, lon, unit
        spot.heading, spot.at_ms, spot.arrived_ms = fix.heading, at_ms, now_ms
        self._heard(spot)
        return True

    def _meet(self, fix: Fix, at_ms: int) -> bool:
        driver = fix.driver
        if not is_token(driver):
            return False
        place = (fix.lat, fix.lon, vector(fix.lat, fix.lon))
        mark = self.missing_free.pop(driver, "") or mark_of(driver)
        spot = Spot(*place, driver, mark, fix.heading, at_ms, self._now_ms)
        spot.standing = self._standings.get(driver, NEW)
        self._bytes += SPOT_BYTES + len(driver)
        self._counts[spot.standing.duty] += driver not in self._standings
        self._fresh[driver] = spot
        self._heard(spot)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._stale or self._fresh)))
        return driver in self._fresh

    def _believed(self, spot: Spot, there: Point, now_ms: int) -> bool:
        elapsed_s = (now_ms - spot.arrived_ms) / 1000
        if metres(spot, there) <= JUMP_M + FASTEST_M_PER_S * elapsed_s:
            return True
        stray, spot.stray = spot.stray, there
        return stray is not None and metres(stray, there) <= JUMP_M

    def _heard(self, spot: Spot) -> None:
        driver = spot.driver
        if driver in self._fresh:
            self._fresh.move_to_end(driver)
        else:
            self._fresh[driver] = self._stale.pop(driver)
            self.stale_free.pop(driver, None)
        if driver in self.free.by_id:
            self.free.move(spot)
        elif spot.standing.is_free:
            self.free.add(spot)

    def stand(self, driver: str, standing: Standing | None) -> None:
        """What the ledger says of a driver now; None: nothing but the defaults."""
        spot = self.spot(driver)
        before = self._standings.get(driver)
        if before is not None or spot is not None:
            self._counts[(before or NEW).duty] -= 1
        if standing is not None or spot is not None:
            self._counts[(standing or NEW).duty] += 1
        if standing is None:
            self._standings.pop(driver, None)
        else:
            self._standings[driver] = standing
        is_free = standing is not None and standing.is_free
        if spot is None:
            if not is_free:
                self.missing_free.pop(driver, None)
            elif driver not in self.missing_free:
                self.missing_free[driver] = mark_of(driver)
            return
        spot.standing = standing or NEW
        if driver in self._stale:
            if is_free:
                self.stale_free[driver] = spot.mark
            else:
                self.stale_free.pop(driver, None)
        elif is_free:
            self.free.add(spot)
        else:
            self.free.remove(spot)

    def begin(self) -> None:
        """The ledger is read anew: where they are is all that is known of anybody."""
        for driver in list(self._standings):
            self.stand(driver, None)

    def expire(self, now_ms: int) -> None:
        """To be called before the free ones are asked for: what is stale by now goes,
        and what has been so for long is forgotten.
        """
        self._now_ms = now_ms = max(now_ms, self._now_ms)
        fresh, stale = self._fresh, self._stale
        while fresh:
            driver, spot = next(iter(fresh.items()))
            if now_ms - spot.arrived_ms <= self._max_age_ms:
                break
            stale[driver] = fresh.pop(driver)
            self.free.remove(spot)
            if spot.standing.is_free:
                self.stale_free[driver] = spot.mark
        forget_ms = max(FORGET_MS, self._max_age_ms)
        while stale:
            driver, spot = next(iter(stale.items()))
            if now_ms - spot.arrived_ms <= forget_ms:
                break
            self._drop(driver)

    def _drop(self, driver: str) -> None:
        spot = self._fresh.pop(driver, None)
        if spot is None:
            spot = self._stale.pop(driver)
            self.stale_free.pop(driver, None)
        if spot.standing.is_free:
            self.missing_free[driver] = spot.mark
        self._counts[spot.standing.duty] -= driver not in self._standings
        self._bytes -= SPOT_BYTES + len(driver)
        self.free.remove(spot)

    # ---- questions -----------------------------------------------------------

    def spot(self, driver: str) -> Spot | None:
        """Where they were last, fresh or stale; None: not known."""
        return self._fresh.get(driver) or self._stale.get(driver)

    @property
    def held(self) -> int:
        """Drivers whose place is known, fresh or stale."""
        return len(self._fresh) + len(self._stale)

    def is_fresh(self, driver: str) -> bool:
        """As of the last `expire`."""
        return driver in self._fresh

    def standing(self, driver: str) -> Standing:
        return self._standings.get(driver, NEW)

    def is_known(self, driver: str) -> bool:
        """Whether they have a standing of their own or were heard of late."""
        return driver in self._standings or self.spot(driver) is not None

    def known(self) -> set[str]:
        """Drivers of whom anything is known."""
        return {*self._standings, *self._fresh, *self._stale}

    def heard(self) -> set[str]:
        """Drivers whose place is known."""
        return {*self._fresh, *self._stale}

    def counts(self) -> dict[Duty, int]:
        """Of those who are known, by what they do, wherever they are."""
        return {duty: count for duty, count in self._counts.items() if count}

    def has_any(self) -> bool:
        """Whether there is anybody to match with: a driver who is online, asked for
        offers (busy or not), and whose position is fresh; as of the last `expire`.
        """
        if self.free.by_id:
            return True
        standings = self._standings.items()
        return any(
            one.online and one.offers and driver in self._fresh
            for driver, one in standings
        )

    @property
    def bytes(self) -> int:
        return self._bytes


def _at_ms(text: str, now_ms: int) -> int:
    """A fix's own instant: now where it is none, or to come."""
    try:
        return min(from_rfc3339(text), now_ms)
    except (ValueError, OverflowError):
        return now_ms


_JUMP = chord(JUMP_M)
