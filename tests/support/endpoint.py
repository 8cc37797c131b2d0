"""Somebody else's endpoint: takes deliveries, and answers as a test says."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.support.waiting import until

Writer = asyncio.StreamWriter


class Delivery:
    """One POST."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.at = time.monotonic()

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.said["type"])


Answer = Callable[[Delivery, Writer], Awaitable[None]]


def answer(status: int, *headers: str, body: bytes = b"") -> Answer:
    async def write(_: Delivery, writer: Writer) -> None:
        head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return write


async def hang(_: Delivery, writer: Writer) -> None:
    """Takes it, and never says a word."""
    await writer.wait_closed()


async def drip(_: Delivery, writer: Writer) -> None:
    """A status at once, and a body that never ends, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.2)


async def flood(_: Delivery, writer: Writer) -> None:
    """A body of 10 MB."""
    size = 10_000_000
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            writer.write(b"x" * (size // 100))
            await writer.drain()


async def garbage(_: Delivery, writer: Writer) -> None:
    writer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
    await writer.drain()
    writer.close()


class Endpoint:
    """`answers`: for each delivery in turn, then `then`."""

    def __init__(self, *answers: Answer, then: Answer | None = None) -> None:
        self.answers = list(answers)
        self.then = then or answer(200)
        self.got: list[Delivery] = []
        self.url = ""
        self.writers: set[Writer] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.writers.add(writer)
        try:
            while (delivery := await self._read(reader)) is not None:
                self.got.append(delivery)
                say = self.answers.pop(0) if self.answers else self.then
                await say(delivery, writer)
                if writer.is_closing():
                    return
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Delivery | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in rest if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Delivery(first.split(" ")[1], headers, body)

    async def has(self, count: int, limit_s: float = 60) -> list[Delivery]:
        """So many, or more."""
        await until(lambda: len(self.got) >= count, f"{count} deliveries", limit_s)
        return self.got

    def types(self) -> list[str]:
        return [one.type for one in self.got]


@contextlib.asynccontextmanager
async def listening(
    *answers: Answer, then: Answer | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    made = Endpoint(*answers, then=then)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/hook"
    try:
        yield made
    finally:
        server.close()
        for writer in list(made.writers):
            writer.transport.abort()
