"""What this process holds at one moment, written out by a copy of it while it goes on.

A fork takes some 20 ms for each GiB that the process has in memory (measured,
docs/decisions/snapshots-and-retention.md), where writing took seconds in which no
region of the process answered. The copy has one thread, no connection and no signal
handlers, writes into a pipe, and ends: with its parent at the latest, whose end of the
pipe is closed then.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import NoReturn

PIPE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
NICE = 10
"""Who answers goes first."""


class FrozenError(Exception):
    """The copy ended before it had written all."""


class Frozen:
    """The bytes that `write()` makes of now. To be closed, read or not.

    Raises:
        OSError: no process could be made.
    """

    def __init__(self, write: Callable[[], Iterable[bytes]]) -> None:
        out, into = os.pipe()
        with contextlib.suppress(OSError):  # what one user's pipes may have
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self._pid = os.fork()
        except OSError:
            os.close(out)
            os.close(into)
            raise
        if self._pid == 0:
            _copy(into, write)
        os.close(into)
        self._pipe = os.fdopen(out, "rb", buffering=0)
        self._reading: asyncio.BaseTransport | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """All of it, once.

        Raises:
            FrozenError: it isn't whole.
        """
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_BYTES)
        self._reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._pipe
        )
        while data := await reader.read(READ_BYTES):
            yield data
        # It has closed its end, and so is about to be over.
        pid, self._pid = self._pid, 0
        _, status = await loop.run_in_executor(None, os.waitpid, pid, 0)
        if status:
            msg = f"the copy ended with status {status}"
            raise FrozenError(msg)

    def close(self) -> None:
        """Idempotent."""
        if self._reading is not None:
            self._reading.close()
        else:
            self._pipe.close()
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _copy(into: int, write: Callable[[], Iterable[bytes]]) -> NoReturn:
    """The copy's whole life; never returns, and runs nothing of what it was."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        gc.disable()  # it would write to each object, and copy its page
        # A socket that is open here would not be closed by the parent's death.
        os.closerange(0, into)
        os.closerange(into + 1, os.sysconf("SC_OPEN_MAX"))
        os.nice(NICE)
        for piece in _pieces(write()):
            _write(into, piece)
        status = 0
    finally:
        os._exit(status)


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Small ones together."""
    waiting = bytearray()
    for line in lines:
        waiting += line
        if len(waiting) >= READ_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _write(into: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(into, view) :]
