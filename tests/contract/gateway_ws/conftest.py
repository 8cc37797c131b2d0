"""A real gateway in this process on a real nats-server; leader and accounts are fakes
that speak ARCHITECTURE.md's shapes.
"""

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import edge, main, webserver
from gateway.identity import Identity
from gateway.limits import Limits
from runtime import bus
from runtime import streams as runtime_streams
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import streams
from schemas.claims import ALGORITHM, Claims
from schemas.codec import encode
from schemas.trips import Role
from tests.contract.gateway_ws.leader import REGION, FakeLeader, trip
from tests.contract.gateway_ws.roomleader import RoomLeader
from tests.support import nats
from tests.support.client import Client, connect, welcomed

RIDER = "0192f0c4-1111-7000-8000-000000000001"
DRIVER = "0192f0c4-2222-7000-8000-000000000002"
OTHER = "0192f0c4-1111-7000-8000-000000000009"
TRIP_ROOM = f"trip_{trip(1)['id']}"


class Tokens:
    """Issues access tokens, as persistence does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        x = base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw())
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x.decode().rstrip("=")}
        self.jwks = encode({"keys": [jwk]})

    def issue(
        self,
        user: str = RIDER,
        role: Role = Role.RIDER,
        ttl_s: float = 900,
        session: str = "5e55",
    ) -> str:
        now = time.time()
        claims = Claims(
            sub=user,
            username="ada",
            first_name="Ada",
            last_name="L",
            role=role,
            region=REGION,
            sid=session,
            iat=now,
            exp=now + ttl_s,
        )
        payload = msgspec.to_builtins(claims)
        return jwt.encode(payload, self._key, ALGORITHM, headers={"kid": "k1"})


class World:
    """What a test has in hand; `limits` of a gateway not yet started may be changed."""

    def __init__(self, server: nats.NatsServer, connection: bus.Bus) -> None:
        self.nats = server
        self.bus = connection
        self.tokens = Tokens()
        self.leader = FakeLeader(connection)
        self.limits = Limits()
        self.settings = Settings(nats_url=server.url, origins="https://app.example")
        self.url = ""
        self.edge: edge.Edge | None = None
        self._clients: list[Client] = []
        self._drain: Callable[[], Awaitable[None]] | None = None
        self._service = Service("gateway")

    async def start(self, **limits: float) -> None:
        """Start the gateway, with some limits changed."""
        self.limits = msgspec.structs.replace(self.limits, **limits)
        await self.leader.listen()
        listener = webserver.bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = await main.start(
            self._service,
            self.settings,
            Identity(self.tokens.jwks),
            [listener],
            self.limits,
        )
        self.edge = started.edge
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
