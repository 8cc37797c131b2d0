"""A real gateway's HTTP side: nats-server, uvicorn, tokens, and in persistence's place
a responder that answers as each test says.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from gateway.asking import Asking
from gateway.http.app import create_app
from gateway.identity.settling import Settling
from gateway.identity.tokens import Identity
from gateway.leader.leaders import Leaders
from gateway.limits import Limits
from runtime import bus
from runtime.lifecycle import Service
from runtime.questions import Questions
from runtime.settings import Settings
from schemas.accounts import Result
from schemas.claims import Claims
from schemas.codec import encode
from schemas.commands import Answer as CommandAnswer
from schemas.commands import AnyCommand
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.support import nats
from tests.support import tokens as support
from tests.support.tokens import Tokens

RIDER = support.RIDER
OPERATOR = "0192f0c4-0000-7000-8000-000000000009"
TRIP = "0192f0c4-0000-7000-8000-00000000aaaa"

Answer = Callable[[Any], Result | None]


def refusal(code: Code, message: str, status: int | None = None) -> Result:
    return Result(refused=Refusal(code, message), status=status)


def data(value: Any) -> Result:
    return Result(data=msgspec.Raw(encode(value)))


class FakePersistence:
    """Answers `accounts.…` and `history.…` of one queue group, as persistence does.

    `answers[subject]` makes the Result of the question's JSON; None: no answer.
    """

    def __init__(self, connection: bus.Bus) -> None:
        self._bus = connection
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Answer] = {"accounts.denied": lambda _: data(None)}

    async def listen(self, *subjects: str) -> None:
        for subject in subjects:
            queue = subject.partition(".")[0]
            self._bus.subscribe_raw(subject, self._question, queue)
        await self._bus.flush()

    def _question(
        self, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        name, question = subject.decode(), msgspec.json.decode(payload)
        self.asked.append((name, question))
        result = self.answers[name](question)
        if result is not None:
            self._bus.send(reply.decode(), encode(result))


class FakeDesk:
    """The gateway's NATS side: answers sends by `answer`, and notes what it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[Claims, str, str, str | None]] = []
        self.decided: list[tuple[Claims, str, Any, dict[str, Any]]] = []
        self.commands: list[AnyCommand] = []
        self.told: list[tuple[str, str, bytes]] = []
        self.answer = CommandAnswer("c", 1, data=msgspec.Raw(b"{}"))
        self.is_connected = True
        self.heard_by = 0

    async def send_message(
        self, claims: Claims, room: str, text: str, key: str | None
    ) -> CommandAnswer:
        self.sent.append((claims, room, text, key))
        return self.answer

    async def decide(
        self, claims: Claims, region: str, command_of: Any, **fields: Any
    ) -> CommandAnswer:
        self.decided.append((claims, region, command_of, fields))
        envelope = {"id": "c", "deadline_ms": 1, "by": claims.user()}
        self.commands.append(command_of(**envelope, **fields))
        return self.answer

    def notify(self, region: str, user: str, data: bytes) -> bool:
        if self.is_connected:
            self.told.append((region, user, data))
        return self.is_connected

    async def notify_and_count(self, region: str, user: str, data: bytes) -> int | None:
        return self.heard_by if self.notify(region, user, data) else None


class Site:
    """What a test has in hand."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        persistence: FakePersistence,
        tokens: Tokens,
        identity: Identity,
        port: int,
        *,
        desk: FakeDesk,
    ) -> None:
        self.desk = desk
        self.client = client
        self.persistence = persistence
        self.tokens = tokens
        self.identity = identity
        self.port = port
        self.missing: str | None = None
        self.rider = bearer(tokens.issue())
        self.operator = bearer(tokens.issue(OPERATOR, Role.OPERATOR))

    def answers(self, subject: str, result: Result) -> None:
        self.persistence.answers[subject] = lambda _: result

    async def raw(self, request: bytes) -> bytes:
        """Send these very bytes, and read until the server has nothing more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """uvicorn in this loop, with the settings gateway/main.py gives it."""
    config = uvicorn.Config(
        app,
        port=0,
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    server.config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@pytest.fixture(scope="module")
def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nats.NatsServer]:
    with nats.running(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def nats_server(shared_nats: nats.NatsServer) -> nats.NatsServer:
    """One for all tests of a file, running at the start of each."""
    if shared_nats.process is None:
        shared_nats.start()
    return shared_nats


@pytest.fixture
async def connection(nats_server: nats.NatsServer) -> AsyncIterator[bus.Bus]:
    connected = await bus.connect(nats_server.url, "gateway")
    yield connected
    await connected.close()


@pytest.fixture
async def persistence_bus(nats_server: nats.NatsServer) -> AsyncIterator[bus.Bus]:
    connected = await bus.connect(nats_server.url, "persistence")
    yield connected
    await connected.close()


@pytest.fixture
def leaders() -> Leaders:
    return Leaders()


@pytest.fixture
async def site(
    connection: bus.Bus, persistence_bus: bus.Bus, leaders: Leaders
) -> AsyncIterator[Site]:
    persistence = FakePersistence(persistence_bus)
    await persistence.listen("accounts.*", "history.*")
    tokens = Tokens()
    identity = Identity(tokens.jwks)
    asker = Questions(connection)
    await connection.flush()
    found: list[Site] = []
    desk = FakeDesk()
    app = create_app(
        asker,
        identity,
        lambda: found[0].missing,
        Settings(origins="https://app.example"),
        desk,
        settle=Settling(identity, asker, Service("test"), Asking(Limits())).settle,
        leaders=leaders,
    )
    async with serving(app) as port:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as client:
            found.append(Site(client, persistence, tokens, identity, port, desk=desk))
            yield found[0]
    asker.close()


def problem(response: httpx.Response, status: int, code: str) -> str:
    """Check that this is such a problem (RFC 9457), and return its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["type"] == f"/docs#{code}"
    assert "Traceback" not in response.text
    detail: str = body["detail"]
    assert detail
    return detail
