"""Reduces a piece of OpenStreetMap to what the pages draw and `cabrank demo` drives on.

    python -m venv /tmp/osm && /tmp/osm/bin/pip install osmium
    /tmp/osm/bin/python deploy/map/streets.py CITY.osm.pbf OUT.json \
        --name NAME [--bounds S,W,N,E]

web/pages/map/README.md tells what the file holds and where today's is from. Nothing of
cabrank needs osmium; it is for whoever makes the file anew.
"""

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any

import osmium

ROADS = {
    **dict.fromkeys(("motorway", "trunk", "primary"), "main"),
    **dict.fromkeys(("motorway_link", "trunk_link", "primary_link"), "main"),
    **dict.fromkeys(("secondary", "secondary_link"), "second"),
    **dict.fromkeys(("tertiary", "tertiary_link"), "second"),
    **dict.fromkeys(("residential", "unclassified", "living_street"), "street"),
    **dict.fromkeys(("road", "service"), "street"),
    **dict.fromkeys(("pedestrian", "footway", "steps", "path"), "walk"),
}
"""What a line is drawn as, by `highway`. All but `walk` is driven on."""
KINDS = ("main", "second", "street", "walk", "pier")
GREEN = {
    ("leisure", "park"),
    ("leisure", "garden"),
    ("leisure", "golf_course"),
    ("leisure", "pitch"),
    ("landuse", "forest"),
    ("landuse", "grass"),
    ("landuse", "cemetery"),
    ("natural", "wood"),
    ("natural", "scrub"),
}
NO_CARS = {"no", "private"}
STRAIGHT_M = 2.0
"""A point so near to the line between its neighbours goes, unless lines meet there."""
STEP = 1e-5
"""Degrees, about a metre: what places are rounded to."""
FAR = 0.3
"""Degrees: how far beyond the bounds the sea reaches."""
LONE_M = 30.0
"""A service road shorter than that is a drive; it isn't drawn."""

MORE = 0x20
"""The bit of a character that says that another follows."""
ASCII_OFFSET = 63
LINE = 2
"""Points that a line has at least."""

Place = tuple[int, int]
"""Latitude and longitude, in steps."""


def place(node: Any) -> Place:
    return round(node.lat / STEP), round(node.lon / STEP)


def encode(places: list[Place]) -> str:
    """Google's polyline: differences, five bits a character."""
    text = []
    before = (0, 0)
    for now in places:
        for here, was in zip(now, before, strict=True):
            value = (here - was) << 1
            value = ~value if here < was else value
            while value >= MORE:
                text.append(chr((MORE | value % MORE) + ASCII_OFFSET))
                value //= MORE
            text.append(chr(value + ASCII_OFFSET))
        before = now
    return "".join(text)


def metres(one: Place, other: Place) -> tuple[float, float]:
    """North and east from one to the other; flat, which a city is."""
    north = (other[0] - one[0]) * STEP * 111_195
    shrink = math.cos(math.radians(one[0] * STEP))
    return north, (other[1] - one[1]) * STEP * 111_195 * shrink


def simplify(places: list[Place], kept: set[Place]) -> list[Place]:
    """Douglas and Peucker's, with what is in `kept` left where it is."""
    if len(places) <= LINE:
        return places
    ends = [at for at, each in enumerate(places) if each in kept]
    ends = sorted({0, *ends, len(places) - 1})
    if len(ends) > LINE:
        out = places[:1]
        for first, last in itertools.pairwise(ends):
            out += simplify(places[first : last + 1], set())[1:]
        return out
    far, at = max(
        (away(each, places[0], places[-1]), at)
        for at, each in enumerate(places[1:-1], 1)
    )
    if far <= STRAIGHT_M:
        return [places[0], places[-1]]
    return simplify(places[: at + 1], set())[:-1] + simplify(places[at:], set())


def away(point: Place, one: Place, other: Place) -> float:
    """Metres from the line between the two."""
    y, x = metres(one, point)
    dy, dx = metres(one, other)
    length = math.hypot(dx, dy)
    return abs(x * dy - y * dx) / length if length else math.hypot(x, y)


def length(places: list[Place]) -> float:
    pairs = itertools.pairwise(places)
    return sum(math.hypot(*metres(one, other)) for one, other in pairs)


def chains(ways: list[list[Place]]) -> list[list[Place]]:
    """Coastline: ways joined where one ends as another begins."""
    left = {way[0]: way for way in ways}
    out = []
    while left:
        ends = {way[-1] for way in left.values()}
        start = next((key for key in left if key not in ends), next(iter(left)))
        chain = left.pop(start)
        while chain[-1] in left:
            chain = chain + left.pop(chain[-1])[1:]
        out.append(chain)
    return out


def sea(ways: list[list[Place]], bounds: list[float]) -> list[list[Place]]:
    """The water south and east of a coast that goes eastward (OSM has the land on the
    left); islands are left out.
    """
    out = []
    for chain in chains(ways):
        if chain[0] == chain[-1]:
            continue
        south, east = (bounds[0] - FAR) / STEP, (bounds[3] + FAR) / STEP
        corners = [
            (chain[-1][0], round(east)),
            (round(south), round(east)),
            (round(south), chain[0][1]),
        ]
        out.append(chain + corners)
    return out


def read(path: Path, bounds: list[float] | None) -> dict[str, Any]:
    roads, coast, green = [], [], []
    named: dict[str, int] = {}
    meets: dict[Place, int] = {}
    for way in osmium.FileProcessor(str(path)).with_locations():
        if not way.is_way():
            continue
        tags = dict(way.tags)
        places = [place(node) for node in way.nodes if node.location.valid()]
        if len(places) < LINE or not inside(places, bounds):
            continue
        kind = ROADS.get(tags.get("highway", ""))
        if tags.get("man_made") == "pier":
            kind = "pier"
        if tags.get("natural") == "coastline":
            coast.append(places)
        elif kind and tags.get("area") != "yes":
            drive = tags.get("highway") == "service"
            if drive and length(places) < LONE_M and "name" not in tags:
                continue
            if tags.get("access") in NO_CARS and kind != "walk":
                kind = "walk"
            roads.append((kind, oneway(tags), tags.get("name"), places))
            for each in set(places):
                meets[each] = meets.get(each, 0) + 1
        elif any(
            (key, tags.get(key)) in GREEN for key in ("leisure", "landuse", "natural")
        ):
            green.append(places)
    crossings = {each for each, count in meets.items() if count > 1}
    ways = []
    for kind, one, name, places in sorted(roads, key=lambda road: KINDS.index(road[0])):
        number = -1 if not name else named.setdefault(name, len(named))
        ways.append(
            [KINDS.index(kind), one, number, encode(simplify(places, crossings))]
        )
    around = bounds or bounds_of([places for *_, places in roads])
    areas = [["sea", encode(simplify(each, set()))] for each in sea(coast, around)]
    areas += [["green", encode(simplify(each, set()))] for each in green]
    return {
        "attribution": "© OpenStreetMap contributors",
        "bounds": around,
        "kinds": KINDS,
        "names": list(named),
        "ways": ways,
        "areas": areas,
    }


def oneway(tags: dict[str, str]) -> int:
    """1: along the line only, -1: against it, 0: both."""
    said = tags.get("oneway", "")
    if said in {"-1", "reverse"}:
        return -1
    is_ring = tags.get("junction") in {"roundabout", "circular"}
    is_motorway = tags.get("highway") == "motorway" and said != "no"
    return int(said in {"yes", "true", "1"} or is_ring or is_motorway)


def inside(places: list[Place], bounds: list[float] | None) -> bool:
    if bounds is None:
        return True
    south, west, north, east = bounds
    return any(
        south <= lat * STEP <= north and west <= lon * STEP <= east
        for lat, lon in places
    )


def bounds_of(lines: list[list[Place]]) -> list[float]:
    lats = [lat * STEP for line in lines for lat, _ in line]
    lons = [lon * STEP for line in lines for _, lon in line]
    corners = (min(lats), min(lons), max(lats), max(lons))
    return [round(each, 5) for each in corners]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("source", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--name", required=True)
    asked.add_argument("--bounds", help="S,W,N,E in degrees; default: all of it")
    given = asked.parse_args()
    bounds = [float(each) for each in given.bounds.split(",")] if given.bounds else None
    made = {"name": given.name, **read(given.source, bounds)}
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
