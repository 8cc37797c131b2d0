"""A real gateway in this process on a real nats-server; leader and accounts are fakes
that speak ARCHITECTURE.md's shapes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from gateway import bootstrap, main
from gateway.identity.tokens import Identity
from gateway.limits import Limits
from gateway.sockets import webserver
from runtime import bus
from runtime import streams as runtime_streams
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import streams
from schemas.trips import Role
from tests.contract.gateway_ws.leader import FakeLeader, trip
from tests.contract.gateway_ws.roomleader import DRIVER, RoomLeader
from tests.support import nats, tokens
from tests.support.client import Client, connect, welcomed

RIDER = tokens.RIDER
OTHER = "0192f0c4-1111-7000-8000-000000000009"
TRIP_ROOM = f"trip_{trip(1)['id']}"


class World:
    """What a test has in hand; `limits` of a gateway not yet started may be changed."""

    def __init__(self, server: nats.NatsServer, connection: bus.Bus) -> None:
        self.nats = server
        self.bus = connection
        self.tokens = tokens.Tokens()
        self.leader = FakeLeader(connection)
        self.limits = Limits()
        self.settings = Settings(nats_url=server.url, origins="https://app.example")
        self.url = ""
        self.gateway: bootstrap.Gateway | None = None
        self._clients: list[Client] = []
        self._drain: Callable[[], Awaitable[None]] | None = None
        self._service = Service("gateway")

    async def start(self, **limits: float) -> None:
        """Start the gateway, with some limits changed."""
        self.limits = msgspec.structs.replace(self.limits, **limits)
        await self.leader.listen()
        await self.serve()

    async def serve(self) -> None:
        """Start the gateway alone; another world's leader leads."""
        listener = webserver.bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = await main.start(
            self._service,
            self.settings,
            Identity(self.tokens.jwks),
            [listener],
            self.limits,
        )
        self.gateway = started.gateway
        self._drain = started

    async def stop(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None:
            self._service.stopping.set()
            await drain()
        for client in self._clients:
            await client.close()
        await self._service.cancel_tasks()
        assert self._service.failure is None, self._service.failure

    async def anyone(self, token: str | None, **options: Any) -> Client:
        """Connected; not yet welcomed."""
        client = await connect(self.url, token, **options)
        self._clients.append(client)
        return client

    async def user(self, token: str, **options: Any) -> tuple[Client, dict[str, Any]]:
        client, welcome = await welcomed(self.url, token, **options)
        self._clients.append(client)
        return client, welcome

    async def rider(self, **options: Any) -> Client:
        return (await self.user(self.tokens.issue(), **options))[0]

    async def driver(self, user: str = DRIVER, **options: Any) -> Client:
        token = self.tokens.issue(user, Role.DRIVER)
        return (await self.user(token, **options))[0]


@pytest.fixture
async def world(nats_server: nats.NatsServer) -> AsyncIterator[World]:
    connection = await bus.connect(nats_server.url, "leader")
    # As persistence does.
    await runtime_streams.ensure(connection.jetstream(), streams.revocations(900))
    world = World(nats_server, connection)
    try:
        yield world
    finally:
        await world.stop()
        await connection.close()


@pytest.fixture
async def rooms(world: World) -> RoomLeader:
    made = RoomLeader(world.leader)
    await made.listen()
    await world.start(presence_s=0.05)
    return made


async def member(world: World, room: str = "lobby", user: str = RIDER) -> Client:
    client, _ = await world.user(world.tokens.issue(user))
    await client.do("chat.join", {"room": room})
    return client


def texts(client: Client) -> list[str]:
    """Of all messages so far, in the order they came."""
    return [f["data"]["text"] for f in client.seen("chat.message")]
