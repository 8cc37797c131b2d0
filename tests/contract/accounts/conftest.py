"""The accounts service as a gateway meets it: over a real NATS, on each database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.identity.tokens import Identity
from persistence import database
from persistence.accounts import Accounts
from persistence.erasure import eraser
from persistence.identity import keyfiles, revoking
from runtime.bus import Bus, connect
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import subjects
from schemas.accounts import Result, Tokens
from schemas.codec import decode, encode
from schemas.refusals import Code
from tests.support import running
from tests.support.nats import NatsServer

START_MS = 1_795_255_200_123


class Clock:
    """Wall clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    @property
    def now_s(self) -> float:
        return self.now_ms / 1000


class Client:
    """What a gateway is to the accounts service."""

    def __init__(self, bus: Bus, accounts: Accounts, clock: Clock) -> None:
        self.bus = bus
        self.accounts = accounts
        self.clock = clock

    async def ask(self, operation: str, **request: Any) -> Result:
        subject = subjects.accounts(operation)
        answer = await self.bus.request(subject, encode(request), timeout=10)
        return decode(answer.data, Result)

    async def tokens(self, operation: str, **request: Any) -> Tokens:
        """Of an operation that must not be refused."""
        result = await self.ask(operation, **request)
        assert result.refused is None, result
        assert result.data is not None
        return decode(result.data, Tokens)

    async def refusal(self, operation: str, **request: Any) -> tuple[Code, int | None]:
        result = await self.ask(operation, **request)
        assert result.refused is not None
        assert result.data is None
        return result.refused.code, result.status

    async def sign_up(self, username: str = "anna", **more: Any) -> Tokens:
        request = {"username": username, "password": "correct horse", "role": "rider"}
        return await self.tokens("sign_up", **(request | more))


@pytest.fixture
def settings(tmp_path: Path, nats_server: NatsServer, database_url: str) -> Settings:
    pem, jwks = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "jwks.json"
    keyfiles.ensure(pem, jwks)
    return Settings(
        nats_url=nats_server.url,
        database_url=database_url,
        signing_key_file=str(pem),
        verify_keys_file=str(jwks),
        region="north",
    )


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.engine(database_url)
    yield made
    await made.dispose()


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    made = await connect(settings.nats_url, "test")
    yield made
    await made.close()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running.service() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that NATS doesn't store in time is refused, for its operator to
    repeat; on a busy disk that is any.
    """
    for module in (eraser, revoking):
        monkeypatch.setattr(module, "PUBLISH_TIMEOUT_S", 30)


@pytest.fixture
async def client(
    settings: Settings, engine: AsyncEngine, bus: Bus, service: Service, clock: Clock
) -> AsyncIterator[Client]:
    accounts = Accounts(engine, bus, settings, clock_ms=clock)
    await accounts.start(service)
    await bus.flush()
    yield Client(bus, accounts, clock)
    await asyncio.wait_for(accounts.stop(), 10)


@pytest.fixture
def identity(settings: Settings) -> Identity:
    return Identity.load(settings.verify_keys_file)
