"""How a run of chaos is shown: live on standard error, figures on standard output."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
from rich.console import Console

from cabrank.trial.chaos.measure import Measured, by_kind
from cabrank.trial.chaos.plan import Kind
from cabrank.trial.chaos.run import Outcome
from cabrank.trial.load import report
from schemas.codec import encode


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


@contextlib.contextmanager
def progress() -> Iterator[tuple[Callable[[str], None], Callable[[Measured], None]]]:
    """Yields what shows the latest state, and what adds a line for a fault."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def told(fault: Measured) -> None:
        line = (
            f"{fault.at_s:6.1f} s  {fault.fault} ({fault.target}): answered after "
            f"{seconds(fault.answered_s)}, whole after {seconds(fault.whole_s)}"
        )
        if fault.longest_s is not None:
            line += f", longest wait {seconds(fault.longest_s)}"
        if fault.caught_up_s is not None:
            line += f", {fault.behind} records behind, caught up after "
            line += seconds(fault.caught_up_s)
        if fault.p99_ratio is not None:
            line += f", p99 {fault.p99_ratio:.2f} times that before"
        if fault.trips_per_s is not None:
            line += f", {fault.trips_per_s:.0f} trips/s meanwhile"
        console.print(line, markup=False)

    if console.is_terminal:
        with console.status("starting") as status:
            yield status.update, told
    else:
        yield lambda _: None, told


def show(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        body = {"kinds": by_kind(outcome.faults)} | msgspec.structs.asdict(outcome)
        print(msgspec.json.format(encode(body)).decode())
        return
    console = report.out()
    shown = report.table(
        "Faults",
        *("", "times", "answered p50", "max", "whole p50", "max", "wait", "delivery"),
    )
    shown.columns[0].min_width = max(map(len, Kind))
    for row in by_kind(outcome.faults):
        shown.add_row(
            row.fault,
            str(row.count),
            seconds(row.answered_p50_s),
            seconds(row.answered_max_s),
            seconds(row.whole_p50_s),
            seconds(row.whole_max_s),
            seconds(row.longest_max_s),
            seconds(row.delivered_max_s),
        )
    console.print(shown)
    where = "disks of its own" if outcome.own_disks else "limits for full disks"
    console.print(
        f"seed {outcome.seed} · {outcome.duration_s:.1f} s · {outcome.database}, "
        f"{where} · {len(outcome.faults)} faults · {outcome.trips} trips "
        f"({outcome.trips / outcome.duration_s:.0f}/s)",
        markup=False,
    )
    console.print(f"verify: {outcome.verified}", markup=False)
    for told in outcome.deliveries:
        tally = told.tally
        console.print(
            f"endpoint {told.endpoint}: {tally.wanted} events, {tally.taken} taken, "
            f"{tally.again} once more, {tally.refused} refused; all there after "
            f"{seconds(told.settled_s)}",
            markup=False,
        )
    report.show_offers(Counter(outcome.offers))
    report.show_history(outcome.commands, outcome.undecided)
    report.show_violations(outcome.violations, outcome.violation_count)
