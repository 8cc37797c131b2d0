"""What a thousand cities would need, from what was measured. Pure.

Lines through what was measured where one thing changed: drivers, with one gateway and
one region; gateways; regions. Nothing here is a number of its own but the assumptions.
"""

import math
import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct

from cabrank.trial.bench.scale.found import SERVICES, Cell, Trips

GATEWAY, LEADER, ROWS, NATS = "gateway", "dispatcher", "persistence", "nats"
DAY_S = 86_400
GIB = 2**30


class Assumed(Struct, frozen=True):
    """Cities, and drivers online in each at its busiest; trips of a driver an hour; the
    share of a core that a process is to have at most; sessions of a gateway, held by
    20,000 open files.
    """

    cities: int = 1000
    drivers: int = 1000
    trips_per_hour: float = 2.0
    share: float = 0.7
    sessions: int = 15_000


class Line(Struct, frozen=True):
    """`at(x)` = base + slope * x, neither below 0."""

    base: float
    slope: float

    def at(self, x: float) -> float:
        return self.base + self.slope * x

    def reaches(self, y: float) -> float | None:
        """Where; None: it never does."""
        return max(0.0, y - self.base) / self.slope if self.slope > 0 else None


def line(points: Sequence[tuple[float, float]]) -> Line:
    """Least squares; through one point: from 0. A falling one is its mean: what was
    measured of it was chance.
    """
    if len(points) == 1:
        ((x, y),) = points
        return Line(0.0, y / x if x else 0.0)
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    base = mean_y - slope * mean_x
    if slope <= 0:
        return Line(max(0.0, mean_y), 0.0)
    return Line(base, slope) if base >= 0 else Line(0.0, mean_y / mean_x)


class Model:
    """By `cells` with one region and gateway, at least one of them."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = [c for c in cells if c.case.is_plain]
        self.spread = [c for c in cells if c.case.gateways == 1]

    def by_drivers(self, figure: Callable[[Cell], float]) -> Line:
        return line([(c.case.drivers, figure(c)) for c in self.cells])

    def by_regions(self, figure: Callable[[Cell], float]) -> Line:
        """Of those with as many drivers as the most regions were measured with."""
        most = max(self.spread, key=lambda c: c.case.regions)
        same = [c for c in self.spread if c.case.drivers == most.case.drivers]
        return line([(c.case.regions, figure(c)) for c in same])

    def standing(self, service: str) -> Line:
        """Share of a core by drivers, who move and ask for nothing."""
        return self.by_drivers(lambda c: c.standing[service])

    def memory(self, service: str) -> Line:
        """Bytes by drivers."""
        return self.by_drivers(lambda c: float(c.rss_by_service.get(service, 0)))

    def trip(self, figure: Callable[[Trips], float]) -> float:
        """Of one that is offered: the median of the cases."""
        return statistics.median(figure(c.offers) for c in self.cells)

    def trip_ms(self, service: str) -> float:
        """The CPU of one that is offered."""
        return self.trip(lambda t: t.cpu_ms[service])

    def told(self, service: str) -> Line:
        """CPU-ms of a trip that all drivers of its region are told of, by drivers."""
        return self.by_drivers(lambda c: c.broadcast.cpu_ms[service])


class Need(Struct, frozen=True):
    """Of one service in all cities: cores, processes, bytes resident."""

    service: str
    cores: float
    processes: int
    memory: float


class Needs(Struct, frozen=True):
    """`nats_in`, `nats_out`: bytes a second; `ledger`, `database`: bytes a day."""

    drivers: int
    trips_per_s: float
    services: list[Need]
    nats_in: float
    nats_out: float
    ledger: float
    database: float


def needs(model: Model, assumed: Assumed) -> Needs:
    drivers = assumed.cities * assumed.drivers
    trips_per_s = drivers * assumed.trips_per_hour / 3600
    made = []
    for service in SERVICES:
        moving = model.standing(service).slope * drivers
        trips = model.trip_ms(service) / 1000 * trips_per_s
        regions = 0.0
        if service == LEADER:  # a region costs something even where nobody is
            each = model.by_regions(lambda c: c.standing[LEADER]).slope
            regions = each * assumed.cities
        cores = moving + trips + regions
        count = max(1, math.ceil(round(cores / assumed.share, 6)))
        if service == GATEWAY:
            count = max(count, -(-drivers // assumed.sessions))
        memory = model.memory(service)
        total = memory.base * count + memory.slope * drivers
        made.append(Need(service, cores, count, total))
    by_drivers = model.by_drivers
    return Needs(
        drivers,
        trips_per_s,
        made,
        by_drivers(lambda c: c.moving_in).slope * drivers
        + model.trip(lambda t: t.nats_in) * trips_per_s,
        by_drivers(lambda c: c.moving_out).slope * drivers
        + model.trip(lambda t: t.nats_out) * trips_per_s,
        model.trip(lambda t: t.ledger) * trips_per_s * DAY_S,
        model.trip(lambda t: t.database) * trips_per_s * DAY_S,
    )


class Limit(Struct, frozen=True):
    """`drivers`: online in one region on one process of each kind, when `what` has had
    its share.
    """

    what: str
    drivers: float


def limits(model: Model, assumed: Assumed) -> list[Limit]:
    """What breaks first in one growing city, with its trips: the lowest first."""
    per_driver_s = assumed.trips_per_hour / 3600
    found = [Limit("open files of one gateway", float(assumed.sessions))]
    for service in SERVICES:
        moving = model.standing(service)
        trip_s = model.trip_ms(service) / 1000 * per_driver_s
        offered = Line(moving.base, moving.slope + trip_s).reaches(assumed.share)
        if offered is not None:
            found.append(Limit(f"a core of {service}, trips offered", offered))
        told = model.told(service)
        # base·d·p + slope·d²·p + moving = share, for d
        flat = moving.slope + told.base / 1000 * per_driver_s
        square = told.slope / 1000 * per_driver_s
        left = max(0.0, assumed.share - moving.base)
        if square > 0:
            root = (flat**2 + 4 * square * left) ** 0.5
            drivers = (root - flat) / (2 * square)
            found.append(Limit(f"a core of {service}, trips told to all", drivers))
    return sorted(found, key=lambda one: one.drivers)
