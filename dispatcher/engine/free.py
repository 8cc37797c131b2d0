"""Free drivers with a fresh position, and which of them are near a place. Pure."""

import heapq
import math
from collections.abc import Callable, Collection, Iterator

import h3.api.memview_int as h3
from msgspec import Struct

from dispatcher.engine.standing import NEW, Standing, idle_s
from dispatcher.engine.travel import Point, Vector, chord, vector

FINE, COARSE = 9, 7
"""H3 resolutions: cells of 0.1 km² find somebody among thousands in a city, those of
5 km² in the country."""
EDGES_M = {FINE: 200.786, COARSE: 1406.476}
"""Mean edges (https://h3geo.org/docs/core-library/restable)."""
RADII_M = {FINE: 1.2 * EDGES_M[FINE], COARSE: 1.3 * EDGES_M[COARSE]}
"""Nobody in a cell is farther from its centre: 1.11 mean edges at most (the same
measurement); in a coarse one, whose fine ones jut out of it, 1.14."""
CROWD = 3
"""Drivers a cell from which on small cells are worth looking at one by one."""
LEAST_EDGE = 0.66
"""The least edge as a part of the mean one. Measured over 2,500 cells, at pentagons,
faces' edges and anywhere, 2026-11-29: cells k apart are never nearer than 0.70 (1.5 k -
2) mean edges (k from 2 on), a perfect grid's bound."""


class Spot(Point):
    """A driver's last believed position. `at_ms` is the fix's own, at most when it
    arrived.
    """

    driver: str
    mark: str
    """The driver's, by which many are told (schemas/observations.py)."""
    heading: float | None
    at_ms: int
    arrived_ms: int
    cell: int = 0
    """Of resolution FINE."""
    stray: Point | None = None
    """Where a fix said the driver is that can't be believed yet."""
    standing: Standing = NEW

    def age_s(self, now_ms: int) -> int:
        return age_s(self.arrived_ms, now_ms)


def age_s(arrived_ms: int, now_ms: int) -> int:
    age = (now_ms - arrived_ms + 500) // 1000
    return max(0, age)


class Cell(Struct):
    """Of either resolution: its centre's unit vector, and who is in it."""

    unit: Vector
    spots: dict[str, Spot]
    told: str = ""
    """Their marks, as of when somebody asked; empty: somebody came or went since."""

    def marks(self) -> str:
        if not self.told:
            self.told = "".join([spot.mark for spot in self.spots.values()])
        return self.told


class Disk(Struct, frozen=True):
    """Free drivers within so many metres of a place: all in the cells that are `whole`,
    nobody in those `beyond`, and some in those of the `edge`. Where they are few or the
    disk is large, cells are not looked at: everybody is in `spots`.
    """

    whole: dict[int, Cell]
    edge: dict[int, Cell]
    spots: list[Spot]
    """Of `edge`, or all."""
    beyond: Callable[[], Iterator[Cell]]


class Free:
    """Free drivers with a fresh position, by cell; each in a cell of both sizes."""

    def __init__(self) -> None:
        self.by_id: dict[str, Spot] = {}
        self._cells: dict[int, dict[int, Cell]] = {FINE: {}, COARSE: {}}
        """By resolution."""
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
        for size, one in ((FINE, cell), (COARSE, h3.cell_to_parent(cell, COARSE))):
            inside = self._cells[size].get(one)
            if inside is None:
                centre = vector(*h3.cell_to_latlng(one))
                inside = self._cells[size][one] = Cell(centre, {})
            inside.spots[spot.driver] = spot
            inside.told = ""

    def _leave(self, spot: Spot) -> None:
        coarse = h3.cell_to_parent(spot.cell, COARSE)
        for size, one in ((FINE, spot.cell), (COARSE, coarse)):
            inside = self._cells[size][one]
            inside.told = ""
            del inside.spots[spot.driver]
            if not inside.spots:
                del self._cells[size][one]

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
            get = self._cells[resolution].get
            for cell in _disk(origin, rings):
                inside = get(cell)
                if inside is not None:
                    found += inside.spots.values()
            yield found, (1.5 * (rings + 1) - 2) * LEAST_EDGE * EDGES_M[resolution]
        yield list(self.by_id.values()), math.inf

    def within(self, place: Point, sure_m: float, most_m: float) -> Disk:
        """Cells that are no farther than `sure_m` as a whole, and who else may be
        within `most_m`.
        """
        fine, coarse = self._cells[FINE], self._cells[COARSE]
        small = len(self.by_id) > CROWD * (len(fine) + len(coarse))
        size, cells = (FINE, fine) if small else (COARSE, coarse)
        edge_m = EDGES_M[size]
        rings = math.ceil((most_m / (LEAST_EDGE * edge_m) + 2) / 1.5 - 1)
        if _cells(rings) >= min(len(self.by_id), _COUNTED_CELLS):
            return Disk({}, {}, list(self.by_id.values()), _nowhere)
        inner = chord(max(0.0, sure_m - RADII_M[size]))
        outer = chord(most_m + RADII_M[size])
        unit, dist = place.unit, math.dist
        whole: dict[int, Cell] = {}
        edge: dict[int, Cell] = {}
        spots: list[Spot] = []
        get = cells.get
        for one in _disk(h3.latlng_to_cell(place.lat, place.lon, size), rings):
            cell = get(one)
            if cell is not None:
                far = dist(cell.unit, unit)
                if far < inner:
                    whole[one] = cell
                elif far <= outer:
                    edge[one] = cell
                    spots += cell.spots.values()

        def beyond() -> Iterator[Cell]:
            for one, cell in cells.items():
                if one not in whole and one not in edge:
                    yield cell

        return Disk(whole, edge, spots, beyond)


def _nowhere() -> Iterator[Cell]:
    return iter(())


def is_in(spot: Spot, cells: Collection[int]) -> bool:
    """Of either resolution."""
    return spot.cell in cells or h3.cell_to_parent(spot.cell, COARSE) in cells


def _disk(origin: int, rings: int) -> list[int]:
    """Cells at most so many rings away; made in one go, a fifth of the time that going
    through h3's own sequence takes.
    """
    return memoryview(h3.grid_disk(origin, rings)).tolist()


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
