"""The ten most telling benchmarks. Each takes one side's turn and returns its figures.

The clients are this tree's for both sides; what is inside of one process (`matching`,
`path`) is each revision's own program.
"""

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cabrank.stack.datadir import DataDir
from cabrank.trial.bench import (
    chat,
    chat_orders,
    connections,
    cpu,
    fanout,
    lifecycle,
    offers,
    windows,
)
from cabrank.trial.bench import rest as resting
from cabrank.trial.bench.orders import Order
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.load import LoadError
from cabrank.trial.load.figures import percentile
from cabrank.trial.load.web import Web
from schemas.codec import decode
from schemas.trips import Role
from tests.bench.compare.ratios import of_sheet
from tests.bench.compare.sides import Side

Figures = dict[str, float]
SETTLE_S = 3.0
"""After the ready line, until a system does nothing any more."""

HOT_PATH_IN = ("tests/bench", "benchmarks")
"""Where a revision has `hot_path.py`: now, and where 0.1 had it."""


class Size(Struct, frozen=True):
    """How much of each; every figure holds enough of the CPU clock's 10 ms steps."""

    drivers: int = 1000
    singles: int = 150
    bursts: int = 15
    steady: int = 50
    pairs: int = 64
    crowded: int = 256
    window_s: float = 4.0
    warm_up_s: float = 1.0
    fleet: int = 500
    connects: int = 2000
    rooms: int = 20
    members: int = 50
    reads: int = 300
    idle_s: float = 8.0
    tries: int = 5


SMOKE = Size(
    drivers=10,
    singles=5,
    bursts=1,
    steady=3,
    pairs=2,
    crowded=3,
    window_s=0.3,
    warm_up_s=0.1,
    fleet=10,
    connects=20,
    rooms=2,
    members=3,
    reads=4,
    idle_s=0.2,
    tries=1,
)
"""To see that it runs."""


def _whole(sheet: Sheet) -> Sheet:
    """Raises: LoadError: it lost something, so its figures mean nothing."""
    if sheet.losses or sheet.troubles:
        why = ", ".join(sheet.troubles) or f"{sheet.losses} lost"
        raise LoadError(f"{sheet.bench} went wrong: {why}.")
    return sheet


def _fanout(side: Side, size: Size) -> Figures:
    job = fanout.Job(size.drivers, 1, size.singles, size.bursts, 20, 10, size.steady)
    names = {
        "one request at a time": "deliveries/gateway CPU-s, one by one",
        "bursts of 20": "deliveries/gateway CPU-s, bursts of 20",
        "p50 at 10/s": "to the last driver at 10/s, p50 ms",
        "p99 at 10/s": "to the last driver at 10/s, p99 ms",
    }
    return of_sheet(_whole(fanout.measure(side.subject, job, beside=False)), names)


def _pairs(side: Side, size: Size, count: int) -> Figures:
    people = side.members(Role.RIDER, count), side.members(Role.DRIVER, count)
    subject = side.subject
    order = Order(subject.base, *people, size.warm_up_s, size.window_s, 1)
    (run,), summary = lifecycle.measure(order, subject.data_dir)
    if summary.unfinished or summary.troubles:
        raise LoadError(f"trips went wrong: {summary.troubles or summary.unfinished}.")
    step = lifecycle.STEPS[0]
    cost = {name: ms for name, ms in run.cpu_ms.items() if name != "load"}
    return {
        "trips/s": run.trips_per_s,
        "CPU-ms a trip": sum(cost.values()),
        "request p50 ms": run.p50_ms[step],
        "request p99 ms": run.p99_ms[step],
        **{f"CPU-ms a trip, {name}": ms for name, ms in sorted(cost.items())},
    }


def _offers(side: Side, size: Size) -> Figures:
    job = offers.Job(size.fleet, 20, size.window_s, 0, 0)
    (sheet,) = offers.measure(side.subject, job)
    names = {
        "p50": "request to first offer, p50 ms",
        "p99": "request to first offer, p99 ms",
        "dispatcher: a trip and its positions": "dispatcher's CPU-ms a trip",
        "gateway: a trip and its positions": "gateway's CPU-ms a trip",
    }
    return of_sheet(_whole(sheet), names)


def _connects(side: Side, size: Size) -> Figures:
    sheet = connections.measure(side.subject, connections.Job(size.connects, 1, 0))
    names = {"connects": "connects/gateway CPU-s", "memory": "KiB a connection"}
    return of_sheet(_whole(sheet), names)


def _chat(side: Side, size: Size) -> Figures:
    subject, each = side.subject, size.members
    people = side.members(Role.RIDER, size.rooms * each)
    rooms = [people[n * each : (n + 1) * each] for n in range(size.rooms)]
    order = chat_orders.Order(subject.base, rooms, 2, 1, 10, 20, 200, size.window_s)
    found, last = windows.run(chat.CHATTER, order, subject.data_dir)
    summary = decode(last, chat_orders.Summary)
    if summary.lost or summary.troubles:
        raise LoadError(f"chat went wrong: {summary.troubles or summary.lost}.")
    runs = {
        run.kind: run
        for run in (
            chat.run(decode(line, chat_orders.Window), used_s) for line, used_s in found
        )
    }
    return {
        "deliveries/gateway CPU-s, bursts": runs["burst"].per_cpu_s,
        "all have heard at 200/s, p50 ms": runs["steady"].p50_ms,
        "all have heard at 200/s, p99 ms": runs["steady"].p99_ms,
    }


async def _read(base: str, tokens: list[str], count: int) -> list[float]:
    """Seconds of each reading of a page of trips, then of the newest one's events."""
    web, took_s = Web(base), []
    for number in range(count):
        token, trip = tokens[number % len(tokens)], ""
        for path in ("/api/trips?limit=100", "/api/trips/{}/events"):
            began_s = time.monotonic()
            answer = await web.ask("GET", path.format(trip), token=token)
            took_s.append(time.monotonic() - began_s)
            if answer.status != 200:
                raise LoadError(f"{path} answers {answer.status}: {answer.body!r}.")
            if not trip:
                trip = json.loads(answer.body)[0]["id"]
    web.close()
    return took_s


def _history(side: Side, size: Size) -> Figures:
    """Of riders who have made trips just before."""
    _pairs(side, size, size.pairs)
    subject = side.subject
    tokens = [one.access for one in side.members(Role.RIDER, size.pairs)]
    before = cpu.snapshot(subject.data_dir)
    took_s = asyncio.run(_read(subject.base, tokens, size.reads))
    used = cpu.by_service(before, cpu.snapshot(subject.data_dir))
    reads = len(took_s)
    return {
        "read p50 ms": 1000 * (percentile(took_s, 0.5) or 0.0),
        "read p99 ms": 1000 * (percentile(took_s, 0.99) or 0.0),
        "persistence's CPU-ms a read": 1000 * used.get("persistence", 0.0) / reads,
        "gateway's CPU-ms a read": 1000 * used.get("gateway", 0.0) / reads,
    }


def _start(side: Side, size: Size) -> Figures:
    """The second start on its directory, and what the system takes at rest."""
    with tempfile.TemporaryDirectory(prefix="compare-start-") as made:
        where = Path(made) / "data"
        with side.system(where):
            pass
        began_s = time.monotonic()
        with side.system(where):
            ready_s = time.monotonic() - began_s
            spent_s = cpu.spent_s(DataDir(where).owner())
            idle = rest(where, size.idle_s)
    return {"ready after s": ready_s, "CPU-s until ready": spent_s, **idle}


def rest(data_dir: Path, idle_s: float) -> Figures:
    """What a system takes that does nothing, the webhooks service told apart, and `up`,
    which only looks on, left out.
    """
    taken = resting.at_rest(data_dir, idle_s, min(SETTLE_S, idle_s))
    figures: Figures = {}
    for figure, found in zip(("% of a core", "PSS MiB"), taken, strict=True):
        services = {name: value for name, value in found.items() if name != "up"}
        hooks = sum(v for name, v in services.items() if resting.APART in name)
        figures[f"idle: {figure}"] = sum(services.values()) - hooks
        figures[f"idle: {figure}, webhooks"] = hooks
    return figures


def _said(command: tuple[str, ...]) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise LoadError(f"{' '.join(command[2:])} failed: {''.join(last)}")
    return done.stdout


def _matching(side: Side, size: Size) -> Figures:
    options = ("bench", "matching", "--drivers", "1000", "--json", "--tries")
    said = _said((*side.revision.cabrank, *options, str(size.tries)))
    sheets = decode(said, list[Sheet])
    return {
        f"{row.name}, {sheet.sizes.partition(',')[0]}: {row.unit}": row.median
        for sheet in sheets
        for row in sheet.rows
    }


def _path(side: Side, size: Size) -> Figures:
    there = (side.revision.tree / folder / "hot_path.py" for folder in HOT_PATH_IN)
    program = next(path for path in there if path.exists())
    said = _said((*side.revision.program(str(program)), "--here"))
    return {"CPU-µs a command": float(said)}


class Job(Struct, frozen=True):
    """`standing`: it is done on a system that both sides keep running beside each other
    for a round; else it starts what it needs, alone.
    """

    name: str
    about: str
    do: Callable[[Side, Size], Figures]
    standing: bool = True


JOBS = (
    Job("fanout", "one by one, bursts of 20, 10/s, to 1,000 drivers", _fanout),
    Job("lifecycle", "trips of 64 pairs", lambda s, n: _pairs(s, n, n.pairs)),
    Job("broadcast", "trips of 256 pairs", lambda s, n: _pairs(s, n, n.crowded)),
    Job("offers", "trips offered among 500 moving drivers", _offers),
    Job("connects", "2,000 connections: CPU, memory", _connects),
    Job("chat", "20 rooms of 50: bursts, and 200/s", _chat),
    Job("history", "pages of trips and their events over HTTP", _history),
    Job("start", "second start, and rest", _start, standing=False),
    Job("matching", "the matcher alone", _matching, standing=False),
    Job("path", "a command through all three services' code", _path, standing=False),
)
