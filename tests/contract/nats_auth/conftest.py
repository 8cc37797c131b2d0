"""A real nats-server that was locked down by `cabrank nats-auth`."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cabrank.stack import nats_auth
from runtime import bus as buses
from runtime.bus import Bus
from runtime.nats_login import Login
from schemas.permissions import Service
from tests.support.nats import NatsServer


class Locked(NatsServer):
    """`auth` is the directory of the seeds."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.auth = directory / "auth"
        nats_auth.run(self.auth, [], [])
        text = self.config.read_text()
        self.config.write_text(f'{text}include "auth/auth.conf"\n')

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def login(self, service: Service) -> Login:
        return Login(service, str(nats_auth.seed_file(self.auth, service)))


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    server = Locked(tmp_path)
    server.start()
    yield server
    server.kill()


Connect = Callable[[Service], Awaitable[Bus]]


@pytest.fixture
async def connect(locked: Locked) -> AsyncIterator[Connect]:
    """Connections as this or that service."""
    made: list[Bus] = []

    async def connect(service: Service) -> Bus:
        bus = await buses.connect(locked.url, "test", login=locked.login(service))
        made.append(bus)
        return bus

    yield connect
    for bus in made:
        await bus.close()
