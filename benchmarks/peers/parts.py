"""The jobs of a round, in parts that each fit into minutes: each gets a system that was
just started, and returns a row's name → value.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from brokers.broker import Broker
from msgspec import Struct

from cabrank.trial.bench import connections, crew, fanout
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import Subject, subject
from cabrank.trial.bench.tasks import Ask, Clear, Cut, Open, Return
from cabrank.trial.load import LoadError
from schemas.trips import Role

HERE = Path(__file__).resolve().parent
MISSED = 20
"""Requests that are made while all are cut off."""


class Size(Struct, frozen=True):
    drivers: int = 1000
    singles: int = 150
    bursts: int = 15
    steady: int = 50
    flood: int = 300
    idle: tuple[int, int] = (1000, 10_000)
    far: int = 10_000
    """Subscribers of one publication."""
    far_times: int = 12


QUICK = Size(20, 5, 2, 5, 40, (10, 30), 30, 3)


class Turn(Struct):
    """One system's turn at one part."""

    figures: dict[str, float] = {}
    troubles: dict[str, int] = {}

    def take(self, sheet: Sheet, names: dict[str, str]) -> None:
        """`names`: a sheet's row → what it is called here."""
        for row in sheet.rows:
            if row.name in names and row.values:
                self.figures[names[row.name]] = row.median
        for what, times in sheet.troubles.items():
            self.troubles[what] = self.troubles.get(what, 0) + times


System = Callable[
    [], contextlib.AbstractContextManager[tuple[Subject, tuple[str, ...]]]
]
"""A system that was just started, and the program of its clients."""


@contextlib.contextmanager
def ours() -> Iterator[tuple[Subject, tuple[str, ...]]]:
    with subject(None, None, lambda _: None) as system:
        yield system, fanout.CROWD


def theirs(broker: Broker) -> System:
    @contextlib.contextmanager
    def running() -> Iterator[tuple[Subject, tuple[str, ...]]]:
        with tempfile.TemporaryDirectory(prefix="broker-") as made:
            where = Path(made)
            where.chmod(0o755)  # some drop root
            with broker.start(where) as base:
                people = lambda role, count: [broker.token(role) for _ in range(count)]  # noqa: E731
                crowd = (str(HERE / "broker_crowd.py"), broker.name)
                yield Subject(base, where, people), crowd

    return running


def _fanout(start: System, size: Size, turn: Turn) -> None:
    job = fanout.Job(size.drivers, 1, size.singles, size.bursts, 20, 10, size.steady)
    names = {
        "one request at a time": "one by one",
        "one request at a time: all processes": "one by one: all",
        "bursts of 20": "bursts of 20",
        "bursts of 20: all processes": "bursts of 20: all",
        "bursts of 20: lost": "lost of 20",
        "p50 at 10/s": "p50 at 10/s",
        "p99 at 10/s": "p99 at 10/s",
    }
    with start() as (system, crowd):
        turn.take(fanout.measure(system, job, crowd=crowd, beside=False), names)
        flood = fanout.Job(min(100, size.drivers), 1, 1, 1, size.flood, 10, 0)
        sheet = fanout.measure(system, flood, crowd=crowd, beside=False)
        turn.take(sheet, {f"bursts of {size.flood}: lost": "lost of 300"})


def _idle(start: System, size: Size, turn: Turn) -> None:
    for count, words in zip(size.idle, ("1,000", "10,000"), strict=True):
        with start() as (system, crowd):
            sheet = connections.measure(
                system, connections.Job(count, 1, 0), crowd=crowd
            )
            turn.take(sheet, {"memory": f"memory, {words}", "connects": "connects"})


def _far(start: System, size: Size, turn: Turn) -> None:
    job = fanout.Job(size.far, 1, 3, 1, 1, 2, size.far_times)
    names = {"p50 at 2/s": "last of 10,000, p50", "p99 at 2/s": "last of 10,000, p99"}
    with start() as (system, crowd):
        turn.take(fanout.measure(system, job, crowd=crowd, beside=False), names)


def _return(start: System, size: Size, turn: Turn) -> None:
    sheet = Sheet("return", "", [], 0, {}, {})
    with start() as (system, crowd), crew.running(crowd) as clients:
        for role, count in ((Role.DRIVER, size.drivers), (Role.RIDER, MISSED)):
            opening = Open(system.base, system.people(role, count), role is Role.DRIVER)
            system.measured(sheet, clients, opening)
        system.measured(sheet, clients, Ask(1))  # so that each was told of something
        clients.do(Clear())
        system.measured(sheet, clients, Cut())
        system.measured(sheet, clients, Ask(MISSED, MISSED, copies=0))
        coming = Return(system.base, MISSED)
        done, used = system.measured(sheet, clients, coming)
        clients.do(Clear())
    turn.take(sheet, {})
    if done.lost:
        turn.troubles[f"{done.lost} of {done.expected} missed for good"] = 1
        return
    spent_s = sum(seconds for who, seconds in used.items() if who != "load")
    turn.figures["return: s"] = done.seconds
    turn.figures["return: CPU"] = 1000 * spent_s / size.drivers


class Part(Struct, frozen=True):
    """`recovery`: only of systems that send what was missed."""

    name: str
    do: Callable[[System, Size, Turn], None]
    recovery: bool = False


PARTS = (
    Part("fanout", _fanout),
    Part("idle", _idle),
    Part("far", _far),
    Part("return", _return, recovery=True),
)


def measured(part: Part, start: System, size: Size) -> Turn:
    """A system that doesn't get through a part says so in the table."""
    turn = Turn()
    try:
        part.do(start, size, turn)
    except LoadError as error:
        turn.troubles[str(error)] = 1
    time.sleep(0.2)  # what was stopped is gone
    return turn
