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
        self._each = 0
        self._left: dict[bytes, int] = {}
        self.on_target: Callable[[], None] | None = None

    def expect(self, each: int) -> None:
        """From here on a request is over with its `each`th frame."""
        self._each = each
        self.last_s = {}

    def got(self, message: bytes, now_s: Callable[[], float]) -> None:
        """A driver got a `trip.requested`."""
        self.received += 1
        at = message.find(MARK) + len(MARK)
        mark = message[at : at + MARK_CHARS]
        left = self._left.get(mark, self._each) - 1
        self._left[mark] = left
        if left == 0:
            self.last_s[mark.decode()] = now_s()
            self.frame_bytes = len(message)
        if self.received == self.target and self.on_target is not None:
            self.on_target()
