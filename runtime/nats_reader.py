"""What a NATS server sends, read past nats-py where it is a message to one of our own
subscriptions.

nats-py's parser moves what it holds twice a message and awaits a coroutine for each,
2.7 us with its subscriber; here it is 2.1 (2026-11-30). All else is nats-py's to read,
and whatever a read cut in two. Must not know any subject.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from nats.protocol.parser import AWAITING_MSG_PAYLOAD, CRLF_SIZE, Parser

if TYPE_CHECKING:
    from nats.aio.client import Client

HandOver = Callable[[int, bytes, bytes, bytes], bool]
"""(the subscription's number, subject, reply, payload) → whether it was one of ours,
and has its message."""

_message = re.compile(rb"MSG (\S+) (\d+) (?:(\S+) )?(\d+)\r\n").match
"""Subject, number, reply and bytes, as nats-server spaces them. What is spaced in
another way, and what has headers, is nats-py's."""


class Reader(Parser):
    def __init__(self, client: "Client", hand_over: HandOver) -> None:
        super().__init__(client)
        self._hand_over = hand_over

    async def parse(self, data: bytes = b"") -> None:
        if self.state == AWAITING_MSG_PAYLOAD:
            end = self.needed + CRLF_SIZE - len(self.buf)
            await super().parse(data[:end])
            data = data[end:]
        elif self.buf:  # less than a line
            data = bytes(self.buf) + data
            self.buf.clear()
        at = self._messages(data)
        if at < len(data):
            await super().parse(data[at:])

    def _messages(self, data: bytes) -> int:
        """Hand over those that `data` begins with; where the rest begins."""
        at, size = 0, len(data)
        while (found := _message(data, at)) is not None:
            subject, number, reply, length = found.groups(b"")
            start = found.end()
            end = start + int(length)
            if end + CRLF_SIZE > size:
                break
            if not self._hand_over(int(number), subject, reply, data[start:end]):
                break
            at = end + CRLF_SIZE
        return at
