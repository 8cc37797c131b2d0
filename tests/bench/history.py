"""Reads of a filled database, each kind's p50 and p99 in ms, as a gateway asks.

    python -m tests.bench.history sqlite:////tmp/past.db --trips 1000000
    python -m tests.bench.history postgresql://…          (an empty database)
    python -m tests.bench.history                         (a PostgreSQL of its own)
    python -m tests.bench.history --keep /tmp/past        (the same, there for the next)

Fills it first where it is empty (cabrank/trial/bench/filling.py); `--fill` does no
more, so that it may run beside other things, niced. Starts a nats-server and a process
with history in it, as a persistence worker is one, and asks over NATS, 100 questions a
second, when and about whom at random (seed 1): busy people too, with a hundredth or a
25th of all trips. The first kind finds nothing: what the rest costs beside it is the
database's part. `late` is by how much this process was late at most to ask: what others
on the machine took from it.
"""

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
from nats.js.api import AckPolicy
from sqlalchemy import func, select

from cabrank.trial.bench import filling
from persistence import database, revisions
from persistence.history.history import History
from persistence.history.past import past
from persistence.models import TripRow
from runtime import bus as buses
from runtime.bus import Bus
from schemas import codec, streams, subjects
from schemas.accounts import (
    FindBacklog,
    FindMade,
    FindTrip,
    GetTripRow,
    ListMessages,
    ListTripEvents,
    ListTrips,
    Result,
)
from schemas.trips import Role, Status
from tests.support import nats, postgres
from tests.support.records import Ledger

WARMING = 100
SAMPLES = 400
REGION = filling.REGION
DATABASE = "past"
BUFFERS_MB = 512
"""Of 24 GiB: a small machine's share; the rest is the kernel's to cache."""

Question = Callable[[], tuple[str, Any]]


def questions(trips: int, luck: random.Random) -> dict[str, Question]:
    """Kind → makes (operation, question)."""

    def any_trip() -> int:
        return luck.randrange(trips)

    def listed(user: str, role: Role, **more: Any) -> tuple[str, Any]:
        return "trips", ListTrips(user, role, limit=100, region=REGION, **more)

    def of(role: Role, busy: int) -> str:
        person = filling.rider if role is Role.RIDER else filling.driver
        number = 0 if busy else any_trip()
        return person(number, trips).id

    def key() -> tuple[str, Any]:
        """Of a message; the leader asks for those it holds no more."""
        number = any_trip()
        said = f"key-{number * filling.EACH + filling.EACH - 2}"
        who = filling.rider(number, trips).id
        return "made", FindMade(REGION, who, said, "send", 0, 0)

    def room(name: str, before: int | None) -> tuple[str, Any]:
        return "messages", ListMessages("o", Role.OPERATOR, REGION, name, 100, before)

    made: dict[str, Question] = {
        "a stranger's trips: none": lambda: listed("nobody", Role.RIDER),
        "all trips, newest": lambda: listed("o", Role.OPERATOR),
        "all trips, deep": lambda: listed(
            "o", Role.OPERATOR, before=filling.trip_id(any_trip())
        ),
        "a trip": lambda: (
            "trip",
            GetTripRow("o", Role.OPERATOR, filling.trip_id(any_trip()), REGION),
        ),
        "its audit": lambda: (
            "trip_events",
            ListTripEvents("o", Role.OPERATOR, filling.trip_id(any_trip()), REGION),
        ),
        "find": lambda: ("find", FindTrip(REGION, filling.trip_id(any_trip()), 0)),
        "a large room, newest": lambda: room(filling.HALL, None),
        "a large room, deep": lambda: room(filling.HALL, any_trip() + 2),
        "a trip's room": lambda: room(f"trip_{filling.trip_id(any_trip())}", None),
        "a message's key": key,
        "backlog": lambda: ("backlog", FindBacklog(REGION, filling.HALL, 0)),
    }
    for status in Status:
        made[f"all {status}"] = lambda status=status: listed(
            "o", Role.OPERATOR, status=status
        )
    for role in (Role.RIDER, Role.DRIVER):
        for busy in (0, 1):
            name = f"{'a busy' if busy else 'a'} {role}'s"
            made[name] = lambda role=role, busy=busy: listed(of(role, busy), role)
            for status in (Status.COMPLETED, Status.CANCELLED):
                made[f"{name} {status}"] = lambda role=role, busy=busy, status=status: (
                    listed(of(role, busy), role, status=status)
                )
    return made


async def measure(
    bus: Bus, question: Question, rate: float, count: int, luck: random.Random
) -> tuple[list[float], float]:
    """Milliseconds of each, sorted, from when it was to be asked; and by how many this
    process was late at most, which is the machine's doing.
    """
    took: list[float] = []

    async def ask(due_s: float) -> None:
        operation, about = question()
        subject = subjects.history(operation)
        answer = await bus.request(subject, codec.encode(about), 30)
        took.append((time.perf_counter() - due_s) * 1000)
        result = codec.decode(answer.data, Result)
        assert result.refused is None, (operation, about, result.refused)

    due_s, late_s = time.perf_counter(), 0.0
    async with asyncio.TaskGroup() as asking:
        for _ in range(count):
            due_s += luck.expovariate(rate)
            await asyncio.sleep(due_s - time.perf_counter())
            late_s = max(late_s, time.perf_counter() - due_s)
            asking.create_task(ask(due_s))
    return sorted(took), late_s * 1000


async def run(url: str, trips: int, rate: float, only: str) -> None:
    await asyncio.to_thread(prepare, url, trips)
    with (
        tempfile.TemporaryDirectory() as folder,
        nats.running(Path(folder)) as server,
        contextlib.ExitStack() as stack,
    ):
        bus = await buses.connect(server.url, "bench")
        ledger = await Ledger(bus).create()
        name, durable = ledger.stream.name, streams.WRITER_DURABLE
        await ledger.js.add_consumer(
            name, durable_name=durable, ack_policy=AckPolicy.EXPLICIT
        )
        await answering(url, server.url, stack)
        print(f"{'ms':<28}{'p50':>8}{'p99':>8}{'max':>8}{'late':>8}")
        luck = random.Random(1)
        for kind, question in questions(trips, luck).items():
            if only not in kind:
                continue
            # What is cached then is what a system caches.
            await measure(bus, question, rate, WARMING, luck)
            took, late = await measure(bus, question, rate, SAMPLES, luck)
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            row = f"{p50:>8.1f}{p99:>8.1f}{took[-1]:>8.1f}{late:>8.1f}"
            print(f"{kind:<28}{row}", flush=True)
        await bus.close()


async def answering(url: str, nats_url: str, stack: contextlib.ExitStack) -> None:
    """A process with history, as a persistence worker is one."""
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, url, "--serve", nats_url],
        stdout=subprocess.PIPE,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline), "it died"


async def serve(url: str, nats_url: str) -> None:
    bus = await buses.connect(nats_url, "history")
    History(past(url), bus).start()
    await bus.flush()
    sys.stdout.write("answers\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def prepare(url: str, trips: int) -> None:
    revisions.migrate(url)
    engine = database.plain_engine(url, database.PATIENT)
    with engine.connect() as connection:
        there = connection.scalar(select(func.count()).select_from(TripRow)) or 0
    began = time.monotonic()
    if not there:
        filling.fill(engine, trips, lambda n: told(n, trips))
        print(f"\nfilled in {time.monotonic() - began:.0f} s")
    elif there != trips:
        sys.exit(f"there are {there} trips already: say --trips {there}")
    engine.dispose()


def told(count: int, trips: int) -> None:
    print(f"\r{count:,} of {trips:,} trips", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def cluster_url(kept: Path | None) -> Iterator[str]:
    """The database of a PostgreSQL that runs meanwhile: a new one, or what an earlier
    run left in `kept`.
    """
    with contextlib.ExitStack() as stack:
        if kept is None:
            made = tempfile.TemporaryDirectory(prefix="cabrank-past-")
            kept = Path(stack.enter_context(made))
        kept.mkdir(parents=True, exist_ok=True)
        cluster = postgres.Cluster(kept, BUFFERS_MB)
        cluster.start()
        stack.callback(cluster.stop)
        if not cluster.has_database(DATABASE):
            cluster.execute(f"CREATE DATABASE {DATABASE}")
        yield cluster.url(DATABASE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?")
    parser.add_argument("--trips", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=100, help="questions a second")
    parser.add_argument("--only", default="", help="kinds with this in their names")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.serve:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        runner.run(serve(said.url, said.serve))
    where = contextlib.nullcontext(said.url) if said.url else cluster_url(said.keep)
    with where as url:
        if said.fill:
            prepare(url, said.trips)
        else:
            asyncio.run(run(url, said.trips, said.rate, said.only))


if __name__ == "__main__":
    main()
