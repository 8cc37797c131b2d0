"""websockets' sans-I/O server, as this gateway wants it. Pure."""

import logging

from websockets.frames import CLOSE, Frame
from websockets.server import ServerProtocol

_quiet = logging.getLogger("cabrank.gateway.websockets")
_quiet.setLevel(logging.CRITICAL)
"""websockets says little that the metrics don't, and quotes what clients sent."""


class Protocol(ServerProtocol):
    def __init__(self, size_max: int | None) -> None:
        """`size_max`: bytes of a message, fragments added up."""
        super().__init__(max_size=size_max, logger=_quiet)

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is CLOSE:
            # Control frames may come amid a message (RFC 6455 section 5.4), this one
            # too: websockets would answer 1002 (Autobahn case 7.1.5).
            self.current_size = None
        super().recv_frame(frame)
