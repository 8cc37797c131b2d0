"""Which request a driver's frame is about, and when its last one came. Pure: the time
is handed in.
"""

from collections.abc import Callable

REQUESTED = b'{"type":"trip.requested"'
MARK = b'"pick_up_address":"'
MARK_CHARS = 6
"""The address begins with the request's number, so that its frames are known."""


def request_mark(number: int) -> str:
    return f"{number % 10**MARK_CHARS:0{MARK_CHARS}d}"


class Tally:
    """Frames that came, by request; whoever asked for it."""

    def __init__(self) -> None:
        self.received = 0
        self.target = 0
        self.frame_bytes = 0
        self.last_s: dict[str, float] = {}
        self.on_target: Callable[[], None] | None = None
        self._each = 0
        self._message = b""
        self._mark = b""
        self._left = 0
        self._lefts: dict[bytes, int] = {}

    def expect(self, each: int) -> None:
        """From here on a request is over with its `each`th frame."""
        self._each = each
        self.last_s = {}

    def got(self, message: bytes, now_s: Callable[[], float]) -> None:
        """A driver got a `trip.requested`: most often the same as the one before it."""
        self.received += 1
        if message != self._message:
            self._turn_to(message)
        self._left -= 1
        if self._left == 0:
            self.last_s[self._mark.decode()] = now_s()
            self.frame_bytes = len(message)
        if self.received == self.target and self.on_target is not None:
            self.on_target()

    def _turn_to(self, message: bytes) -> None:
        self._lefts[self._mark] = self._left
        at = message.find(MARK) + len(MARK)
        self._mark = message[at : at + MARK_CHARS]
        self._left = self._lefts.get(self._mark, self._each)
        self._message = message
