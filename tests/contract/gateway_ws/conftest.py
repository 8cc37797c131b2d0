"""A real gateway in this process on a real nats-server; leader and accounts are fakes
that speak ARCHITECTURE.md's shapes.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.limits import Limits
from runtime import bus
from runtime.settings import Settings
from schemas.trips import Role
from tests.contract.gateway_ws.engine_leader import DRIVER, EngineLeader
from tests.contract.gateway_ws.scripted_leader import ScriptedLeader, trip
from tests.support import nats, tokens
from tests.support.client import Client, connect, welcomed
from tests.support.running import Gateway, beside

RIDER = tokens.RIDER
OTHER = "0192f0c4-1111-7000-8000-000000000009"
TRIP_ROOM = f"trip_{trip(1)['id']}"


class World(Gateway):
    """What a test has in hand; `limits` of a gateway not yet started may be changed."""

    def __init__(self, server: nats.NatsServer, connection: bus.Bus) -> None:
        settings = Settings(nats_url=server.url, origins="https://app.example")
        super().__init__(settings, Limits())
        self.nats = server
        self.bus = connection
        self.leader = ScriptedLeader(connection)

    async def start(self, **limits: float) -> None:
        """Start the gateway, with some limits changed."""
        self.limits = msgspec.structs.replace(self.limits, **limits)
        await self.leader.listen()
        await self.serve()

    async def anyone(self, token: str | None, **options: Any) -> Client:
        """Connected; not yet welcomed."""
        client = await connect(self.url, token, **options)
        self.clients.append(client)
        return client

    async def user(self, token: str, **options: Any) -> tuple[Client, dict[str, Any]]:
        client, welcome = await welcomed(self.url, token, **options)
        self.clients.append(client)
        return client, welcome

    async def rider(self, **options: Any) -> Client:
        return (await self.user(self.tokens.issue(), **options))[0]

    async def driver(self, user: str = DRIVER, **options: Any) -> Client:
        token = self.tokens.issue(user, Role.DRIVER)
        return (await self.user(token, **options))[0]


@pytest.fixture
async def world(nats_server: nats.NatsServer) -> AsyncIterator[World]:
    async with beside(nats_server.url, "leader") as connection:
        world = World(nats_server, connection)
        try:
            yield world
        finally:
            await world.stop()


@pytest.fixture
async def rooms(world: World) -> EngineLeader:
    made = EngineLeader(world.leader)
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
