"""The ledger's stream and its durable consumer, as a NATS server keeps them.

Stored is durable (`sync_interval: always`). The semantics that matter are those that
tests/contract holds the real server to: the expected last sequence, acknowledgements,
`-NAK`, redelivery after the time to acknowledge.
"""

import bisect
import json
from collections import deque
from collections.abc import Callable
from typing import Any

ACK_WAIT_S = 2.0
"""Shorter than schemas.streams' 5 s, so that redelivery fits into a schedule."""

Deliver = Callable[[str, str, bytes, bytes], None]
"""(subject, reply, payload, headers)"""


class Request:
    """One open pull."""

    def __init__(self, reply: str, batch: int, until_s: float, *, waits: bool) -> None:
        self.reply = reply
        self.left = batch
        self.until_s = until_s
        self.waits = waits


class Stream:
    def __init__(self, now_s: Callable[[], float], deliver: Deliver) -> None:
        self.records: list[bytes] = []
        """Record n is at n - 1, those too that are purged: for the verdict."""
        self.first = 1
        """The first that is not purged."""
        self.stored_s: list[float] = []
        """When, of each record."""
        self._now_s = now_s
        self.is_full = False
        self.consumer = Consumer(self, now_s, deliver)

    def append(self, payload: bytes, expected: int | None) -> bytes:
        """The server's answer; it looks at the sequence before it looks for room."""
        if expected is not None and expected != len(self.records):
            return _error(10071, f"wrong last sequence: {len(self.records)}")
        if self.is_full:
            return _error(10077, "maximum bytes exceeded")
        self.records.append(payload)
        self.stored_s.append(self._now_s())
        self.consumer.serve()
        return b'{"stream":"LEDGER_main","seq":%d}' % len(self.records)

    def restore(
        self, records: list[bytes], stored_s: list[float], first: int, floor: int
    ) -> None:
        """As a backup has it; the consumer's place is in it."""
        self.records, self.stored_s, self.first = records, stored_s, first
        self.consumer.restore(floor)

    def purge(self, keep_from: int) -> None:
        self.first = max(self.first, keep_from)

    def since(self, at_s: float) -> int:
        """Number of the first record stored then or later."""
        return bisect.bisect_left(self.stored_s, at_s) + 1


def _error(code: int, text: str) -> bytes:
    error = {"code": 503, "err_code": code, "description": text}
    return json.dumps({"error": error}).encode()


class Consumer:
    """Explicit acknowledgements, any number of workers."""

    def __init__(
        self, stream: Stream, now_s: Callable[[], float], deliver: Deliver
    ) -> None:
        self._stream = stream
        self._now_s = now_s
        self._deliver = deliver
        self._next = 1
        self._waiting: deque[Request] = deque()
        self._due: dict[int, float] = {}
        """Delivered and not acknowledged → when it comes again."""
        self.made = False

    @property
    def pending(self) -> int:
        return len(self._stream.records) + 1 - self._next + len(self._due)

    @property
    def floor(self) -> int:
        return min(self._due, default=self._next) - 1

    def ask(self, payload: bytes, reply: str) -> None:
        wanted: dict[str, Any] = json.loads(payload)
        until_s = self._now_s() + wanted.get("expires", 0) / 1e9
        waits = not wanted.get("no_wait")
        self._waiting.append(Request(reply, wanted["batch"], until_s, waits=waits))
        self.serve()

    def settle(self, subject: str, payload: bytes) -> None:
        """`+ACK` or `-NAK` of one delivery."""
        n = int(subject.split(".")[5])
        if n not in self._due:
            return
        if payload.startswith(b"-NAK"):
            delay_s = json.loads(payload[4:] or b"{}").get("delay", 0) / 1e9
            self._due[n] = self._now_s() + delay_s
        else:
            del self._due[n]

    def restore(self, floor: int) -> None:
        self._next, self.made = floor + 1, True

    def forget_requests(self) -> None:
        """The server restarts: who waits is not known any more."""
        self._waiting.clear()

    def serve(self) -> None:
        """To be called whenever something may have become due."""
        now_s = self._now_s()
        while self._waiting:
            request = self._waiting[0]
            if request.waits and now_s >= request.until_s:
                self._waiting.popleft()
                self._deliver(request.reply, "", b"", b"NATS/1.0 408 Request Timeout")
                continue
            n = self._take(now_s)
            if n is None:
                if request.waits:
                    return
                self._waiting.popleft()
                self._deliver(request.reply, "", b"", b"NATS/1.0 404 No Messages")
                continue
            self._due[n] = now_s + ACK_WAIT_S
            reply = f"$JS.ACK.LEDGER_main.writer.1.{n}.{n}.0.0"
            self._deliver(request.reply, reply, self._stream.records[n - 1], b"")
            request.left -= 1
            if not request.left:
                self._waiting.popleft()

    def _take(self, now_s: float) -> int | None:
        for n, due_s in self._due.items():
            if due_s <= now_s:
                return n
        if self._next <= len(self._stream.records):
            self._next += 1
            return self._next - 1
        return None
