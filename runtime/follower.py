"""Reads a ledger's records in order, for replay and for a standby that follows.

By batched direct gets: no consumer, so nothing to expire, to redeliver or to clean up;
sequences are dense, so a gap shows. A standby asks twenty times a second, which costs
it less than a consumer's heartbeats would save.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import structlog
from msgspec import Struct

from runtime.bus import Bus
from runtime.errors import PurgedError, RecordError
from runtime.ledger import Ledger
from schemas import codec
from schemas.events import seq_of
from schemas.ledger import RECORD_VERSION, Record, RecordHead, head_of

log = structlog.get_logger()

BATCH_RECORDS = 1_000
BATCH_BYTES_MAX = 8 * 1024 * 1024
PACE_BYTES = 128 * 1024
"""Some 10 ms of decoding and applying."""
TIMEOUT_S = 2.0
"""An outstanding request hangs its whole timeout after a server restart."""
POLL_S = 0.05

_SEQUENCE = re.compile(rb"\r\nNats-Sequence: (\d+)\r\n")
_PENDING = re.compile(rb"\r\nNats-Num-Pending: (\d+)\r\n")
_STORED = re.compile(rb"\r\nNats-Time-Stamp: ([^\r]+)\r\n")
_NOT_FOUND = b"NATS/1.0 404"
_END = b"NATS/1.0 204"


class Message(Struct, frozen=True):
    seq: int
    payload: bytes
    headers: bytes = b""

    def stored_s(self) -> float | None:
        """When it was stored, in seconds since 1970; None: the server doesn't say."""
        match = _STORED.search(self.headers)
        if match is None:
            return None
        return datetime.fromisoformat(match[1].decode()).timestamp()


class Follower:
    """Reads `ledger`; one request at a time. `skipped` is called for each message that
    `decode` takes for no record.
    """

    def __init__(
        self, bus: Bus, ledger: Ledger, skipped: Callable[[], object] = int
    ) -> None:
        self._bus = bus
        self._ledger = ledger
        self._skipped = skipped
        self._inbox = bus.new_inbox()
        self._subscription = bus.subscribe_raw(self._inbox + ".*", self._on_message)
        self._number = 0
        self._got: list[Message] = []
        self.behind = 0
        """Records that there were from the last `read`'s first on: those it returned,
        and how many more the server had then."""
        self._complete: asyncio.Future[None] | None = None

    def close(self) -> None:
        self._subscription.cancel()

    def _on_message(
        self, subject: bytes, _: bytes, data: bytes, headers: bytes
    ) -> None:
        waiting = self._complete
        if waiting is None or waiting.done():
            return
        if not subject.endswith(b".%d" % self._number):
            return  # of a request that was given up
        match = _SEQUENCE.search(headers)
        if match is not None:
            self._got.append(Message(int(match[1]), data, headers))
        elif headers.startswith((_NOT_FOUND, _END)):
            pending = _PENDING.search(headers)
            self.behind = len(self._got) + (int(pending[1]) if pending else 0)
            waiting.set_result(None)
        else:
            error = headers.split(b"\r\n", 1)[0].decode(errors="replace")
            waiting.set_exception(TimeoutError(error))

    async def read(self, first: int, count_max: int = BATCH_RECORDS) -> list[Message]:
        """The records from sequence `first` on that are there, oldest first; where
        the ledger begins later, from its beginning. Empty: none yet.

        Raises:
            TimeoutError: no (whole) answer; ask again.
        """
        return await self._get({"seq": first, "batch": count_max})

    async def first_since(self, at: datetime) -> int | None:
        """Sequence of the first record stored at or after `at`; None: none is.

        Raises:
            TimeoutError: no answer; ask again.
        """
        got = await self._get({"start_time": at.isoformat(), "batch": 1})
        return got[0].seq if got else None

    async def stored_at(self, seq: int) -> float | None:
        """When record `seq`, or the first after it, was stored: seconds since 1970 by
        the server's clock; None: there is none.

        Raises:
            TimeoutError: no answer; ask again.
        """
        got = await self._get({"seq": seq, "batch": 1})
        return got[0].stored_s() if got else None

    async def _get(self, request: dict[str, object]) -> list[Message]:
        self._number += 1
        self._got = []
        self._complete = asyncio.get_running_loop().create_future()
        request["max_bytes"] = BATCH_BYTES_MAX
        self._bus.send(
            f"$JS.API.DIRECT.GET.{self._ledger.stream}",
            codec.encode(request),
            f"{self._inbox}.{self._number}",
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._complete
        finally:
            self._complete = None
        return self._got

    async def records(
        self, first: int, last: int
    ) -> AsyncIterator[tuple[Message, Record | None]]:
        """Records `first` to `last`, waiting for a server where there is none; None in
        place of what is none of this ledger's (`decode`).

        Raises:
            PurgedError: the ledger no longer has `first`.
            RecordError: one can't be read.
        """
        pace = Pace()
        while first <= last:
            try:
                messages = await self.read(first)
            except TimeoutError:
                messages = []
            if not messages:
                await asyncio.sleep(POLL_S)
                continue
            if messages[0].seq != first:
                msg = f"record {first} of {self._ledger.stream} is gone"
                raise PurgedError(msg)
            for message in messages:
                if message.seq > last:
                    return
                yield message, self.decode(message)
                first = message.seq + 1
                await pace.after(message)
            await asyncio.sleep(0)

    def decode(self, message: Message) -> Record | None:
        """The record; None: what lies there is none that a leader of this ledger wrote
        (told and logged).

        Raises:
            RecordError: it is one, and newer than this program, or torn.
        """
        record: Record | None = None
        head: RecordHead | None
        try:
            head = record = codec.decode(message.payload, Record)
            why = "its events are misnumbered"
        except codec.CodecError as error:
            head = head_of(message.payload)
            why = str(error)
        if head is not None and self._is_own(head, message.seq):
            name = f"record {message.seq} of {self._ledger.stream}"
            if head.v > RECORD_VERSION:
                msg = (
                    f"{name} has format {head.v}, this program reads up to "
                    f"{RECORD_VERSION}: start the newer version"
                )
                raise RecordError(msg)
            if record is None or not _is_numbered(record):
                msg = f"{name} can't be read: {why}"
                raise RecordError(msg)
            return record
        if head is not None:
            why = f"it says {head.n} of ledger {head.ledger}"
        self._skipped()
        log.error("bad record", region=self._ledger.region, n=message.seq, why=why)
        return None

    def _is_own(self, head: RecordHead, seq: int) -> bool:
        """The fence lets a leader write no record but the one of the next number."""
        return head.ledger == self._ledger.id and head.n == seq


class Pace:
    """Of who takes many messages at once, so that other work goes on in between."""

    def __init__(self) -> None:
        self._taken = 0

    async def after(self, message: Message) -> None:
        self._taken += len(message.payload)
        if self._taken > PACE_BYTES:
            self._taken = 0
            await asyncio.sleep(0)


def _is_numbered(record: Record) -> bool:
    first = seq_of(record.n, 0)
    return all(event.seq == first + i for i, event in enumerate(record.events))
