"""What rounds of the same jobs have found, and their tables. Pure.

In a round each system has its turn; a ratio is of two systems within one round.
"""

import statistics

from msgspec import Struct

from cabrank.trial.bench.rows import middle

OURS = "cabrank"


class Round(Struct):
    """One turn of each system at one part's jobs. `figures`: row → value, by system;
    `troubles`: what went wrong, by system. `load`: of the machine over a minute when it
    began.
    """

    part: str
    load: float
    figures: dict[str, dict[str, float]] = {}
    troubles: dict[str, dict[str, int]] = {}


class Kind(Struct, frozen=True):
    """A row. `more`: is better; of ratios above 1 we are ahead then."""

    name: str
    words: str
    digits: int = 0
    more: bool = False


KINDS = (
    Kind("one by one", "deliveries per gateway CPU-second, one at a time", more=True),
    Kind("one by one: all", "the same, all processes' CPU", more=True),
    Kind("bursts of 20", "deliveries per gateway CPU-second, bursts of 20", more=True),
    Kind("bursts of 20: all", "the same, all processes' CPU", more=True),
    Kind("p50 at 10/s", "request → last of 1,000 at 10/s, p50 ms", 1),
    Kind("p99 at 10/s", "request → last of 1,000 at 10/s, p99 ms", 1),
    Kind("lost of 20", "lost in bursts of 20, %", 1),
    Kind("lost of 300", "lost in a burst of 300 to 100, %", 1),
    Kind("connects", "connects per gateway CPU-second, token checked", more=True),
    Kind("memory, 1,000", "KiB RSS per idle connection, 1,000", 1),
    Kind("memory, 10,000", "KiB RSS per idle connection, 10,000", 1),
    Kind("return: s", "1,000 come back after a cut, 20 missed: s until all know", 2),
    Kind("return: CPU", "the same, CPU-ms of all processes for each", 2),
    Kind("last of 10,000, p50", "one publication → last of 10,000, p50 ms", 0),
    Kind("last of 10,000, p99", "the same, the slowest, ms", 0),
)


def values(rounds: list[Round], system: str, row: str) -> list[float]:
    found = (one.figures.get(system, {}) for one in rounds)
    return [figures[row] for figures in found if row in figures]


def ratios(rounds: list[Round], system: str, row: str) -> list[float]:
    """Ours / theirs, of each round that has both and theirs isn't 0."""
    made = []
    for one in rounds:
        ours = one.figures.get(OURS, {}).get(row)
        theirs = one.figures.get(system, {}).get(row)
        if ours is not None and theirs:
            made.append(ours / theirs)
    return made


def systems(rounds: list[Round]) -> list[str]:
    """In the order in which they first came; ours first."""
    names = dict.fromkeys([OURS])
    for one in rounds:
        names |= dict.fromkeys(one.figures)
    return list(names)


def line(words: list[str]) -> str:
    """Of a table in Markdown."""
    return "| " + " | ".join(words) + " |"


def table(rounds: list[Round]) -> str:
    """A row a job, a column a system: medians of the rounds."""
    names = systems(rounds)
    lines = [line(["job", *names]), "|---|" + "---:|" * len(names)]
    for kind in KINDS:
        cells = []
        for name in names:
            found = values(rounds, name, kind.name)
            median = f"{statistics.median(found):,.{kind.digits}f}" if found else "-"
            cells.append(median)
        lines.append(line([kind.words, *cells]))
    return "\n".join(lines)


def beside(rounds: list[Round]) -> str:
    """Ours / theirs by round, median and spread; bold where we are behind."""
    names = [name for name in systems(rounds) if name != OURS]
    lines = [line(["job", "ahead is", *names]), "|---|---|" + "---:|" * len(names)]
    for kind in KINDS:
        cells = []
        for name in names:
            found = ratios(rounds, name, kind.name)
            cells.append(_cell(found, more=kind.more) if found else "-")
        if any(cell != "-" for cell in cells):
            lines.append(line([kind.words, "more" if kind.more else "less", *cells]))
    return "\n".join(lines)


def _cell(found: list[float], *, more: bool) -> str:
    median = statistics.median(found)
    behind = median < 1 if more else median > 1
    words = middle(found, 2)
    return f"**{words}**" if behind else words


def troubles(rounds: list[Round]) -> str:
    """What went wrong, by system and part; that is a result too."""
    lines = [
        f"- {system}, {one.part}: {times} times: {what}"
        for one in rounds
        for system, found in one.troubles.items()
        for what, times in found.items()
    ]
    return "\n".join(dict.fromkeys(lines)) or "None."
