"""docs/benchmarks.png: what of the table is best seen. Draws, measures nothing."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from page import Found, by_name
from rounds import OURS

PANELS = (
    (
        "one request at a time",
        "deliveries per gateway CPU-second, one request at a time",
    ),
    ("p99 at 10/s", "request to the last of all drivers at 10/s, p99 ms"),
    ("CPU, all processes", "CPU-ms a trip, all processes"),
    ("memory", "KiB RSS per idle connection"),
)
OUR_BARS, THEIR_BARS, EDGE = "#4477aa", "#bbbbbb", "#222222"


def draw(found: Found, path: Path) -> None:
    """A panel a job, a bar a system: medians and spreads, logarithmic."""
    rows = {name: by_name(sheets) for name, sheets in found.items()}
    figure: Any = Figure(figsize=(9, 10), layout="constrained")
    axes = figure.subplots(len(PANELS), 1)
    for axis, (job, words) in zip(axes, PANELS, strict=True):
        there = {name: r[job] for name, r in rows.items() if job in r}
        there = {name: row for name, row in there.items() if row.values}
        medians = [row.median for row in there.values()]
        spread = [
            [row.median - min(row.values) for row in there.values()],
            [max(row.values) - row.median for row in there.values()],
        ]
        colours = [OUR_BARS if name == OURS else THEIR_BARS for name in there]
        axis.barh(list(there), medians, xerr=spread, color=colours, ecolor=EDGE)
        axis.set_xscale("log")
        axis.invert_yaxis()
        axis.set_title(words, loc="left", fontsize="medium")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
