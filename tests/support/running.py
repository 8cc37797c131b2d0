"""Our services inside a test, each begun as its own `main` does. `cabrank up`, in
processes of its own, is stack.py's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway import bootstrap, main
from gateway.identity.tokens import Identity
from gateway.limits import Limits
from gateway.sockets import webserver
from runtime import bus
from runtime import streams as runtime_streams
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import streams
from tests.support.client import Client
from tests.support.tokens import Tokens

Drain = Callable[[], Awaitable[None]]
DRAINED_MAX_S = 20


class Running:
    """One service; a task of it that died fails the test at `stop`."""

    def __init__(self, name: str = "test") -> None:
        self.service = Service(name)
        self.drain: Drain | None = None

    async def stop(self) -> None:
        drain, self.drain = self.drain, None
        self.service.stop()
        if drain is not None:
            await asyncio.wait_for(drain(), DRAINED_MAX_S)
        failure = self.service.failure
        await self.service.cancel_tasks()
        if failure is not None:
            raise failure


@contextlib.asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """One whose tasks are the test's own to begin."""
    running = Running()
    try:
        yield running.service
    finally:
        await running.stop()


class Gateway:
    """Users are whoever `tokens` names."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings = settings
        self.limits = limits
        self.tokens = Tokens()
        self.url = ""
        self.gateway: bootstrap.Gateway | None = None
        self.clients: list[Client] = []
        self.running = Running("gateway")

    async def serve(self) -> None:
        listener = webserver.bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = await main.start(
            self.running.service,
            self.settings,
            Identity(self.tokens.jwks),
            [listener],
            self.limits,
        )
        self.gateway = started.gateway
        self.running.drain = started

    async def stop(self) -> None:
        await self.running.stop()
        for client in self.clients:
            await client.vanish()


@contextlib.asynccontextmanager
async def beside(nats_url: str, name: str) -> AsyncIterator[bus.Bus]:
    """A connection of the test's, with persistence's part of what a gateway needs."""
    connection = await bus.connect(nats_url, name)
    await runtime_streams.ensure(connection.jetstream(), streams.revocations(900))
    try:
        yield connection
    finally:
        await connection.close()
