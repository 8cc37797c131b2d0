"""`cabrank bench fanout`: what it costs a gateway to show a request to all its drivers,
beside the floor, and how soon the last driver has it.

One request at a time, then bursts, then a steady rate. CPU is the whole gateway
process's: the riders' commands and answers are in it, as is reading NATS.
"""

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import cpu, crew, output, worker
from cabrank.trial.bench import stalled as stalling
from cabrank.trial.bench.crew import Crew
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import GATEWAY, Subject, per_cpu_s, subject
from cabrank.trial.bench.tasks import Ask, Clear, Done, Open
from cabrank.trial.bench.worker import Worker
from cabrank.trial.load import report
from cabrank.trial.load.figures import percentile
from schemas.trips import Role

CROWD = ("-m", "cabrank.trial.bench.crowd")
UNIT = "deliveries per gateway CPU-second"
WARM_UP = 20
BURST_AIM = "1,000,000"
SHARE_AIM = "0.85"
"""Issue 4 asks it of one request at a time."""
STALLED_AIM = "1.5"
FLOOR_BURSTS = 4
"""The floor is so quick with bursts that the CPU clock's 10 ms need more of them."""


class Job(Struct, frozen=True):
    """`singles`: requests of a run, one at a time. `bursts` of `burst` requests.
    `steady`: requests at `rate` a second; once more beside `stalled` drivers that have
    stopped reading, each sent `fill_bytes` first.
    """

    drivers: int
    runs: int
    singles: int
    bursts: int
    burst: int
    rate: float
    steady: int
    stalled: int = 0
    fill_bytes: int = stalling.FILL_BYTES

    @property
    def riders(self) -> int:
        return max(self.singles, self.bursts * self.burst, self.steady, WARM_UP)


class Floor:
    """The bare loop, with clients of its own."""

    def __init__(self, process: Worker, crowd: Crew) -> None:
        self._process = process
        self._crowd = crowd

    def open(self, base: str, drivers: int) -> None:
        self._crowd.do(Open(base, ["driver"] * drivers, True))
        self._crowd.do(Open(base, ["rider"], False))

    def ask(
        self, rounds: int, copies: int, length: int, per_s: float | None
    ) -> tuple[Done, float]:
        """Writing `copies` frames of `length` bytes at a time; without `per_s`, again
        as soon as all have them. With the CPU-seconds it took.
        """
        self._process.tell(f"{copies} {length}".encode())
        self._crowd.do(Ask(max(2, rounds // 10), copies=copies))
        pid = self._process.process.pid
        before = cpu.used_s(pid) or 0.0
        done = self._crowd.do(Ask(rounds, copies=copies, per_s=per_s))
        return done, (cpu.used_s(pid) or 0.0) - before


class Fanout:
    """One measurement after the other on an open crowd. `floor` None: without."""

    def __init__(
        self,
        subject: Subject,
        crowd: Crew,
        floor: Floor | None,
        job: Job,
        program: tuple[str, ...] = CROWD,
    ) -> None:
        self._subject = subject
        self._crowd = crowd
        self._program = program
        self._floor = floor
        self._job = job
        sizes = f"{job.drivers} drivers, {job.runs} runs"
        self.sheet = Sheet("fanout", sizes, [], 0, {}, {})

    def open(self) -> None:
        job, subject = self._job, self._subject
        drivers = subject.people(Role.DRIVER, job.drivers)
        riders = subject.people(Role.RIDER, job.riders)
        for opening in (
            Open(subject.base, drivers, True),
            Open(subject.base, riders, False),
        ):
            self.sheet.blame(self._crowd.do(opening).troubles)
        self._ask(Ask(min(WARM_UP, job.singles)))

    def _ask(self, task: Ask) -> tuple[Done, dict[str, float]]:
        done, used = self._subject.measured(self.sheet, self._crowd, task)
        self._crowd.do(Clear())
        return done, used

    def run(self) -> None:
        job = self._job
        self._beside("one request at a time", Ask(job.singles))
        name = f"bursts of {job.burst}"
        done = self._beside(name, Ask(job.bursts * job.burst, job.burst), BURST_AIM)
        lost = 100 * done.lost / max(1, done.expected)
        self.sheet.row(f"{name}: lost", "% of deliveries", 1, "0").values.append(lost)
        if not job.steady:
            return
        name = f"at {job.rate:g}/s"
        alone = self._steadily(name)
        if self._floor is not None:
            size = alone.frame_bytes
            bare, _ = self._floor.ask(job.steady, 1, size, job.rate)
            self._latencies(f"{name}: floor", bare, "")
        if job.stalled:
            self._beside_stalled(alone)

    def _beside(self, name: str, task: Ask, aim: str = "") -> Done:
        """Ours, the floor at our pace, and the floor as fast as it goes: between two
        requests the gateway's core does other work, and its caches lose the sockets.
        """
        sheet = self.sheet
        done, used = self._ask(task)
        ours = per_cpu_s(done.deliveries, used[GATEWAY])
        sheet.row(name, UNIT, aim=aim).values.append(ours)
        every_s = sum(seconds for who, seconds in used.items() if who != "load")
        row = sheet.row(f"{name}: all processes", "deliveries per CPU-second of all")
        row.values.append(per_cpu_s(done.deliveries, every_s))
        if self._floor is None:
            return done
        rounds, size = task.requests // task.burst, done.frame_bytes
        pace = rounds / done.seconds
        for words, times, per_s, wanted in (
            ("floor at that pace", 1, pace, ""),
            (
                "floor",
                FLOOR_BURSTS if task.burst > 1 else 1,
                None,
                SHARE_AIM * (task.burst == 1),
            ),
        ):
            bare, used_s = self._floor.ask(rounds * times, task.burst, size, per_s)
            floor = per_cpu_s(bare.deliveries, used_s)
            sheet.row(f"{name}: {words}", UNIT).values.append(floor)
            row = sheet.row(f"{name}: share of the {words}", "ratio", 2, wanted)
            row.values.append(ours / floor if floor else 0.0)
        return done

    def _steadily(self, name: str) -> Done:
        done, _ = self._ask(Ask(self._job.steady, per_s=self._job.rate))
        self._latencies(name, done, "15")
        return done

    def _latencies(self, name: str, done: Done, aim: str) -> None:
        unit = "ms, request to the last driver"
        for share, wanted in ((0.5, ""), (0.99, aim)):
            row = self.sheet.row(f"p{share * 100:.0f} {name}", unit, 1, wanted)
            row.values.append(1000 * (percentile(done.latencies_s, share) or 0.0))

    def _beside_stalled(self, alone: Done) -> None:
        job, sheet = self._job, self.sheet
        beside = f"beside {job.stalled} stalled"
        with stalling.stalled(
            self._subject, sheet, self._program, job.stalled
        ) as those:
            before = self._subject.rss_bytes()
            self._fill()
            crowded = self._steadily(f"at {job.rate:g}/s {beside}")
            grown = self._subject.rss_bytes() - before
        p99_s = [percentile(done.latencies_s, 0.99) for done in (crowded, alone)]
        if p99_s[0] and p99_s[1]:
            row = sheet.row(f"p99 {beside}: ratio", "ratio", 2, STALLED_AIM)
            row.values.append(p99_s[0] / p99_s[1])
        row = sheet.row(f"memory {beside}", "KiB RSS more, each of them", 1)
        row.values.append(grown / 1024 / job.stalled)
        still = sheet.row("stalled, and open at the end", "connections")
        still.values.append(those.still)

    def _fill(self) -> None:
        """Until what stalled drivers were sent waits in the gateway."""
        job, sent = self._job, 0
        while sent < job.fill_bytes:
            done, _ = self._ask(Ask(job.riders, job.burst))
            sent += done.frame_bytes * job.riders


@contextlib.contextmanager
def _bare(drivers: int) -> Iterator[Floor]:
    with (
        worker.running("-m", "cabrank.trial.bench.floor") as bare,
        crew.running(CROWD) as clients,
    ):
        assert bare.process.stdout is not None
        floor = Floor(bare, clients)
        floor.open(bare.process.stdout.readline().decode().strip(), drivers)
        yield floor


def measure(
    subject: Subject, job: Job, *, crowd: tuple[str, ...] = CROWD, beside: bool = True
) -> Sheet:
    """`crowd`: the program whose clients speak the subject's language. `beside`: the
    floor is measured too.
    """
    with contextlib.ExitStack() as stack:
        clients = stack.enter_context(crew.running(crowd))
        floor = stack.enter_context(_bare(job.drivers)) if beside else None
        fanout = Fanout(subject, clients, floor, job, crowd)
        fanout.open()
        for _ in range(job.runs):
            fanout.run()
        return fanout.sheet


def command(  # noqa: PLR0917 (typer reads options, not positions)
    drivers: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Drivers.")] = 1000,
    runs: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Runs.")] = 5,
    singles: Annotated[
        int,
        typer.Option(min=1, max=COUNT_MAX, help="Requests of a run, one at a time."),
    ] = 300,
    bursts: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Bursts of a run.")
    ] = 30,
    burst: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Requests of a burst.")
    ] = 20,
    rate: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Steady: requests/s.")
    ] = 10,
    duration: Annotated[
        float, typer.Option(min=0, max=SECONDS_MAX, help="Steady: seconds.")
    ] = 10,
    stalled: Annotated[
        int,
        typer.Option(
            min=0, max=COUNT_MAX, help="Steady once more, beside drivers that stall."
        ),
    ] = 0,
    fill: Annotated[
        int,
        typer.Option(
            min=1, max=COUNT_MAX, help="KiB that each of those is sent before."
        ),
    ] = stalling.FILL_BYTES // 1024,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    as_json: output.AsJson = False,
    plot: output.Plot = None,
) -> None:
    """Deliveries per gateway CPU-second, beside the floor, and p99 to the last."""
    steady = round(rate * duration)
    job = Job(
        *(drivers, runs, singles, bursts, burst, rate, steady, stalled),
        fill_bytes=fill * 1024,
    )
    with report.progress() as say, subject(url, data_dir, say) as system:
        say(f"{drivers} drivers, {runs} runs")
        sheet = measure(system, job)
    output.show([sheet], as_json=as_json, plot=plot)
