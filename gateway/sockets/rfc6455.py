"""websockets' sans-I/O server, as this gateway wants it. Pure."""

import logging
from collections.abc import Generator

from websockets.frames import (  # type: ignore[attr-defined]
    CLOSE,
    Frame,
    apply_mask,  # in C where that is there
)
from websockets.protocol import Protocol as BaseProtocol
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

_quiet = logging.getLogger("cabrank.gateway.websockets")
_quiet.setLevel(logging.CRITICAL)
"""websockets says little that the metrics don't, and quotes what clients sent."""


_FIN_TEXT = 0x81
_MASKED = 0x80
_BARE_PONG = b"\x8a\x80"
"""The first two bytes of a masked one without a payload."""
_SHORT = 126
_LONG = 127
_HEAD_BYTES_MIN = 6
_LENGTH_BYTES_MAX = 10
"""RFC 6455 section 5.2: the first two bytes, the lengths that say where the length is,
a head with its mask, and a head up to its mask."""


class Cutter:
    """Where frames end in a stream of bytes, however it is cut."""

    __slots__ = ("_head", "_left", "is_whole")

    def __init__(self) -> None:
        self._head = b""
        """Of a frame whose head is not yet whole."""
        self._left = 0
        """Bytes to come of a frame whose head is."""
        self.is_whole = False
        """Whether `end` last found one frame from its first byte to its last."""

    def end(self, data: bytes, at: int) -> int:
        """The bytes of `data` from `at` on that belong to one frame end there."""
        have = len(data)
        if self._left:
            self.is_whole = False
            left = self._left
        else:
            before = len(self._head)
            head = data[at : at + _LENGTH_BYTES_MAX]
            size = frame_bytes(self._head + head if before else head)
            if size is None:
                self._head += head
                self.is_whole = False
                return have
            self._head = b""
            left = size - before
            self.is_whole = not before and left <= have - at
        end = min(at + left, have)
        self._left = at + left - end
        return end


def frame_bytes(head: bytes) -> int | None:
    """How long the frame is that begins with `head`; None: that doesn't say yet."""
    have = len(head)
    if have < 2:  # noqa: PLR2004
        return None
    length = head[1] & _LONG
    size = 2 if head[1] < _MASKED else _HEAD_BYTES_MIN
    if length < _SHORT:
        return size + length
    extra = 2 if length == _SHORT else 8
    if have < 2 + extra:
        return None
    return size + extra + int.from_bytes(head[2 : 2 + extra], "big")


class Reader(StreamReader):
    """websockets', and it tells when the parser has nothing of the next frame."""

    is_between = False

    def at_eof(self) -> Generator[None, None, bool]:
        # The parser asks this before each frame, and nowhere else.
        while not self.buffer:
            if self.eof:
                return True
            self.is_between = True
            yield
            self.is_between = False
        return False


class Protocol(ServerProtocol):
    __slots__ = ("_state",)

    reader: Reader

    def __init__(self, size_max: int | None) -> None:
        """`size_max`: bytes of a message, fragments added up."""
        super().__init__(max_size=size_max, logger=_quiet)
        self.reader = Reader()

    def parse(self) -> Generator[None]:
        yield  # it is begun before it has our reader
        yield from super().parse()

    def expect_frames(self) -> None:
        """The request was read by others: what comes are frames."""
        self.parser = BaseProtocol.parse(self)
        next(self.parser)

    def whole_text(self, data: bytes) -> bytes | None:
        """The payload, where `data` is one whole text message and nothing else; None:
        websockets must parse it. Most reads bring just that, and the general parser
        takes 5 us for it; this takes 0.5 (2026-11-21).
        """
        if not self.reader.is_between or self.current_size is not None:
            return None
        if len(data) < _HEAD_BYTES_MIN or data[0] != _FIN_TEXT:
            return None
        length, at = data[1] - _MASKED, 2
        if length == _SHORT:
            length, at = (data[2] << 8) + data[3], 4
        elif length == _LONG:
            return None
        most = self.max_message_size
        if length != len(data) - at - 4 or (most is not None and length > most):
            return None
        return apply_mask(data[at + 4 :], data[at : at + 4])

    def is_bare_pong(self, data: bytes) -> bool:
        """Whether `data` is the whole answer to a ping of ours (gateway/framing.py) and
        nothing else: what thousands of quiet clients send most.
        """
        is_whole = len(data) == _HEAD_BYTES_MIN and self.reader.is_between
        return is_whole and data.startswith(_BARE_PONG)

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is CLOSE:
            # Control frames may come amid a message (RFC 6455 section 5.4), this one
            # too: websockets would answer 1002 (Autobahn case 7.1.5).
            self.current_size = None
        super().recv_frame(frame)


# websockets' is a property, and takes 0.1 us for each frame in and out; a slot 0.01.
Protocol.state = Protocol.__dict__["_state"]  # type: ignore[method-assign]
