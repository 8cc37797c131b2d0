"""How far and how long from a driver to a pick-up. Pure.

`Travel` is an interface, so that a table of times can come later; whatever it is, it
answers at once: a router is never asked inside the leader.
"""

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

from msgspec import Struct

EARTH_M = 6_371_009
"""PROTOCOL.md section 7; the mean radius (IUGG)."""
_DIAMETER_M = 2 * EARTH_M


Vector = tuple[float, float, float]


class Point(Struct):
    """A place: WGS 84 degrees, and its unit vector from the earth's centre, which makes
    a distance 0.2 µs, and poles and date line nothing special.
    """

    lat: float
    lon: float
    unit: Vector


def vector(lat: float, lon: float) -> Vector:
    north, east = math.radians(lat), math.radians(lon)
    around = math.cos(north)
    return around * math.cos(east), around * math.sin(east), math.sin(north)


def point(lat: float, lon: float) -> Point:
    return Point(lat, lon, vector(lat, lon))


def metres(one: Point, other: Point) -> float:
    """Great circle."""
    # An antipode's chord may round to more than the diameter.
    return _DIAMETER_M * math.asin(min(1.0, math.dist(one.unit, other.unit) / 2))


def chord(distance_m: float) -> float:
    """Under a great circle, in earth radii, as `math.dist` has it of two units: what is
    compared where the distance itself isn't needed.
    """
    return 2 * math.sin(min(distance_m / _DIAMETER_M, math.pi / 2))


Ring = tuple[float, float]
"""Farther than the one and not farther than the other, both as `chord` has it."""
ALL: Ring = (-1.0, math.inf)
P = TypeVar("P", bound=Point)


class Travel(Protocol):
    """ETAs in whole seconds, distances in whole metres of great circle."""

    def reach(
        self, pick_up: Point, drivers: Iterable[P], most_s: float, ring: Ring = ALL
    ) -> list[tuple[P, int]]:
        """(driver, ETA) of those in the ring whose ETA is at most `most_s`, in their
        order.
        """
        ...

    def within(self, pick_up: Point, drivers: Iterable[P], most_s: float) -> list[P]:
        """Those alone, where neither metres nor ETAs matter."""
        ...

    def span_m(self, most_s: float) -> tuple[float, float]:
        """Great circles: of nobody nearer than the first the ETA is over `most_s`, and
        of nobody farther than the second it is not.
        """
        ...

    def eta_s(self, start: Point, end: Point) -> int: ...

    def least_s(self, distance_m: float) -> int:
        """No ETA over so great a distance, or a greater one, is less."""
        ...


class GreatCircle:
    """The default: the great circle with a detour, at one speed."""

    def __init__(self, detour: float, speed_kmh: float) -> None:
        self._s_per_m = detour * 3.6 / speed_kmh

    def reach(
        self, pick_up: Point, drivers: Iterable[P], most_s: float, ring: Ring = ALL
    ) -> list[tuple[P, int]]:
        dist, asin, unit = math.dist, math.asin, pick_up.unit
        more, most = ring
        most = min(most, chord(self.span_m(most_s)[1]))
        s_per_radius = _DIAMETER_M * self._s_per_m
        return [
            (driver, eta_s)
            for driver in drivers
            if more < (far := dist(driver.unit, unit)) <= most
            and (eta_s := round(asin(far / 2) * s_per_radius)) <= most_s
        ]

    def within(self, pick_up: Point, drivers: Iterable[P], most_s: float) -> list[P]:
        unit, dist = pick_up.unit, math.dist
        sure, most = map(chord, self.span_m(most_s))
        return [
            one
            for one in drivers
            if (far := dist(one.unit, unit)) <= sure
            or (far <= most and self.eta_s(one, pick_up) <= most_s)
        ]

    def span_m(self, most_s: float) -> tuple[float, float]:
        # Whose ETA rounds to either side of `most_s` is in between.
        return max(0.0, most_s - 1) / self._s_per_m, (most_s + 1) / self._s_per_m

    def eta_s(self, start: Point, end: Point) -> int:
        return round(metres(start, end) * self._s_per_m)

    def least_s(self, distance_m: float) -> int:
        return round(distance_m * self._s_per_m)
