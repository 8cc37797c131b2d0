"""A server behind a line that can stall, and be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Passes bytes on, both ways, while it is not held. `url` is NATS's."""

    def __init__(self) -> None:
        self.url = ""
        self.address = ""
        """HOST:PORT."""
        self._lines: set[asyncio.StreamWriter] = set()
        self._is_down = False
        self._open = asyncio.Event()
        self._open.set()
        self._left: int | None = None
        self._until = b""

    def hold(self, after_bytes: int = 0) -> None:
        """Pass on so much more of what the server says, and nothing more."""
        self._left = after_bytes

    def hold_at(self, words: bytes) -> None:
        """Pass on nothing more once the server says these."""
        self._until = words

    def release(self) -> None:
        self._left, self._until = None, b""
        self._open.set()

    @property
    def is_held(self) -> bool:
        """Whether something waits."""
        return not self._open.is_set()

    def cut(self) -> None:
        """End every connection, without a word or what waits, and take no new one."""
        self._is_down = True
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()
        self.release()

    def mend(self) -> None:
        """Take connections again."""
        self._is_down = False

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self._left is not None:
                self._left -= len(data)
                if self._left < 0:
                    self._open.clear()
            if self._until and self._until in data:
                self._open.clear()
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def before(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy before the server on `host` and `port`."""
    proxy = Proxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if proxy._is_down:
            writer.transport.abort()
            return
        proxy._lines.add(writer)
        there, back = await asyncio.open_connection(host, port)
        ways = (proxy._up(reader, back), proxy._down(there, writer))
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    proxy.url = f"nats://{proxy.address}"
    try:
        yield proxy
    finally:
        proxy.release()
        server.close()
        await server.wait_closed()
