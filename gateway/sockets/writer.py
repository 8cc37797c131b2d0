"""What waits to be written to one socket: gathered for a tick, written at once.

Frames out are prebuilt and never pass through websockets; what websockets itself wants
sent goes the same way. Holds what a slow client hasn't taken, up to a budget; past it
the connection ends with 4001, so that a slow one never slows another. Must not know
what a frame says.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from websockets.protocol import OPEN

from gateway.ports import Steady, Tick
from gateway.sockets import rfc6455

BURST_BYTES = 256 * 1024
"""So much waits at most for the end of the tick; then the kernel is asked."""


def _nobody(_: int) -> None: ...


class Writer:
    """gateway/ports.py: Writer. `on_slow` hears, while the tick ends, how many bytes
    wait where they are over `bytes_max`.
    """

    __slots__ = (
        "_bytes_max",
        "_is_dirty",
        "_is_spent",
        "_latest",
        "_on_slow",
        "_out",
        "_out_bytes",
        "_paused",
        "_tick",
        "_ws",
        "steady",
        "transport",
    )

    def __init__(
        self,
        ws: rfc6455.Protocol,
        tick: Tick,
        bytes_max: int,
        on_slow: Callable[[int], None],
    ) -> None:
        self._ws = ws
        self._tick = tick
        self._bytes_max = bytes_max
        self._on_slow = on_slow
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        """Of the connection, once it is made."""
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._latest: dict[str, bytes] | None = None
        self._paused = False
        self._is_dirty = False
        self._is_spent = False
        """Over the budget: what else is written is dropped, and the tick ends it."""
        self.steady: Steady | None = None

    def pause(self) -> None:
        self._paused = True
        if self.steady is not None:
            self.steady.unsettle()

    def resume(self) -> None:
        self._paused = False
        if self._out or self._latest:
            self._mark()

    def write(self, data: bytes) -> None:
        """Queue whole frames; written when the tick ends, or once they are many."""
        self.gather(data)
        self.let_go()

    def let_go(self) -> None:
        """gateway/ports.py: Writer."""
        if self._out and not (self._is_dirty or self._paused):
            self._hurry()

    def gather(self, data: bytes) -> None:
        """gateway/ports.py: Writer; written before, too, once they are many."""
        if self._ws.state is not OPEN or self._is_spent:
            return
        if self._latest is not None:
            self._line_up()
        self._out.append(data)
        self._out_bytes += len(data)
        if self._paused:
            # A slow client's frames wait, and no end of a tick changes that.
            if self._is_over:
                self._spend()
        elif self._out_bytes > BURST_BYTES:
            self._hand_over()
            if self._is_over:
                self._spend()
        elif self.steady is not None:
            self.steady.unsettle()

    def _hand_over(self) -> None:
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        self._out = []
        self._out_bytes = 0
        self._tick.writes += 1
        self._tick.bytes_out += len(data)
        self.transport.write(data)

    def _spend(self) -> None:
        """Not closed here: who writes may be going through all who are to hear."""
        self._is_spent = True
        self._out.clear()
        if not self._is_dirty:
            self._mark()

    @property
    def waiting_bytes(self) -> int:
        """gateway/ports.py: Writer."""
        return self._out_bytes + self.transport.get_write_buffer_size()

    @property
    def _is_over(self) -> bool:
        return self.waiting_bytes > self._bytes_max

    def deliver(self, data: bytes) -> bool:
        """As `write`, for when the tick ends anyway: past the queue where that is empty
        (0.18 instead of 0.74 us a delivery without the socket; 2026-11-21).

        Returns:
            Whether it was written, and is yet to be counted.
        """
        if self._is_dirty or self._paused or self._out or self._ws.state is not OPEN:
            self.write(data)
            return False
        self.transport.write(data)
        return True

    def settle(self, steady: Steady) -> asyncio.WriteTransport | None:
        """What `steady` may write whole frames to, and count, until it is told
        otherwise; None: frames wait here.
        """
        if self._is_dirty or self._paused or self._out or self._ws.state is not OPEN:
            return None
        self.steady = steady
        return self.transport

    def write_latest(self, key: str, frame: bytes) -> None:
        if self._latest is None:
            self._latest = {}
        self._latest[key] = frame
        if not self._is_dirty:
            self._mark()

    def _line_up(self) -> None:
        """What replaces one another goes before what comes next: nobody hears of a
        trip's driver after its end.
        """
        latest, self._latest = self._latest or {}, None
        self._out.extend(latest.values())
        self._out_bytes += sum(map(len, latest.values()))

    def _mark(self) -> None:
        if self.steady is not None:
            self.steady.unsettle()
        self._hurry()

    def _hurry(self) -> None:
        self._is_dirty = True
        self._tick.dirty(self)

    def flush(self) -> None:
        """Write what the tick brought, or keep it for a client that is slow."""
        self._is_dirty = False
        if self._ws.state is not OPEN:
            self._out.clear()
            return
        if self._is_spent or (self._paused and self._is_over):
            waiting = self.waiting_bytes
            self._out.clear()
            self._on_slow(waiting)
            return
        if self._paused:
            return
        if self._latest is not None:
            self._line_up()
        if self._out:
            self._hand_over()

    def close(self) -> None:
        """Frames that replace one another are of no use to who is closed."""
        self._latest = None

    def gone(self) -> None:
        """The socket is lost: nothing is written, and nobody told."""
        self._on_slow = _nobody

    def write_control(self) -> bool:
        """Write what websockets wants sent: the handshake's answer, pongs, closes.

        Returns:
            Whether that was the last.
        """
        pending = self._ws.data_to_send()
        ends = pending[-1] == b""
        data = b"".join(pending)
        if self._ws.state is OPEN and not ends:
            if data:  # a pong, or the handshake's answer: within the budget
                self.write(data)
            return False
        self.transport.write(b"".join((*self._out, data)))
        self._out = []
        return ends
