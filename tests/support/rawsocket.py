"""A WebSocket client that keeps no rule: raw bytes after a good handshake."""

import asyncio
import base64
import os
import struct
from typing import Self

LIMIT_S = 10

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x12\x34\x56\x78",
    length: int | None = None,
) -> bytes:
    """RFC 6455 section 5.2; `length`: what the head says, if not the truth."""
    said = len(payload) if length is None else length
    masked = 0x80 if mask is not None else 0
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    if said < 126:
        head += bytes([masked | said])
    elif said < 1 << 16:
        head += struct.pack("!BH", masked | 126, said)
    else:
        head += struct.pack("!BQ", masked | 127, said)
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def upgrade(port: int, path: str, token: str | None = None) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode()


class RawSocket:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def tcp(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def open(cls, port: int, path: str = "/ws", token: str | None = None) -> Self:
        """After a handshake that was accepted."""
        made = await cls.tcp(port)
        made.send(upgrade(port, path, token))
        async with asyncio.timeout(LIMIT_S):
            head = await made.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return made

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """One frame: (opcode, payload). Raises: EOFError, ConnectionError."""
        async with asyncio.timeout(LIMIT_S):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80, "the server neither fragments nor extends"
            assert second < 128, "a server's frame is not masked"
            length = second
            if second >= 126:
                size = 2 if second == 126 else 8
                length = int.from_bytes(await self.reader.readexactly(size), "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def closed(self) -> int | None:
        """The code of the close frame, whatever came before; None: there was none."""
        try:
            while True:
                opcode, payload = await self.receive()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big") if payload else 1005
        except (EOFError, ConnectionError):
            return None

    async def ended(self) -> None:
        """Until the server ends the connection."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            pass

    def abort(self) -> None:
        self.writer.transport.abort()
