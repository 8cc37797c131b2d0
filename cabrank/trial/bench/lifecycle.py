"""`cabrank bench lifecycle`: trips a second, latency of each command, CPU per trip.

A trip is request, accept, begin, complete; every answer awaited, every event seen by
both. At the end the history must hold each of them.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import output, system, windows
from cabrank.trial.bench.orders import Member, Order, Summary, Window
from cabrank.trial.bench.pair import STEPS
from cabrank.trial.bench.rows import Sheet, middle
from cabrank.trial.bench.subject import GATEWAY
from cabrank.trial.load import report
from cabrank.trial.load.users import Account, from_data_dir, sign_up
from cabrank.trial.load.web import Web
from schemas.accounts import PAGE_MAX
from schemas.codec import decode, encode
from schemas.trips import Role, Status, Trip

HISTORY_LAG_MAX_S = 60.0
COMMANDS_A_TRIP = len(STEPS)
GENERATOR = ("-m", "cabrank.trial.bench.generator")
PER_GATEWAY_S = "per gateway CPU-second"


class Run(Struct):
    """One window. `cpu_ms`: per trip, by service, `load` being the generator."""

    trips: int
    seconds: float
    trips_per_s: float
    commands_per_s: float
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]
    cpu_ms: dict[str, float]


class Outcome(Struct):
    """`missing`: trips that were answered but are not in the history. `lag_s`: how
    long after the last trip the history was complete.
    """

    pairs: int
    runs: list[Run]
    trips: int
    missing: int
    unfinished: int
    troubles: dict[str, int]
    lag_s: float

    @property
    def losses(self) -> int:
        return self.missing + self.unfinished


async def _users(
    base: str, data_dir: Path | None, pairs: int
) -> tuple[list[Account], list[Account]]:
    made = []
    web = Web(base)
    for role in (Role.RIDER, Role.DRIVER):
        if data_dir is not None:
            made.append(await from_data_dir(data_dir, role, pairs))
        else:
            made.append(await sign_up(web, role, pairs, lambda: None))
    web.close()
    return made[0], made[1]


def measure(
    order: Order, data_dir: Path | None, program: tuple[str, ...] = GENERATOR
) -> tuple[list[Run], Summary]:
    """What `program` measures, and what it says in the end.

    Raises:
        LoadError: it died.
    """
    found, summary = windows.run(program, order, data_dir)
    runs = [_run(decode(line, Window), used_s) for line, used_s in found]
    return runs, decode(summary, Summary)


def _run(window: Window, used_s: dict[str, float]) -> Run:
    rate = window.trips / window.seconds
    used_s["load"] = window.cpu_s
    per_trip = {name: 1000 * s / max(1, window.trips) for name, s in used_s.items()}
    return Run(
        window.trips,
        window.seconds,
        rate,
        rate * COMMANDS_A_TRIP,
        window.p50_ms,
        window.p99_ms,
        per_trip,
    )


async def _missing(
    base: str, riders: list[Account], trips: dict[str, list[str]]
) -> tuple[int, float]:
    """How many trips the history lacks, or has not as COMPLETED, or has too many,
    and after how many seconds it had caught up.
    """
    web = Web(base)
    started = time.monotonic()
    while True:
        wrong = 0
        for rider in riders:
            found = await _history(web, rider.access)
            wrong += len(found ^ set(trips[rider.user.id]))
        waited_s = time.monotonic() - started
        if not wrong or waited_s > HISTORY_LAG_MAX_S:
            web.close()
            return wrong, waited_s
        await asyncio.sleep(0.2)


async def _history(web: Web, token: str) -> set[str]:
    """Ids of all the user's completed trips."""
    found: set[str] = set()
    before = ""
    while True:
        answer = await web.ask(
            "GET", f"/api/trips?limit={PAGE_MAX}{before}", token=token
        )
        if answer.status != 200:  # noqa: PLR2004 (HTTP OK)
            return found
        page = decode(answer.body, list[Trip])
        found |= {trip.id for trip in page if trip.status is Status.COMPLETED}
        if len(page) < PAGE_MAX:
            return found
        before = f"&before={page[-1].id}"


class Job(Struct, frozen=True):
    pairs: list[int]
    duration_s: float
    warm_up_s: float
    runs: int


def _bench_one(base: str, data_dir: Path | None, job: Job, pairs: int) -> Outcome:
    riders, drivers = asyncio.run(_users(base, data_dir, pairs))
    order = Order(
        base,
        [Member(account.user, account.access) for account in riders],
        [Member(account.user, account.access) for account in drivers],
        job.warm_up_s,
        job.duration_s,
        job.runs,
    )
    runs, summary = measure(order, data_dir)
    missing, lag_s = asyncio.run(_missing(base, riders, summary.trips))
    trips = sum(map(len, summary.trips.values()))
    return Outcome(
        pairs, runs, trips, missing, summary.unfinished, summary.troubles, lag_s
    )


def _bench(
    job: Job, url: str | None, data_dir: Path | None, database_url: str | None
) -> list[Outcome]:
    with contextlib.ExitStack() as stack, report.progress() as say:
        if url is None:
            if data_dir is None:
                data_dir = Path(stack.enter_context(system.temporary())) / "data"
            say(f"starting a system in {data_dir} ({system.file_system(data_dir)})")
            url = stack.enter_context(system.running(data_dir, database_url))
        outcomes = []
        for pairs in job.pairs:
            say(f"{_plural(pairs)}, {job.runs} runs of {job.duration_s:g} s")
            outcomes.append(_bench_one(url, data_dir, job, pairs))
        return outcomes


def command(  # noqa: PLR0917 (typer reads options, not positions)
    pairs: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=COUNT_MAX,
            help="Riders, each with a driver; default: 64, then 1.",
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds of a run.")
    ] = 10,
    warm_up: Annotated[
        float, typer.Option(min=0, max=SECONDS_MAX, help="Seconds before them.")
    ] = 3,
    runs: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Runs.")] = 3,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    database_url: Annotated[
        str | None, typer.Option(help="Database of the system to start.")
    ] = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Trips a second with everything durable, and what one costs."""
    job = Job(pairs or [64, 1], duration, warm_up, runs)
    base, data_dir = system.chosen(url, data_dir, database_url)
    outcomes = _bench(job, base, data_dir, database_url)
    if as_json:
        print(msgspec.json.format(encode(outcomes)).decode())
    else:
        for outcome in outcomes:
            _show(outcome)
    if plot is not None:
        output.draw([sheet(_plural(o.pairs), o.runs) for o in outcomes], plot)
    if any(outcome.losses or outcome.troubles for outcome in outcomes):
        raise typer.Exit(1)


def _plural(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs} pairs"


def sheet(name: str, runs: list[Run]) -> Sheet:
    """The figures that compare with other benchmarks' and other systems'."""
    made = Sheet("lifecycle", name, [], 0, {}, {})
    for run in runs:
        all_ms = sum(ms for what, ms in run.cpu_ms.items() if what != "load")
        gateway_s = run.cpu_ms.get(GATEWAY, 0.0) / 1000
        latency = "ms, trip.request to its answer"
        for row, value in (
            (made.row("trips", "per second"), run.trips_per_s),
            (made.row("CPU, all processes", "ms a trip", 2), all_ms),
            (
                made.row("commands", PER_GATEWAY_S, aim="5,000"),
                COMMANDS_A_TRIP / gateway_s if gateway_s else 0.0,
            ),
            (made.row("request p50", latency, 1), run.p50_ms[STEPS[0]]),
            (made.row("request p99", latency, 1), run.p99_ms[STEPS[0]]),
        ):
            row.values.append(value)
    return made


def _show(outcome: Outcome) -> None:
    console = report.out()
    runs = outcome.runs
    shown = report.table(
        f"{_plural(outcome.pairs)}, {len(runs)} runs of {runs[0].seconds:.0f} s",
        "",
        "median (least to most)",
    )
    shown.add_row("trips/s", middle([run.trips_per_s for run in runs]))
    shown.add_row("commands/s", middle([run.commands_per_s for run in runs]))
    for row in sheet("", runs).rows:
        if row.unit == PER_GATEWAY_S and row.median:
            shown.add_row(f"{row.name} {row.unit} (aim {row.aim})", row.words)
    for step in STEPS:
        shown.add_row(f"{step} p50 ms", middle([run.p50_ms[step] for run in runs]))
        shown.add_row(f"{step} p99 ms", middle([run.p99_ms[step] for run in runs]))
    for name in runs[0].cpu_ms:
        values = [run.cpu_ms.get(name, 0.0) for run in runs]
        shown.add_row(f"CPU ms a trip, {name}", middle(values, 2))
    ours = [
        sum(ms for name, ms in run.cpu_ms.items() if name not in {"nats", "load"})
        for run in runs
    ]
    if len(runs[0].cpu_ms) > 1:
        shown.add_row("CPU ms a trip, services", middle(ours, 2))
    console.print(shown)
    console.print(
        f"{outcome.trips} trips · losses {outcome.losses} · history complete after "
        f"{outcome.lag_s:.1f} s · {report.interpreter()}",
        markup=False,
    )
    for trouble, times in outcome.troubles.items():
        console.print(f"  {times} times: {trouble}", markup=False)
