"""`cabrank bench connections`: connects per second of a gateway's CPU, token checked
and welcome sent, and the memory that a connection with nothing to do takes.
"""

import contextlib
import time
from typing import Annotated

import typer
from msgspec import Struct

from cabrank.bench import output, worker
from cabrank.bench.fanout import CROWD
from cabrank.bench.rows import Sheet
from cabrank.bench.subject import GATEWAY, Subject, per_cpu_s, subject
from cabrank.bench.tasks import Count, Open
from cabrank.load import report
from schemas.trips import Role

COUNT_MAX = 19_000
"""A gateway process here has 20,000 descriptors."""
CLIENTS_MAX = 9_500
"""Of one generator process, for the same reason."""
SETTLE_S = 1.0
"""After the last welcome, for what a connection needs for its opening only."""
KIB = 1024


class Job(Struct, frozen=True):
    """`hold_s`: how long all must then stay up, heartbeats included."""

    count: int
    runs: int
    hold_s: float
    settle_s: float = SETTLE_S


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
            opening = Open(subject.base, left[:share], True)
            left = left[share:]
            done, used = subject.measured(sheet, clients, opening)
            seconds += done.seconds
            gateway_s += used.get(GATEWAY, 0.0)
            opened += done.open
        time.sleep(job.settle_s)
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
    time.sleep(job.hold_s)
    still = 0
    for clients in crowds:
        done, _ = subject.measured(sheet, clients, Count())
        still += done.open
    sheet.losses += job.count - still
    sheet.row(f"open after {job.hold_s:g} s", "connections").values.append(still)


def measure(subject: Subject, job: Job, *, crowd: tuple[str, ...] = CROWD) -> Sheet:
    sheet = Sheet(
        "connections", f"{job.count} connections, {job.runs} runs", [], 0, {}, {}
    )
    tokens = subject.people(Role.DRIVER, job.count)
    for _ in range(job.runs):
        _run(subject, sheet, tokens, job, crowd)
    return sheet


def command(  # noqa: PLR0917 (typer reads options, not positions)
    count: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Connections.")
    ] = 5000,
    runs: Annotated[int, typer.Option(min=1, help="Runs.")] = 1,
    hold: Annotated[
        float, typer.Option(min=0, help="Seconds that all must then stay up.")
    ] = 0,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Connects per gateway CPU-second, and RSS per idle connection."""
    with report.progress() as say, subject(url, data_dir, say) as system:
        say(f"{count} connections, {runs} runs")
        sheet = measure(system, Job(count, runs, hold))
    output.show([sheet], as_json=as_json, plot=plot)
