"""What one socket brought and nobody took yet: cut where frames end, taken in turns.

Nothing more is read while something waits, nor while the session holds its reading: the
kernel's buffers fill, and the sender waits. After a close 64 KiB are looked at, for the
peer's own, and what comes then, up to 16 MiB, is read and thrown away, unseen, so that
who is still sending gets to read why. Must not know what a frame says.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from gateway.sockets.rfc6455 import Cutter
from gateway.sockets.turns import FRAME_COST, QUANTUM, Turns

READ_BYTES_MAX = 16 * 1024
"""At once from one socket; uvloop's own buffer takes 256 KiB, 32 times a turn."""
HELD_BYTES_MAX = 64 * 1024
"""What a transport may deliver though it was told to pause; more ends it."""
CLOSING_BYTES_MAX = 64 * 1024
"""Looked at after our close frame, for the peer's may be among it."""
DISCARDED_BYTES_MAX = 16 * 1024 * 1024
"""Thrown away unread after it: who is still sending gets to read why it was closed."""
DISCARD_COST = 2 * 1024
"""What a read that is thrown away counts (gateway/sockets/turns.py): 16 KiB come out of
the kernel in some 10 us, and the loop reads a socket 32 times in a row."""
_HEAD_END = b"\r\n\r\n"

Take = Callable[[bytes, bool], None]
"""(piece, whether it is one whole frame); else as much of one as there is."""


class State(Enum):
    FREE = auto()
    """Nothing waits, and the transport reads."""
    QUEUED = auto()
    """Something waits for its turn."""
    HELD = auto()
    """Nothing is taken until `release`."""


class Intake:
    __slots__ = (
        "_at",
        "_closing_bytes",
        "_cutter",
        "_data",
        "_is_queued",
        "_state",
        "_take",
        "_transport",
        "_turns",
        "credit",
        "is_free",
    )

    def __init__(self, transport: asyncio.Transport, turns: Turns, take: Take) -> None:
        self._transport = transport
        self._turns = turns
        self._take: Take | None = take
        self._cutter: Cutter | None = None
        """None until the handshake is over: a head is no frame."""
        self._data = b""
        self._at = 0
        self._state = State.FREE
        self._is_queued = False
        self._closing_bytes: int | None = None
        self.credit = 0
        self.is_free = True
        """What comes may be taken at once, past `read`."""

    @property
    def waiting_bytes(self) -> int:
        return len(self._data) - self._at

    def read(self, data: bytes) -> None:
        """Take what the transport brought: now if it is little and nothing waits."""
        if self._closing_bytes is not None:
            self._closing_bytes += len(data)
            if self._closing_bytes > CLOSING_BYTES_MAX:
                self._data, self._at = b"", 0
                if self._closing_bytes > DISCARDED_BYTES_MAX:
                    self.hold()
                elif self._state is State.FREE:
                    self._queue(is_first=False)
                return
        if self._state is not State.FREE:
            self._data = self._data[self._at :] + data
            self._at = 0
            if len(self._data) > HELD_BYTES_MAX:
                self._transport.abort()
            return
        self._data = data
        turns = self._turns
        may = turns.left > 0
        if may:
            left = self._take_some(QUANTUM)
            turns.spend(QUANTUM - left)
            if left > 0 and not self._data:
                return
            self.credit = min(left, 0)
        if self._state is State.FREE:
            self._queue(is_first=not may)

    def _queue(self, *, is_first: bool) -> None:
        self._state = State.QUEUED
        self.is_free = False
        self._transport.pause_reading()
        self._enter(is_first=is_first)

    def serve(self, credit: int) -> tuple[int, bool]:
        """gateway/sockets/turns.py: Served."""
        left = self._take_some(credit)
        if (self._closing_bytes or 0) > CLOSING_BYTES_MAX:
            left -= DISCARD_COST
        if self._state is State.HELD:
            self._is_queued = False
            return left, False
        if self._data or left <= 0:
            return left, True
        self._is_queued = False
        self._state = State.FREE
        self.is_free = self._closing_bytes is None
        self._transport.resume_reading()
        return left, False

    def _take_some(self, credit: int) -> int:
        data = self._data
        while credit > 0 and data and self._state is not State.HELD:
            if self._take is None:
                self._data, self._at = b"", 0
                break
            start, cutter = self._at, self._cutter
            end = (cutter.end if cutter is not None else _head_end)(data, start)
            is_whole = cutter is not None and cutter.is_whole
            if end == len(data):
                self._data, self._at = b"", 0
            else:
                self._at = end
            credit -= FRAME_COST + end - start
            self._take(data[start:end], is_whole)
            data = self._data
        return credit

    def _enter(self, *, is_first: bool = False) -> None:
        if not self._is_queued:
            self._is_queued = True
            self._turns.wait(self, is_first=is_first)

    # ---- what the connection decides -----------------------------------------

    def opened(self) -> None:
        """What comes now are frames."""
        self._cutter = Cutter()

    def hold(self) -> None:
        """Take nothing, and read nothing, until `release`."""
        self._state = State.HELD
        self.is_free = False
        self._transport.pause_reading()

    def release(self) -> None:
        """Go on after `hold`, in the next turn."""
        if self._state is State.HELD:
            self._state = State.QUEUED
            self._enter()

    def closing(self) -> None:
        """Our close frame is sent; little more is of interest."""
        if self._closing_bytes is None:
            self._closing_bytes = self.waiting_bytes
            self.is_free = False
            self.release()

    def end(self) -> None:
        """The socket is gone; nothing is taken any more."""
        self._take = None
        self._data, self._at = b"", 0


def _head_end(data: bytes, start: int) -> int:
    """Where a request's head ends that does so in `data`, else all of it."""
    at = data.find(_HEAD_END, start)
    return len(data) if at < 0 else at + len(_HEAD_END)
