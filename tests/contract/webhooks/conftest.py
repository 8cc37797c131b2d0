"""The webhooks service and persistence's part in it, over a real NATS and each kind of
database; endpoints are the tests' own.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from msgspec import Struct

from persistence import database
from persistence.deliveries.service import Deliveries
from persistence.history.history import History
from persistence.history.past import past
from runtime import ops
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import subjects
from schemas.accounts import Result
from schemas.codec import decode, encode
from schemas.webhooks import AddWebhook, DeliveryTold, ListDeliveries, MadeWebhook
from tests.support.nats import NatsServer
from tests.support.records import Ledger
from tests.support.running import Running, service
from webhooks import main

OPERATOR = "0192f0c4-0000-7000-8000-000000000009"


class Clock:
    """Of persistence: a test moves it on by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:

        return time.time_ns() // 1_000_000 + self.ahead_ms


class Office:
    """What an operator asks."""

    def __init__(self, bus: Bus, clock: Clock, deliveries: Deliveries) -> None:
        self.bus = bus
        self.persistence = deliveries
        self.clock = clock

    async def ask(self, operation: str, asked: Struct) -> Result:
        subject = subjects.webhooks(operation)
        answer = await self.bus.request(subject, encode(asked), timeout=10)
        return decode(answer.data, Result)

    async def told(self, operation: str, asked: Struct, shape: Any) -> Any:
        result = await self.ask(operation, asked)
        assert result.refused is None, result.refused
        return decode(result.data or b"null", shape)

    async def add(self, url: str, *events: str) -> MadeWebhook:
        asked = AddWebhook(url=url, events=list(events) or ["*"], by=OPERATOR)
        made: MadeWebhook = await self.told("add", asked, MadeWebhook)
        return made

    async def deliveries(self, webhook: str) -> list[DeliveryTold]:
        asked = ListDeliveries(webhook, 100)
        rows: list[DeliveryTold] = await self.told(
            "deliveries", asked, list[DeliveryTold]
        )
        return rows

    async def statuses(self, webhook: str) -> list[str]:
        return [one.status for one in reversed(await self.deliveries(webhook))]


Working = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    return await Ledger(bus).create()


@pytest.fixture
def settings(nats_server: NatsServer, database_url: str) -> Settings:
    return Settings(
        nats_url=nats_server.url, database_url=database_url, webhooks_private=1
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def office(bus: Bus, settings: Settings, clock: Clock) -> AsyncIterator[Office]:
    engine = database.plain_engine(settings.database_url)
    history = History(past(settings.database_url), bus)
    async with service() as running:
        hasty = database.hasty_engine(settings.database_url)
        deliveries = Deliveries(engine, hasty, bus, settings, clock_ms=clock)
        deliveries.start(running)
        history.start()
        await bus.flush()
        yield Office(bus, clock, deliveries)
        running.stop()
        await deliveries.stop()
        await history.stop()


@pytest.fixture
def working(settings: Settings) -> Working:
    """A worker, begun as its own `main` does."""

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Running]:
        running = Running("webhooks")
        running.drain = await main.start(settings, running.service, ops.Health())
        try:
            yield running
        finally:
            await running.stop()

    return start
