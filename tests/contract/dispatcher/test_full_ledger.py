"""A ledger full of records that nobody needs any more goes on by itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from dispatcher.engine.engine import Limits
from dispatcher.region import housekeeping, region, snapshotter
from runtime import bus as buses
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, streams
from schemas.commands import (
    AcceptTrip,
    AnyCommand,
    BeginTrip,
    CompleteTrip,
    SyncData,
    SyncUser,
)
from schemas.refusals import Code
from schemas.trips import Role, Status, Trip, User
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
from tests.support.waiting import until, until_is

LIMIT_BYTES = 60_000
REMEMBER_MS = 1_000


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are known for a second, and room is made ten times a second."""
    monkeypatch.setattr(region, "Limits", partial(Limits, remember_ms=REMEMBER_MS))
    monkeypatch.setattr(region, "FULL_RETRY_S", 0.1)
    monkeypatch.setattr(housekeeping, "INTERVAL_S", 0.1)


class Site:
    """A NATS server with a quota, and whoever acknowledges what the ledger holds."""

    def __init__(self, bus: Bus, url: str) -> None:
        self.bus = bus
        self.url = url
        self.book = Book(bus)
        self.gateway = Gateway(bus)
        self._numbers = itertools.count()
        self._writer: asyncio.Task[None] | None = None

    async def lead(self, **settings: int) -> InProcess:
        after = max((one.epoch for one in self.gateway.announced), default=0)
        dispatcher = await InProcess(Settings(nats_url=self.url, **settings)).start()
        await self.gateway.leader(after)
        return dispatcher

    def persist(self) -> None:
        """Acknowledge all there is and all that comes, as persistence does."""
        self._writer = asyncio.create_task(self._persist())

    async def _persist(self) -> None:
        js, stream = self.book.js, self.book.stream
        await js.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=streams.WRITER_DURABLE, ack_policy=AckPolicy.EXPLICIT
            ),
        )
        consumer = await js.pull_subscribe_bind(streams.WRITER_DURABLE, stream)
        while True:
            try:
                for message in await consumer.fetch(500, timeout=1):
                    await message.ack()
            except TimeoutError:
                continue

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def outcome(self, asked: AnyCommand, limit_s: float) -> str:
        """Sent once: while nobody leads, nobody hears it."""
        self.gateway.send(asked)
        try:
            await until(lambda: self.gateway.answer_to(asked), limit_s=limit_s)
        except TimeoutError:
            return "silence"
        answer = self.gateway.answer_to(asked)
        assert answer is not None
        return "ok" if answer.refused is None else answer.refused.code.value

    async def ride(self, limit_s: float) -> str:
        """A whole trip of two people of its own, as far as it is let go."""
        number = next(self._numbers)
        driver = User(f"d{number}", f"d{number}", "Di", "Ver", Role.DRIVER)
        asked: AnyCommand = request(rider(number))
        said = await self.outcome(asked, limit_s)
        answer = self.gateway.answer_to(asked)
        if answer is None or answer.data is None:
            return said
        trip = codec.decode(answer.data, Trip)
        for kind in (AcceptTrip, BeginTrip, CompleteTrip):
            asked = command(kind, driver, trip=trip.id)
            said = await self.outcome(asked, limit_s)
            if said != "ok":
                break
        return said

    async def fill(self) -> None:
        while (said := await self.ride(limit_s=30)) == "ok":
            pass
        assert said == Code.OVERLOADED

    async def goes_on(self) -> None:
        await until_is(lambda: self.ride(1), lambda said: said == "ok", 60)
        first = (await self.book.js.stream_info(self.book.stream)).state.first_seq
        assert first > 1


@pytest.fixture
async def site(tmp_path: Path, quick: None) -> AsyncIterator[Site]:
    with nats.running(tmp_path, nats.ACCOUNTS) as server:
        url = nats.small(server.url)
        bus = await buses.connect(url, "test")
        site = Site(bus, url)
        await site.gateway.ready()
        yield site
        await site.close()
        await bus.close()


async def test_trips_under_way_go_on_once_a_full_ledger_has_made_room(
    site: Site,
) -> None:
    """No snapshot yet, and all of it still in the ring: both give way."""
    dispatcher = await site.lead(ledger_bytes_max=LIMIT_BYTES)
    trip = await site.gateway.trip(request())
    await site.gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    site.persist()
    await site.fill()
    await site.goes_on()
    begun = await site.gateway.trip(command(BeginTrip, DORA, trip=trip.id))
    assert (begun.status, begun.version) == (Status.IN_PROGRESS, 3)
    await dispatcher.stop()
    assert dispatcher.service.failure is None

    # Who starts from what is left knows the trip, and not all that was missed.
    dispatcher = await site.lead(ledger_bytes_max=LIMIT_BYTES)
    answer = await site.gateway.ask(command(SyncUser, RITA, since=1))
    assert answer.data is not None
    state = codec.decode(answer.data, SyncData)
    assert not state.recovered
    assert codec.decode(state.trips, list[Trip]) == [begun]
    await site.gateway.trip(command(CompleteTrip, DORA, trip=trip.id))
    await dispatcher.stop()
    assert dispatcher.service.failure is None


async def test_what_was_told_overloaded_is_not_done_when_its_message_comes_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the leader whose record found no room, or by who waits for room."""
    monkeypatch.setattr(region, "Limits", Limits)
    dispatcher = await site.lead(ledger_bytes_max=LIMIT_BYTES)
    denied: list[AnyCommand] = []
    asked: AnyCommand = request(rider(1_000))
    while (said := await site.outcome(asked, 30)) == "ok":
        asked = request(rider(1_000 + len(site.gateway.answers)))
    assert said == Code.OVERLOADED
    denied.append(asked)
    while len(denied) < 2:
        asked = request(rider(2_000 + len(site.gateway.answers)))
        if await site.outcome(asked, 1) == Code.OVERLOADED:
            denied.append(asked)
    js, stream = site.book.js, site.book.stream
    config = (await js.stream_info(stream)).config
    await js.update_stream(config.evolve(max_bytes=-1))
    await until_is(lambda: site.ride(1), lambda said: said == "ok", 60)
    for asked in denied:
        site.gateway.answers.clear()
        assert await site.outcome(asked, 30) == Code.OVERLOADED
    await dispatcher.stop()
    assert dispatcher.service.failure is None


async def test_a_used_up_account_makes_room_for_the_ledger(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots lie in the same account: a new one may find no room in it."""
    monkeypatch.setattr(snapshotter, "SNAPSHOT_S", 0.1)
    monkeypatch.setattr(snapshotter, "LEADER_PATIENCE", 1)
    dispatcher = await site.lead()
    site.persist()
    await site.fill()
    await site.goes_on()
    await dispatcher.stop()
    assert dispatcher.service.failure is None


async def test_a_full_ledger_keeps_what_persistence_has_not_written(
    site: Site,
) -> None:
    dispatcher = await site.lead(ledger_bytes_max=LIMIT_BYTES)
    await site.fill()
    await until_is(lambda: site.ride(1), lambda said: said == Code.OVERLOADED, 30)
    assert (await site.book.records())[0].n == 1
    site.persist()
    await site.goes_on()
    await dispatcher.stop()
