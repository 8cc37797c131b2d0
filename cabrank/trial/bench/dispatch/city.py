"""Where and when people want to go, and how long it takes. Pure but for reading files.

`Manhattan` is a weekday evening there (manhattan/README.md tells its source); `Own` is
an operator's, from a CSV file.
"""

import csv
import json
import math
import random
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct

from cabrank.errors import UsageError, reason
from schemas.times import from_rfc3339

EARTH_M = 6_371_009
SOURCE = Path(__file__).parent / "manhattan" / "city.json"
POLE, DATE_LINE = 90, 180
ROWS_MAX = 1_000_000
"""Of a CSV file: some 0.5 KB each in memory."""


class Place(NamedTuple):
    """WGS 84; `zone` is the city's own number, 0 where it has none."""

    lat: float
    lon: float
    zone: int = 0


class Request(Struct, frozen=True):
    """`at_s` after the evening's begin."""

    at_s: float
    pick_up: Place
    drop_off: Place


class City(Protocol):
    name: str

    def requests(self, rnd: random.Random, per_hour: float, s: float) -> list[Request]:
        """Of so many seconds, in order of time."""
        ...

    def start(self, rnd: random.Random) -> Place:
        """Where a driver waits when the evening begins."""
        ...

    def km(self, start: Place, end: Place) -> float: ...

    def seconds(self, start: Place, end: Place) -> float: ...


class Manhattan:
    """Streets at right angles, 29° off the meridian (pyhailing's figure); speeds by
    pair of zones.
    """

    name = "Manhattan, a weekday evening"
    _ANGLE = math.radians(29)
    _LAT = math.radians(40.77)

    def __init__(self) -> None:
        data = json.loads(SOURCE.read_text())
        self._places = [
            [Place(lat, lon, zone) for lat, lon in one["places"]]
            for zone, one in enumerate(data["zones"])
        ]
        count = len(self._places)
        self._pairs = [(a, b) for a in range(count) for b in range(count)]
        flat = [[trips for row in hour for trips in row] for hour in data["trips"]]
        self._hours = [list(accumulate(hour)) for hour in flat]
        self._kmh: list[list[float]] = data["kmh"]

    def requests(self, rnd: random.Random, per_hour: float, s: float) -> list[Request]:
        """By a Poisson process of one rate; from where to where as at that hour, the
        last one going on.
        """
        made = []
        at_s = rnd.expovariate(per_hour / 3600)
        while at_s < s:
            hour = self._hours[min(int(at_s // 3600), len(self._hours) - 1)]
            made.append(Request(at_s, *self._trip(rnd, hour)))
            at_s += rnd.expovariate(per_hour / 3600)
        return made

    def _trip(self, rnd: random.Random, sums: Sequence[float]) -> tuple[Place, Place]:
        [(start, end)] = rnd.choices(self._pairs, cum_weights=sums)
        return rnd.choice(self._places[start]), rnd.choice(self._places[end])

    def start(self, rnd: random.Random) -> Place:
        return self._trip(rnd, self._hours[0])[1]

    def km(self, start: Place, end: Place) -> float:
        x = math.radians(end.lon - start.lon) * math.cos(self._LAT)
        y = math.radians(end.lat - start.lat)
        sin, cos = math.sin(self._ANGLE), math.cos(self._ANGLE)
        return (abs(x * cos - y * sin) + abs(x * sin + y * cos)) * EARTH_M / 1000

    def seconds(self, start: Place, end: Place) -> float:
        return self.km(start, end) / self._kmh[start.zone][end.zone] * 3600


class Own:
    """Requests of a CSV file; ways are great circles with a detour at one speed."""

    def __init__(self, path: Path, detour: float, speed_kmh: float) -> None:
        self.name = path.name
        self._detour = detour
        self._speed_kmh = speed_kmh
        self._requests = _read(path)

    @property
    def seconds_long(self) -> float:
        return self._requests[-1].at_s

    def requests(self, rnd: random.Random, per_hour: float, s: float) -> list[Request]:
        """Those of the file, whatever the rate; `rnd` changes nothing."""
        del rnd, per_hour
        return [one for one in self._requests if one.at_s <= s]

    def start(self, rnd: random.Random) -> Place:
        return rnd.choice(self._requests).drop_off

    def km(self, start: Place, end: Place) -> float:
        a, b, c, d = map(math.radians, (*start[:2], *end[:2]))
        north, east = math.sin((c - a) / 2), math.sin((d - b) / 2)
        h = north * north + math.cos(a) * math.cos(c) * east * east
        return 2 * EARTH_M * math.asin(min(1, math.sqrt(h))) * self._detour / 1000

    def seconds(self, start: Place, end: Place) -> float:
        return self.km(start, end) / self._speed_kmh * 3600


def _read(path: Path) -> list[Request]:
    """Lines of `time, pick-up latitude, pick-up longitude, drop-off latitude, drop-off
    longitude`; the time RFC 3339, or seconds. A first line without figures is a
    heading.

    Raises:
        UsageError: it can't be read, or a line is none of these.
    """
    found: list[Request] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if len(found) == ROWS_MAX:
                    raise UsageError(f"{path} has over {ROWS_MAX:,} requests.")
                cells = [cell.strip() for cell in row]
                if not any(cells) or (number == 1 and _is_heading(cells)):
                    continue
                found.append(_request(cells, f"{path}, line {number}"))
    except (OSError, UnicodeError, csv.Error) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no CSV text"
        raise UsageError(f"{path} can't be read: {why}.") from None
    if not found:
        raise UsageError(f"{path} has no requests.")
    found.sort(key=lambda one: one.at_s)
    first_s = found[0].at_s
    return [Request(one.at_s - first_s, one.pick_up, one.drop_off) for one in found]


def _is_heading(cells: list[str]) -> bool:
    return not any(any(letter.isdigit() for letter in cell) for cell in cells)


def _request(cells: list[str], where: str) -> Request:
    shape = "time, latitude and longitude of the pick-up, and of the drop-off"
    if len(cells) != 5:  # noqa: PLR2004 (the shape)
        raise UsageError(f"{where}: it has {len(cells)} fields, not 5: {shape}.")
    time, *rest = cells
    try:
        a, b, c, d = (float(cell) for cell in rest)
    except ValueError:
        raise UsageError(f"{where}: {shape} are wanted.") from None
    if not (abs(a) <= POLE >= abs(c) and abs(b) <= DATE_LINE >= abs(d)):
        raise UsageError(f"{where}: that is no place on earth.")
    return Request(_instant_s(time, where), Place(a, b), Place(c, d))


def _instant_s(text: str, where: str) -> float:
    try:
        found = float(text)
        if math.isfinite(found):
            return found
    except ValueError:
        pass
    try:
        return from_rfc3339(text) / 1000
    except (ValueError, OverflowError):
        what = "RFC 3339 nor a number of seconds"
        raise UsageError(
            f"{where}: the time {text[:40]!r} is neither {what}."
        ) from None
