"""`cabrank rebuild`: the retained ledgers into the database, by the same rows and the
same statements as persistence, so that both may write at once and again and again.

Adds what is missing and brings trips up to date; a row that somebody altered stays as
it is (`cabrank verify` finds it), and users are not touched. The ledger is read by
direct gets: what persistence has acknowledged stays so.
"""

import asyncio
import time
from pathlib import Path

import nats.errors
from msgspec import Struct
from nats.js import JetStreamContext
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cabrank.errors import UnreachableError, UsageError
from cabrank.operate import doctor, ledgers, seeding
from cabrank.operate.ledgers import Chunk, Progress, Reader, connected
from persistence import database, revisions
from persistence.checks import completeness
from persistence.checks.completeness import Hole, Kept
from persistence.erasure import eraser
from persistence.history import heads, retention
from persistence.models import MessageRow, TripEventRow
from persistence.projected.projection import (
    AnyRow,
    FutureRecord,
    Unreadable,
    read_record,
)
from persistence.projected.store import Store
from runtime import environment, log
from runtime.bus import Bus
from runtime.ledger import Ledger, open_ledger, patiently
from schemas import codec, subjects
from schemas.events import record_of, seq_of
from schemas.members import Member
from schemas.permissions import Service

ATTEMPTS = 10
RETRY_S = 1.0
"""A database that is locked or restarted is back before."""
DISPATCHERS_S = 2.0
"""A dispatcher answers within a millisecond."""
HOLES_SHOWN = 5
HEADROOM_RECORDS = 1_000_000
"""By so much a new ledger begins above what the database knows of the lost one, for
clients may have seen events that persistence had not written: 15 minutes at the 1,000
records/s of a leader under load. Numbers stay below 2^53 (JavaScript) for 2^41 records.
"""


class Rebuilt(Struct):
    """Of one region."""

    region: str
    first: int
    last: int
    records: int = 0
    events: int = 0
    dead: int = 0
    is_whole: bool = True
    """False: the database has nothing of what was before `first`, or not all."""
    holes: list[Hole] = []
    """What it has not."""

    def __str__(self) -> str:
        text = (
            f"{self.region}: records {self.first}-{self.last}: {self.records:,} "
            f"records, {self.events:,} events"
        )
        if self.dead:
            text += f", {self.dead:,} of them to dead_letters"
        if not self.is_whole:
            text += (
                f"\n  What was before record {self.first} is no longer in the ledger, "
                f"nor {'all ' if self.holes else ''}in the database: restore a backup, "
                "then rebuild again."
            )
        for hole in self.holes[:HOLES_SHOWN]:
            text += f"\n  missing: {hole}"
        if len(self.holes) > HOLES_SHOWN:
            text += "\n  … and more (cabrank verify)"
        return text


async def rebuild(data_dir: Path | None) -> list[Rebuilt]:
    """Replay all ledgers; the database is migrated first.

    Raises:
        UsageError: no ledger, a database that can't be used, records of a newer
            version.
        UnreachableError: NATS or the database does not answer.
    """
    log.configure("rebuild", "error")
    found = doctor.subject(data_dir)
    async with connected(found) as bus:
        js = bus.jetstream()
        there = await ledgers.find(js)
        if not there:
            raise UsageError(
                "This NATS server holds no ledger; where it was lost, begin a new one "
                "with --new-ledger."
            )
        engine = await asyncio.to_thread(_migrated, found.database_url)
        try:
            # Before the replay: what the ledger still has of them makes no row.
            erased = await eraser.remembered(js)
            await asyncio.to_thread(eraser.bring, engine, erased)
            return [await _replay(bus, js, engine, ledger) for ledger in there]
        except SQLAlchemyError as error:
            raise _unreachable(error) from None
        except FutureRecord as error:
            raise UsageError(f"The ledger is newer than this program: {error}.") from (
                None
            )
        finally:
            engine.dispose()


def _migrated(url: str) -> Engine:
    try:
        revisions.migrate(url)
        return database.plain_engine(url, database.PATIENT)
    except database.DatabaseError as error:
        raise UsageError(f"The database can't be used: {error}.") from None
    except (SQLAlchemyError, OSError) as error:
        raise _unreachable(error) from None


def _unreachable(error: Exception) -> UnreachableError:
    why = str(getattr(error, "orig", None) or error).splitlines()[0]
    return UnreachableError(f"The database can't be reached or refuses: {why}.")


async def _replay(
    bus: Bus, js: JetStreamContext, engine: Engine, ledger: Ledger
) -> Rebuilt:
    reader = Reader(bus, js, ledger)
    store = Store(engine)
    own = ledger.id
    try:
        await reader.open()
        done = Rebuilt(ledger.region, reader.held.first, reader.held.last)
        progress = Progress(ledger.region, reader.held.last)
        try:
            async for chunk in reader.chunks():
                if not done.records:
                    done.first = chunk.first
                    own = ledgers.identity(ledger, chunk)
                await _write(store, ledger, chunk, done)
                progress.reached(chunk.last)
        finally:
            progress.over()
        if done.records:
            kept = Kept(ledger.region, own, done.first, done.last)
            await asyncio.to_thread(_look_before, engine, ledger, kept, done)
        return done
    finally:
        reader.close()


def _look_before(engine: Engine, ledger: Ledger, kept: Kept, done: Rebuilt) -> None:
    """Whether the database has what the ledger has no longer."""
    with engine.connect().execution_options(**{database.READ_ONLY: True}) as connection:
        done.holes = completeness.holes(connection, kept)
        is_known = (
            kept.first <= ledger.born_seq
            or _knows_before(connection, kept)
            or bool(retention.dropped(connection))
        )
        done.is_whole = is_known and not done.holes


def _knows_before(connection: Connection, kept: Kept) -> bool:
    """Whether there is anything."""
    for table in (TripEventRow, MessageRow):
        question = select(table.seq).where(
            table.ledger == kept.ledger, table.seq < seq_of(kept.first, 0)
        )
        if connection.execute(question.limit(1)).first() is not None:
            return True
    return False


async def _write(store: Store, ledger: Ledger, chunk: Chunk, done: Rebuilt) -> None:
    rows: list[AnyRow] = []
    unreadable: list[Unreadable] = []
    for message in chunk.messages:
        good, bad = read_record(ledger.stream, message.seq, message.payload)
        rows += good
        unreadable += bad
    at_ms = time.time_ns() // 1_000_000
    for attempt in range(1, ATTEMPTS + 1):
        try:
            dead = await asyncio.to_thread(store.write, rows, unreadable, at_ms)
            break
        except OperationalError as error:
            if attempt == ATTEMPTS:
                raise _unreachable(error) from None
            await asyncio.sleep(RETRY_S)
        except SQLAlchemyError as error:
            raise _unreachable(error) from None
    done.records += len(chunk.messages)
    done.events += len(rows) + len(unreadable)
    done.dead += dead


# ---- a ledger that was lost ----------------------------------------------------


class Begun(Struct):
    """Of one region whose ledger was made, or is there."""

    ledger: Ledger
    is_new: bool
    trips: int = 0
    """So many that were under way are in it."""
    ended: list[str] = []
    """Trips that the database has as active, and that can't have been."""

    def __str__(self) -> str:
        region, born = self.ledger.region, self.ledger.born_seq
        if not self.is_new:
            return f"{region}: the ledger is there already: it began at record {born}"
        text = f"{region}: the ledger begins at record {born}"
        if self.trips:
            text += f", with {self.trips:,} trips that were under way"
        for trip in self.ended:
            text += f"\n  trip {trip} is left out: its rider or driver has a newer one"
        return text


async def begin_anew(data_dir: Path | None) -> list[Begun]:
    """Make the ledgers of CABRANK_REGIONS that are not there, their numbers above all
    that the database has, and put the trips into them that were under way.

    Raises:
        UsageError: dispatchers are running; a ledger is there already and repeats the
            numbers of one that is in the database.
        UnreachableError: NATS or the database does not answer.
    """
    log.configure("rebuild", "error")
    found = doctor.subject(data_dir)
    # Nobody else may write a ledger.
    async with connected(found, Service.DISPATCHER) as bus:
        await _refuse_dispatchers(bus)
        engine = await asyncio.to_thread(_migrated, found.database_url)
        try:
            return [
                await _begin(bus, engine, region)
                for region in environment.load().region_list()
            ]
        except SQLAlchemyError as error:
            raise _unreachable(error) from None
        finally:
            engine.dispose()


async def _refuse_dispatchers(bus: Bus) -> None:
    """They would go on with the ledger that is gone, or have begun one at record 1."""
    question = codec.encode(Member("", (), leaving=True))
    try:
        await bus.request(subjects.DISPATCHERS, question, timeout=DISPATCHERS_S)
    except nats.errors.NoRespondersError:
        return
    except nats.errors.TimeoutError:
        pass  # one is there, and hangs
    raise UsageError("Dispatchers are running: stop them, then begin the new ledger.")


async def _begin(bus: Bus, engine: Engine, region: str) -> Begun:
    js = bus.jetstream()
    values = environment.load()
    head, last_ms = await asyncio.to_thread(_head, engine)
    ledger = await open_ledger(
        js,
        region,
        bytes_max=values.ledger_bytes_max,
        replicas=values.replicas,
        first_seq=head + HEADROOM_RECORDS + 1 if head else 1,
    )
    # A stream just made on a cluster elects its leader first.
    begun = await patiently("ledger", lambda: seeding.begun(js, ledger))
    if begun is None:
        before, _ = await asyncio.to_thread(_head, engine, ledger)
        if before >= ledger.born_seq:
            raise UsageError(
                f"The ledger of {region} is there already, and begins at record "
                f"{ledger.born_seq} although the database knows {before} of another: "
                f"delete the stream {ledger.stream}, then run this again."
            )
        return Begun(ledger, is_new=False)
    with engine.connect().execution_options(**{database.READ_ONLY: True}) as connection:
        trips, ended = await asyncio.to_thread(seeding.active, connection, region)
    # Above all that was: trips and rooms are listed in the order of what happened.
    stamp_ms = max(time.time_ns() // 1_000_000, last_ms + 1)
    count = 0
    if head:
        count = await seeding.seed(bus, js, ledger, trips, stamp_ms)
    return Begun(ledger, True, count, ended)


def _head(engine: Engine, but: Ledger | None = None) -> tuple[int, int]:
    """The highest record of any ledger that left a row, and when its last event was, ms
    since 1970; 0, 0: none did. `but`: of that one's region, and of any ledger but that.
    """
    with engine.connect().execution_options(**{database.READ_ONLY: True}) as connection:
        found = heads.of(connection)
    if but is not None:
        # A dead letter doesn't tell its region.
        others = {but.id, but.stream}
        found = [
            head
            for head in found
            if head.region == but.region and head.ledger not in others
        ]
    last = max((record_of(head.seq)[0] for head in found), default=0)
    return last, max((head.at_ms for head in found), default=0)


def run(data_dir: Path | None, *, new_ledger: bool) -> int:
    """Do it and tell; 0, or what the errors say."""
    if new_ledger:
        for begun in asyncio.run(begin_anew(data_dir)):
            print(begun)
        return 0
    rebuilt = asyncio.run(rebuild(data_dir))
    for one in rebuilt:
        print(one)
    return int(any(one.dead or not one.is_whole for one in rebuilt))
