"""Random situations of drivers and open trips, and section 7 of PROTOCOL.md read by
brute force: every pair, every time.
"""

import math
import random
from collections.abc import Mapping

from msgspec import Struct

from dispatcher.engine.matching import Rules, Unmatched
from dispatcher.engine.positions import Positions
from dispatcher.engine.standing import Standing
from dispatcher.engine.travel import point
from schemas.commands import Fix
from schemas.times import rfc3339

NOW_MS = 1_795_255_200_000
RADIUS_M = 6_371_009
DETOUR, SPEED_KMH = 1.3, 25.0
MAX_AGE_MS = 60_000


class Driver(Struct):
    """`seen`: (lat, lon, age in ms)."""

    id: str
    standing: Standing
    seen: tuple[float, float, int] | None


class Trip(Struct):
    id: str
    lat: float
    lon: float
    open_ms: int
    needs: frozenset[str]
    passed: dict[str, str]

    def unmatched(self) -> Unmatched:
        return Unmatched(
            self.id,
            point(self.lat, self.lon),
            NOW_MS - self.open_ms,
            self.needs,
            self.passed,
        )


class Situation(Struct):
    drivers: list[Driver]
    trips: list[Trip]
    rules: Rules
    costs: dict[tuple[str, str], "Cost"]
    """Known by now, by (trip, driver)."""

    def positions(self) -> Positions:
        """As the drivers' fixes make them."""
        made = Positions(MAX_AGE_MS)
        placed = [one for one in self.drivers if one.seen is not None]
        for driver in sorted(placed, key=lambda one: -(one.seen or (0, 0, 0))[2]):
            lat, lon, age_ms = driver.seen or (0, 0, 0)
            at_ms = NOW_MS - age_ms
            made.hear(Fix(driver.id, lat, lon, None, None, rfc3339(at_ms)), at_ms)
        for driver in self.drivers:
            made.stand(driver.id, driver.standing)
        made.expire(NOW_MS)
        return made


PLACES = ((40.75, -73.98), (59.91, 10.75), (0.0, 180.0), (89.9, 30.0), (-54.8, -68.3))
TAGS = ("wav", "xl", "pets")


def situation(seed: int) -> Situation:
    """Some crowded, some spread over a country, at a pole or on the date line."""
    rnd = random.Random(seed)
    lat, lon = rnd.choice(PLACES)
    size_m = rnd.choice((0, 500, 3_000, 10_000, 60_000))
    rules = Rules(rnd.choice((0, 0.2, 0.2, 1.5)), rnd.choice((60, 480, 480, 4000)))
    count = rnd.choice((0, 1, 3, 8, 12, 20, 200 if seed % 20 == 0 else 12))
    drivers = [_driver(rnd, number, (lat, lon), size_m) for number in range(count)]
    trips = [
        _trip(rnd, number, (lat, lon), size_m, drivers)
        for number in range(rnd.choice((0, 1, 1, 2, 3, 12 if seed % 5 == 0 else 3)))
    ]
    return Situation(drivers, trips, rules, {})


def _near(
    rnd: random.Random, centre: tuple[float, float], size_m: float
) -> tuple[float, float]:
    """A place within about `size_m`, by a bearing and a distance."""
    far, bearing = rnd.random() * size_m / RADIUS_M, rnd.random() * math.tau
    lat, lon = map(math.radians, centre)
    north = math.sin(lat) * math.cos(far) + math.cos(lat) * math.sin(far) * math.cos(
        bearing
    )
    north = math.asin(max(-1, min(1, north)))
    east = lon + math.atan2(
        math.sin(bearing) * math.sin(far) * math.cos(lat),
        math.cos(far) - math.sin(lat) * math.sin(north),
    )
    east = (math.degrees(east) + 180) % 360 - 180
    return round(math.degrees(north), 6), round(east, 6)


def _driver(
    rnd: random.Random, number: int, centre: tuple[float, float], size_m: float
) -> Driver:
    seen = None
    if rnd.random() < 0.93:
        age_ms = rnd.choice((0, 0, 500, 20_000, 60_000, 60_001, 200_000))
        seen = (*_near(rnd, centre, size_m), age_ms)
    standing = Standing(
        online=rnd.random() < 0.92,
        offers=rnd.random() < 0.92,
        busy=rnd.random() < 0.1,
        offered=rnd.random() < 0.1,
        idle_since_ms=NOW_MS - rnd.choice((0, 0, 700, 5_000, 600_000, 9_000_000)),
        tags=frozenset(tag for tag in TAGS if rnd.random() < 0.5),
    )
    return Driver(f"d{number:03d}", standing, seen)


def _trip(
    rnd: random.Random,
    number: int,
    centre: tuple[float, float],
    size_m: float,
    drivers: list[Driver],
) -> Trip:
    passed = {
        one.id: rnd.choice(("released", "declined", "missed"))
        for one in drivers
        if rnd.random() < 0.08
    }
    needs = frozenset(tag for tag in TAGS if rnd.random() < 0.2)
    open_ms = rnd.choice((0, 0, 1_000, 44_999, 45_000, 100_000))
    # Ids in another order than the trips'.
    name = f"t{(number * 7) % 13:03d}"
    return Trip(name, *_near(rnd, centre, size_m), open_ms, needs, passed)


# ---- the contract, word by word ------------------------------------------------


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Haversine, where the code under test uses chords."""
    a, b, c, d = map(math.radians, (*one, *other))
    h = (
        math.sin((c - a) / 2) ** 2
        + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    )
    return 2 * RADIUS_M * math.asin(min(1, math.sqrt(h)))


class Cost(Struct, order=True):
    cost_s: int
    trip: str
    driver: str
    eta_s: int
    distance_m: int


def cost(now: Situation, trip: Trip, driver: Driver) -> Cost:
    known = now.costs.get((trip.id, driver.id))
    if known is not None:
        return known
    assert driver.seen is not None
    far = distance_m((trip.lat, trip.lon), driver.seen[:2])
    eta_s = round(far * DETOUR / (SPEED_KMH / 3.6))
    idle_ms = NOW_MS - driver.standing.idle_since_ms
    idle = min(1_800, max(0, (idle_ms + 500) // 1000))
    cost_s = round(eta_s - now.rules.idle_credit * idle)
    made = Cost(cost_s, trip.id, driver.id, eta_s, round(far))
    now.costs[trip.id, driver.id] = made
    return made


def age_s(now: Situation, driver: str) -> int:
    [seen] = [one.seen for one in now.drivers if one.id == driver]
    assert seen is not None
    return (seen[2] + 500) // 1000


def cap(now: Situation, trip: Trip) -> float:
    return now.rules.pick_up_max_s * (2 if trip.open_ms >= 45_000 else 1)


def why_not(now: Situation, trip: Trip, driver: Driver) -> str | None:
    """The first verdict that holds of those that exclude; None: could be paired."""
    standing = driver.standing
    passed = trip.passed.get(driver.id)
    if not standing.online:
        return "offline"
    if standing.busy:
        return "busy"
    if standing.offered:
        return "offer_pending"
    for word in ("released", "declined", "missed"):
        if passed == word:
            return word
    if not standing.offers:
        return "no_offers"
    if driver.seen is None:
        return "position_missing"
    if driver.seen[2] > MAX_AGE_MS:
        return "position_stale"
    if not trip.needs <= standing.tags:
        return "needs"
    if cost(now, trip, driver).eta_s > cap(now, trip):
        return "too_far"
    return None


def pairs(now: Situation) -> list[Cost]:
    """All that are possible, cheapest first, each trip and each driver once."""
    possible = sorted(
        cost(now, trip, driver)
        for trip in now.trips
        for driver in now.drivers
        if why_not(now, trip, driver) is None
    )
    made: list[Cost] = []
    trips: set[str] = set()
    drivers: set[str] = set()
    for one in possible:
        if one.trip not in trips and one.driver not in drivers:
            made.append(one)
            trips.add(one.trip)
            drivers.add(one.driver)
    return made


def verdicts(
    now: Situation, trip: Trip, made: list[Cost]
) -> Mapping[str, tuple[str, str | None]]:
    """Every driver's verdict on this trip, and the trip they went to."""
    went = {one.driver: one.trip for one in made}
    told: dict[str, tuple[str, str | None]] = {}
    for driver in now.drivers:
        verdict = why_not(now, trip, driver)
        to = went.get(driver.id)
        if verdict is not None:
            told[driver.id] = (verdict, None)
        elif to is None:
            told[driver.id] = ("farther", None)
        elif to == trip.id:
            told[driver.id] = ("chosen", None)
        else:
            told[driver.id] = ("lost_to", to)
    return told
