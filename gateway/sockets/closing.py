"""How a socket ends: by a closing handshake, which is given its time, or cut.

Also what websockets itself wants sent. Must not know why a socket ends.
"""

import time
from typing import TYPE_CHECKING

from websockets.protocol import OPEN

from gateway import framing, metrics
from gateway.sockets import rfc6455
from gateway.sockets.reading import NEVER, Reading
from schemas.closes import Close

if TYPE_CHECKING:
    from gateway.bootstrap import Edge


class Closing(Reading):
    """`_close_s`: when it is cut; never: it isn't closing."""

    __slots__ = ("_close_s", "due_slot")

    def __init__(self, edge: "Edge", ws: rfc6455.Protocol) -> None:
        super().__init__(edge, ws)
        self._close_s = NEVER
        self.due_slot = 0

    def on_timer(self, now_s: float) -> None:
        """gateway/sockets/timers.py: Timed."""
        raise NotImplementedError

    def _end_session(self) -> None:
        """Nobody is there any more."""
        raise NotImplementedError

    def close(self, code: Close) -> None:
        """Start the closing handshake; the socket is cut if the peer doesn't join."""
        if self._ws.state is not OPEN:
            return
        metrics.CLOSES.labels(str(code.value)).inc()
        self._latest = None
        self._ws.send_close(code, framing.reason(code))
        self._write_control()
        self._end_session()
        self._until_closed()

    def _until_closed(self) -> None:
        at_s = time.monotonic() + self._edge.limits.close_s
        self._close_s = min(self._close_s, at_s)
        self._edge.wheel.schedule(self, self._close_s)
        self._intake.closing()

    def _write_control(self) -> None:
        """What websockets wants sent: the handshake's answer, pongs, closes."""
        pending = self._ws.data_to_send()
        ends = pending[-1] == b""
        data = b"".join(pending)
        if self._ws.state is OPEN and not ends:
            if data:  # a pong, or the handshake's answer: within the budget
                self.write(data)
            return
        self._transport.write(b"".join((*self._out, data)))
        self._out = []
        if not ends:
            return
        self._until_closed()
        # After a failure the peer may still be sending: closing at once would make the
        # kernel answer with a reset, which can overtake our close frame.
        if self._ws.parser_exc is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
