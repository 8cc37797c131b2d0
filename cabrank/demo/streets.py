"""A city's streets as a graph, from the file that the pages' map is drawn from
(web/pages/map/README.md). Pure but for reading it.
"""

import heapq
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import web

SOURCE = web.ROOT / "pages" / "map" / "monaco.json"
STEP = 1e-5
"""Degrees, about a metre: what the file's places are rounded to."""
EARTH_M = 6_371_009
"""PROTOCOL.md section 7."""
UNDRIVEN = {"walk", "pier"}
INNER = 0.6
"""Share of the map's height and width."""
_MORE, _ASCII_OFFSET = 0x20, 63


class Place(NamedTuple):
    """WGS 84, degrees."""

    lat: float
    lon: float


def metres(one: Place, other: Place) -> float:
    """Flat, which is right to a centimetre over a city."""
    north = math.radians(other.lat - one.lat)
    east = math.radians(other.lon - one.lon) * math.cos(math.radians(one.lat))
    return EARTH_M * math.hypot(north, east)


def heading(one: Place, other: Place) -> float:
    """Degrees from north, clockwise, in [0, 360)."""
    east = (other.lon - one.lon) * math.cos(math.radians(one.lat))
    return math.degrees(math.atan2(east, other.lat - one.lat)) % 360


def decode(text: str) -> list[Place]:
    """Google's polyline: differences, five bits a character."""
    values: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _ASCII_OFFSET
        value |= bits % _MORE << shift
        shift += 5
        if bits < _MORE:
            values.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    lat = lon = 0
    places = []
    for north, east in zip(values[::2], values[1::2], strict=True):
        lat, lon = lat + north, lon + east
        places.append(Place(round(lat * STEP, 5), round(lon * STEP, 5)))
    return places


class Streets:
    """What can be driven on, to and fro: from each of `corners` to each other one."""

    def __init__(self, source: Path = SOURCE) -> None:
        data = json.loads(source.read_text(encoding="utf-8"))
        self.name: str = data["name"]
        self._next: dict[Place, dict[Place, float]] = defaultdict(dict)
        self._names: dict[Place, str] = {}
        for kind, oneway, name, text in data["ways"]:
            if data["kinds"][kind] in UNDRIVEN:
                continue
            places = decode(text)
            for one, other in pairwise(places):
                length = metres(one, other)
                if oneway >= 0:
                    self._next[one][other] = length
                if oneway <= 0:
                    self._next[other][one] = length
            if name >= 0:
                self._names.update(dict.fromkeys(places, data["names"][name]))
        self.corners = self._connected()
        """In an order of their own, so that a seed always means the same."""
        south, west, north, east = data["bounds"]
        self.lived_in = [
            each
            for each in self.corners
            if each in self._names
            and _is_inner(each.lat, south, north)
            and _is_inner(each.lon, west, east)
        ]

    def _connected(self) -> list[Place]:
        """The largest part that one can both reach and leave (Kosaraju)."""
        back: dict[Place, list[Place]] = defaultdict(list)
        for one, others in self._next.items():
            for other in others:
                back[other].append(one)
        left = {*self._next, *back}
        best: set[Place] = set()
        while len(left) > len(best):
            start = min(left)
            there = _reached(start, self._next)
            part = there & _reached(start, back)
            best = max(best, part, key=len)
            left -= part
        return sorted(best)

    def somewhere(self, rnd: random.Random) -> Place:
        """A corner of the inner city, in a street that has a name."""
        return rnd.choice(self.lived_in)

    def address(self, place: Place, rnd: random.Random) -> str:
        """What people call a corner."""
        return f"{rnd.randint(1, 60)} {self._names.get(place, self.name)}"

    def nearest(self, place: Place) -> Place:
        """The corner that is."""
        return min(self.corners, key=lambda each: metres(each, place))

    def way_m(self, start: Place, end: Place) -> float:
        """How long the shortest is."""
        return sum(metres(*each) for each in pairwise(self.way(start, end)))

    def way(self, start: Place, end: Place) -> list[Place]:
        """The shortest from corner to corner, both of it included (A*)."""
        came: dict[Place, Place] = {}
        known = {start: 0.0}
        waiting = [(metres(start, end), start)]
        while waiting:
            _, here = heapq.heappop(waiting)
            if here == end:
                break
            for there, length in self._next[here].items():
                far = known[here] + length
                if far < known.get(there, math.inf):
                    known[there] = far
                    came[there] = here
                    heapq.heappush(waiting, (far + metres(there, end), there))
        return list(_back(came, start, end))[::-1]


def _is_inner(value: float, low: float, high: float) -> bool:
    """Whether it is in the middle of a range, where most people live."""
    return abs(value - (low + high) / 2) <= INNER * (high - low) / 2


def _reached(
    start: Place, steps: dict[Place, dict[Place, float]] | dict[Place, list[Place]]
) -> set[Place]:
    seen = {start}
    waiting = [start]
    while waiting:
        for each in steps.get(waiting.pop(), ()):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return seen


def _back(came: dict[Place, Place], start: Place, end: Place) -> Iterator[Place]:
    here = end
    yield here
    while here != start:
        here = came[here]
        yield here


class Car:
    """Where one is on its way."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.heading = 0.0
        self._ahead: list[Place] = []

    @property
    def stands(self) -> bool:
        return not self._ahead

    def drive(self, way: list[Place]) -> None:
        """From where it is to the way's end."""
        self._ahead = list(way)

    def move(self, far_m: float) -> None:
        """So many metres along its way, or to its end."""
        while self._ahead:
            corner = self._ahead[0]
            length = metres(self.place, corner)
            if length > 0:
                self.heading = heading(self.place, corner)
            if length > far_m:
                share = far_m / length
                lat = self.place.lat + (corner.lat - self.place.lat) * share
                lon = self.place.lon + (corner.lon - self.place.lon) * share
                self.place = Place(lat, lon)
                return
            far_m -= length
            self.place = self._ahead.pop(0)
