"""Where riders and drivers are: in a city, or where degrees are no good measure."""

from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import Literal

from schemas.trips import Position

Area = Literal["city", "pole", "date line"]
MIDDLES = {"city": (40.75, -73.98), "pole": (90.0, 0.0), "date line": (-17.0, 180.0)}
EARTH_M = 6_371_009
"""PROTOCOL.md section 7."""
NEAR = 0.01
"""Degrees about the middle: a kilometre, of which the cap allows six."""


def place(rng: Random, area: Area) -> tuple[float, float]:
    """Somewhere near its middle, on either side of the pole or the line."""
    lat, lon = MIDDLES[area]
    if area == "pole":
        return 90 - rng.random() * NEAR, rng.uniform(-180, 180)
    lat += rng.uniform(-NEAR, NEAR)
    lon += rng.uniform(-NEAR, NEAR)
    return lat, (lon + 180) % 360 - 180


def metres(one: Position, other: Position) -> float:
    """Great circle, by haversines: another way than the dispatcher's."""
    south, north = radians(one.lat), radians(other.lat)
    east = radians(other.lon - one.lon)
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin(east / 2) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(half)))
