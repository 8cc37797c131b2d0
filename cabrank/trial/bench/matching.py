"""`cabrank bench matching`: CPU of the matcher, and of the positions it rests on, on
one thread.

Drivers who have been idle for up to 40 minutes, in a dense town (Manhattan's 60 km²)
and in a city of 780 km². The least of some tries counts, which a busy machine moves
little.
"""

import gc
import math
import random
import time
from collections.abc import Callable
from typing import Annotated

import typer

from cabrank.commands.options import COUNT_MAX
from cabrank.trial.bench import output
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.load import report
from dispatcher.engine import rounds
from dispatcher.engine.matching import Rules, Search, Unmatched, propose
from dispatcher.engine.positions import Positions
from dispatcher.engine.standing import Standing
from dispatcher.engine.travel import GreatCircle, point
from dispatcher.engine.verdicts import Round as Judge
from schemas.codec import encode
from schemas.commands import Fix
from schemas.observations import Round
from schemas.times import rfc3339

NOW_MS = 1_795_255_200_000
DRIVERS = (1_000, 10_000)
TRIES = 7
TRIPS = 200
AREAS = {"town, 60 km²": (0.18, 0.04), "city, 780 km²": (0.25, 0.33)}
IDLE_S = 2_400
STEP_M = 40
"""4 s at 36 km/h."""
RULES = Rules()
TRAVEL = GreatCircle(1.3, 25)


def least_us(
    do: Callable[[], int], tries: int, prepare: Callable[[], None] | None = None
) -> float:
    """Of one thing, of which `do` tells how many it did."""
    best = math.inf
    for _ in range(tries):
        if prepare is not None:
            prepare()
        gc.collect()
        began_s = time.process_time()
        count = do()
        best = min(best, (time.process_time() - began_s) / count)
    return best * 1e6


class Area:
    def __init__(self, size: tuple[float, float], drivers: int) -> None:
        rnd = random.Random(drivers)  # noqa: S311 (no secret)
        self.now_ms = NOW_MS
        self.places = [
            (40.7 + rnd.random() * size[0], -74 + rnd.random() * size[1])
            for _ in range(drivers)
        ]
        self.names = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(drivers)]
        self.positions = Positions(60_000)
        for name in self.names:
            since_ms = NOW_MS - round(rnd.random() * IDLE_S * 1000)
            self.stand(name, since_ms)
        self.move()
        self.hear()
        self.trips = [
            Unmatched(f"t{n}", point(lat + 0.001, lon), NOW_MS)
            for n, (lat, lon) in enumerate(rnd.choices(self.places, k=TRIPS))
        ]

    def stand(self, name: str, since_ms: int, *, busy: bool = False) -> None:
        standing = Standing(offers=True, busy=busy, idle_since_ms=since_ms)
        self.positions.stand(name, standing)

    def all_busy(self) -> None:
        for name in self.names:
            self.stand(name, 0, busy=True)

    def move(self) -> None:
        """The fixes of the next 4 s, not yet heard."""
        self.now_ms += 4_000
        self.places = [(lat + STEP_M / 111_195, lon) for lat, lon in self.places]
        at = rfc3339(self.now_ms)
        self.fixes = [
            Fix(name, lat, lon, None, None, at)
            for name, (lat, lon) in zip(self.names, self.places, strict=True)
        ]

    def hear(self) -> int:
        for fix in self.fixes:
            self.positions.hear(fix, self.now_ms)
        return len(self.fixes)

    def match(self) -> int:
        for trip in self.trips:
            propose([trip], self.positions.free, TRAVEL, RULES, NOW_MS)
        return TRIPS

    def match_together(self) -> int:
        propose(self.trips, self.positions.free, TRAVEL, RULES, NOW_MS)
        return TRIPS

    def search(self) -> int:
        for trip in self.trips:
            found = Search(trip, self.positions.free, TRAVEL, RULES, NOW_MS)
            for _ in found.seek(()):
                pass
        return TRIPS

    def record(self) -> int:
        """What is kept of a round, encoded: verdicts of all, figures of some."""
        judging = Judge(self.positions, TRAVEL, RULES, NOW_MS, {})
        for trip in self.trips:
            seen = rounds.seen(self.positions, judging, trip)
            encode(Round(1, 1, trip.trip, self.names[0], 1, NOW_MS, *seen))
        return TRIPS


def measure(name: str, drivers: int, tries: int) -> Sheet:
    began_s = time.process_time()
    area = Area(AREAS[name], drivers)
    sheet = Sheet("matching", f"{name}, {drivers:,} free drivers", [], 0, {}, {})
    for what, aim, do in (
        ("candidates of a trip", "85 to 180", area.search),
        ("a match", "300", area.match),
        (f"a match of {TRIPS} at once", "300", area.match_together),
        ("a round, recorded", "", area.record),
    ):
        sheet.row(what, "µs", 1, aim).values.append(least_us(do, tries))
    for whose in ("free", "busy"):
        if whose == "busy":
            area.all_busy()
        row = sheet.row(f"a position of a {whose} driver", "µs", 1, "5")
        row.values.append(least_us(area.hear, tries, area.move))
    sheet.burn({"matcher": time.process_time() - began_s})
    return sheet


def command(
    drivers: Annotated[
        list[int] | None,
        typer.Option(min=1, max=COUNT_MAX, help="May be repeated; 1000 and 10000."),
    ] = None,
    tries: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="The least of so many counts.")
    ] = TRIES,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """What finding a driver costs a leader, without anything around it."""
    sheets = []
    with report.progress() as say:
        for name in AREAS:
            for count in drivers or DRIVERS:
                say(f"{name}, {count:,} drivers")
                sheets.append(measure(name, count, tries))
    output.show(sheets, as_json=as_json, plot=plot)
