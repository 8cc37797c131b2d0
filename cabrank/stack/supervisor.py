"""Runs programs as children: starts them, notes their pids, restarts what dies, stops
them. Knows nothing of what they are.

Children are started from the main thread (see tether.py) in process groups of their
own, so that a terminal's Ctrl-C reaches only `up`, which stops them in order.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cabrank.errors import StackError
from cabrank.stack import tether
from cabrank.stack.datadir import DataDir, write
from cabrank.stack.probes import Probe
from cabrank.stack.restarts import Restarts

PROBE_S = 0.02
"""How often one that is not yet ready is asked."""
PATIENCE_S = 10.0
"""How long it is waited for in silence."""
TAIL_LINES = 15
TAIL_BYTES = 16 * 1024
FINAL_WAIT_S = 5.0
"""How long a killed process may take to be gone; only one stuck in the kernel does."""


@dataclass(frozen=True)
class Launch:
    """One start of a program."""

    argv: Sequence[str]
    environ: Mapping[str, str]
    probe: Probe
    fds: tuple[int, ...] = ()
    """Descriptors it inherits."""
    metrics: str = ""
    """HOST:PORT of its /metrics; empty: it has none."""


def say(message: str) -> None:
    """Progress, on standard error."""
    with contextlib.suppress(OSError):  # a terminal that is gone stops nothing
        print(f"cabrank: {message}", file=sys.stderr, flush=True)


def tail(path: Path) -> str:
    """The last lines of a log."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


class Children:
    """How children are started: tied to this process, holding the directory's lock."""

    def __init__(self, directory: DataDir, lock: int) -> None:
        self.directory = directory
        self._pipe, self._held = os.pipe()
        """Nothing is ever written; a child sees the end when we are gone."""
        self._lock = lock
        tie = f"{os.getpid()}:{self._pipe}"
        self._environ = {tether.VARIABLE: tie}

    async def start(
        self,
        name: str,
        argv: Sequence[str],
        environ: Mapping[str, str],
        fds: tuple[int, ...] = (),
    ) -> asyncio.subprocess.Process:
        """Start one; its output goes to the end of its log.

        Raises:
            OSError: its program can't be run, or the log can't be written.
        """
        log = os.open(
            self.directory.log_file(name),
            os.O_WRONLY | os.O_CREAT | os.O_APPEND,
            0o600,
        )
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environ, **self._environ},
                process_group=0,
                pass_fds=(self._lock, self._pipe, *fds),
            )
        finally:
            os.close(log)

    def close(self) -> None:
        os.close(self._pipe)
        os.close(self._held)


class Supervised:
    """One program, kept running until it is stopped."""

    def __init__(
        self,
        name: str,
        children: Children,
        launch: Callable[[], Launch],
        *,
        is_successor: bool = False,
    ) -> None:
        self.name = name
        self._is_announced = not is_successor
        """Whether the pid file is ours: a successor's is its predecessor's until it is
        ready."""
        self.log = children.directory.log_file(name)
        self._pid_file = children.directory.pid_file(name)
        self._scrape_file = children.directory.scrape_file(name)
        self._children = children
        self._launch = launch
        """Called at each start: ports may differ."""
        self._current: Launch | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._restarts = Restarts()
        self._ready = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, failed: asyncio.Future[None]) -> None:
        """Start it, and go on starting it whenever it has died; `failed` gets the
        StackError when it is given up.
        """

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and not failed.done():
                failed.set_exception(error)

        self._task = asyncio.create_task(self._run(), name=self.name)
        self._task.add_done_callback(ended)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._one_life()
            if self._stopping.is_set():
                return
            delay = self._restarts.died(time.monotonic() - started)
            how = _how_it_ended(status)
            if not self._ready and self._restarts.hopeless:
                raise StackError(
                    f"{self.name} {how} {self._restarts.failures} times before it was "
                    f"ready. The end of {self.log}:\n{tail(self.log)}"
                )
            say(f"{self.name} {how}; starting it again (log: {self.log})")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _one_life(self) -> int:
        self._current = launch = self._launch()
        try:
            process = await self._children.start(
                self.name, launch.argv, launch.environ, launch.fds
            )
        except OSError as error:
            raise StackError(f"{self.name} can't be started: {error}.") from None
        self._process = process
        if self._is_announced:
            self._announce(process.pid)
        if self._stopping.is_set():  # asked to stop while it was being started
            self._signal(signal.SIGTERM)
        return await process.wait()

    def _announce(self, pid: int) -> None:
        write(self._pid_file, f"{pid}\n")
        if self._current is not None and self._current.metrics:
            labels = {"job": self.name.rpartition("-")[0], "instance": self.name}
            target = {"targets": [self._current.metrics], "labels": labels}
            write(self._scrape_file, json.dumps([target]) + "\n")

    def successor(self) -> "Supervised":
        """One that is to take this one's place; both run until this one is stopped."""
        return Supervised(self.name, self._children, self._launch, is_successor=True)

    async def ready(self) -> None:
        """Wait until it says so itself."""
        patience = time.monotonic() + PATIENCE_S
        while True:
            missing = "is not started"
            if self._current is not None:
                answer = await self._current.probe()
                if answer is None:
                    break
                missing = answer
            if time.monotonic() > patience:
                patience += PATIENCE_S
                say(f"waiting for {self.name}: {missing} (log: {self.log})")
            await asyncio.sleep(PROBE_S)
        self._ready = True
        self._restarts.was_ready()
        if not self._is_announced and self._process is not None:
            self._is_announced = True
            self._announce(self._process.pid)

    def _signal(self, sign: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sign)

    def start_again(self) -> None:
        """Ask it to end; another takes its place."""
        self._signal(signal.SIGTERM)

    async def stop(self, limit_s: float) -> bool:
        """Ask it to end, and kill it when that takes longer than `limit_s`.

        Returns:
            Whether it ended by itself.
        """
        self._stopping.set()
        if self._task is None:
            return True
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self._task}, timeout=limit_s)
        if not done:
            say(f"{self.name} did not end within {limit_s:.0f} s and is killed")
            self._signal(signal.SIGKILL)
            await asyncio.wait({self._task}, timeout=FINAL_WAIT_S)
        self._forget_pid()
        return bool(done)

    def _forget_pid(self) -> None:
        """Unless the file names a successor."""
        with contextlib.suppress(OSError, ValueError):
            named = int(self._pid_file.read_text())
            if self._process is not None and named == self._process.pid:
                self._pid_file.unlink()
                self._scrape_file.unlink(missing_ok=True)


def _how_it_ended(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"exited with status {status}"
