"""How a benchmark's figures leave it: a table, JSON, a plot. Measures nothing."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cabrank.commands.options import writable
from cabrank.trial.bench import drawing
from cabrank.trial.bench.rows import Row, Sheet
from cabrank.trial.load import report
from schemas.codec import encode

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where it runs, if one does; else one is started there, or elsewhere."
    ),
]
Url = Annotated[
    str | None,
    typer.Option(help="Of the system to measure; by default the data directory's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Write a PNG there too (needs the extra `bench`).", callback=writable
    ),
]


def show(sheets: list[Sheet], *, as_json: bool, plot: Path | None) -> None:
    """Print, draw, and end with status 1 where anything was lost."""
    if as_json:
        print(msgspec.json.format(encode(sheets)).decode())
    else:
        for sheet in sheets:
            table(sheet)
    if plot is not None:
        draw(sheets, plot)
    if any(sheet.losses or sheet.troubles for sheet in sheets):
        raise typer.Exit(1)


def table(sheet: Sheet) -> None:
    console = report.out()
    title = f"{sheet.bench}: {sheet.sizes}"
    shown = report.table(title, "", "median (least to most)", "unit", "aim")
    for row in sheet.rows:
        shown.add_row(row.name, row.words, row.unit, row.aim)
    console.print(shown)
    used = ", ".join(f"{name} {s:.2f}" for name, s in sorted(sheet.cpu_s.items()))
    said = f"losses {sheet.losses} · CPU-seconds: {used} · {report.interpreter()}"
    console.print(said, markup=False)
    for trouble, times in sheet.troubles.items():
        console.print(f"  {times} times: {trouble}", markup=False)


def draw(sheets: list[Sheet], path: Path) -> None:
    """Bars of the medians with their spread, a panel for each unit.

    Raises:
        LoadError: matplotlib is not there, or can't write that.
    """
    panels = _panels(sheets)
    heights = [len(rows) + 1.2 for rows in panels.values()]
    figure = drawing.figure(9, 0.45 * sum(heights))
    axes = figure.subplots(
        len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, (unit, rows) in zip(axes[:, 0], panels.items(), strict=True):
        names = [name for name, _ in rows]
        medians = [row.median for _, row in rows]
        spread = [
            [row.median - min(row.values) for _, row in rows],
            [max(row.values) - row.median for _, row in rows],
        ]
        axis.barh(names, medians, xerr=spread, color="#4477aa", ecolor="#222222")
        axis.invert_yaxis()
        axis.set_xlabel(unit)
        axis.spines[["top", "right"]].set_visible(False)
    drawing.save(figure, path)


def _panels(sheets: list[Sheet]) -> dict[str, list[tuple[str, Row]]]:
    """Rows by unit; what is empty is left out."""
    panels: dict[str, list[tuple[str, Row]]] = {}
    for sheet in sheets:
        for row in sheet.rows:
            if row.values:
                name = row.name if len(sheets) == 1 else f"{sheet.sizes}: {row.name}"
                panels.setdefault(row.unit, []).append((name, row))
    return panels
