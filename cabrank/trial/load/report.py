"""How runs are shown: progress on standard error, tables on standard output."""

import contextlib
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from cabrank.trial.load.figures import Figures, percentile
from cabrank.trial.oracle.invariants import Violation

PLAIN_EVERY_S = 5.0
"""Where standard error is no terminal, progress is a line now and then."""
SHOWN_MAX = 20


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yields what shows the latest state in one sentence."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if console.is_terminal:
        with console.status("starting") as status:
            yield status.update
        return
    last = time.monotonic()

    def line(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY_S:
            last = time.monotonic()
            console.print(text, markup=False)

    yield line


def ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column(columns[0])
    for column in columns[1:]:
        made.add_column(column, justify="right")
    return made


def out() -> Console:
    return Console(highlight=False, soft_wrap=True)


def interpreter() -> str:
    """Ours, and whose build it is, which counts more than its version does
    (docs/BENCHMARKS.md); how one was built, Debian's doesn't tell.
    """
    return f"Python {platform.python_version()} of {sys.base_prefix}"


def show_simulation(
    figures: Figures, outcomes: Counter[str], duration_s: float, seed: int
) -> None:
    console = out()
    trips = table("Trips", "outcome", "trips")
    for status, count in sorted(outcomes.items()):
        trips.add_row(status, str(count))
    trips.add_row("all", str(outcomes.total()))
    console.print(trips)
    commands = table("Commands", "command", "answers", "p50", "p99")
    rows = [*sorted(figures.latencies.items()), ("all", figures.all_latencies())]
    for name, values in rows:
        low, high = percentile(values, 0.5), percentile(values, 0.99)
        commands.add_row(name, str(len(values)), ms(low), ms(high))
    waits = figures.waits
    commands.add_row(
        "request to STARTED",
        str(len(waits)),
        ms(percentile(waits, 0.5)),
        ms(percentile(waits, 0.99)),
    )
    console.print(commands)
    refusals = table("Refusals", "code", "times")
    for code, count in figures.refusals.most_common():
        refusals.add_row(code, str(count))
    console.print(refusals)
    closes = ", ".join(f"{name} {n}" for name, n in figures.closes.most_common())
    console.print(
        f"seed {seed} · {duration_s:.1f} s · {figures.reconnects} reconnects · "
        f"{figures.connect_failures} failed to connect · {figures.retries} retries · "
        f"closes: {closes or 'none'}",
        markup=False,
    )


def show_offers(ends: Counter[str]) -> None:
    """What history told of them; nothing, where nobody might ask."""
    if ends:
        said = ", ".join(f"{how} {count}" for how, count in sorted(ends.items()))
        out().print(f"offers: {ends.total()}; {said}", markup=False)


def show_history(calls: int, undecided: int) -> None:
    text = f"history: {calls} calls, an order that explains their answers looked for; "
    if undecided:
        text += f"UNDECIDED, given up, for {undecided} trips or users"
    else:
        text += "none was given up"
    out().print(text, markup=False)


def show_violations(violations: list[Violation], count: int) -> None:
    """Losses are violations of "all is shown" and of "history equals answers"."""
    console = out()
    by_rule = Counter(violation.rule for violation in violations)
    losses = by_rule["all is shown"] + by_rule["history equals answers"]
    console.print(f"losses {losses} · broken invariants {count}", markup=False)
    for violation in violations[:SHOWN_MAX]:
        console.print(f"  {violation.rule}: {violation.message}", markup=False)
    if count > SHOWN_MAX:
        console.print(f"  and {count - SHOWN_MAX} more", markup=False)
