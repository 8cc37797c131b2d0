"""Which driver for which trip: PROTOCOL.md section 7. Pure and deterministic.

Proposes only: `decide` takes a proposal like a command and checks all of it, so a
matcher that is late or wrong is never unsafe.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from dispatcher.engine.free import Cell, Disk, Free, Spot, is_in
from dispatcher.engine.limits import RELAXED_MS
from dispatcher.engine.standing import idles_s
from dispatcher.engine.travel import ALL, Point, Ring, Travel, chord, metres
from schemas.matching import Evidence, rounded


class Rules(Struct, frozen=True):
    """CABRANK_IDLE_CREDIT, _PICK_UP_MAX_S, _MATCH_WINDOW_S; limits.py."""

    idle_credit: float = 0.2
    pick_up_max_s: float = 480
    window_ms: int = 0
    relaxed_ms: int = RELAXED_MS


class Unmatched(Struct, frozen=True):
    """An open trip with a pick-up that wants a driver. `opened_ms`: when it became
    REQUESTED, the last time. `passed`: drivers who won't be asked, and why: `released`,
    else `declined`, else `missed`.
    """

    trip: str
    pick_up: Point
    opened_ms: int
    needs: frozenset[str] = frozenset()
    passed: Mapping[str, str] = {}


class Proposal(Struct, frozen=True):
    trip: str
    driver: str
    evidence: Evidence


class Reached(Struct, frozen=True):
    """Drivers who could be paired with a trip: all of some cells, and some more."""

    disk: Disk
    cells: Mapping[int, Cell]
    """Its whole ones; none where they have to be looked at one by one."""
    others: list[Spot]
    passed: int
    """How many of `cells` passed the trip."""

    def __len__(self) -> int:
        inside = sum([len(cell.spots) for cell in self.cells.values()])
        return inside + len(self.others) - self.passed

    def drivers(self, trip: Unmatched) -> list[Spot]:
        found = self.others.copy()
        for cell in self.cells.values():
            found += asked(trip, cell.spots.values())
        return found


def reached(
    trip: Unmatched, free: Free, travel: Travel, rules: Rules, stamp_ms: int
) -> Reached:
    most_s = cap_s(trip, rules, stamp_ms)
    disk = free.within(trip.pick_up, *travel.span_m(most_s))
    others = travel.within(trip.pick_up, asked(trip, disk.spots), most_s)
    if trip.needs:
        for cell in disk.whole.values():
            others += asked(trip, cell.spots.values())
        return Reached(disk, {}, others, 0)
    passed = (free.by_id.get(driver) for driver in trip.passed)
    among = sum(spot is not None and is_in(spot, disk.whole) for spot in passed)
    return Reached(disk, disk.whole, others, among)


def asked(trip: Unmatched, spots: Iterable[Spot]) -> Iterable[Spot]:
    """Those of them who have what the trip needs, and didn't pass it."""
    passed, needs = trip.passed, trip.needs
    if passed:
        spots = [spot for spot in spots if spot.driver not in passed]
    if needs:
        spots = [spot for spot in spots if needs <= spot.standing.tags]
    return spots


def cap_s(trip: Unmatched, rules: Rules, stamp_ms: int) -> float:
    """The longest ETA for this trip now."""
    waited_ms = stamp_ms - trip.opened_ms
    return rules.pick_up_max_s * (2 if waited_ms >= rules.relaxed_ms else 1)


def due_ms(asked_ms: int, rules: Rules) -> int:
    """When a round that is asked for now takes place: at once, or at the window's end
    (windows begin at whole multiples of their length).
    """
    if rules.window_ms <= 0:
        return asked_ms
    return -(-asked_ms // rules.window_ms) * rules.window_ms


def propose(
    open_trips: Iterable[Unmatched],
    free_drivers: Free,
    travel: Travel,
    rules: Rules,
    stamp_ms: int,
) -> list[Proposal]:
    """All pairs, the cheapest of all first; each trip and each driver once. Nobody is
    left who could be paired.
    """
    steps = round_of(open_trips, free_drivers, travel, rules, stamp_ms)
    return [step for step in steps if step is not None]


def round_of(
    open_trips: Iterable[Unmatched],
    free_drivers: Free,
    travel: Travel,
    rules: Rules,
    stamp_ms: int,
) -> Iterator[Proposal | None]:
    """The same in small steps (one look around a pick-up each), most of which yield
    None, so that a long round can go on in the next tick. Who moves, or is no longer
    free, between two steps is looked at again before they are proposed.
    """
    taken: set[str] = set()
    heap: list[tuple[int, str, str, Search]] = []
    """By (cost, trip, driver): no two are the same."""
    for trip in open_trips:
        search = Search(trip, free_drivers, travel, rules, stamp_ms)
        yield from search.seek(taken)
        if search.pairs:
            heapq.heappush(heap, search.entry())
    while heap:
        search = heap[0][-1]
        if search.best.driver not in taken and search.holds():
            heapq.heappop(heap)
            taken.add(search.best.driver)
            yield search.proposal()
            continue
        yield from search.seek(taken)
        if search.pairs:
            heapq.heapreplace(heap, search.entry())
        else:
            heapq.heappop(heap)


class Pair(NamedTuple):
    """A driver for one trip, in the order in which they are asked. A tuple, since
    thousands are compared a second.
    """

    cost_s: int
    driver: str
    eta_s: int
    arrived_ms: int
    """Of the fix that this rests on."""


LOOKED_AT = 3
"""Times as many as are wanted: some far away are cheaper by their idle credit."""
_pair = partial(tuple.__new__, Pair)


class Search:
    """Drivers for one trip, the cheapest first, looked for no farther than needed."""

    def __init__(
        self,
        trip: Unmatched,
        free: Free,
        travel: Travel,
        rules: Rules,
        stamp_ms: int,
    ) -> None:
        self._trip = trip
        self._free = free
        self._travel = travel
        self._rules = rules
        self._stamp_ms = stamp_ms
        self._cap_s = cap_s(trip, rules, stamp_ms)
        self._around: Iterator[tuple[list[Spot], float]] | None
        self._around = free.around(trip.pick_up)
        self._credit_s = rules.idle_credit * free.most_idle_s(stamp_ms)
        self._seen = ALL[0]
        """Who is nearer was seen (`travel.chord`)."""
        self._bound_s = -math.inf
        """Who wasn't seen yet costs at least so much."""
        self.pairs: list[Pair] = []
        """A heap of who was seen; empty after `seek`: there is nobody."""

    @property
    def best(self) -> Pair:
        return self.pairs[0]

    def entry(self) -> tuple[int, str, str, "Search"]:
        best = self.pairs[0]
        return best.cost_s, self._trip.trip, best.driver, self

    def seek(self, taken: Collection[str]) -> Iterator[None]:
        """Until the cheapest who isn't taken is first."""
        pairs = self.pairs
        while True:
            while pairs and pairs[0].driver in taken:
                heapq.heappop(pairs)
            if pairs and pairs[0].cost_s < self._bound_s:
                return
            if self._around is None:
                return
            self._look(self._around)
            yield None

    def _look(self, around: Iterator[tuple[list[Spot], float]]) -> None:
        found, within_m = next(around)
        within = chord(within_m)
        self.pairs += self.ranked(found, (self._seen, within))
        heapq.heapify(self.pairs)
        self._seen = within
        least_s = self._least_s(within_m)
        if least_s > self._cap_s:
            self._around = None
            self._bound_s = math.inf
        else:
            self._bound_s = round(least_s - self._credit_s)

    def ranked(
        self, spots: Iterable[Spot], ring: Ring = ALL, most_s: float = math.inf
    ) -> list[Pair]:
        """Those who could be paired with the trip, and cost at most so much."""
        spots = asked(self._trip, spots)
        near = self._travel.reach(self._trip.pick_up, spots, self._cap_s, ring)
        credit = self._rules.idle_credit
        idles = idles_s([spot.standing for spot, _ in near], self._stamp_ms)
        return [
            _pair((cost_s, spot.driver, eta_s, spot.arrived_ms))
            for (spot, eta_s), idle in zip(near, idles, strict=True)
            if (cost_s := round(eta_s - credit * idle)) <= most_s
        ]

    def cheapest(self, near: Reached, count: int) -> list[Pair]:
        """The first so many of `near`, which are all who could be paired with it: of
        those who are nearest, and then of those who are no farther than somebody
        cheaper may be, by the most credit that there is.
        """
        trip, travel, known = self._trip, self._travel, len(near)
        reach_m = travel.span_m(self._cap_s)[1]
        within_m = reach_m * math.sqrt(min(1, LOOKED_AT * count / max(1, known)))
        found: list[Pair] = []
        seen, worst_s = ALL[0], math.inf
        while within_m < reach_m:
            disk = self._free.within(trip.pick_up, within_m, within_m)
            spots = disk.spots.copy()
            for cell in disk.whole.values():
                spots += cell.spots.values()
            within = chord(within_m)
            found += self.ranked(spots, (seen, within), worst_s)
            found.sort()
            seen = within
            if len(found) < count:
                within_m *= 2
                continue
            worst_s = found[count - 1].cost_s
            if worst_s < round(travel.least_s(within_m) - self._credit_s):
                return found[:count]
            within_m = max(within_m, travel.span_m(worst_s + self._credit_s + 1)[1])
        found += self.ranked(near.drivers(trip), (seen, ALL[1]), worst_s)
        return sorted(found)[:count]

    def _least_s(self, within_m: float) -> float:
        """The ETA of who is farther is no less."""
        return self._travel.least_s(within_m) if within_m < math.inf else math.inf

    def holds(self) -> bool:
        """Whether the best is what it was when it was looked at. One who isn't goes,
        and comes back as they are now.
        """
        best = self.pairs[0]
        spot = self._free.by_id.get(best.driver)
        now = [] if spot is None else self.ranked([spot])
        if now == [best]:
            return True
        heapq.heappop(self.pairs)
        for pair in now:
            heapq.heappush(self.pairs, pair)
        return False

    def proposal(self) -> Proposal:
        best = self.pairs[0]
        spot = self._free.by_id[best.driver]
        evidence = Evidence(
            round(metres(spot, self._trip.pick_up)),
            best.eta_s,
            best.cost_s,
            spot.age_s(self._stamp_ms),
            rounded(spot.lat, spot.lon),
        )
        return Proposal(self._trip.trip, best.driver, evidence)
