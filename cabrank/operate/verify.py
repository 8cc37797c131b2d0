"""`cabrank verify`: the retained ledgers against the database, row by row.

Changes nothing: the ledger is read by direct gets, the database by questions.
"""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from sqlalchemy.ext.asyncio import AsyncEngine

from cabrank.errors import CabrankError, UnreachableError, UsageError
from cabrank.operate import doctor, ledgers, target
from cabrank.operate.ledgers import Progress, Reader, connected
from persistence.checks.comparison import Difference
from persistence.checks.verification import Audit, Counts
from persistence.projected.projection import FutureRecord
from runtime import ledger as extents
from runtime import log
from runtime.bus import Bus
from runtime.ledger import Ledger
from schemas.events import record_of
from schemas.streams import WRITER_DURABLE

WAIT_MAX_S = 30.0
"""The aim for catching up after a database was away for a minute (issue 5)."""
POLL_S = 0.1
SHOWN_MAX = 20


@dataclass
class Report:
    """Of one region."""

    region: str
    first: int
    last: int
    counts: Counts = field(default_factory=Counts)
    differences: list[Difference] = field(default_factory=list)
    """The first `SHOWN_MAX`."""
    different: int = 0

    def add(self, differences: list[Difference]) -> None:
        self.different += len(differences)
        self.differences += differences[: SHOWN_MAX - len(self.differences)]

    def __str__(self) -> str:
        counts = self.counts
        span = f"records {self.first}-{self.last}" if counts.records else "empty ledger"
        verdict = f"{self.different:,} differences" if self.different else "equal"
        return (
            f"{self.region}: {span}: {counts.records:,} records, "
            f"{counts.trip_events:,} trip events, {counts.messages:,} messages: "
            f"{verdict}"
        )


async def verify(data_dir: Path | None, *, wait: bool) -> list[Report]:
    """A report a region.

    Raises:
        UsageError: nothing to compare, or records of a newer version.
        UnreachableError: NATS, the database or persistence does not answer in time.
    """
    log.configure("verify", "error")
    found = doctor.subject(data_dir)
    async with connected(found) as bus:
        js = bus.jetstream()
        there = await ledgers.find(js)
        if not there:
            raise UsageError("This NATS server holds no ledger.")
        try:
            async with target.engine(found.database_url) as engine:
                return [
                    await _compare(bus, js, engine, ledger, wait=wait)
                    for ledger in there
                ]
        except FutureRecord as error:
            raise UsageError(f"The ledger is newer than this program: {error}.") from (
                None
            )
        except CabrankError as error:
            if isinstance(error, UsageError):
                raise
            raise UnreachableError(str(error)) from None


async def _compare(
    bus: Bus, js: JetStreamContext, engine: AsyncEngine, ledger: Ledger, *, wait: bool
) -> Report:
    reader = Reader(bus, js, ledger)
    progress = Progress(ledger.region, 0)
    try:
        await reader.open()
        held = reader.held
        if wait:
            await _caught_up(js, ledger, held.last)
        progress = Progress(ledger.region, held.last)
        report = Report(ledger.region, held.first, held.last)
        audit = None
        async for chunk in reader.chunks():
            if audit is None:
                own = ledgers.identity(ledger, chunk)
                region = ledger.region
                audit = Audit(engine, ledger.stream, region, own, held.last)
                report.first = chunk.first
            records = [(message.seq, message.payload) for message in chunk.messages]
            report.add(await audit.chunk(chunk.first, chunk.last, records))
            progress.reached(chunk.last)
        if audit is None:  # no records: nothing may be there either
            audit = Audit(engine, ledger.stream, ledger.region, ledger.id, held.last)
        report.add(await audit.finish())
        report.add(await _beyond(js, ledger, audit))
        report.counts = audit.counts
        return report
    finally:
        progress.over()
        reader.close()


async def _beyond(
    js: JetStreamContext, ledger: Ledger, audit: Audit
) -> list[Difference]:
    """Rows of records that the ledger never had, or lost again."""
    head = record_of(await audit.head_seq())[0]
    # Asked after the database: what it has was in the ledger before.
    last = (await extents.extent(js, ledger)).last
    if head <= last:
        return []
    what = f"rows up to record {head}, {ledger.stream} ends at {last}"
    return [Difference("extra", "ledger", what)]


async def _caught_up(js: JetStreamContext, ledger: Ledger, last: int) -> None:
    """Wait until persistence has acknowledged record `last`; where it has no consumer
    there is nobody to wait for.

    Raises:
        UnreachableError: it has not in time.
    """
    ends_at = time.monotonic() + WAIT_MAX_S
    while True:
        try:
            info = await js.consumer_info(ledger.stream, WRITER_DURABLE)
        except NotFoundError:
            return
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        # A consumer of an empty or purged ledger has no floor.
        if floor >= last or not (info.num_pending or info.num_ack_pending):
            return
        if time.monotonic() > ends_at:
            raise UnreachableError(
                f"Persistence has record {floor} of {last} of {ledger.stream} after "
                f"{WAIT_MAX_S:.0f} s: see that it runs, or compare with --no-wait."
            )
        await asyncio.sleep(POLL_S)


def run(data_dir: Path | None, *, wait: bool) -> int:
    """Compare and print; 0: equal, 1: different."""
    reports = asyncio.run(verify(data_dir, wait=wait))
    shown = 0
    for report in reports:
        print(report)
        for difference in report.differences[: SHOWN_MAX - shown]:
            print(f"  {difference}")
            shown += 1
    different = sum(report.different for report in reports)
    if different > shown:
        print(f"  … and {different - shown:,} more")
    return int(different > 0)
