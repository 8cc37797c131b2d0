"""The floor: what this machine's event loop and kernel take to write one prebuilt frame
to as many sockets. No JSON, no NATS, no session: whatever a gateway does comes on top.

`python -m cabrank.trial.bench.floor` prints its base URL, then reads `<copies> <bytes>`
lines on standard input, each answered by `ok`: how many frames, of what payload length,
each driver is written, in one write, for whatever a rider sends. Drivers are the
clients whose token is `driver`. Ends with its input.
"""

import asyncio
import base64
import hashlib
import re
import sys
from typing import cast

import uvloop

from cabrank.trial.bench.tally import MARK, REQUESTED, request_mark

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
_KEY = re.compile(rb"(?i)sec-websocket-key: *(\S+)")
_LENGTH_7_BITS = 125
_WELCOME = b'{"type":"welcome"}'


def frame(payload: bytes) -> bytes:
    """An unmasked text frame, RFC 6455 section 5.2; payloads under 64 KiB."""
    if len(payload) <= _LENGTH_7_BITS:
        return bytes((0x81, len(payload))) + payload
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def prebuilt(copies: int, length: int, number: int) -> bytes:
    """As many frames as one write holds, with a payload of `length` bytes, at least
    what a crowd needs to know the `number`th request by.
    """
    head = REQUESTED + b"," + MARK + request_mark(number).encode() + b'"'
    return frame(head.ljust(length, b" ")) * copies


def frames(data: bytes) -> int:
    """How many short masked frames `data` is: requests that came while the floor wrote
    are read in one piece.
    """
    count = at = 0
    while at < len(data):
        head, length = 6, data[at + 1] & 0x7F
        if length > _LENGTH_7_BITS:
            head, length = 8, int.from_bytes(data[at + 2 : at + 4])
        at += head + length
        count += 1
    return count


def accept(head: bytes) -> bytes:
    """The answer to an upgrade request."""
    found = _KEY.search(head)
    assert found is not None
    digest = hashlib.sha1(found[1] + _GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
        + base64.b64encode(digest)
        + b"\r\n\r\n"
    )


class Floor:
    def __init__(self) -> None:
        self.drivers: set[asyncio.Transport] = set()
        self.copies = self.length = 0
        self._number = 0

    def broadcast(self) -> None:
        """A rider's next request: they are numbered from 1, as they are asked."""
        self._number += 1
        data = prebuilt(self.copies, self.length, self._number)
        for transport in self.drivers:
            transport.write(data)


class Socket(asyncio.Protocol):
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._head: bytes | None = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._transport is not None:
            self._floor.drivers.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            for _ in range(frames(data)):
                self._floor.broadcast()
            return
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        assert self._transport is not None
        self._transport.write(accept(self._head) + frame(_WELCOME))
        if b"Bearer driver" in self._head:
            self._floor.drivers.add(self._transport)
        self._head = None


async def serve() -> None:
    floor = Floor()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Socket(floor), "127.0.0.1", 0, backlog=2048
    )
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        floor.copies, floor.length = map(int, line.split())
        print("ok", flush=True)


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
