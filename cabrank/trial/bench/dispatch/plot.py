"""Draws what evenings came to: a panel a figure, a line a policy, over drivers."""

from pathlib import Path
from typing import Any

from cabrank.trial.bench import drawing
from cabrank.trial.bench.dispatch.evening import Figures
from cabrank.trial.bench.dispatch.trying import PLOTTED, Outcome, by_case

COLOURS = ("#bbbbbb", "#ee6677", "#4477aa", "#228833")


def draw(outcomes: list[Outcome], path: Path, varied: str = "") -> None:
    """A PNG; a point an evening, a line through the means: of policies by drivers, or
    of as many drivers by the values of the setting that was `varied`.

    Raises:
        LoadError: matplotlib is not there, or can't write that.
    """
    shape = (1, 4) if varied else (2, 2)
    figure = drawing.figure(9, 2.2 if varied else 6)
    axes = figure.subplots(*shape).flat
    for axis, column in zip(axes, PLOTTED, strict=True):
        lines = _values(outcomes) if varied else _policies(outcomes)
        for number, (name, line) in enumerate(lines.items()):
            colour = COLOURS[number % len(COLOURS)]
            means = [column.mean(figures) for _, figures in line]
            places = [x for x, _ in line]
            axis.plot(places, means, color=colour, marker="o", ms=4, label=name)
            for x, figures in line:
                values = [column.of(one) for one in figures]
                axis.scatter([x] * len(values), values, s=8, color=colour)
        axis.set_title(f"{column.name}, {column.unit}", fontsize=8 if varied else 10)
        axis.set_xlabel(varied or "drivers", fontsize=8 if varied else 10)
        axis.tick_params(labelsize=7 if varied else 9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=7 if varied else 10)
    drawing.save(figure, path, 110 if varied else 120)


Line = list[tuple[Any, list[Figures]]]
"""(where it is, the figures of all seeds)."""


def _policies(outcomes: list[Outcome]) -> dict[str, Line]:
    """By number of drivers."""
    lines: dict[str, Line] = {}
    for policy, drivers, figures in by_case(outcomes):
        lines.setdefault(policy, []).append((drivers, figures))
    return {name: sorted(line, key=lambda one: one[0]) for name, line in lines.items()}


def _values(outcomes: list[Outcome]) -> dict[str, Line]:
    """By the setting's value, as they were given, a line a number of drivers."""
    lines: dict[str, Line] = {}
    for value, drivers, figures in by_case(outcomes):
        lines.setdefault(f"{drivers} drivers", []).append((value, figures))
    return lines
