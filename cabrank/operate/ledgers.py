"""Every region's ledger, read for `verify` and `rebuild`: by direct gets, so that the
consumer of persistence is not disturbed. Writes nothing and knows no database.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
from msgspec import Struct
from nats.js import JetStreamContext

from cabrank.errors import UnreachableError, sentence
from cabrank.operate.permitted import ForbiddenError, permitted
from cabrank.operate.target import Target
from runtime import bus as buses
from runtime import ledger as ledgers
from runtime import nats_trouble
from runtime.bus import Bus
from runtime.follower import Follower, Message
from runtime.ledger import UNREACHABLE, Extent, Ledger
from schemas import codec, streams
from schemas.ledger import RecordHead
from schemas.permissions import Service
from schemas.subjects import ledger as ledger_subject

SILENCE_MAX_S = 15.0
"""A NATS server that is restarted is back before."""
RETRY_S = 0.25
BATCH_RECORDS = 256
"""As much as persistence takes at once (persistence/projected/pull.py)."""
STEP_S = 0.2


class Chunk(Struct, frozen=True):
    """Records `first` to `last`, as far as the ledger has them."""

    first: int
    last: int
    messages: list[Message]


@asynccontextmanager
async def connected(
    to: Target, service: Service = Service.OPERATOR
) -> AsyncIterator[Bus]:
    """A connection as an operator, or as a service where an operator may not.

    Raises:
        UnreachableError: nobody answers, or stops answering, or lets us in, or lets us
            do what is done.
    """
    try:
        async with asyncio.timeout(SILENCE_MAX_S):
            bus = await buses.connect(
                to.nats_url, "verify", login=to.nats_login(service), forever=False
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        if isinstance(error, nats_trouble.ConnectError):
            why = str(error)
            if not why.startswith(nats_trouble.UNREACHABLE):
                raise UnreachableError(sentence(error)) from None
        raise UnreachableError(
            "No NATS server answers: start it, or set CABRANK_NATS_URL."
        ) from None
    try:
        async with permitted(bus, service):
            yield bus
    except ForbiddenError as error:
        raise UnreachableError(sentence(error)) from None
    except UNREACHABLE as error:
        raise UnreachableError(
            f"The NATS server stopped answering ({error!r})."
        ) from None
    finally:
        await bus.close()


async def find(js: JetStreamContext) -> list[Ledger]:
    """All ledgers of the server, by region. Raises: one of `UNREACHABLE`."""
    found = []
    seen = 0
    while infos := await js.streams_info(seen):
        seen += len(infos)
        for info in infos:
            name = str(info.config.name)
            region = streams.region_of_ledger(name)
            if region is not None:
                identity = (info.config.metadata or {}).get(streams.LEDGER_ID, "")
                born_seq = max(info.config.first_seq or 1, 1)
                subject = ledger_subject(region)
                found.append(Ledger(region, name, subject, identity, born_seq))
    return sorted(found, key=lambda ledger: ledger.region)


class Reader:
    """Reads one ledger from its beginning to where it ends now."""

    def __init__(self, bus: Bus, js: JetStreamContext, ledger: Ledger) -> None:
        self._js = js
        self._follower = Follower(bus, ledger)
        self.ledger = ledger
        self.held = Extent(0, 0, 0)

    async def open(self) -> None:
        """Settle what will be read. Raises: one of `UNREACHABLE`."""
        self.held = await ledgers.extent(self._js, self.ledger)

    def close(self) -> None:
        self._follower.close()

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Oldest first; what is purged meanwhile is left out.

        Raises:
            UnreachableError: records that should be there don't come.
        """
        if not self.held.messages:
            return
        first, last = self.held.first, self.held.last
        while first <= last:
            messages = await self._read(first)
            start = messages[0].seq
            if start != first:
                now = await ledgers.extent(self._js, self.ledger)
                first = max(first, min(now.first, start))
            if first > last:
                return
            kept = [message for message in messages if message.seq <= last]
            end = kept[-1].seq if len(kept) == len(messages) else last
            yield Chunk(first, end, kept)
            first = end + 1

    async def _read(self, first: int) -> list[Message]:
        ends_at = time.monotonic() + SILENCE_MAX_S
        while time.monotonic() < ends_at:
            try:
                if messages := await self._follower.read(first, BATCH_RECORDS):
                    return messages
            except TimeoutError:
                pass
            await asyncio.sleep(RETRY_S)
        raise UnreachableError(
            f"Record {first} of {self.ledger.stream} does not come, though the ledger "
            f"goes to {self.held.last}."
        )


def identity(ledger: Ledger, chunk: Chunk) -> str:
    """The ledger's id; of a stream made without one, as its records tell it."""
    if not ledger.id and chunk.messages:
        return codec.decode(chunk.messages[0].payload, RecordHead).ledger
    return ledger.id


class Progress:
    """A line on a terminal's standard error that counts up; nothing elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._told_at = 0.0
        self._shown = sys.stderr.isatty()

    def reached(self, count: int) -> None:
        now = time.monotonic()
        if self._shown and now - self._told_at >= STEP_S:
            self._told_at = now
            text = f"\r{self._what}: record {count:,} of {self._total:,}\033[K"
            print(text, end="", file=sys.stderr, flush=True)

    def over(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
