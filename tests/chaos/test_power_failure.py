"""An answer implies an fsync: watched by strace(1), system call by system call.

What a power failure takes is what was written and not fsynced. So whatever nats-server
tells anybody about a trip must come after the fsync of the file that holds its record:
the leader's acknowledgement, and through it every event and answer.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime import bus as buses
from runtime.settings import Settings
from tests.contract.dispatcher.desk import Gateway, InProcess, request, rider
from tests.support.nats import SERVER, NatsServer
from tests.support.waiting import until

pytestmark = pytest.mark.chaos
TRACE = ("-f", "-y", "-qq", "-s", "65536", "-e", "signal=none")
CALLS = "trace=write,writev,pwrite64,fsync,fdatasync"
TRIPS = 12
STARTED = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
UNFINISHED = "<unfinished ...>"


class Traced(NatsServer):
    """Runs below strace, which may not be allowed here."""

    def __init__(self, directory: Path, *, sync_always: bool) -> None:
        super().__init__(directory)
        self.trace = directory / "trace"
        self._pid_file = directory / "pid"
        if not sync_always:
            text = self.config.read_text().replace("sync_interval: always", "")
            self.config.write_text(text)

    def run(self) -> None:
        server = [str(SERVER), "-c", str(self.config), "-P", str(self._pid_file)]
        strace = ["strace", *TRACE, "-e", CALLS, "-o", str(self.trace)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*strace, *server], stderr=log)

    async def listening(self) -> None:
        assert self.process is not None
        process = self.process
        ready = "Server is ready"
        await until(
            lambda: ready in self.log.read_text() or process.poll() is not None, ready
        )
        if process.poll() is not None:
            pytest.skip(f"strace may not trace here: {self.log.read_text()[-300:]}")

    def end(self) -> None:
        """strace ends with what it traces."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
            self.process.wait(30)


@asynccontextmanager
async def traced(directory: Path, *, sync_always: bool) -> AsyncIterator[Traced]:
    server = Traced(directory, sync_always=sync_always)
    server.run()
    try:
        await server.listening()
        yield server
    finally:
        server.end()


def told_too_early(trace: list[str], trip: str) -> list[str]:
    """What was sent about a trip while its record was not on disk. An fsync takes along
    what was written before it began.
    """
    written: set[str] = set()
    is_safe = False
    early = []
    under_way: dict[str, tuple[str, str, bool]] = {}
    """Thread → call, file, and whether the record was in it as the call began."""
    for line in trace:
        if begun := STARTED.match(line):
            thread, call, file, rest = begun.groups()
            if call in {"write", "writev"} and "socket:" in file:
                if trip in rest and not is_safe:
                    early.append(line[:200])
                continue
            if call not in {"fsync", "fdatasync"} and trip not in rest:
                continue
            if rest.endswith(UNFINISHED):
                under_way[thread] = (call, file, file in written)
                continue
            holds = file in written
        elif (resumed := RESUMED.match(line)) and resumed.group(1) in under_way:
            call, file, holds = under_way.pop(resumed.group(1))
        else:
            continue
        if call in {"fsync", "fdatasync"}:
            is_safe = is_safe or holds
        elif file.endswith(".blk"):
            written.add(file)
    assert written, f"no record of {trip} was written"
    return early


def test_an_fsync_that_began_before_the_write_makes_nothing_safe() -> None:
    trace = [
        "1 fsync(7</d/1.blk> <unfinished ...>",
        '2 pwrite64(7</d/1.blk>, "trip-1", 6, 0) = 6',
        "1 <... fsync resumed>) = 0",
        '2 write(9<socket:[5]>, "trip-1", 6) = 6',
        "1 fsync(7</d/1.blk>) = 0",
        '2 write(9<socket:[5]>, "trip-1", 6) = 6',
    ]
    assert told_too_early(trace, "trip-1") == [trace[3]]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("sync_always", [True, False])
async def test_nothing_is_told_of_a_trip_before_its_record_is_fsynced(
    tmp_path: Path, sync_always: bool
) -> None:
    """With the server's own default, which syncs every two minutes, it is: so this
    would see it.
    """
    async with traced(tmp_path, sync_always=sync_always) as server:
        bus = await buses.connect(server.url, "test")
        gateway = Gateway(bus)
        await gateway.ready()
        dispatcher = await InProcess(Settings(nats_url=server.url)).start()
        await gateway.leader()
        trips = [
            (await gateway.trip(request(rider(number)))).id for number in range(TRIPS)
        ]
        await dispatcher.stop()
        await bus.close()
    trace = server.trace.read_text(errors="replace").splitlines()
    early = [line for trip in trips for line in told_too_early(trace, trip)]
    assert bool(early) is not sync_always, early[:3]
