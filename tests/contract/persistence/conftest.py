"""Real NATS, real databases, and writers between them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from persistence import database
from persistence.projected.observer import Observer
from persistence.projected.store import Store
from persistence.projected.writer import Writer
from runtime import bus as buses
from runtime.bus import Bus
from tests.contract.persistence.telling import Told
from tests.support.counting import Counting
from tests.support.nats import NatsServer
from tests.support.records import Ledger
from tests.support.running import service

ROUND_S = 0.1
"""Tests need not wait seconds for a new region."""

Working = Callable[[str], AbstractAsyncContextManager[Writer]]


@pytest.fixture
async def ledger(bus: Bus) -> Ledger:
    return await Ledger(bus).create()


@pytest.fixture
def working(nats_server: NatsServer) -> Working:
    """A writer at work on a database, with a NATS connection of its own."""

    @contextlib.asynccontextmanager
    async def start(url: str) -> AsyncIterator[Writer]:
        writers: list[Writer] = []
        connection = await buses.connect(
            nats_server.url,
            "writer",
            on_reconnect=lambda: [one.reconnected() for one in writers] and None,
        )
        writer = Writer(connection, Store(database.plain_engine(url)), ROUND_S)
        writers.append(writer)
        try:
            async with service() as running:
                writer.start(running)
                yield writer
                running.stop()
                await writer.stop()
        finally:
            await connection.close()

    return start


@pytest.fixture
async def counting(database_url: str) -> AsyncIterator[Counting]:
    counter = Counting(database_url)
    yield counter
    await counter.engine.dispose()


@pytest.fixture
async def told(bus: Bus, database_url: str) -> AsyncIterator[Told]:
    observer = Observer(bus, database.plain_engine(database_url), 3_600)
    async with contextlib.AsyncExitStack() as stack:
        told = await stack.enter_async_context(Told(bus, database_url).answering())
        running = await stack.enter_async_context(service())
        observer.start(running)
        yield told
        running.stop()
        await observer.stop()
