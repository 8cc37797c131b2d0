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


class Point(Struct):
    """A place: WGS 84 degrees, and its unit vector from the earth's centre, which makes
    a distance 0.3 µs, and poles and date line nothing special.
    """

    lat: float
    lon: float
    x: float
    y: float
    z: float


def vector(lat: float, lon: float) -> tuple[float, float, float]:
    north, east = math.radians(lat), math.radians(lon)
    around = math.cos(north)
    return around * math.cos(east), around * math.sin(east), math.sin(north)


def point(lat: float, lon: float) -> Point:
    return Point(lat, lon, *vector(lat, lon))


def metres(one: Point, other: Point) -> float:
    """Great circle."""
    x, y, z = one.x - other.x, one.y - other.y, one.z - other.z
    half = math.sqrt(x * x + y * y + z * z) / 2
    return _DIAMETER_M * math.asin(min(1.0, half))


def square(distance_m: float) -> float:
    """Of the chord (in earth radii) under a great circle: what is compared where the
    distance itself isn't needed.
    """
    chord = 2 * math.sin(min(distance_m / _DIAMETER_M, math.pi / 2))
    return chord * chord


Ring = tuple[float, float]
"""Farther than the one and not farther than the other, both as `square` has it."""
ALL: Ring = (-1.0, math.inf)
P = TypeVar("P", bound=Point)


class Travel(Protocol):
    """ETAs in whole seconds, distances in whole metres of great circle."""

    def reach(
        self, pick_up: Point, drivers: Iterable[P], most_s: float, ring: Ring = ALL
    ) -> list[tuple[P, int, int]]:
        """(driver, metres, ETA) of those in the ring whose ETA is at most `most_s`, in
        their order.
        """
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
    ) -> list[tuple[P, int, int]]:
        s_per_m = self._s_per_m
        x, y, z = pick_up.x, pick_up.y, pick_up.z
        more, most = ring
        most = min(most, square(self.span_m(most_s)[1]))
        sqrt, asin = math.sqrt, math.asin
        found = []
        for driver in drivers:
            a, b, c = driver.x - x, driver.y - y, driver.z - z
            far = a * a + b * b + c * c
            if more < far <= most:
                # An antipode's chord may round to more than the diameter.
                distance_m = _DIAMETER_M * asin(min(1.0, sqrt(far) / 2))
                eta_s = round(distance_m * s_per_m)
                if eta_s <= most_s:
                    found.append((driver, round(distance_m), eta_s))
        return found

    def span_m(self, most_s: float) -> tuple[float, float]:
        # Whose ETA rounds to either side of `most_s` is in between.
        return max(0.0, most_s - 1) / self._s_per_m, (most_s + 1) / self._s_per_m

    def eta_s(self, start: Point, end: Point) -> int:
        return round(metres(start, end) * self._s_per_m)

    def least_s(self, distance_m: float) -> int:
        return round(distance_m * self._s_per_m)
