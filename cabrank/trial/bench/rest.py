"""`cabrank bench rest`: how soon a system that was there before is ready again, and
what it takes while nobody asks it anything.
"""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from cabrank.commands.options import SECONDS_MAX
from cabrank.stack.datadir import DataDir
from cabrank.trial.bench import cpu, output, system
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.load import report
from cabrank.trial.load.users import CABRANK

RUNS_MAX = 100
SETTLE_S = 5.0
"""From ready to at rest: consumers and snapshots are looked at once."""
APART = "webhooks"
"""Told apart, and in no sum."""
MIB = 1024 * 1024


def _processes(data_dir: Path) -> dict[str, int]:
    return {"up": DataDir(data_dir).owner(), **cpu.processes(data_dir)}


def _used_s(data_dir: Path) -> dict[str, float]:
    """Without steps of 10 ms, of which at rest there are few."""
    return {name: cpu.ran_s(pid) for name, pid in _processes(data_dir).items()}


def at_rest(
    data_dir: Path, rest_s: float, settle_s: float = SETTLE_S
) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of a core, in %, and MiB PSS, by process; `up` is one of them."""
    time.sleep(settle_s)
    began_s, before = time.monotonic(), _used_s(data_dir)
    time.sleep(rest_s)
    took_s, after = time.monotonic() - began_s, _used_s(data_dir)
    share = {name: (after[name] - before[name]) / took_s * 100 for name in before}
    pids = _processes(data_dir).items()
    return share, {name: cpu.pss_bytes(pid) / MIB for name, pid in pids}


def _rows(sheet: Sheet, share: dict[str, float], memory: dict[str, float]) -> None:
    for what, unit, digits, found in (
        ("CPU", "% of a core", 2, share),
        ("memory", "MiB PSS", 1, memory),
    ):
        counted = [value for name, value in found.items() if APART not in name]
        sheet.row(f"{what} at rest", unit, digits).values.append(sum(counted))
        for name, value in found.items():
            sheet.row(f"{what}: {name}", unit, digits).values.append(value)


def measure(
    data_dir: Path, runs: int, rest_s: float, program: tuple[str, ...]
) -> Sheet:
    """Start it once for all that is made then, and `runs` times more."""
    sheet = Sheet("rest", f"{runs} starts, {rest_s:g} s at rest", [], 0, {}, {})
    with system.running(data_dir, None, program=program):
        pass
    for _ in range(runs):
        began_s = time.monotonic()
        with system.running(data_dir, None, program=program):
            ready_s = time.monotonic() - began_s
            sheet.row("second start", "s", 2).values.append(ready_s)
            used_s = cpu.spent_s(DataDir(data_dir).owner())
            sheet.row("CPU until ready", "s", 2).values.append(used_s)
            _rows(sheet, *at_rest(data_dir, rest_s))
    return sheet


def command(
    *,
    runs: Annotated[int, typer.Option(min=1, max=RUNS_MAX, help="Starts.")] = 3,
    rest: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds at rest, each.")
    ] = 20,
    program: Annotated[
        Path | None,
        typer.Option(
            help="Another version's `cabrank`, to be compared with.", exists=True
        ),
    ] = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """How soon a second start is ready, and CPU and memory at rest."""
    with report.progress() as say, contextlib.ExitStack() as stack:
        data_dir = Path(stack.enter_context(system.temporary())) / "data"
        say(f"{runs} starts in {data_dir}, {rest:g} s at rest after each")
        ours = (str(program.absolute()),) if program else CABRANK
        sheet = measure(data_dir, runs, rest, ours)
    output.show([sheet], as_json=as_json, plot=plot)
