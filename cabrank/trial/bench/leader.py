"""How much one leader does: commands/s and its CPU per command at 1 to 1,024 commands
in flight, over raw NATS, every record synced to disk.

    python -m cabrank.trial.bench.leader [seconds per step]

A worker drives one trip after the other (request, accept, begin, complete) and waits
for each answer, so as many commands are in flight as there are workers. This process
and nats-server share the cores with the leader; the figures hold their load too.
"""

import asyncio
import itertools
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from cabrank.stack import embedded, ports
from cabrank.trial.load.lifted import LIFTED
from runtime import bus as buses
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.commands import (
    AcceptTrip,
    Answer,
    Answers,
    AnyCommand,
    BeginTrip,
    CompleteTrip,
    RequestTrip,
)
from schemas.events import TripHead
from schemas.trips import Role, User

IN_FLIGHT = (1, 16, 128, 1024)
SECONDS = 3.0
PROGRAM = """
import sys
from dispatcher.main import run
from runtime.environment import load
sys.exit(run(load()))
"""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used: user and system, proc(5) fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stack(directory: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """(NATS URL, pids by name) of a server and a dispatcher of their own."""
    port = ports.free()
    url = f"nats://127.0.0.1:{port}"
    config = directory / "nats.conf"
    config.write_text(embedded.config(port, directory / "store"))
    environment = {**LIFTED, **os.environ, "CABRANK_NATS_URL": url}
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - our own programs
            [str(embedded.program()), "-c", str(config)], stderr=log
        )
        leader = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", PROGRAM], stderr=log, env=environment
        )
        try:
            yield url, {"leader": leader.pid, "nats-server": server.pid}
        finally:
            leader.kill()
            server.kill()
            leader.wait()
            server.wait()


class Load:
    """Trips over raw NATS, as a gateway would send them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reply = subjects.replies("bench", "main")
        self._cmd = subjects.commands("main")
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._outbox: list[AnyCommand] = []
        self.led = asyncio.Event()
        self.latencies_s: list[float] = []
        bus.subscribe_raw(self._reply, self._on_answers)
        bus.subscribe_raw(subjects.leader("main"), lambda *_: self.led.set())

    def _on_answers(self, _: bytes, _r: bytes, payload: bytes, headers: bytes) -> None:
        if headers:
            return
        for answer in codec.decode(payload, Answers).answers:
            self._waiting.pop(answer.id).set_result(answer)

    def _flush(self) -> None:
        self._bus.send(self._cmd, codec.encode(self._outbox), self._reply)
        self._outbox = []

    async def ask(self, command: AnyCommand) -> str:
        """The id of the trip that is the answer."""
        loop = asyncio.get_running_loop()
        answered = self._waiting[command.id] = loop.create_future()
        if not self._outbox:
            loop.call_soon(self._flush)
        self._outbox.append(command)
        began_s = time.perf_counter()
        answer = await answered
        self.latencies_s.append(time.perf_counter() - began_s)
        if answer.data is None:
            raise RuntimeError(str(answer))
        return codec.decode(answer.data, TripHead).id

    async def drive(self, worker: str, until_s: float) -> None:
        rider = User(f"r{worker}", "rider", "Ri", "Der", Role.RIDER)
        driver = User(f"d{worker}", "driver", "Dri", "Ver", Role.DRIVER)
        deadline_ms = int((time.time() + 3600) * 1000)
        prefix = secrets.token_hex(12)
        ids = (f"{prefix}{number:08x}" for number in itertools.count())
        while time.perf_counter() < until_s:
            trip = await self.ask(
                RequestTrip(
                    id=next(ids),
                    deadline_ms=deadline_ms,
                    by=rider,
                    pick_up_address="1 Main Street",
                    drop_off_address="99 Long Avenue",
                )
            )
            for kind in (AcceptTrip, BeginTrip, CompleteTrip):
                await self.ask(
                    kind(id=next(ids), deadline_ms=deadline_ms, by=driver, trip=trip)
                )


async def measure(load: Load, pids: dict[str, int], width: int, span_s: float) -> None:
    load.latencies_s.clear()
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began_s = time.perf_counter()
    until_s = began_s + span_s
    await asyncio.gather(
        *(load.drive(f"{width}x{number}", until_s) for number in range(width))
    )
    took_s = time.perf_counter() - began_s
    done = len(load.latencies_s)
    load.latencies_s.sort()
    cost = "".join(
        f"{(cpu_s(pid) - before[name]) / done * 1e6:8.1f} µs"
        for name, pid in pids.items()
    )
    p50, p99 = (load.latencies_s[int(done * part)] * 1000 for part in (0.5, 0.99))
    say(f"{width:9} {done / took_s:10.0f}{cost} {p50:8.2f} {p99:8.2f}")


async def main(span_s: float) -> None:
    with tempfile.TemporaryDirectory() as directory, stack(Path(directory)) as started:
        url, pids = started
        bus = await buses.connect(url, "benchmark")
        load = Load(bus)
        await load.led.wait()
        say("in flight commands/s     leader nats-server   p50 ms   p99 ms")
        for width in IN_FLIGHT:
            await measure(load, pids, width, span_s)
        await bus.close()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
