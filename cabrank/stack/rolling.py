"""A rolling restart: each service's process is replaced by a new one that is ready
before the old one is asked to end, one after another.

Old and new share what they must: gateways their listening sockets, which `up` holds
open; dispatchers the ledger, whose fence lets one lead; persistence its queue group.
The nats-server is not restarted: nothing can take its place.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cabrank.errors import CabrankError, StackError, UsageError
from cabrank.stack.datadir import DataDir
from cabrank.stack.supervisor import Supervised, say

RESTART = signal.SIGUSR1
"""SIGHUP does the same, but for a terminal's end."""
OLD_MAX_S = 25.0
"""For what is replaced to end: runtime.lifecycle cuts a drain off at 20 s."""
FOLLOW_S = 120.0
"""How long `cabrank restart` waits for the next process to be replaced."""
FOLLOW_POLL_S = 0.05
SERVICES = ("persistence", "webhooks", "dispatcher", "gateway")
"""In this order: who reads a newer shape comes before who writes it."""


class Running(Protocol):
    """As much of an `up` as is replaced."""

    stages: list[list[Supervised]]
    """Gateways, dispatchers, webhooks, persistence and nats-servers."""
    failed: asyncio.Future[None]

    async def migrate(self) -> None: ...


class Rolling:
    """Replaces the services of an `up` when asked to."""

    def __init__(self, up: Running) -> None:
        self._up = up
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Restart all; asked during a restart: once more after it."""
        self._asked.set()

    async def run(self, started: asyncio.Task[None]) -> None:
        """Serve until cancelled."""
        await asyncio.wait({started})
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._restart_all()
            except CabrankError as error:
                say(f"the restart is given up; what ran goes on. {error}")

    async def _restart_all(self) -> None:
        say("restarting all services")
        await self._up.migrate()
        gateways, dispatchers, webhooks, persistence, _ = self._up.stages
        for stage in (persistence, webhooks, dispatchers, gateways):
            for program in list(stage):
                await self._replace(stage, program)
        say("all services are restarted")

    async def _replace(self, stage: list[Supervised], old: Supervised) -> None:
        """Both are in `stage` meanwhile, so that a stop finds both.

        Raises:
            StackError: the new one can't be started; the old one goes on.
        """
        new = old.successor()
        failed: asyncio.Future[None] = asyncio.Future()
        stage.append(new)
        new.begin(failed)
        ready = asyncio.create_task(new.ready())
        try:
            await asyncio.wait({ready, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if failed.done():
            await new.stop(OLD_MAX_S)
            stage.remove(new)
            error = failed.exception()
            assert error is not None
            raise error
        failed.add_done_callback(self._gave_up)
        await old.stop(OLD_MAX_S)
        stage.remove(old)

    def _gave_up(self, failed: asyncio.Future[None]) -> None:
        error = failed.exception()
        if error is not None and not self._up.failed.done():
            self._up.failed.set_exception(error)


def restart(data_dir: Path) -> Iterator[str]:
    """Ask a running `up` for a restart, and name each process as it is replaced.

    Raises:
        UsageError: none runs there.
        StackError: a process isn't replaced in time; `up` says why.
    """
    directory = DataDir(data_dir)
    owner = directory.owner()
    if not owner:
        raise UsageError(f"No `cabrank up` runs on {directory.root}.")
    before = _pids(directory)
    os.kill(owner, RESTART)
    deadline = time.monotonic() + FOLLOW_S
    while before:
        now = _pids(directory)
        for name in [n for n in before if now.get(n, before[n]) != before[n]]:
            del before[name]
            deadline = time.monotonic() + FOLLOW_S
            yield name
        if time.monotonic() > deadline:
            raise StackError(
                f"{', '.join(before)}: not replaced within {FOLLOW_S:.0f} s; `cabrank "
                "up` says why on its standard error."
            )
        time.sleep(FOLLOW_POLL_S)


def _pids(directory: DataDir) -> dict[str, int]:
    found = {}
    for file in sorted(directory.run.glob("*.pid")):
        with contextlib.suppress(OSError, ValueError):
            if file.stem.rpartition("-")[0] in SERVICES:
                found[file.stem] = int(file.read_text())
    return found
