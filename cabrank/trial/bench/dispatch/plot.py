"""Draws what evenings came to: a panel a figure, a line a policy, over drivers."""

from pathlib import Path
from typing import Any

from cabrank.errors import reason
from cabrank.trial.bench.dispatch.trying import PLOTTED, Outcome, by_case
from cabrank.trial.load import LoadError

COLOURS = ("#bbbbbb", "#ee6677", "#4477aa", "#228833")


def draw(outcomes: list[Outcome], path: Path) -> None:
    """A PNG; a point an evening, a line through the means.

    Raises:
        LoadError: matplotlib is not there, or can't write that.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (optional extra)
    except ImportError:
        raise LoadError("--plot needs matplotlib: pip install cabrank[bench]") from None
    figure: Any = Figure(figsize=(9, 6), layout="constrained")
    cases = list(by_case(outcomes))
    policies = list(dict.fromkeys(policy for policy, _, _ in cases))
    for axis, column in zip(figure.subplots(2, 2).flat, PLOTTED, strict=True):
        for number, name in enumerate(policies):
            colour = COLOURS[number % len(COLOURS)]
            mine = sorted(
                (drivers, figures)
                for policy, drivers, figures in cases
                if policy == name
            )
            axis.plot(
                [drivers for drivers, _ in mine],
                [column.mean(figures) for _, figures in mine],
                color=colour,
                marker="o",
                label=name,
            )
            for drivers, figures in mine:
                values = [column.of(one) for one in figures]
                axis.scatter([drivers] * len(values), values, s=8, color=colour)
        axis.set_title(f"{column.name}, {column.unit}", fontsize=10)
        axis.set_xlabel("drivers")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise LoadError(f"{path} can't be written: {reason(error)}.") from None
