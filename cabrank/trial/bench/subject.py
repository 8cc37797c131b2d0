"""What is measured: a system with its processes' pids, and the people to load it with.

Started by the bench, or one that runs on this machine already.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cabrank.trial.bench import cpu, system
from cabrank.trial.bench.crew import Doer
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.tasks import Done, Task
from cabrank.trial.load import LoadError
from cabrank.trial.load.lifted import LIFTED
from cabrank.trial.load.users import from_data_dir
from schemas.trips import Role

GATEWAY = "gateway"
People = Callable[[Role, int], list[str]]


class Subject:
    """`people` makes access tokens of so many new users of a role; `data_dir` holds
    `run/<name>.pid` of each process.
    """

    def __init__(self, base: str, data_dir: Path, people: People) -> None:
        self.base = base
        self.data_dir = data_dir
        self.people = people

    def measured(
        self, sheet: Sheet, crowd: Doer, task: Task
    ) -> tuple[Done, dict[str, float]]:
        """Have `task` done; what it took, by process. Adds both up in `sheet`.

        Raises:
            LoadError: the crowd died, or there is no gateway whose CPU to read.
        """
        before = cpu.snapshot(self.data_dir)
        done = crowd.do(task)
        used = cpu.by_service(before, cpu.snapshot(self.data_dir))
        if GATEWAY not in used:
            raise LoadError(f"No gateway's pid is in {self.data_dir / 'run'}.")
        used["load"] = done.cpu_s
        sheet.burn(used)
        sheet.blame(done.troubles)
        sheet.losses += done.lost + done.repeats
        return done, used

    def rss_bytes(self) -> int:
        """Of all gateways together."""
        pids = cpu.processes(self.data_dir)
        return sum(cpu.rss_bytes(pids[n]) for n in pids if n.startswith(GATEWAY))


def tokens(data_dir: Path, role: Role, count: int) -> list[str]:
    accounts = asyncio.run(from_data_dir(data_dir, role, count))
    return [account.access for account in accounts]


@contextlib.contextmanager
def subject(
    url: str | None,
    data_dir: Path | None,
    say: Callable[[str], None],
    limits: Mapping[str, str] = LIFTED,
) -> Iterator[Subject]:
    """A system of the bench's own, with `limits` of a user, or the one that runs in
    `data_dir`, at `url`.

    Raises:
        LoadError: `url` without `data_dir`, or the system doesn't start.
    """
    with contextlib.ExitStack() as stack:
        if url is not None and data_dir is None:
            raise LoadError("With --url, --data-dir must say where that system runs.")
        base, data_dir = system.chosen(url, data_dir)
        if data_dir is None:
            data_dir = Path(stack.enter_context(system.temporary())) / "data"
        if base is None:
            say(f"starting a system in {data_dir} ({system.file_system(data_dir)})")
            base = stack.enter_context(system.running(data_dir, None, limits=limits))
        where = data_dir
        yield Subject(base, where, lambda role, count: tokens(where, role, count))


def per_cpu_s(count: float, seconds: float) -> float:
    """`count` per CPU-second; 0 where so little ran that the clock saw nothing."""
    return count / seconds if seconds else 0.0
