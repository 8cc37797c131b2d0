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
from typing import Any

import uvloop
from websockets.frames import Frame, Opcode

from gateway.clock import Now
from gateway.limits import Limits
from gateway.sockets import handshake
from gateway.sockets.quota import Quota
from gateway.sockets.shared import Sockets
from gateway.sockets.upgrade import Door
from gateway.sockets.websocket import Connection
from schemas.closes import Close

TICK_S = 0.05


def now() -> Now:
    return Now(time.monotonic(), int(time.time() * 1000))


class EchoSockets(Sockets):
    """As gateway/bootstrap.py has them, with a tick of their own."""

    def __init__(self, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(limits, now, loop, lambda: loop.call_soon(self.flush))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.wheel.turn(time.monotonic())


class Echo(Connection):
    __slots__ = ("_is_binary",)

    def __init__(self, sockets: EchoSockets, size_max: int | None = None) -> None:
        nobody: Any = None
        quota = Quota(sockets.limits)
        door = Door(nobody, [], (), quota, now, nobody, nobody)
        super().__init__(sockets, door, nobody)
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
        self.writer.write(Frame(opcode, payload).serialize(mask=False))


async def serve(
    port: int = 0, limits: Limits | None = None, size_max: int | None = None
) -> tuple[asyncio.Server, EchoSockets]:
    """Listen on loopback; the caller runs the sockets' `run`."""
    generous = Limits(output_bytes_max=1 << 30)
    sockets = EchoSockets(generous if limits is None else limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Echo(sockets, size_max), "127.0.0.1", port
    )
    return server, sockets


async def _main(port: int) -> None:
    server, sockets = await serve(port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await sockets.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_main(parser.parse_args().port))
