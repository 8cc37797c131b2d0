"""`cabrank bench rest`: how soon a system that was there before is ready again, and
what it takes while nobody asks it anything.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator
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
PAUSED_S = 1.0
"""By then what it asked is answered."""
MIB = 1024 * 1024


def _processes(data_dir: Path) -> dict[str, int]:
    return {"up": DataDir(data_dir).owner(), **cpu.processes(data_dir)}


def at_rest(
    data_dir: Path, rest_s: float, settle_s: float = SETTLE_S
) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of a core, in %, and MiB PSS, by process; `up` is one of them. What is
    told apart is looked at first, then paused, with what it asks of the others.
    """
    time.sleep(settle_s)
    pids = _processes(data_dir)
    apart = {name: pid for name, pid in pids.items() if APART in name}
    share = _share(apart, rest_s) if apart else {}
    memory = {name: cpu.pss_bytes(pid) / MIB for name, pid in pids.items()}
    with _paused(apart.values()):
        others = {name: pid for name, pid in pids.items() if name not in apart}
        return _share(others, rest_s) | share, memory


def _share(pids: dict[str, int], rest_s: float) -> dict[str, float]:
    """Without steps of 10 ms, of which at rest there are few."""
    began_s, before = time.monotonic(), {n: cpu.ran_s(p) for n, p in pids.items()}
    time.sleep(rest_s)
    took_s = time.monotonic() - began_s
    return {n: (cpu.ran_s(p) - before[n]) / took_s * 100 for n, p in pids.items()}


@contextlib.contextmanager
def _paused(pids: Collection[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSED_S if pids else 0)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


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
        float,
        typer.Option(
            min=0.1, max=SECONDS_MAX, help="Seconds at rest, each; webhooks' first."
        ),
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
