"""The hot benchmarks of another revision and of this tree in turns, and their ratios.

Turn by turn: a machine that others use, or whose speed drifts, moves both. Compare a
revision with itself to see what differs by chance.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import to_builtins
from rich.console import Console

from cabrank.errors import CabrankError, UsageError
from cabrank.trial.load import LoadError, report
from tests.bench.compare import revisions
from tests.bench.compare.jobs import JOBS, SMOKE, Job, Size
from tests.bench.compare.ratios import Comparison
from tests.bench.compare.sides import Side

ROUNDS = 5
ROUNDS_MAX = 100
WIDTH = 110
"""Of a table that goes into a file."""
EXAMPLE = (
    "Example: make bench-compare BASE=main "
    'ARGS="--only fanout --only lifecycle --rounds 7"'
)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def wanted(only: Sequence[str]) -> list[Job]:
    """Raises: UsageError: a name that is none."""
    names = [job.name for job in JOBS]
    for name in only:
        if name not in names:
            raise UsageError(
                f"There is no benchmark {name!r}; there are {', '.join(names)}."
            )
    return [job for job in JOBS if not only or job.name in only]


class Run:
    """Rounds of the jobs; who begins changes with each."""

    def __init__(self, sides: list[Side], jobs: list[Job], size: Size) -> None:
        self._sides = sides
        self._jobs = jobs
        self._size = size
        self.found = Comparison()
        self.failures: list[str] = []

    def round(self, number: int, said: Callable[[str], None]) -> None:
        sides = self._sides if number % 2 else self._sides[::-1]
        for job in self._jobs:
            if not job.standing:
                self._turns(job, sides, said)
        standing = [job for job in self._jobs if job.standing]
        if not standing:
            return
        with contextlib.ExitStack() as stack:
            for side in sides:
                said(f"starting {side.revision.name}")
                stack.enter_context(side.running())
            for job in standing:
                self._turns(job, sides, said)

    def _turns(self, job: Job, sides: list[Side], said: Callable[[str], None]) -> None:
        """A job that fails on one side is told, and its turn counts for neither."""
        turn: list[tuple[Side, dict[str, float]]] = []
        for side in sides:
            said(f"{job.name}, {side.revision.name}")
            side.job = job.name
            try:
                turn.append((side, job.do(side, self._size)))
            except LoadError as error:
                side.forget()
                self.failures.append(f"{job.name}, {side.revision.name}: {error}")
                say(self.failures[-1])
                return
        for side, figures in turn:
            self.found.add(job.name, figures, base=side.base)


def show(run: Run, base: str, rounds: int) -> None:
    shown = report.table(
        f"now / {base}: median of {rounds} rounds (least to most)",
        *("", base, "now", "ratio", ""),
    )
    job = ""
    for row in run.found.rows:
        if row.job != job:
            job = row.job
            shown.add_section()
            shown.add_row(f"[bold]{job}[/bold]")
        shown.add_row(f"  {row.figure}", *row.words)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(shown)


def positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= ROUNDS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not within 1 and {ROUNDS_MAX}.")
    return number


def options() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {job.name:<10} {job.about}" for job in JOBS)
    parser = argparse.ArgumentParser(
        prog="make bench-compare BASE=REVISION ARGS=…",
        description=__doc__,
        epilog=f"benchmarks:\n{listed}\n\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", help="the revision to compare with, such as main")
    parser.add_argument(
        "--only", action="append", default=[], help="this benchmark; may be repeated"
    )
    parser.add_argument(
        "--rounds", type=positive, default=ROUNDS, help=f"default: {ROUNDS}"
    )
    parser.add_argument("--smoke", action="store_true", help="tiny: see that it runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def compare(given: argparse.Namespace) -> int:
    jobs = wanted(given.only)
    other = revisions.base(given.base, say)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="compare-") as made:
        folder = Path(made)
        sides = [
            Side(other, folder, base=True),
            Side(revisions.here(), folder, base=False),
        ]
        run = Run(sides, jobs, SMOKE if given.smoke else Size())
        for number in range(given.rounds):
            at = f"round {number + 1} of {given.rounds}"
            run.round(
                number,
                lambda text, at=at: say(
                    f"[{time.monotonic() - began_s:4.0f} s] {at}: {text}"
                ),
            )
    if given.json:
        print(json.dumps(to_builtins(run.found.rows)))
    else:
        show(run, given.base, given.rounds)
    return 1 if run.failures else 0


def main() -> int:
    try:
        return compare(options().parse_args())
    except CabrankError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
