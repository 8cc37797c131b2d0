"""What a benchmark found, row by row. Pure: numbers in, medians and words out."""

import statistics

from msgspec import Struct


def middle(values: list[float], digits: int = 1) -> str:
    """Median, and the spread where there are several."""
    shown = [statistics.median(values), min(values), max(values)]
    median, least, most = (f"{value:,.{digits}f}" for value in shown)
    return median if len(values) == 1 else f"{median} ({least} to {most})"


class Row(Struct):
    """One figure, once a run. `aim`: what issue 4 asks for, as words."""

    name: str
    unit: str
    values: list[float]
    digits: int = 0
    aim: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def words(self) -> str:
        return middle(self.values, self.digits) if self.values else "-"


class Sheet(Struct):
    """One benchmark. `losses`: frames or answers that never came, or came twice.
    `cpu_s`: seconds by process over all that was measured, `load` the clients.
    """

    bench: str
    sizes: str
    rows: list[Row]
    losses: int
    cpu_s: dict[str, float]
    troubles: dict[str, int]

    def row(self, name: str, unit: str, digits: int = 0, aim: str = "") -> Row:
        """The row of that name, made where it is missing."""
        for row in self.rows:
            if row.name == name:
                return row
        made = Row(name, unit, [], digits, aim)
        self.rows.append(made)
        return made

    def blame(self, troubles: dict[str, int]) -> None:
        for what, times in troubles.items():
            self.troubles[what] = self.troubles.get(what, 0) + times

    def burn(self, used_s: dict[str, float]) -> None:
        for name, seconds in used_s.items():
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + seconds
