from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from runtime.bus import Bus
from runtime.settings import Settings
from tests.contract.dispatcher.desk import Book, Gateway, InProcess, Process
from tests.support.nats import NatsServer


@pytest.fixture
async def gateway(bus: Bus) -> Gateway:
    gateway = Gateway(bus)
    await gateway.ready()
    return gateway


@pytest.fixture
def book(bus: Bus) -> Book:
    return Book(bus)


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    return Settings(nats_url=nats_server.url)


@pytest.fixture
async def dispatcher(settings: Settings, gateway: Gateway) -> AsyncIterator[InProcess]:
    """One that leads already."""
    dispatcher = await InProcess(settings).start()
    await gateway.leader()
    yield dispatcher
    await dispatcher.stop()


Start = Callable[..., Process]


@pytest.fixture
def start(nats_server: NatsServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a dispatcher process; all are dead afterwards."""
    started: list[Process] = []

    def start(**settings: str) -> Process:
        log = tmp_path / f"dispatcher-{len(started)}.log"
        process = Process(nats_server.url, log, **settings)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
