"""`cabrank bench offers`: how soon a trip is offered, what positions cost, and what a
trip costs by offers and told to all, on a live system.
"""

import resource
from typing import Annotated

import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import cpu, output, worker
from cabrank.trial.bench.fleet_orders import Attend, Enlist, FleetOrder, Live, Lived
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import GATEWAY, Subject, subject
from cabrank.trial.bench.worker import Worker
from cabrank.trial.load import LoadError, report
from cabrank.trial.load.figures import percentile
from schemas.codec import decode, encode
from schemas.trips import Role

FLEET = ("-m", "cabrank.trial.bench.fleet")
LEADER = "dispatcher"
EVERY_S = 4.0
"""A position of each driver; DISPATCH.md's goals."""
SPARE_FILES = 600
"""Of a process's open files, for all that is no client's connection."""
RIDERS = 200
SETTLE_S = 5.0
"""Until the leader has heard of everybody."""
PAIRED_PER_S = 40.0
AIMED = 25_000
"""Drivers of whom each position's aims are."""


class Job(Struct, frozen=True):
    """`positions`: drivers who only move; 0: without that part. `trips`: of each kind,
    to be compared; 0: likewise. `riders` take turns in asking.
    """

    drivers: int
    rate: float
    duration_s: float
    positions: int
    trips: int
    riders: int = RIDERS


class Offers:
    """One part after the other; each with a fleet of its own."""

    def __init__(self, subject: Subject, job: Job) -> None:
        self._subject = subject
        self._job = job
        self.sheets: list[Sheet] = []

    def _sheet(self, sizes: str) -> Sheet:
        sheet = Sheet("offers", sizes, [], 0, {}, {})
        self.sheets.append(sheet)
        return sheet

    def _live(
        self, sheet: Sheet, fleet: Worker, order: FleetOrder
    ) -> tuple[Lived, dict[str, float]]:
        """Have it done; what it took, by service."""
        before = cpu.snapshot(self._subject.data_dir)
        done = decode(fleet.tell(encode(order)), Lived)
        used = cpu.by_service(before, cpu.snapshot(self._subject.data_dir))
        if GATEWAY not in used:
            run = self._subject.data_dir / "run"
            raise LoadError(f"No gateway's pid is in {run}.")
        used["load"] = done.cpu_s
        sheet.burn(used)
        sheet.blame(done.troubles)
        sheet.losses += done.lost
        return done, used

    def _enlist(self, sheet: Sheet, fleet: Worker, drivers: int, riders: int) -> None:
        people = self._subject.people
        order = Enlist(
            self._subject.base,
            people(Role.DRIVER, drivers),
            people(Role.RIDER, riders) if riders else [],
        )
        self._live(sheet, fleet, order)
        self._live(sheet, fleet, Live(min(SETTLE_S, self._job.duration_s), EVERY_S))
        sheet.cpu_s.clear()

    # ---- how soon ----------------------------------------------------------------

    def soon(self) -> None:
        job = self._job
        sheet = self._sheet(
            f"{job.drivers:,} drivers moving, {job.rate:g} requests/s, "
            f"{job.duration_s:g} s"
        )
        with worker.running(*FLEET) as fleet:
            self._enlist(sheet, fleet, job.drivers, job.riders)
            order = Live(job.duration_s, EVERY_S, job.rate)
            done, used = self._live(sheet, fleet, order)
            unit = "ms, request to first offer at the driver"
            for share, aim in ((0.5, "5"), (0.99, "25")):
                wait_s = percentile(done.waits_s, share) or 0.0
                row = sheet.row(f"p{share * 100:.0f}", unit, 1, aim)
                row.values.append(1000 * wait_s)
            for name in (LEADER, GATEWAY):
                row = sheet.row(f"{name}: a trip and its positions", "CPU-ms", 2)
                row.values.append(1000 * used.get(name, 0) / max(1, done.requests))
            if job.trips:
                self._compare(fleet)

    def _compare(self, fleet: Worker) -> None:
        """What it costs a gateway to let drivers know: the same trips with nobody
        online are left out. Nobody moves, and nobody takes them.
        """
        job = self._job
        sheet = self._sheet(f"{job.drivers:,} drivers online, {job.trips} trips each")
        self._live(sheet, fleet, Attend(online=False))
        alone_ms = self._trips(sheet, fleet, "that nobody hears of", placed=False)
        self._live(sheet, fleet, Attend(online=True))
        offered_ms = self._trips(sheet, fleet, "by an offer", placed=True)
        told_ms = self._trips(sheet, fleet, "told to all", placed=False)
        if told_ms > alone_ms:
            share = max(0.0, offered_ms - alone_ms) / (told_ms - alone_ms)
            row = sheet.row("offering beside telling all", "ratio", 3, "0.05")
            row.values.append(share)

    def _trips(self, sheet: Sheet, fleet: Worker, name: str, *, placed: bool) -> float:
        """The gateway's CPU-ms for each, but for what it takes when nothing happens."""
        settle_s = min(SETTLE_S, self._job.duration_s)
        self._live(sheet, fleet, Live(settle_s, EVERY_S))  # everybody is there
        still, used = self._live(sheet, fleet, Live(settle_s))
        idle = used[GATEWAY] / still.seconds
        seconds = self._job.trips / PAIRED_PER_S
        order = Live(seconds, 0.0, PAIRED_PER_S, placed, cancels=True)
        done, used = self._live(sheet, fleet, order)
        busy_s = max(0.0, used[GATEWAY] - idle * done.seconds)
        row = sheet.row(f"a trip {name}, cancelled", "gateway's CPU-ms", 2)
        row.values.append(1000 * busy_s / max(1, done.requests))
        return row.values[-1]

    # ---- what positions cost -------------------------------------------------------

    def positions(self) -> None:
        job = self._job
        count = min(job.positions, _open_files() - SPARE_FILES)
        fewer = "" if count == job.positions else f" (of {job.positions:,}: open files)"
        sheet = self._sheet(
            f"positions of {count:,} drivers{fewer} every {EVERY_S:g} s, "
            f"{job.duration_s:g} s"
        )
        with worker.running(*FLEET) as fleet:
            self._enlist(sheet, fleet, count, 0)
            done, used = self._live(sheet, fleet, Live(job.duration_s, EVERY_S))
            row = sheet.row("positions taken in", "a second")
            row.values.append(done.positions / done.seconds)
            for name, aim in ((LEADER, 20), (GATEWAY, 15)):
                share = 100 * used.get(name, 0) / done.seconds
                wanted = aim * count / AIMED
                row = sheet.row(name, "% of a core", 1, f"{wanted:.1f}")
                row.values.append(share)


def _open_files() -> int:
    """That each process here may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def measure(subject: Subject, job: Job) -> list[Sheet]:
    offers = Offers(subject, job)
    if job.rate:
        offers.soon()
    if job.positions:
        offers.positions()
    return offers.sheets


def command(  # noqa: PLR0917 (typer reads options, not positions)
    drivers: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Drivers.")] = 1000,
    rate: Annotated[
        float,
        typer.Option(min=0, max=SECONDS_MAX, help="Requests a second; 0: no trips."),
    ] = 20,
    duration: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds of each part.")
    ] = 30,
    positions: Annotated[
        int,
        typer.Option(
            min=0, max=COUNT_MAX, help="Drivers who only move; 0: without that part."
        ),
    ] = 25_000,
    trips: Annotated[
        int,
        typer.Option(
            min=0, max=COUNT_MAX, help="Trips by offers, and told to all; 0: without."
        ),
    ] = 200,
    riders: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Who ask, in turns.")
    ] = RIDERS,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """How soon a trip is offered; what positions, and a trip by offers, cost."""
    job = Job(drivers, rate, duration, positions, trips, riders)
    with report.progress() as say, subject(url, data_dir, say) as system:
        say(f"{drivers:,} drivers, {rate:g} requests/s")
        sheets = measure(system, job)
    output.show(sheets, as_json=as_json, plot=plot)
