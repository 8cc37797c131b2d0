"""`cabrank up` as a subprocess in a directory of its own, on free ports."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.waiting import until

READY = "cabrank ready on "
START_MAX_S = 120
STOP_MAX_S = 40


class StackError(AssertionError):
    pass


class Person:
    """A user made by `cabrank tokens`."""

    def __init__(self, user: dict[str, Any], access: str) -> None:
        self.user = user
        self.access = access
        self.id: str = user["id"]


def cabrank(
    *args: str,
    stdin: str = "",
    limit_s: float = 100,
    settings: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cabrank", *args],
        env={**os.environ, **(settings or {})},
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


class Stack:
    """`options` go to `cabrank up`, `settings` into its environment. `cwd`: where it is
    started, for a code of another version not to find today's. `command`: `demo`, too.
    """

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        settings: Mapping[str, str] | None = None,
        port: int = 0,
        cwd: Path | None = None,
        command: str = "up",
    ) -> None:
        self.data_dir = data_dir
        self._command = command
        self.cwd = cwd
        self.options = options
        self.settings = dict(settings or {})
        self.port = port
        self.url = ""
        self._said = data_dir.with_suffix(".stderr")
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def said(self) -> str:
        """All it wrote to standard error, over its starts."""
        return self._said.read_text()

    def begin(self) -> None:
        """Start it, and don't wait."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._said.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "cabrank", self._command),
                    *("--port", str(self.port)),
                    *("--data-dir", str(self.data_dir), *self.options),
                ],
                env={**os.environ, **self.settings},
                cwd=self.cwd,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self) -> None:
        """Start it, and return when it is ready.

        Raises:
            StackError: as `started`.
        """
        self.begin()
        self.started()

    def started(self) -> None:
        """Return when what `begin` began is ready.

        Raises:
            StackError: it is not in time, or said something else first.
        """
        out = self.process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], START_MAX_S)
        line = out.readline() if ready else ""
        if not line.startswith(READY):
            self.end()
            raise StackError(f"not ready: {line!r} {self.said[-3000:]}")
        self.url = line.removeprefix(READY).rstrip("\n")
        self.port = int(self.url.rpartition(":")[2])

    def gateway(self, number: int) -> str:
        """Base URL of gateway `number`, from 1."""
        host = self.url.rpartition(":")[0]
        return f"{host}:{self.port + number - 1}"

    def pid(self, name: str) -> int:
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def metrics_url(self, name: str) -> str:
        """Where a process's metrics are: on its ops port."""
        path = self.data_dir / "run" / f"{name}.json"
        (group,) = json.loads(path.read_text())
        return f"http://{group['targets'][0]}/metrics"

    def pids(self) -> dict[str, int]:
        found = {}
        for path in (self.data_dir / "run").glob("*.pid"):
            text = path.read_text()
            if text.strip():
                found[path.stem] = int(text)
        return found

    def kill(self, name: str, sign: int = signal.SIGKILL) -> int:
        """Signal one process; returns its pid."""
        pid = self.pid(name)
        os.kill(pid, sign)
        return pid

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """One process stands still: alive, connected, and silent."""
        pid = self.kill(name, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def is_ready(self, number: int = 1) -> bool:
        """What `/readyz` of a gateway says."""
        try:
            url = f"{self.gateway(number)}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def ready(self, number: int = 1) -> None:
        """Wait until a gateway is ready (again)."""
        ends_at = time.monotonic() + START_MAX_S
        while not await asyncio.to_thread(self.is_ready, number):
            assert time.monotonic() < ends_at, f"gateway {number} is not ready"
            await asyncio.sleep(0.02)

    async def restarted(self, name: str, before: int) -> int:
        """Wait until another process stands for what was `before`; its pid."""
        await until(
            lambda: self.pids().get(name, before) != before,
            f"another {name}",
            START_MAX_S,
        )
        return self.pid(name)

    def stop(self, sign: int = signal.SIGTERM) -> int:
        """Stop it, unless it has ended; returns the exit status."""
        process = self.process
        if process.stdout is None or process.stdout.closed:
            return process.returncode
        if process.poll() is None:
            process.send_signal(sign)
        try:
            rest, _ = process.communicate(timeout=STOP_MAX_S)
        finally:
            self.end()
        assert rest == "", "the ready line is the only one"
        return process.returncode

    def end(self) -> None:
        """Without a chance to say good-bye; what it started dies with it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def forbidden(self) -> list[str]:
        """What services tried on NATS that their permissions don't allow."""
        return [
            line
            for log in (self.data_dir / "logs").glob("*.log")
            for line in log.read_text(errors="replace").splitlines()
            if "NATS forbids" in line
        ]

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`cabrank ARGS --data-dir …` of the same code and environment."""
        where = ("--data-dir", str(self.data_dir))
        return cabrank(*args, *where, settings=self.settings, cwd=self.cwd)

    def people(self, role: str, count: int) -> list[Person]:
        made = self.command(
            *("tokens", "--role", role, "--count", str(count)),
            *("--prefix", f"{role}{time.time_ns()}-"),
        )
        assert made.returncode == 0, made.stderr
        lines = [json.loads(line) for line in made.stdout.splitlines()]
        return [Person(line["user"], line["access"]) for line in lines]


@contextlib.contextmanager
def running(
    data_dir: Path, *options: str, settings: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """A ready one, that is stopped with the block."""
    made = Stack(data_dir, *options, settings=settings)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def alive(pid: int) -> bool:
    """Whether a process runs. One that waits for its parent does not: in a container
    without an init nothing ever reaps it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
