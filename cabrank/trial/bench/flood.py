"""`cabrank bench flood`: what others notice of one address that sends without end.

Two hundred drivers' sessions, each in a room, ask once a second: without a flood, with
one beside them, and without it again. Told are their p99, what the two without one say
of each other, how much the gateway grew, and who was taken for gone (issue 11, "What it
must reach").
"""

import contextlib
import threading
from typing import Annotated, Self

import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import cpu, output, worker
from cabrank.trial.bench.floods import KINDS, Beat, Come, Flood, Flooded, Heard
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import GATEWAY, Subject, subject
from cabrank.trial.bench.worker import Worker
from cabrank.trial.load import LoadError, report
from cabrank.trial.load.figures import percentile
from schemas.codec import decode, encode
from schemas.trips import Role

ROOM_SIZE = 10
RATIO_AIM = "2"
GROWN_AIM = "64"
MIB = 1024 * 1024
LOOK_S = 0.05
NOTHING_S = 1e-6
"""In the place of a p99 where nothing was answered: losses tell of that."""


class Job(Struct, frozen=True):
    """`count`: connections that flood at once. `sessions` others ask `per_s` times a
    second together, `seconds` long, `runs` times each.
    """

    kinds: tuple[str, ...]
    count: int
    users: int
    sessions: int
    per_s: float
    seconds: float
    runs: int


class Peak:
    """The most that the gateways' memory came to while the block ran."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = subject.rss_bytes()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.most = max(self.most, self._subject.rss_bytes())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Measured:
    """One flood after the other beside the same bystanders."""

    def __init__(self, subject: Subject, people: Worker, job: Job) -> None:
        self._subject = subject
        self._people = people
        self._job = job
        self._tokens = subject.people(Role.RIDER, job.users)
        sizes = f"{job.count} connections beside {job.sessions} sessions"
        self.sheet = Sheet("flood", f"{sizes}, {job.runs} runs", [], 0, {}, {})

    def come(self) -> None:
        job, subject = self._job, self._subject
        tokens = subject.people(Role.DRIVER, job.sessions)
        self._listen(Come(subject.base, tokens, ROOM_SIZE))
        self._beat()

    def _listen(self, task: Come | Beat) -> Heard:
        heard = decode(self._people.tell(encode(task)), Heard)
        self.sheet.losses += heard.lost + self._job.sessions - heard.open
        self.sheet.blame(heard.troubles)
        return heard

    def _beat(self) -> Heard:
        return self._listen(Beat(self._job.seconds, self._job.per_s))

    def run(self, kind: str) -> None:
        job, sheet = self._job, self.sheet
        alone = self._beat().latencies_s
        before = self._subject.rss_bytes()
        used = cpu.snapshot(self._subject.data_dir)
        with worker.running("-m", "cabrank.trial.bench.flooder") as flooder:
            flood = Flood(
                *(self._subject.base, kind, job.count, job.seconds), self._tokens
            )
            told: list[bytes] = []
            thread = threading.Thread(
                target=lambda: told.append(flooder.tell(encode(flood)))
            )
            with Peak(self._subject) as peak:
                thread.start()
                heard = self._beat()
                thread.join()
        if not told:
            raise LoadError("The flood ended before it was told to.")
        burnt = cpu.by_service(used, cpu.snapshot(self._subject.data_dir))
        sheet.burn(burnt)
        self._note(kind, decode(told[0], Flooded))
        again = self._beat().latencies_s
        alone_ms, beside_ms = _p99_ms(alone + again), _p99_ms(heard.latencies_s)
        noise = _p99_ms(again) / _p99_ms(alone)
        for name, unit, value, digits, aim in (
            ("p99 alone", "ms", alone_ms, 1, ""),
            ("p99 beside it", "ms", beside_ms, 1, ""),
            ("p99: ratio", "ratio", beside_ms / alone_ms, 2, RATIO_AIM),
            ("p99 alone, after / before", "ratio", noise, 2, "1"),
            ("grown by", "MiB RSS", (peak.most - before) / MIB, 1, GROWN_AIM),
            ("gateway's CPU", "s/s", burnt.get(GATEWAY, 0.0) / job.seconds, 2, ""),
            ("chat.left heard", "frames", heard.left, 0, "0"),
        ):
            sheet.row(f"{kind}: {name}", unit, digits, aim).values.append(value)

    def _note(self, kind: str, flooded: Flooded) -> None:
        sent = self.sheet.row(f"{kind}: sent", "MiB/s", 2)
        sent.values.append(flooded.sent_bytes / MIB / self._job.seconds)
        opened = self.sheet.row(f"{kind}: connections made", "")
        opened.values.append(flooded.opened)


def _p99_ms(latencies_s: list[float]) -> float:
    return 1000 * (percentile(latencies_s, 0.99) or NOTHING_S)


def measure(subject: Subject, job: Job) -> Sheet:
    with contextlib.ExitStack() as stack:
        people = stack.enter_context(
            worker.running("-m", "cabrank.trial.bench.bystanders")
        )
        measured = Measured(subject, people, job)
        measured.come()
        for kind in job.kinds:
            for _ in range(job.runs):
                measured.run(kind)
    return measured.sheet


def command(  # noqa: PLR0917 (typer reads options, not positions)
    kind: Annotated[
        list[str] | None,
        typer.Option(help=f"Of {', '.join(KINDS)}; all of them unless said."),
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Connections that flood.")
    ] = 50,
    users: Annotated[
        int,
        typer.Option(min=1, max=COUNT_MAX, help="Users they log in as, where they do."),
    ] = 50,
    sessions: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Others' sessions.")
    ] = 200,
    rate: Annotated[
        float, typer.Option(min=1, max=SECONDS_MAX, help="All of those ask, a second.")
    ] = (200),
    duration: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds of each.")
    ] = 10,
    runs: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Runs of each kind.")
    ] = 3,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Others' p99 beside floods and without, and what the gateway grew by. The limits
    of a user are not lifted: they are what is measured.
    """
    kinds = tuple(kind or KINDS)
    unknown = [name for name in kinds if name not in KINDS]
    if unknown:
        raise LoadError(f"There is no flood {unknown[0]!r}; {', '.join(KINDS)} are.")
    job = Job(kinds, count, users, sessions, rate, duration, runs)
    with report.progress() as say, subject(url, data_dir, say, {}) as system:
        say(f"{len(kinds)} floods, {runs} runs")
        sheet = measure(system, job)
    output.show([sheet], as_json=as_json, plot=plot)
