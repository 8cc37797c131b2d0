"""`cabrank bench dispatch`: its options, progress and table."""

from itertools import product
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cabrank.commands.options import COUNT_MAX
from cabrank.errors import UsageError, reason
from cabrank.trial.bench import output
from cabrank.trial.bench.dispatch import plot as plotting
from cabrank.trial.bench.dispatch import trying
from cabrank.trial.bench.dispatch.city import City, Manhattan, Own
from cabrank.trial.bench.dispatch.trying import POLICIES
from cabrank.trial.load import report
from runtime.environment import load, unheard_of
from runtime.settings import PREFIX, Settings
from schemas.codec import encode

HOURS_MAX = 24 * 31
RATE_MAX = 100_000
DRIVERS = (520, 390, 310)
SEEDS = 3
PER_HOUR = 1_500.0
HOURS, WARM_UP_HOURS = 3.0, 1.0


def settings_of(given: list[str]) -> Settings:
    """Of `NAME=VALUE` and of files with such lines, the later one counts; the defaults
    elsewhere, whatever the environment says: figures are to be the same anywhere.

    Raises:
        UsageError: one is neither, or names no setting.
        SettingsError: a value doesn't fit.
    """
    environ: dict[str, str] = {}
    for one in given:
        for line in [one] if "=" in one else _lines(Path(one)):
            name, separator, value = line.partition("=")
            if not separator:
                raise UsageError(f"{line[:80]!r} is not NAME=VALUE.")
            name = PREFIX + name.strip().upper().removeprefix(PREFIX)
            environ[name] = value.strip().strip("\"'")
    for complaint in unheard_of(environ):
        raise UsageError(complaint)
    return load(environ)


Values = list[tuple[str, Settings]]
"""Of a setting that is varied: each as it was given, and all settings then."""


def varied(given: str | None, settings: list[str]) -> tuple[str, Values]:
    """The setting's name, and its values; without one, the settings alone.

    Raises:
        UsageError: it is no NAME=VALUE,VALUE or names no setting.
        SettingsError: a value doesn't fit.
    """
    if given is None:
        return "", [("", settings_of(settings))]
    name, separator, values = given.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not separator or not name.strip() or not all(found):
        raise UsageError(f"{given[:80]!r} is not NAME=VALUE,VALUE.")
    tried = [(one, settings_of([*settings, f"{name}={one}"])) for one in found]
    return name.strip().upper().removeprefix(PREFIX), tried


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} can't be read as settings: {why}.") from None
    lines = (line.strip().removeprefix("export ") for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def command(  # noqa: PLR0917 (typer reads options, not positions)
    policy: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(POLICIES)}; may be repeated; default: all."),
    ] = None,
    drivers: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=COUNT_MAX, help="May be repeated; default: 520, 390, 310."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Evenings of each.")
    ] = SEEDS,
    seed: Annotated[int, typer.Option(min=0, help="The first evening's seed.")] = 0,
    rate: Annotated[
        float, typer.Option(min=1, max=RATE_MAX, help="Requests an hour.")
    ] = PER_HOUR,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=HOURS_MAX, help="Measured; default: 3, or the file's."
        ),
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(
            min=0, max=HOURS_MAX, help="Hours before; default: 1, of a file none."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            help="CABRANK_NAME=VALUE to try, or a file of such lines; may be repeated."
        ),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            help="NAME=VALUE,VALUE…: each of these; of one policy, pairs by default."
        ),
    ] = None,
    demand: Annotated[
        Path | None,
        typer.Option(
            help="CSV: time, latitude and longitude of pick-up and of drop-off."
        ),
    ] = None,
    silent: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of time in which a driver's phone says nothing."
        ),
    ] = 0.0,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """How many are served, how soon, by policy, in virtual time."""
    policies = policy or (list(POLICIES) if vary is None else ["pairs"])
    if vary is not None and len(policies) > 1:
        raise UsageError("--vary takes one --policy.")
    for one in policies:
        if one not in POLICIES:
            known = ", ".join(POLICIES)
            raise UsageError(f"There is no policy {one[:80]!r}: {known}.")
    name, values = varied(vary, settings or [])
    tried = values[0][1]
    if demand is None:
        city: City = Manhattan()
        warm_up_s = 3600 * (WARM_UP_HOURS if warm_up is None else warm_up)
        measured_s = 3600 * (hours or HOURS)
    else:
        own = city = Own(demand, tried.detour, tried.speed_kmh)
        warm_up_s = 3600 * (warm_up or 0)
        measured_s = 3600 * hours if hours else own.seconds_long - warm_up_s + 1
        if measured_s <= 0 or warm_up_s > own.seconds_long:
            raise UsageError(f"{demand} ends before --warm-up does.")
    under = trying.Load(city, rate, warm_up_s, measured_s, silent)
    wanted = trying.cases(policies, drivers or list(DRIVERS), range(seed, seed + seeds))
    outcomes = _run(wanted, under, values)
    if as_json:
        print(msgspec.json.format(encode(outcomes)).decode())
    else:
        _show(outcomes, under, name or "policy")
    if plot is not None:
        plotting.draw(outcomes, plot, name)


def _run(
    wanted: list[trying.Case], under: trying.Load, values: Values
) -> list[trying.Outcome]:
    console = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    outcomes = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("evenings", total=len(wanted) * len(values))
        for (value, settings), case in product(values, wanted):
            name = value or case.policy
            what = f"{name}, {case.drivers}, seed {case.seed}"
            progress.update(task, description=what)
            outcomes.append(case.run(under, settings, value))
            progress.advance(task)
    return outcomes


def _show(outcomes: list[trying.Outcome], under: trying.Load, what: str) -> None:
    evenings = len({one.seed for one in outcomes})
    shown = report.table(
        f"{under.city.name}: {under.measured_s / 3600:g} h, means of {evenings}",
        what,
        "drivers",
        *(f"{one.name}, {one.unit}" for one in trying.COLUMNS),
    )
    for policy, drivers, figures in trying.by_case(outcomes):
        words = [one.words(figures) for one in trying.COLUMNS]
        shown.add_row(policy, f"{drivers}", *words)
    report.out().print(shown)
