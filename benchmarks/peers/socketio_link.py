"""The load generator's connection to Socket.IO: this project's frames as its events.

`python socketio_link.py crowd|generator` runs cabrank.trial.bench's process of that
name with it. Engine.IO 4 and Socket.IO 5: `0` open, `2` ping, `3` pong, `40` connect,
`42` event.
"""

import asyncio
import sys
from collections.abc import Callable

from cabrank.trial.bench import crowd, generator
from cabrank.trial.load import link as plain
from schemas.codec import encode

HEAD = b'42["frame",'
PATH = "/socket.io/?EIO=4&transport=websocket&then="
"""`cabrank.trial.load` appends its own path, which lands in a parameter nobody reads.
"""


class SocketIo(plain.Link):
    """Written to and read from as any other link."""

    def send(self, message: bytes) -> None:
        self.packet(HEAD + message + b"]")

    def packet(self, message: bytes) -> None:
        super().send(message)


async def connect(
    base: str,
    token: str,
    since: int | None,
    on_frame: Callable[[bytes], None],
    on_closed: Callable[[int], None],
) -> plain.Link:
    opened = asyncio.get_running_loop().create_future()
    made: list[SocketIo] = []

    def read(packet: bytes) -> None:
        if packet.startswith(HEAD):
            on_frame(packet[len(HEAD) : -1])
        elif packet == b"2":
            made[0].packet(b"3")
        elif packet.startswith(b"0{") and not opened.done():
            opened.set_result(None)

    link = await plain.connect(
        base + PATH, token, since, read, on_closed, make=SocketIo
    )
    assert isinstance(link, SocketIo)
    made.append(link)
    await asyncio.wait_for(opened, plain.HANDSHAKE_TIMEOUT_S)
    link.packet(b"40" + encode({"token": token}))
    return link


if __name__ == "__main__":
    {"crowd": crowd.main, "generator": generator.main}[sys.argv[1]](connect)
