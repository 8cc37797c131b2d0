"""`cabrank bench scale`: what trips, drivers and sizes cost a system as it grows."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cabrank.commands.options import SECONDS_MAX, writable
from cabrank.errors import UsageError
from cabrank.trial.bench import output
from cabrank.trial.bench.scale import page, plot
from cabrank.trial.bench.scale.found import SERVICES, Case, Cell
from cabrank.trial.bench.scale.measure import Effort, cell, words
from cabrank.trial.load import report
from schemas.codec import encode

USUAL = (
    *(Case(drivers, 1, 1) for drivers in (1_000, 5_000, 15_000)),
    *(Case(5_000, gateways, 1) for gateways in (2, 4)),
    *(Case(5_000, 1, regions) for regions in (8, 64)),
)
"""One thing changes at a time."""
DRIVERS_MAX = 15_000
"""Of one gateway, whose open files are 20,000 here."""
GATEWAYS_MAX = 16
REGIONS_MAX = 256
PLOT = "scaling.png"


def cases(
    drivers: list[int] | None, gateways: list[int] | None, regions: list[int] | None
) -> list[Case]:
    """All combinations of what is given; without any the usual ones.

    Raises:
        UsageError: a region would have no driver.
    """
    if not (drivers or gateways or regions):
        return list(USUAL)
    made = [
        Case(*one)
        for one in product(drivers or [1000], gateways or [1], regions or [1])
    ]
    for case in made:
        if case.regions > case.drivers:
            raise UsageError(
                f"{case.regions} regions can't share {case.drivers} drivers."
            )
    return made


def command(  # noqa: PLR0917 (typer reads options, not positions)
    drivers: Annotated[
        list[int] | None,
        typer.Option(min=1, max=DRIVERS_MAX, help="Online; may be repeated."),
    ] = None,
    gateways: Annotated[
        list[int] | None,
        typer.Option(min=1, max=GATEWAYS_MAX, help="Processes; may be repeated."),
    ] = None,
    regions: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=REGIONS_MAX, help="That they are spread over; may be repeated."
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds of each part.")
    ] = 10,
    rate: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Trips offered a second.")
    ] = 20,
    as_json: output.AsJson = False,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Add it to this page, its figures (.json) and its plot beside it.",
            callback=writable,
        ),
    ] = None,
) -> None:
    """What a trip, a driver and a region cost as a system grows."""
    effort = Effort(duration, min(5.0, duration), rate)
    wanted = cases(drivers, gateways, regions)
    if to is not None:
        kept = [one.case for one in page.read(to.with_suffix(".json"))]
        if not any(case.is_plain for case in (*kept, *wanted)):
            raise UsageError("The page needs a case with one gateway and one region.")
    found: list[Cell] = []
    with report.progress() as say:
        for number, case in enumerate(wanted):
            at = f"{number + 1} of {len(wanted)}, {words(case)}"
            found.append(cell(case, effort, partial(_tell, say, at)))
            if to is not None:
                plot.draw(page.write(to, found), to.with_name(PLOT))
    if as_json:
        print(msgspec.json.format(encode(found)).decode())
    else:
        show(found)
    if any(one.lost or one.troubles for one in found):
        raise typer.Exit(1)


def _tell(say: Callable[[str], None], at: str, text: str) -> None:
    say(f"{at}: {text}")


def show(found: list[Cell]) -> None:
    console = report.out()
    for one in found:
        shown = report.table(words(one.case), "", "offered", "told to all")
        for name in SERVICES:
            cost = (one.offers.cpu_ms[name], one.broadcast.cpu_ms[name])
            shown.add_row(f"CPU-ms a trip, {name}", *(f"{ms:.2f}" for ms in cost))
        for name in ("p50_ms", "p99_ms"):
            waits = getattr(one.offers, name), getattr(one.broadcast, name)
            label = f"first heard of, {name.removesuffix('_ms')} ms"
            shown.add_row(label, *(f"{ms:.1f}" for ms in waits))
        console.print(shown)
        rest = ", ".join(f"{n} {100 * one.standing[n]:.1f} %" for n in SERVICES)
        console.print(f"Drivers who only move: {rest} of a core")
        memory = ", ".join(f"{n} {b / 2**20:.0f}" for n, b in one.rss.items())
        console.print(f"MiB resident: {memory}")
        for trouble, times in one.troubles.items():
            console.print(f"  {times} times: {trouble}", markup=False)
