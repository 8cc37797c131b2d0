"""The fence on a real ledger: what is answered is stored, and a deposed leader writes
and answers nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from dispatcher.commit.fence import Fate, Fence
from runtime import bus as buses
from runtime.bus import Bus
from runtime.ledger import Ledger, open_ledger
from schemas import codec
from schemas.commands import SyncUser
from schemas.events import DriverEvent
from schemas.ledger import Writer
from tests.contract.dispatcher.desk import (
    DORA,
    RITA,
    Book,
    Gateway,
    InProcess,
    command,
    request,
    rider,
)
from tests.support import nats
from tests.support.nats import NatsServer
from tests.support.waiting import until


class Pen:
    """A fence and the verdicts it has given."""

    def __init__(self, bus: Bus, js: JetStreamContext, ledger: Ledger) -> None:
        self.fates: list[Fate] = []
        self.fence = Fence(bus, js, ledger, self.fates.append)
        self._writer = Writer(ledger.id, 1, "me")

    def record(self, n: int, *events: bytes) -> bytes:
        return self._writer.record(n, 1, list(events))

    async def write(self, n: int, *events: bytes, expected: int | None = None) -> Fate:
        self.fence.append(
            self.record(n, *events), n, n - 1 if expected is None else expected
        )
        return await self.verdict()

    async def verdict(self) -> Fate:
        def settled() -> bool:
            self.fence.tick()
            return not self.fence.busy

        await until(settled, "a verdict")
        return self.fates[-1]


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    return await open_ledger(bus.jetstream(), "main", bytes_max=2048, replicas=1)


@pytest.fixture
async def pen(bus: Bus, ledger: Ledger) -> AsyncIterator[Pen]:
    pen = Pen(bus, bus.jetstream(), ledger)
    yield pen
    pen.fence.close()


async def test_records_in_order_are_stored(pen: Pen, book: Book) -> None:
    assert [await pen.write(n) for n in (1, 2, 3)] == [Fate.STORED] * 3
    assert [one.n for one in await book.records()] == [1, 2, 3]


async def test_a_record_after_an_intruder_s_is_not_stored(pen: Pen, book: Book) -> None:
    await pen.write(1)
    await book.intrude()
    assert await pen.write(2) is Fate.DEPOSED
    assert [one.writer for one in await book.records()] == ["me", "intruder"]


async def test_after_a_refusal_the_next_record_is_refused_too(
    pen: Pen, book: Book
) -> None:
    await pen.write(1)
    await book.intrude()
    fates = [await pen.write(n, expected=1) for n in (2, 3, 4)]
    assert fates == [Fate.DEPOSED] * 3
    assert await book.last() == 2


async def test_a_lost_acknowledgement_is_resolved_by_reading_back(
    pen: Pen, book: Book
) -> None:
    await pen.write(1)
    await book.js.publish(book.subject, pen.record(2))  # its answer went elsewhere
    assert await pen.write(2) is Fate.STORED
    assert await book.last() == 2


async def test_a_lost_acknowledgement_with_a_successor_s_record_after_it_is_doubt(
    pen: Pen, book: Book
) -> None:
    await pen.write(1)
    await book.js.publish(book.subject, pen.record(2))
    await book.intrude()
    assert await pen.write(2) is Fate.DEPOSED
    assert await book.last() == 3


async def test_another_writer_s_record_of_the_same_number_is_not_taken_for_ours(
    pen: Pen, book: Book
) -> None:
    await pen.write(1)
    await book.intrude(epoch=1)
    assert await pen.write(2) is Fate.DEPOSED


async def test_two_ledgers_made_at_once_are_one(bus: Bus) -> None:
    js = bus.jetstream()
    both = await asyncio.gather(
        *(open_ledger(js, "north", bytes_max=-1, replicas=1) for _ in range(5))
    )
    assert len({ledger.id for ledger in both}) == 1
    assert both[0].id


async def test_a_full_ledger_says_so_and_stores_nothing(pen: Pen, book: Book) -> None:
    n = 1
    while await pen.write(n, b'"' + b"x" * 400 + b'"') is Fate.STORED:
        n += 1
    assert pen.fates[-1] is Fate.FULL
    assert await book.last() == n - 1


@pytest.mark.parametrize("quota", ["account", "server"])
async def test_a_used_up_quota_says_so_and_stores_nothing(
    tmp_path: Path, quota: str
) -> None:
    limit = nats.QUOTA_BYTES if quota == "server" else 0
    with nats.running(tmp_path, nats.ACCOUNTS, stored_bytes_max=limit) as server:
        url = nats.small(server.url) if quota == "account" else server.url
        bus = await buses.connect(url, "test")
        js = bus.jetstream()
        ledger = await open_ledger(js, "main", bytes_max=-1, replicas=1)
        pen = Pen(bus, js, ledger)
        n = 1
        while await pen.write(n, b'"' + b"x" * 20_000 + b'"') is Fate.STORED:
            n += 1
        assert pen.fates[-1] is Fate.FULL
        assert (await js.stream_info(ledger.stream)).state.last_seq == n - 1
        await bus.close()


async def test_a_record_written_while_the_server_is_away_is_stored_once_it_is_back(
    pen: Pen, book: Book, nats_server: NatsServer
) -> None:
    await pen.write(1)
    nats_server.kill()
    pen.fence.append(pen.record(2), 2, 1)
    nats_server.start()
    assert await pen.verdict() is Fate.STORED
    assert await book.last() == 2


async def test_an_intruder_s_record_deposes_the_leader_and_its_batch_has_no_answer(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    first = await gateway.leader()
    await gateway.trip(request())
    intruder = await book.intrude()
    asked = [request(rider(number)) for number in range(20)]
    gateway.send(*asked)
    second = await gateway.leader(after=first.epoch)
    assert second.epoch > intruder
    assert [gateway.answer_to(one) for one in asked] == [None] * 20
    stored = [event.command for one in await book.records() for event in one.events]
    assert not {one.id for one in asked} & set(stored)

    retried = request(asked[0].by, id=asked[0].id, attempt=2)
    await gateway.trip(retried)
    assert gateway.answers[-1][0] == second.epoch


async def test_an_intruder_that_announces_itself_deposes_an_idle_leader(
    dispatcher: InProcess, gateway: Gateway, bus: Bus, book: Book
) -> None:
    first = await gateway.leader()
    epoch = await book.intrude()
    said = type(first)("main", epoch, "intruder", 0, 0)
    bus.send("leader.main", codec.encode(said))
    # Nobody answers pings now, so it takes the region back.
    await until(lambda: gateway.announced[-1].epoch > epoch)


async def test_an_idle_leader_finds_out_by_itself_that_somebody_else_has_led(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    """Who deposed it is gone, and it missed what they said."""
    await gateway.leader()
    intruder = await book.intrude()
    await until(lambda: gateway.announced[-1].epoch > intruder)


async def test_a_record_that_is_none_is_skipped_by_who_follows(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    first = await gateway.leader()
    trip = await gateway.trip(request())
    await book.intrude(n=7)
    await book.intrude(ledger="f" * 32)
    await book.intrude(events=[DriverEvent(1, 1, "dora", online=False)])
    await book.js.publish(book.subject, b"not a record")
    gateway.send(command(SyncUser, DORA))
    await gateway.leader(after=first.epoch)
    answer = await gateway.ask(command(SyncUser, RITA))
    assert answer.data is not None
    assert trip.id.encode() in bytes(answer.data)
