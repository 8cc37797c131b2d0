"""Where drivers are, as the leader and its standbys hear it, and which of them are free
and near a place. Pure: time is an argument, and one clock is meant throughout.

Memory only, as presence is: never in the ledger, and no event rests on it. What makes a
driver free is the engine's to say (`stand`); `decide` checks it again.
"""

import heapq
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import islice

import h3.api.memview_int as h3
from msgspec import Struct

from dispatcher.engine.limits import POSITIONS_BYTES_MAX
from dispatcher.engine.travel import EARTH_M, Point, metres, square, vector
from schemas.commands import Fix
from schemas.matching import Verdict
from schemas.subjects import is_token
from schemas.times import from_rfc3339

SPOT_BYTES = 1_024
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

FINE, COARSE = 9, 7
"""H3 resolutions: cells of 0.1 km² find somebody among thousands in a city, those of
5 km² in the country."""
EDGES_M = {FINE: 200.786, COARSE: 1406.476}
"""Mean edges (https://h3geo.org/docs/core-library/restable)."""
RADIUS_M = 1.2 * EDGES_M[FINE]
"""No place in a fine cell is farther from its centre: 1.11 edges at most (the same
measurement)."""
LEAST_EDGE = 0.66
"""The least edge as a part of the mean one. Measured over 2,500 cells, at pentagons,
faces' edges and anywhere, 2026-11-29: cells k apart are never nearer than 0.70 (1.5 k -
2) mean edges (k from 2 on), a perfect grid's bound."""


Duty = Verdict | None
"""Why a driver isn't free whatever the trip; None: they are, but for their position."""


class Standing(Struct, frozen=True, gc=False):
    """What the ledger knows of a driver; the defaults are a new driver's. `offers`:
    asked for them; `busy`: has an active trip; `offered`: has a live offer.
    """

    online: bool = True
    offers: bool = False
    busy: bool = False
    offered: bool = False
    idle_since_ms: int = 0
    """The later of the last trip's end and going online."""
    tags: frozenset[str] = frozenset()

    @property
    def is_free(self) -> bool:
        """But for their position."""
        return self.online and self.offers and not self.busy and not self.offered

    @property
    def duty(self) -> Duty:
        """The first that holds, but for what concerns one trip."""
        if not self.online:
            return Verdict.OFFLINE
        if self.busy:
            return Verdict.BUSY
        if self.offered:
            return Verdict.OFFER_PENDING
        return None if self.offers else Verdict.NO_OFFERS


NEW = Standing()
IDLE_S_MAX = 1_800
"""PROTOCOL.md section 7: seconds idle that count."""


def idle_s(standing: Standing, stamp_ms: int) -> int:
    """Seconds that count for credit."""
    idle = (stamp_ms - standing.idle_since_ms + 500) // 1000
    return IDLE_S_MAX if idle > IDLE_S_MAX else max(idle, 0)


class Spot(Point):
    """A driver's last believed position. `at_ms` is the fix's own, at most when it
    arrived.
    """

    driver: str
    heading: float | None
    at_ms: int
    arrived_ms: int
    cell: int = 0
    """Of resolution FINE."""
    stray: Point | None = None
    """Where a fix said the driver is that can't be believed yet."""
    standing: Standing = NEW

    def age_s(self, now_ms: int) -> int:
        return max(0, now_ms - self.arrived_ms + 500) // 1000


class Cell(Struct):
    """Of either resolution: its centre's unit vector, and who is in it."""

    x: float
    y: float
    z: float
    spots: dict[str, Spot]


class Free:
    """Free drivers with a fresh position, by cell; each in a cell of both sizes."""

    def __init__(self) -> None:
        self.by_id: dict[str, Spot] = {}
        self._cells: dict[int, Cell] = {}
        self._idle: list[tuple[int, str]] = []
        """A heap: since when whom; those who left are still in it."""

    @classmethod
    def of(cls, *spots: Spot) -> "Free":
        """These alone: who has just become free, to be paired with what is open."""
        made = cls()
        for spot in spots:
            made.add(spot)
        return made

    def __len__(self) -> int:
        return len(self.by_id)

    def add(self, spot: Spot) -> None:
        """Who is in it already is put where they are now."""
        self.remove(spot)
        self.by_id[spot.driver] = spot
        self._enter(spot, h3.latlng_to_cell(spot.lat, spot.lon, FINE))
        heapq.heappush(self._idle, (spot.standing.idle_since_ms, spot.driver))
        if len(self._idle) > 2 * len(self.by_id) + _IDLE_SPARE:
            by_id = self.by_id.items()
            self._idle = [(spot.standing.idle_since_ms, one) for one, spot in by_id]
            heapq.heapify(self._idle)

    def remove(self, spot: Spot) -> None:
        if self.by_id.pop(spot.driver, None) is not None:
            self._leave(spot)

    def move(self, spot: Spot) -> None:
        """Who is in it has another place."""
        cell = h3.latlng_to_cell(spot.lat, spot.lon, FINE)
        if cell != spot.cell:
            self._leave(spot)
            self._enter(spot, cell)

    def _enter(self, spot: Spot, cell: int) -> None:
        spot.cell = cell
        for one in (cell, h3.cell_to_parent(cell, COARSE)):
            inside = self._cells.get(one)
            if inside is None:
                centre = vector(*h3.cell_to_latlng(one))
                inside = self._cells[one] = Cell(*centre, {})
            inside.spots[spot.driver] = spot

    def _leave(self, spot: Spot) -> None:
        for one in (spot.cell, h3.cell_to_parent(spot.cell, COARSE)):
            inside = self._cells[one].spots
            del inside[spot.driver]
            if not inside:
                del self._cells[one]

    def most_idle_s(self, stamp_ms: int) -> int:
        """Of all of them."""
        heap, by_id = self._idle, self.by_id
        while heap:
            spot = by_id.get(heap[0][1])
            if spot is not None and spot.standing.idle_since_ms == heap[0][0]:
                return idle_s(spot.standing, stamp_ms)
            heapq.heappop(heap)
        return 0

    def around(self, place: Point) -> Iterator[tuple[list[Spot], float]]:
        """Everybody, the nearest first but for overlaps: each time some drivers (who
        may have come before), and the metres within which nobody is missing then.
        """
        for resolution, rings in _STAGES:
            if _cells(rings) >= len(self.by_id):
                break
            origin = h3.latlng_to_cell(place.lat, place.lon, resolution)
            found: list[Spot] = []
            get = self._cells.get
            for cell in h3.grid_disk(origin, rings):
                inside = get(cell)
                if inside is not None:
                    found += inside.spots.values()
            yield found, (1.5 * (rings + 1) - 2) * LEAST_EDGE * EDGES_M[resolution]
        yield list(self.by_id.values()), float("inf")

    def within(
        self, place: Point, sure_m: float, most_m: float
    ) -> tuple[dict[int, Cell], list[Spot]]:
        """Cells that are no farther than `sure_m` as a whole, and who else may be
        within `most_m`.
        """
        rings = math.ceil((most_m / (LEAST_EDGE * EDGES_M[FINE]) + 2) / 1.5 - 1)
        if _cells(rings) >= min(len(self.by_id), _COUNTED_CELLS):
            return {}, list(self.by_id.values())
        inner = square(max(0.0, sure_m - RADIUS_M))
        outer = square(most_m + RADIUS_M)
        x, y, z = place.x, place.y, place.z
        whole: dict[int, Cell] = {}
        others: list[Spot] = []
        get = self._cells.get
        for one in h3.grid_disk(h3.latlng_to_cell(place.lat, place.lon, FINE), rings):
            cell = get(one)
            if cell is not None:
                a, b, c = cell.x - x, cell.y - y, cell.z - z
                far = a * a + b * b + c * c
                if far < inner:
                    whole[one] = cell
                elif far <= outer:
                    others += cell.spots.values()
        return whole, others


def _cells(rings: int) -> int:
    """In a disk of so many around a cell."""
    return 3 * rings * (rings + 1) + 1


_COUNTED_CELLS = 4_000
"""Beyond it all drivers are looked at: these take 0.8 ms."""
_IDLE_SPARE = 64
_STAGES = (
    (FINE, 1),
    (FINE, 2),
    (FINE, 4),
    (FINE, 8),
    *((COARSE, rings) for rings in (2, 3, 5, 8, 13, 21)),
)


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
        self._stale_free = 0
        self.free = Free()

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
        x, y, z = vector(lat, lon)
        if abs(x - spot.x) + abs(y - spot.y) + abs(z - spot.z) > _JUMP:
            there = Point(lat, lon, x, y, z)
            if not self._believed(spot, there, now_ms):
                return False
        spot.stray = None
        spot.lat, spot.lon, spot.x, spot.y, spot.z = lat, lon, x, y, z
        spot.heading, spot.at_ms, spot.arrived_ms = fix.heading, at_ms, now_ms
        self._heard(spot)
        return True

    def _meet(self, fix: Fix, at_ms: int) -> bool:
        driver = fix.driver
        if not is_token(driver):
            return False
        place = (fix.lat, fix.lon, *vector(fix.lat, fix.lon))
        spot = Spot(*place, driver, fix.heading, at_ms, self._now_ms)
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
            self._stale_free -= spot.standing.is_free
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
        if spot is None:
            return
        was_free, spot.standing = spot.standing.is_free, standing or NEW
        is_free = spot.standing.is_free
        if driver in self._stale:
            self._stale_free += is_free - was_free
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
            self._stale_free += spot.standing.is_free
        forget_ms = max(FORGET_MS, self._max_age_ms)
        while stale:
            driver, spot = next(iter(stale.items()))
            if now_ms - spot.arrived_ms <= forget_ms:
                break
            self._drop(driver)

    def forget(self, driver: str) -> None:
        """An erased user: nothing of them stays."""
        self.stand(driver, None)
        if self.spot(driver) is not None:
            self._drop(driver)

    def _drop(self, driver: str) -> None:
        spot = self._fresh.pop(driver, None)
        if spot is None:
            spot = self._stale.pop(driver)
            self._stale_free -= spot.standing.is_free
        self._counts[spot.standing.duty] -= driver not in self._standings
        self._bytes -= SPOT_BYTES + len(driver)
        self.free.remove(spot)

    # ---- questions -----------------------------------------------------------

    def spot(self, driver: str) -> Spot | None:
        """Where they were last, fresh or stale; None: not known."""
        return self._fresh.get(driver) or self._stale.get(driver)

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

    def counts(self) -> dict[Duty, int]:
        """Of those who are known, by what they do, wherever they are."""
        return {duty: count for duty, count in self._counts.items() if count}

    @property
    def stale_free(self) -> int:
        """Those who would be free, were their position fresh."""
        return self._stale_free

    def stale_free_ids(self, count_max: int) -> list[str]:
        """The first so many of them."""
        spots = self._stale.items()
        free = (driver for driver, spot in spots if spot.standing.is_free)
        return list(islice(free, count_max))

    @property
    def missing_free(self) -> int:
        """Those who would be free, were their position known."""
        return self._counts[None] - len(self.free) - self._stale_free

    def missing_free_ids(self) -> list[str]:
        """Looks at all who have a standing."""
        return [
            driver
            for driver, one in self._standings.items()
            if one.is_free and self.spot(driver) is None
        ]

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


_JUMP = JUMP_M / EARTH_M
"""A chord is no longer than the sum of its parts: below this nobody has jumped."""
