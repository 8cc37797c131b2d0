"""docs/scaling.png: a panel a question, by drivers. Draws, measures nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cabrank.trial.bench import drawing
from cabrank.trial.bench.scale.found import SERVICES, Cell

COLOURS = dict(zip(SERVICES, ("#228833", "#4477aa", "#ee6677", "#ccbb44"), strict=True))
MIB = 2**20
Value = Callable[[Cell, str], float]
PANELS: tuple[tuple[str, Value], ...] = (
    ("a trip offered, CPU-ms", lambda c, s: c.offers.cpu_ms[s]),
    ("a trip told to all, CPU-ms", lambda c, s: c.broadcast.cpu_ms[s]),
    ("drivers who move, % of a core", lambda c, s: 100 * c.standing[s]),
    ("memory, MiB", lambda c, s: c.rss_by_service.get(s, 0) / MIB),
)


def draw(cells: Sequence[Cell], path: Path) -> None:
    """A line a service through the cases with one gateway and one region.

    Raises:
        LoadError: matplotlib is not there, or can't write that.
    """
    plain = [c for c in cells if c.case.is_plain]
    figure = drawing.figure(9, 6, "A plot")
    for axis, (title, value) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for service in SERVICES:
            axis.plot(
                [cell.case.drivers for cell in plain],
                [value(cell, service) for cell in plain],
                color=COLOURS[service],
                marker="o",
                ms=4,
                label=service,
            )
        axis.set_title(title, loc="left", fontsize="medium")
        axis.set_xlabel("drivers online")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize="small", frameon=False)
    drawing.save(figure, path, 110)
