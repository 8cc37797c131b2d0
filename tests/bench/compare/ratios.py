"""What two revisions were measured to have, in turns. Pure: numbers in, rows out."""

import statistics

from msgspec import Struct

from cabrank.trial.bench.rows import Sheet

MORE_IS_BETTER = (
    "trips/s",
    "connects",
    "deliveries",
    "reads/s",
)
"""What a figure's name begins with; of all others less is better."""


TURNS_MIN = 5
"""Of fewer a verdict would be chance: all of five fall on one side once in 16 times."""


class Compared(Struct):
    """One figure of one job: a value a turn of each revision, side by side."""

    job: str
    figure: str
    base: list[float] = []
    now: list[float] = []

    @property
    def ratios(self) -> list[float]:
        """What is now to base, of each turn that has both and whose base isn't 0."""
        pairs = zip(self.base, self.now, strict=False)
        return [now / base for base, now in pairs if base]

    @property
    def verdict(self) -> str:
        """`better` or `worse` where every one of enough turns says so."""
        ratios = self.ratios
        if len(ratios) < TURNS_MIN or min(ratios) <= 1 <= max(ratios):
            return ""
        more = min(ratios) > 1
        return "better" if more == self.figure.startswith(MORE_IS_BETTER) else "worse"

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Medians of both, then the ratio's with its spread, then the verdict."""
        ratios = self.ratios
        if not ratios:
            return _short(self.base), _short(self.now), "-", ""
        middle = statistics.median(ratios)
        spread = f"{middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        return _short(self.base), _short(self.now), spread, self.verdict


def _short(values: list[float]) -> str:
    if not values:
        return "-"
    value = statistics.median(values)
    digits = 0 if value >= 1000 else 2 if value >= 1 else 4
    return f"{value:,.{digits}f}"


class Comparison:
    """All figures, in the order in which they first came."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Compared] = {}

    def add(self, job: str, figures: dict[str, float], *, base: bool) -> None:
        for figure, value in figures.items():
            row = self._rows.setdefault((job, figure), Compared(job, figure))
            (row.base if base else row.now).append(value)

    @property
    def rows(self) -> list[Compared]:
        """Of figures that both have: one that only one of them knows compares with
        nothing.
        """
        return [row for row in self._rows.values() if row.base and row.now]


def of_sheet(sheet: Sheet, names: dict[str, str]) -> dict[str, float]:
    """A benchmark's rows by `names`, which says what the comparison calls each."""
    return {
        names[row.name]: row.median
        for row in sheet.rows
        if row.name in names and row.values
    }
