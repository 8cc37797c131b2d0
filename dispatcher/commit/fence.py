"""Appends records to a ledger, one at a time, each under the fence.

`Nats-Expected-Last-Subject-Sequence` lets a record in only directly after the one its
writer knows as the last, so a deposed leader can't write, and what it can't write it
doesn't answer. With several records in flight the fence would leak, so there is one
(docs/decisions/group-commit.md). Must not know what is in a record beyond its head.
"""

import asyncio
from collections.abc import Callable
from enum import Enum

import structlog
from msgspec import Struct
from nats.js import JetStreamContext

from dispatcher import metrics
from runtime.bus import Bus, is_no_responders
from runtime.ledger import UNREACHABLE, Ledger, last_record
from schemas import codec
from schemas.ledger import head_of

log = structlog.get_logger()

ACK_TIMEOUT_S = 2.0
"""An acknowledgement takes 1-2 ms; a slow disk's fsync, below a second."""
RETRY_S = 0.1
GIVE_UP_S = 10.0
"""Connected and still no verdict: a command's whole deadline has passed."""

WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
"""nats-server errors.json: JSStreamWrongLastSequenceErrF, …ConstantErr (R3)."""
NO_SPACE = frozenset({10002, 10023, 10047})
"""JSAccountResourcesExceededErr, JSInsufficientResourcesErr and
JSStorageResourcesExceededErr: a quota of the account or the server. A cluster looks at
it before it looks at the sequence (2.15.1, tried), so it says so to the deposed too,
and of a record that is stored already.
"""
STORE_FAILED = 10077
"""JSStreamStoreFailedF, whose text tells `maximum bytes exceeded`, said after a look at
the sequence, from worse.
"""


class Fate(Enum):
    STORED = "stored"
    DEPOSED = "deposed"
    """Another writer was first; nothing was stored."""
    FULL = "full"
    """The ledger takes no more; nothing was stored, and nobody else has written."""
    UNKNOWN = "unknown"
    """Given up; it may still be stored."""


class _AckError(Struct):
    err_code: int = 0
    description: str = ""


class _Ack(Struct):
    seq: int = 0
    error: _AckError | None = None


def _is_full(error: _AckError) -> bool:
    return error.err_code == STORE_FAILED and "maximum" in error.description


class Fence:
    """`append`, then exactly one call of `settled`; then `append` again."""

    def __init__(
        self,
        bus: Bus,
        js: JetStreamContext,
        ledger: Ledger,
        settled: Callable[[Fate], None],
    ) -> None:
        self._bus = bus
        self._js = js
        self._ledger = ledger
        self._settled = settled
        self._inbox = bus.new_inbox()
        self._subscription = bus.subscribe_raw(self._inbox + ".*", self._on_ack)
        self._decode = codec.decoder(_Ack).decode
        self._loop = asyncio.get_running_loop()
        self._n = 0
        self._expected = 0
        self._payload = b""
        self._reply = ""
        self._headers = b""
        self._unheard = 0
        """How often it was sent without a word of what became of that."""
        self._began_s = 0.0
        self._retry_s = 0.0
        self._reading: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._n != 0

    def append(self, payload: bytes, n: int, expected: int) -> None:
        """Write record `n` where `expected` (0: none) is the subject's last."""
        assert not self._n, "one record in flight"
        self._n = n
        self._expected = expected
        self._payload = payload
        self._reply = f"{self._inbox}.{n}"
        self._headers = (
            b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: %d\r\n\r\n" % expected
        )
        self._began_s = self._loop.time()
        self._unheard = 0
        self._send()

    def _send(self) -> None:
        # The same bytes with the same expectation: stored at most once.
        self._retry_s = self._loop.time() + ACK_TIMEOUT_S
        self._unheard += 1
        self._bus.send(self._ledger.subject, self._payload, self._reply, self._headers)

    def again(self) -> None:
        """The connection was lost and is back: what was in flight is ambiguous."""
        if self._n:
            self._began_s = self._loop.time()
            self._send()

    def tick(self) -> None:
        """To be called about ten times a second."""
        if not self._n or self._reading is not None:
            return
        now_s = self._loop.time()
        if not self._bus.is_connected:
            self._began_s = now_s
        elif now_s - self._began_s > GIVE_UP_S:
            self._settle(Fate.UNKNOWN)
        elif now_s > self._retry_s:
            metrics.appends_retried.labels(self._ledger.region).inc()
            self._send()

    def close(self) -> None:
        """Forget what is in flight; `settled` is not called any more."""
        self._subscription.cancel()
        self._n = 0
        if self._reading is not None:
            self._reading.cancel()

    def _settle(self, fate: Fate) -> None:
        self._n = 0
        self._payload = b""
        self._settled(fate)

    def _on_ack(
        self, subject: bytes, _reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        if not self._n or not subject.endswith(b".%d" % self._n):
            return  # of an earlier try of a record that has its verdict
        if is_no_responders(headers):
            self._unheard -= 1
            self._retry_s = self._loop.time() + RETRY_S
            return
        try:
            ack: _Ack = self._decode(payload)
        except ValueError as error:
            log.error("acknowledgement is not readable", error=str(error))  # noqa: TRY400
            return
        if ack.error is None:
            self._settle(Fate.STORED if ack.seq == self._n else Fate.DEPOSED)
        elif _is_full(ack.error):
            self._settle(Fate.FULL)
        elif ack.error.err_code in WRONG_LAST_SEQUENCE:
            self._read_back()
        elif ack.error.err_code in NO_SPACE:
            self._unheard -= 1
            self._read_back(is_full=True)
        else:
            log.warning(
                "the ledger refused a record",
                region=self._ledger.region,
                n=self._n,
                code=ack.error.err_code,
                error=ack.error.description,
            )
            self._retry_s = self._loop.time() + RETRY_S

    def _read_back(self, *, is_full: bool = False) -> None:
        """Refused: by somebody else's record, or by our own whose answer was lost? Or,
        where there is neither, since it `is_full`.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._compare(self._n, is_full=is_full))
            self._reading.add_done_callback(self._compared)

    def _compared(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bus.fail(error)

    async def _compare(self, n: int, *, is_full: bool) -> None:
        try:
            last = await last_record(self._js, self._ledger)
        except UNREACHABLE:
            is_full, last = False, None
        if self._n != n:
            return
        if last is None or last[0] <= self._expected:
            if is_full and not self._unheard:
                self._settle(Fate.FULL)
                return
            # Not there, not refused by a successor: R3 with a write under way.
            self._retry_s = self._loop.time() + RETRY_S
            return
        seq, payload = last
        self._settle(
            Fate.STORED
            if seq == n and head_of(payload) == head_of(self._payload)
            else Fate.DEPOSED
        )
