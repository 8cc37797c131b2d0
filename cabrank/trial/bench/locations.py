"""`cabrank bench locations`: `driver.location` frames per second of a gateway's CPU.

Evenly, so that each frame comes alone as real ones do, and as fast as they go, when the
gateway reads several at once. Frames aren't answered: what counts them is an answer to
what each driver sends after them.
"""

from typing import Annotated

import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import output, worker
from cabrank.trial.bench.fanout import CROWD
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import GATEWAY, Subject, per_cpu_s, subject
from cabrank.trial.bench.tasks import Locate, Open
from cabrank.trial.load import report
from schemas.trips import Role

UNIT = "frames per gateway CPU-second"


class Job(Struct, frozen=True):
    """`frames`: of each driver, `rate` a second each."""

    drivers: int
    runs: int
    frames: int
    rate: float


def measure(subject: Subject, job: Job) -> Sheet:
    sizes = f"{job.drivers} drivers, {job.runs} runs of {job.frames} frames each"
    sheet = Sheet("locations", sizes, [], 0, {}, {})
    with worker.running(*CROWD) as crowd:
        drivers = subject.people(Role.DRIVER, job.drivers)
        sheet.blame(crowd.do(Open(subject.base, drivers, True)).troubles)
        crowd.do(Locate(max(1, job.frames // 10), job.rate))
        for _ in range(job.runs):
            for name, rate, aim in (
                (f"evenly, {job.rate:g}/s a driver", job.rate, "60,000"),
                ("as fast as they go", None, ""),
            ):
                done, used = subject.measured(sheet, crowd, Locate(job.frames, rate))
                count = done.deliveries - done.lost
                row = sheet.row(name, UNIT, aim=aim)
                row.values.append(per_cpu_s(count, used.get(GATEWAY, 0.0)))
                row = sheet.row(f"{name}: rate", "frames/s")
                row.values.append(count / done.seconds)
    return sheet


def command(  # noqa: PLR0917 (typer reads options, not positions)
    drivers: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Drivers.")] = 1000,
    runs: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Runs.")] = 5,
    frames: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Frames of each, a run.")
    ] = 100,
    rate: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Each, a second.")
    ] = 20,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Positions taken in per gateway CPU-second."""
    with report.progress() as say, subject(url, data_dir, say) as system:
        say(f"{drivers} drivers, {runs} runs")
        sheet = measure(system, Job(drivers, runs, frames, rate))
    output.show([sheet], as_json=as_json, plot=plot)
