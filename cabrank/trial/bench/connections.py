"""`cabrank bench connections`: connects per second of a gateway's CPU, token checked
and welcome sent, and the memory that a connection with nothing to do takes.
"""

import asyncio
import contextlib
import time
from typing import Annotated

import typer
from msgspec import Struct

from cabrank.commands.options import SECONDS_MAX
from cabrank.trial.bench import lifecycle, output, worker
from cabrank.trial.bench.fanout import CROWD
from cabrank.trial.bench.orders import Member, Order
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import GATEWAY, Subject, per_cpu_s, subject
from cabrank.trial.bench.tasks import Count, Open
from cabrank.trial.load import report
from cabrank.trial.load.users import from_data_dir
from schemas.trips import Role

COUNT_MAX = 19_000
"""A gateway process here has 20,000 descriptors."""
CLIENTS_MAX = 9_500
"""Of one generator process, for the same reason."""
SETTLE_S = 1.0
"""After the last welcome, for what a connection needs for its opening only."""
KIB = 1024


class Job(Struct, frozen=True):
    """`hold_s`: how long all must then stay up, heartbeats included, while `pairs` of
    riders and drivers make trips.
    """

    count: int
    runs: int
    hold_s: float
    pairs: int = 0


def _shares(count: int) -> list[int]:
    """`count` split over as few processes as hold them."""
    full, rest = divmod(count, CLIENTS_MAX)
    return [CLIENTS_MAX] * full + ([rest] if rest else [])


def _run(
    subject: Subject, sheet: Sheet, tokens: list[str], job: Job, crowd: tuple[str, ...]
) -> None:
    with contextlib.ExitStack() as stack:
        crowds = [
            stack.enter_context(worker.running(*crowd)) for _ in _shares(job.count)
        ]
        before = subject.rss_bytes()
        seconds = gateway_s = 0.0
        left, opened = tokens, 0
        for clients, share in zip(crowds, _shares(job.count), strict=True):
            opening = Open(subject.base, left[:share], False)
            left = left[share:]
            done, used = subject.measured(sheet, clients, opening)
            seconds += done.seconds
            gateway_s += used.get(GATEWAY, 0.0)
            opened += done.open
        time.sleep(SETTLE_S)
        row = sheet.row("connects", "per gateway CPU-second", aim="1,200")
        row.values.append(per_cpu_s(opened, gateway_s))
        sheet.row("connects: rate", "per second").values.append(opened / seconds)
        grown = (subject.rss_bytes() - before) / KIB
        row = sheet.row("memory", "KiB RSS per idle connection", 1, "8")
        row.values.append(grown / max(1, opened))
        sheet.losses += job.count - opened
        if job.hold_s:
            _hold(subject, sheet, crowds, job)


def _hold(
    subject: Subject, sheet: Sheet, crowds: list[worker.Worker], job: Job
) -> None:
    if job.pairs:
        _drive(subject, sheet, job)
    else:
        time.sleep(job.hold_s)
    still = 0
    for clients in crowds:
        done, _ = subject.measured(sheet, clients, Count())
        still += done.open
    sheet.losses += job.count - still
    sheet.row(f"open after {job.hold_s:g} s", "connections").values.append(still)


def _drive(subject: Subject, sheet: Sheet, job: Job) -> None:
    """Trips beside the idle connections, for as long as those are held."""
    people = [
        [
            Member(account.user, account.access)
            for account in asyncio.run(from_data_dir(subject.data_dir, role, job.pairs))
        ]
        for role in (Role.RIDER, Role.DRIVER)
    ]
    order = Order(subject.base, people[0], people[1], 0, job.hold_s, 1)
    runs, summary = lifecycle.measure(order, subject.data_dir)
    sheet.losses += summary.unfinished
    sheet.blame(summary.troubles)
    for run in runs:
        sheet.row("trips beside them", "per second").values.append(run.trips_per_s)
        row = sheet.row("trip.request p99 beside them", "ms", 1)
        row.values.append(run.p99_ms["trip.request"])


def measure(subject: Subject, job: Job, *, crowd: tuple[str, ...] = CROWD) -> Sheet:
    sheet = Sheet(
        "connections", f"{job.count} connections, {job.runs} runs", [], 0, {}, {}
    )
    # Riders: drivers would be shown every request that is made beside them.
    tokens = subject.people(Role.RIDER, job.count)
    for _ in range(job.runs):
        _run(subject, sheet, tokens, job, crowd)
    return sheet


def command(  # noqa: PLR0917 (typer reads options, not positions)
    count: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Connections.")
    ] = 5000,
    runs: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Runs.")] = 1,
    hold: Annotated[
        float,
        typer.Option(
            min=0, max=SECONDS_MAX, help="Seconds that all must then stay up."
        ),
    ] = 0,
    pairs: Annotated[
        int, typer.Option(min=0, max=COUNT_MAX, help="Pairs that make trips meanwhile.")
    ] = 0,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Connects per gateway CPU-second, and RSS per idle connection."""
    with report.progress() as say, subject(url, data_dir, say) as system:
        say(f"{count} connections, {runs} runs")
        sheet = measure(system, Job(count, runs, hold, pairs))
    output.show([sheet], as_json=as_json, plot=plot)
