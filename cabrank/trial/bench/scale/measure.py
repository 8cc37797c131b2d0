"""One case: a system of that size is started, filled with drivers, asked for trips."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from msgspec import Struct

from cabrank.trial.bench import cpu, system
from cabrank.trial.bench.fleet_orders import FleetOrder, Live, Lived
from cabrank.trial.bench.scale import fleets
from cabrank.trial.bench.scale.fleets import Fleets
from cabrank.trial.bench.scale.found import SERVICES, Case, Cell, Trips
from cabrank.trial.load.users import from_data_dir
from schemas.trips import Role

EVERY_S = 4.0
"""A position of each driver, as `bench offers` has it."""
HEARERS_PER_S = 18_000
"""Drivers told a second at most, where trips are told to all: past it the clients on
this machine are what is measured."""
RIDERS = 240
DATABASE = "cabrank.db"
Alone = tuple[dict[str, float], float, float]
"""Shares of a core, and bytes a second that nats-server reads and writes, of drivers
without a trip."""


class Effort(Struct, frozen=True):
    """How long each window is, and how many trips a second are offered in it."""

    window_s: float = 10.0
    settle_s: float = 5.0
    per_s: float = 20.0


class Taken(Struct):
    """What has been used so far: CPU-seconds by service, bytes through nats-server, and
    on disk.
    """

    cpu_s: dict[tuple[str, int], float]
    nats_in: int
    nats_out: int
    ledger: int
    database: int


def regions(count: int) -> list[str]:
    return ["main", *(f"r{number}" for number in range(2, count + 1))]


def bases(url: str, gateways: int) -> list[str]:
    """`cabrank up` has its gateways on ports that follow one another."""
    parts = urlsplit(url)
    assert parts.port is not None
    return [f"http://{parts.hostname}:{parts.port + k}" for k in range(gateways)]


def size(where: Path, pattern: str) -> int:
    """Bytes that its files have."""
    made = 0
    for path in where.glob(pattern):
        try:
            made += path.stat().st_size
        except OSError:  # one that has just gone
            continue
    return made


def database_bytes(path: Path) -> int:
    """Of all its pages, those in the log too."""
    with contextlib.closing(
        sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    ) as found:
        (pages,) = found.execute("PRAGMA page_count").fetchone()
        (each,) = found.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(each)


def tokens(data_dir: Path, role: Role, count: int, names: list[str]) -> list[str]:
    """Of new users, as many of each region."""
    options = tuple(word for name in names for word in ("--region", name))
    made = asyncio.run(from_data_dir(data_dir, role, count, more=options))
    return [account.access for account in made]


class Measured:
    """A fleet on a running system."""

    def __init__(self, data_dir: Path, fleet: Fleets, effort: Effort) -> None:
        self._data_dir = data_dir
        self._fleet = fleet
        self._effort = effort
        self.lost = 0
        self.troubles: dict[str, int] = {}

    def taken(self) -> Taken:
        pids = cpu.processes(self._data_dir)
        servers = [pid for name, pid in pids.items() if name.startswith("nats")]
        passed = [cpu.passed_bytes(pid) for pid in servers]
        return Taken(
            cpu.snapshot(self._data_dir),
            sum(read for read, _ in passed),
            sum(written for _, written in passed),
            size(self._data_dir, "nats*/**/*"),
            database_bytes(self._data_dir / DATABASE),
        )

    def live(self, order: FleetOrder) -> tuple[Lived, dict[str, float], Taken, Taken]:
        """Have it done: with what each service used, before and after."""
        before = self.taken()
        lived = self._fleet.do(order)
        after = self.taken()
        self.blame(lived)
        return lived, cpu.by_service(before.cpu_s, after.cpu_s), before, after

    def blame(self, lived: Lived) -> None:
        self.lost += lived.lost
        for what, times in lived.troubles.items():
            self.troubles[what] = self.troubles.get(what, 0) + times

    def alone(self, every_s: float) -> Alone:
        """What drivers take who move, or with 0 don't."""
        lived, used, before, after = self.live(Live(self._effort.window_s, every_s))
        shares = {name: used.get(name, 0.0) / lived.seconds for name in SERVICES}
        read = (after.nats_in - before.nats_in) / lived.seconds
        written = (after.nats_out - before.nats_out) / lived.seconds
        return shares, read, written

    def trips(
        self, per_s: float, every_s: float, alone: Alone, *, placed: bool
    ) -> Trips:
        """`per_s` of them a second, and what each takes beyond the drivers `alone`."""
        shares, moving_in, moving_out = alone
        rate = self._fleet.share(per_s)
        order = Live(self._effort.window_s, every_s, rate, placed)
        lived, used, before, after = self.live(order)
        trips, seconds = max(1, lived.requests), lived.seconds
        p50, p99 = fleets.latencies_ms(lived)

        def of_trip(more: float, moving: float = 0.0) -> float:
            return max(0.0, more - moving * seconds) / trips

        return Trips(
            lived.requests,
            seconds,
            {
                name: 1000 * of_trip(used.get(name, 0.0), shares[name])
                for name in SERVICES
            },
            p50,
            p99,
            of_trip(after.nats_in - before.nats_in, moving_in),
            of_trip(after.nats_out - before.nats_out, moving_out),
            of_trip(after.ledger - before.ledger),
            of_trip(after.database - before.database),
        )


def cell(case: Case, effort: Effort, say: Callable[[str], None]) -> Cell:
    """Measure it on a system of its own.

    Raises:
        LoadError: it doesn't start, or a client's process died.
    """
    load = round(os.getloadavg()[0], 1)
    names = regions(case.regions)
    options = ("--gateways", str(case.gateways))
    settings = {"CABRANK_REGIONS": ",".join(names)}
    with system.temporary() as made:
        data_dir = Path(made) / "data"
        say("starting")
        with (
            system.running(data_dir, None, *options, settings=settings) as url,
            fleets.running(case.drivers, case.gateways) as fleet,
        ):
            drivers = tokens(data_dir, Role.DRIVER, case.drivers, names)
            riders = tokens(data_dir, Role.RIDER, max(RIDERS, case.regions), names)
            measured = Measured(data_dir, fleet, effort)
            say(f"{case.drivers:,} drivers come")
            before = cpu.snapshot(data_dir)
            measured.blame(fleet.enlist(bases(url, case.gateways), drivers, riders))
            used = cpu.by_service(before, cpu.snapshot(data_dir))
            people = len(drivers) + len(riders)
            measured.live(Live(effort.settle_s, EVERY_S))
            say("they move")
            standing = measured.alone(EVERY_S)
            say("trips are offered")
            offers = measured.trips(effort.per_s, EVERY_S, standing, placed=True)
            say("they stand still")
            resting = measured.alone(0)
            say("trips are told to all")
            hearers = case.drivers / case.regions
            told_per_s = min(effort.per_s, HEARERS_PER_S / hearers)
            told = measured.trips(told_per_s, 0, resting, placed=False)
            time.sleep(min(1.0, effort.settle_s))
            rss = {
                name: cpu.rss_bytes(pid)
                for name, pid in cpu.processes(data_dir).items()
            }
    return Cell(
        case,
        load,
        EVERY_S,
        *standing,
        1000 * used.get("gateway", 0.0) / people,
        offers,
        told,
        rss,
        measured.lost,
        measured.troubles,
        resting[0],
    )


def words(case: Case) -> str:
    gateways = "1 gateway" if case.gateways == 1 else f"{case.gateways} gateways"
    count = "1 region" if case.regions == 1 else f"{case.regions} regions"
    return f"{case.drivers:,} drivers, {gateways}, {count}"
