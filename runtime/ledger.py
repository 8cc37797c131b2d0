"""A region's ledger stream: made sure of, and asked about.

Everything here goes over nats-py's JetStream API and is for quiet moments; records are
appended by dispatcher/commit/fence.py and read by follower.py. Must not be called per
command.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
import structlog
from msgspec import Struct
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from runtime import streams as runtime_streams
from runtime.errors import LedgerGapError, LedgerGoneError
from schemas import streams, subjects

log = structlog.get_logger()

T = TypeVar("T")

RETRY_S = 0.25
"""A server that has just started needs moments to recover its streams."""

UNREACHABLE = (nats.errors.Error, TimeoutError, OSError)
"""What nats-py raises while there is no server, or none with JetStream ready."""


class Ledger(Struct, frozen=True):
    """Which ledger: its stream, its one subject, and the id its creator gave it."""

    region: str
    stream: str
    subject: str
    id: str
    born_seq: int
    """The first sequence it ever had."""


class Extent(Struct, frozen=True):
    """What a ledger holds: sequences first..last; `messages` 0: nothing any more."""

    first: int
    last: int
    messages: int

    @property
    def fence(self) -> int:
        """What the next write must expect as the subject's last sequence."""
        return self.last if self.messages else 0


async def patiently(
    what: str, call: Callable[[], Awaitable[T]], tell: Callable[[str], object] = str
) -> T:
    """`call()`, again and again until a server is there to answer it; each failure is
    `tell`ed in a few words.
    """
    while True:
        try:
            return await call()
        except UNREACHABLE as error:
            log.warning("JetStream does not answer yet", what=what, error=repr(error))
            why = error.description if isinstance(error, APIError) else None
            tell(f"{what}: {why or 'JetStream does not answer'}")
            await asyncio.sleep(RETRY_S)


async def open_ledger(
    js: JetStreamContext,
    region: str,
    *,
    bytes_max: int,
    replicas: int,
    first_seq: int = 1,
    tell: Callable[[str], object] = str,
) -> Ledger:
    """The region's ledger; made, with a new id, where there is none. `first_seq`: the
    number of the first record of one that is made. `tell` hears what it waits for.

    Of two that make it at once one wins and both return the winner's.
    """
    spec = streams.ledger(region, bytes_max)

    async def once() -> Ledger:
        try:
            info = await js.stream_info(spec.name)
        except NotFoundError:
            config = api.StreamConfig(
                name=spec.name,
                subjects=list(spec.subjects),
                retention=api.RetentionPolicy.LIMITS,
                discard=api.DiscardPolicy.NEW,
                storage=api.StorageType.FILE,
                max_bytes=spec.max_bytes,
                max_age=spec.max_age_s,
                num_replicas=replicas,
                allow_direct=True,
                first_seq=first_seq,
                metadata={streams.LEDGER_ID: secrets.token_hex(16)},
            )
            try:
                info = await js.add_stream(config)
                log.info("made a ledger", region=region, stream=spec.name)
            except APIError as error:
                try:
                    info = await js.stream_info(spec.name)  # lost the race
                except NotFoundError:
                    raise error from None  # too few servers, no space …
        info = await runtime_streams.replicate(js, info, replicas)
        metadata = info.config.metadata or {}
        return Ledger(
            region,
            spec.name,
            subjects.ledger(region),
            metadata.get(streams.LEDGER_ID, ""),
            max(info.config.first_seq or 1, 1),
        )

    return await patiently("ledger", once, tell)


async def extent(js: JetStreamContext, ledger: Ledger) -> Extent:
    """Where it begins and ends.

    Raises:
        LedgerGoneError: the stream was deleted, and is another ledger's now.
        Exception: one of `UNREACHABLE`.
    """
    info = await js.stream_info(ledger.stream)
    state = info.state
    is_called = (info.config.metadata or {}).get(streams.LEDGER_ID, "")
    if is_called != ledger.id:
        msg = f"{ledger.stream} is ledger {is_called} now, not {ledger.id} any more"
        raise LedgerGoneError(msg)
    return Extent(state.first_seq, state.last_seq, state.messages)


async def check(js: JetStreamContext, ledger: Ledger, n: int) -> None:
    """See that a ledger whose record `n` was applied here still goes so far.

    Raises:
        LedgerGapError: it does not: an older state of it was restored.
        LedgerGoneError, Exception: as `extent`.
    """
    held = await extent(js, ledger)
    if held.last < n:
        msg = f"{ledger.stream} ends at record {held.last}, and {n} was there before"
        raise LedgerGapError(msg)


async def last_record(js: JetStreamContext, ledger: Ledger) -> tuple[int, bytes] | None:
    """(sequence, payload) of the newest record, read from the stream's leader and so
    never stale; None: the ledger holds nothing. Raises: one of `UNREACHABLE`.
    """
    try:
        message = await js.get_last_msg(ledger.stream, ledger.subject)
    except NotFoundError:
        return None
    return int(message.seq or 0), message.data or b""
