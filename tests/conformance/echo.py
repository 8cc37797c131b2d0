"""The gateway's protocol class as an echo server, for conformance tests.

What differs from production: no session (a message, binary ones too, goes back instead
of to one, after the same UTF-8 check), hence no limit on frames a second; no limit on a
message's size, for the Autobahn suite sends up to 16 MiB; no uvicorn before it. What is
the same: all of gateway/sockets/websocket.py, upgrade.py and writer.py otherwise:
framing, fragments, control frames, closing, one write a tick.
"""

import argparse
import asyncio
import time
from typing import Any, cast

import uvloop
from websockets.frames import Frame, Opcode

from gateway.limits import Limits
from gateway.session.machine import Now
from gateway.sockets import handshake
from gateway.sockets.intake import READ_BYTES_MAX
from gateway.sockets.quota import Crowd
from gateway.sockets.timers import Wheel
from gateway.sockets.turns import Turns
from gateway.sockets.websocket import Connection
from gateway.sockets.writer import Outbox
from schemas.closes import Close

TICK_S = 0.05


class EchoEdge:
    """What a connection needs of gateway/bootstrap.py, without NATS."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.origins: list[str] = []
        self.proxies = ()
        self.connections: set[Connection] = set()
        self.wheel = Wheel(time.monotonic())
        self.turns = Turns(asyncio.get_running_loop().call_soon)
        self.read_buffer = memoryview(bytearray(READ_BYTES_MAX))
        self.crowd = Crowd(limits)
        self.writes = self.bytes_out = self.frames_in = 0
        self._dirty: list[Outbox] = []

    def now(self) -> Now:
        return Now(time.monotonic(), int(time.time() * 1000))

    def dirty(self, connection: Outbox) -> None:
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self.end_tick)
        self._dirty.append(connection)

    def end_tick(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.wheel.turn(time.monotonic())


class Echo(Connection):
    __slots__ = ("_is_binary",)

    def __init__(self, edge: EchoEdge, size_max: int | None = None) -> None:
        super().__init__(cast("Any", edge))
        self._ws.max_message_size = size_max
        self._is_binary = False

    def _begin(self, verdict: handshake.Accepted) -> None:
        pass

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._is_binary = False
        elif frame.opcode is Opcode.BINARY:
            self._is_binary = True
            frame = Frame(Opcode.TEXT, frame.data, frame.fin)
        super()._frame(frame)

    def _text(self, payload: bytes) -> None:
        if not self._is_binary:
            try:
                payload.decode()
            except UnicodeDecodeError:
                self.close(Close.INVALID_TEXT)
                return
        opcode = Opcode.BINARY if self._is_binary else Opcode.TEXT
        self._is_binary = False
        self.write(Frame(opcode, payload).serialize(mask=False))


async def serve(
    port: int = 0, limits: Limits | None = None, size_max: int | None = None
) -> tuple[asyncio.Server, EchoEdge]:
    """Listen on loopback; the caller runs the edge's `run`."""
    generous = Limits(output_bytes_max=1 << 30)
    edge = EchoEdge(generous if limits is None else limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(edge, size_max), "127.0.0.1", port)
    return server, edge


async def _main(port: int) -> None:
    server, edge = await serve(port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await edge.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_main(parser.parse_args().port))
