"""A TCP cable between a client and a server that can be cut, muted and mended.

It stands for everything between two machines: a server that dies, a lost network, an
answer that never arrives.
"""

import asyncio
import contextlib

_CHUNK_BYTES = 64 * 1024


class Cable:
    """`mute()`: what the server says is lost, what it is told still arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._near: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._threads: set[asyncio.Task[None]] = set()
        self._is_muted = False
        self.port = 0

    async def lay(self) -> None:
        """Take connections (again), on the port of the first time."""
        self._is_muted = False
        self._near = await asyncio.start_server(self._meet, "127.0.0.1", self.port)
        self.port = self._near.sockets[0].getsockname()[1]

    def mute(self) -> None:
        self._is_muted = True

    def passed(self, data: bytes) -> bytes:
        """What becomes of a piece of what the server says; for who is to lie."""
        return data

    async def cut(self) -> None:
        """End all connections without a word; new ones are refused until `lay`."""
        if self._near is not None:
            self._near.close()
            self._near = None
        for end in list(self._ends):
            end.transport.abort()
        while self._threads:
            await asyncio.wait(self._threads)

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._far)
        except OSError:
            writer.transport.abort()
            return
        self._spin(reader, far_writer, is_down=False)
        self._spin(far_reader, writer, is_down=True)

    def _spin(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_down: bool,
    ) -> None:
        self._ends.add(writer)
        task = asyncio.create_task(self._carry(reader, writer, is_down))
        self._threads.add(task)
        task.add_done_callback(self._threads.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_down: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if writer.is_closing():
                    break
                if not (is_down and self._is_muted):
                    writer.write(self.passed(data) if is_down else data)
                    await writer.drain()
        self._ends.discard(writer)
        writer.transport.abort()
