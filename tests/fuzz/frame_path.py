"""Coverage-guided fuzzing of the frame path with atheris: `make fuzz`.

The first byte says whether a handshake comes first, the second how the rest is cut.
Whatever raises is a bug, and so is what keeps more than a message's bytes.
"""

import asyncio
import sys

import atheris

with atheris.instrument_imports(include=["gateway", "websockets"]):
    from schemas.frames import FRAME_BYTES_MAX
    from tests.conformance.echo import Echo, EchoSockets
    from tests.conformance.wire import Line
    from tests.support.rawsocket import upgrade

from gateway.limits import Limits

HELD_MAX = 3 * FRAME_BYTES_MAX
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
HANDSHAKE = upgrade(1, "/ws")


async def feed(data: bytes) -> None:
    sockets = EchoSockets(Limits())
    echo = Echo(sockets, FRAME_BYTES_MAX)
    line = Line()
    echo.connection_made(line)  # type: ignore[arg-type]
    if data[0] % 4:
        echo.data_received(HANDSHAKE)
    size = data[1] + 1
    for at in range(2, len(data), size):
        if not line.is_reading():
            break
        echo.data_received(data[at : at + size])
        held = len(echo._fragments or b"") + len(echo._ws.reader.buffer)
        assert held <= HELD_MAX, f"{held} bytes are kept, {HELD_MAX} may be"
    sockets.flush()
    echo.connection_lost(None)
    assert not sockets.connections


def one(data: bytes) -> None:
    if len(data) >= 2:
        loop.run_until_complete(feed(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
