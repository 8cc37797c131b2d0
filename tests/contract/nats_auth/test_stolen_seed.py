"""What a stolen gateway's seed can still have NATS put into a ledger (docs/NATS.md):
bytes that are no record, which cost a replay and nothing else.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from persistence import database
from persistence.models import DeadLetterRow, TripEventRow
from persistence.projected.store import Store
from persistence.projected.writer import Writer
from runtime import streams as runtime_streams
from runtime.bus import Bus
from schemas import codec, streams, subjects
from schemas.accounts import Revocation
from schemas.commands import AcceptTrip, CancelTrip
from schemas.ledger import head_of
from schemas.permissions import Service
from tests.contract.dispatcher.desk import (
    DORA,
    Book,
    Gateway,
    Process,
    command,
    request,
    rider,
)
from tests.contract.nats_auth.conftest import Connect, Locked
from tests.contract.persistence.conftest import ROUND_S
from tests.support.counting import Counting
from tests.support.records import Ledger, event
from tests.support.records import trip as trip_at
from tests.support.running import service
from tests.support.waiting import until, until_true

LIMIT_S = 30
REVOKED = codec.encode(Revocation("u", None, 1))


@pytest.fixture
async def thief(connect: Connect) -> Bus:
    """Somebody with a gateway's seed, beside a revocation that is stored."""
    persistence = await connect(Service.PERSISTENCE)
    js = persistence.jetstream()
    await runtime_streams.ensure(js, streams.revocations(900))
    await js.publish(subjects.revoked("u"), REVOKED)
    return await connect(Service.GATEWAY)


@pytest.fixture
def dispatchers(locked: Locked, tmp_path: Path) -> Iterator[list[Process]]:
    seed = str(locked.login(Service.DISPATCHER).seed_file)
    made = [
        Process(locked.url, tmp_path / name, CABRANK_NATS_NKEY_SEED_FILE=seed)
        for name in ("one.log", "other.log")
    ]
    yield made
    for process in made:
        process.kill()


async def put_an_answer(thief: Bus) -> None:
    """The server's answer about a stream, sent to where the thief says."""
    asked = f"$JS.API.STREAM.INFO.{streams.REVOCATIONS}"
    thief.send(asked, b"", subjects.ledger("main"))


async def put_a_revocation(thief: Bus) -> None:
    """What persistence stored, delivered to where the thief says."""
    where = ConsumerConfig(
        deliver_subject=subjects.ledger("main"),
        ack_policy=AckPolicy.NONE,
        inactive_threshold=1,
        mem_storage=True,
    )
    await thief.jetstream().add_consumer(streams.REVOCATIONS, where)


Put = Callable[[Bus], Awaitable[None]]


def skipped(dispatcher: Process) -> bool:
    return '"bad record"' in dispatcher.log.read_text()


@pytest.mark.parametrize("put", [put_an_answer, put_a_revocation])
async def test_what_is_no_record_costs_leader_and_standby_a_replay_and_nothing_more(
    put: Put, connect: Connect, thief: Bus, dispatchers: list[Process]
) -> None:
    gateway = Gateway(await connect(Service.GATEWAY))
    await gateway.ready()
    watch = Gateway(await connect(Service.OPERATOR))
    placed = await watch.settled(2)
    trip = await gateway.trip(request())
    await put(thief)
    await until(lambda: any(map(skipped, dispatchers)), "the standby's word", LIMIT_S)

    met = request(rider(1))
    gateway.send(met)
    await until(lambda: gateway.announced[-1].epoch > placed.epoch, "", LIMIT_S)
    await until(lambda: all(map(skipped, dispatchers)), "the leader's word", LIMIT_S)
    made = await gateway.trip(request(met.by, id=met.id, attempt=2))
    accepted = await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    assert (accepted.id, accepted.version) == (trip.id, 2)

    # Whoever leads now, the other one knows all of it as well.
    leader = await watch.settled(2)
    for process in dispatchers:
        if process.instance == leader.instance:
            process.kill()
    await until(lambda: gateway.announced[-1].epoch > leader.epoch, "", LIMIT_S)
    cancelled = await gateway.trip(command(CancelTrip, met.by, trip=made.id))
    assert cancelled.version == 2


@pytest.mark.parametrize("put", [put_an_answer, put_a_revocation])
async def test_what_is_no_record_is_a_dead_letter_and_what_follows_becomes_rows(
    put: Put, connect: Connect, thief: Bus, sqlite_url: str
) -> None:
    ledger = await Ledger(await connect(Service.DISPATCHER)).create()
    await ledger.append(event(trip_at(1)))
    await put(thief)
    book = Book(await connect(Service.OPERATOR))
    await book.grows_past(ledger.n)
    ledger.n = await book.last()
    await ledger.append(event(trip_at(2)))
    counting = Counting(sqlite_url)
    bus = await connect(Service.PERSISTENCE)
    async with service() as running:
        writer = Writer(bus, Store(database.plain_engine(sqlite_url)), ROUND_S)
        writer.start(running)

        async def written() -> bool:
            return await counting.rows(TripEventRow) == 2

        await until_true(written, "both events", LIMIT_S)
        running.stop()
        await writer.stop()
    [letter] = await counting.column(DeadLetterRow.payload)
    if put is put_a_revocation:
        assert letter == REVOKED
    assert head_of(letter) is None
    await counting.engine.dispose()
