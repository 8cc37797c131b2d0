"""An outside issuer's keys over real HTTP: fetched, turned over, gone for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import InvalidToken
from gateway.identity import oidc_keys as issuers
from gateway.identity.oidc import Outside
from gateway.identity.oidc import rules as outside_rules
from gateway.identity.oidc_keys import Issuer
from gateway.identity.tokens import Identity
from runtime.bus import Bus, connect
from runtime.lifecycle import Service
from runtime.questions import Questions
from runtime.settings import Settings
from schemas import accounts
from schemas.codec import decode, encode
from schemas.refusals import Code, Refusal
from tests.support.issuer import AUDIENCE, IssuerServer, Key, running
from tests.support.nats import NatsServer
from tests.support.running import service
from tests.support.waiting import until, until_true
from tests.unit.gateway.identity.making import KEY, jwks_of


class Gate:
    def __init__(self, identity: Identity, issuer: Issuer, bus: Bus) -> None:
        self.identity = identity
        self.issuer = issuer
        self.bus = bus

    def takes(self, token: str) -> bool:
        try:
            self.identity.verify(token, time.time())
        except InvalidToken:
            return False
        return True

    async def waits_for(self, token: str) -> bool:
        """As a handshake does: once more after the keys were fetched again."""
        if self.takes(token):
            return True
        await self.issuer.renewed()
        return self.takes(token)


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    async with running(IssuerServer()) as made:
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "RETRY_S", (0.02, 0.05))
    monkeypatch.setattr(issuers, "PAUSE_S", 0.02)


def settings(server: IssuerServer) -> Settings:
    return Settings(oidc_issuer=server.url, oidc_audience=AUDIENCE)


async def begun(server: IssuerServer, bus: Bus, tasks: Service) -> Gate:
    rules = outside_rules(settings(server))
    assert rules is not None
    identity = Identity(jwks_of(KEY))
    outside = Outside(rules)
    identity.accept(outside)
    issuer = Issuer(outside, Questions(bus))
    tasks.spawn("issuer", issuer.run())
    tasks.spawn("meet", issuer.meet())
    return Gate(identity, issuer, bus)


@pytest.fixture
async def tasks() -> AsyncIterator[Service]:
    async with service() as made:
        yield made


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    made = await connect(nats_server.url, "test")
    yield made
    await made.close()


@pytest.fixture
async def gate(server: IssuerServer, bus: Bus, tasks: Service) -> Gate:
    made = await begun(server, bus, tasks)
    await until(lambda: made.takes(server.token()), limit_s=30)
    return made


async def test_a_key_it_turned_to_is_fetched_when_its_first_token_comes(
    gate: Gate, server: IssuerServer
) -> None:
    old = server.token()
    server.keys = [Key("k2", "RS256"), *server.keys]
    await until(lambda: gate.takes(server.token()), limit_s=30)
    assert gate.takes(old)
    server.keys = [Key("k3", "ES256")]
    await until(lambda: gate.takes(server.token()), limit_s=30)
    assert not gate.takes(old)


async def test_who_comes_with_an_unknown_key_waits_for_it(
    gate: Gate, server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "PAUSE_S", 0.0)
    server.keys = [Key("k2")]

    async def waits() -> bool:  # one more where a fetch was under way already
        return await gate.waits_for(server.token())

    await until_true(waits, limit_s=30)
    assert server.keys_fetched() <= 5


async def test_unknown_keys_dont_hammer_the_issuer(
    gate: Gate, server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "PAUSE_S", 3600.0)
    stranger = Key("unheard of")
    before = server.keys_fetched()
    for number in range(50):
        token = stranger.sign({"iss": server.url, "jti": number})
        assert not await gate.waits_for(token)
    assert server.keys_fetched() - before <= 1


async def test_an_issuer_that_is_away_logs_nobody_out(
    gate: Gate, server: IssuerServer
) -> None:
    server.status = 500
    stranger = Key("unheard of")
    assert not await gate.waits_for(stranger.sign({"iss": server.url}))
    assert gate.takes(server.token(jti="another"))
    server.status = 200
    server.keys = [Key("k2")]
    await until(lambda: gate.takes(server.token()), limit_s=30)


async def test_an_issuer_that_comes_later_is_waited_for(
    bus: Bus, tasks: Service
) -> None:
    server = IssuerServer()
    server.status = 503
    async with running(server):
        gate = await begun(server, bus, tasks)
        await until(lambda: len(server.asked) >= 3, limit_s=30)
        assert not gate.takes(server.token())
        server.status = 200
        await until(lambda: gate.takes(server.token()), limit_s=30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://somebody.else"},
        {"jwks_uri": "http://keys.example/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_configuration_that_leads_elsewhere_is_not_followed(
    wrong: dict[str, Any], bus: Bus, tasks: Service
) -> None:
    server = IssuerServer()
    server.configuration = wrong
    async with running(server):
        gate = await begun(server, bus, tasks)
        await until(lambda: len(server.asked) >= 2, limit_s=30)
        assert server.keys_fetched() == 0
        assert not gate.takes(server.token())


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "no JSON": {"body": b"{half"},
    "a page": {"body": b"<!doctype html>"},
    "no UTF-8": {"body": b"\xff\xfe"},
    "too much": {"body": b"x" * (issuers.ANSWER_BYTES_MAX + 1)},
    "too deep": {"body": b'{"keys":' + b"[" * 100_000},
    "no key": {"body": b'{"keys": []}'},
    "null": {"body": b'{"keys":[null]}'},
    "other types": {"body": b'{"keys":[{"kty":["OKP"],"x":{}}, 7, "x", []]}'},
    "no list": {"body": b'{"keys": {}}'},
    "packed": {"body": b"\x1f\x8b" * 99, "headers": {"content-encoding": "gzip"}},
    "elsewhere": {"status": 302, "headers": {"location": "/elsewhere"}},
    "not found": {"status": 404},
    "nothing yet": {"status": 202},
    "slow": {"is_slow": True},
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
async def test_a_bad_answer_leaves_the_keys_as_they_were(
    bad: str, gate: Gate, server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience_s = issuers.TIMEOUT_S
    monkeypatch.setattr(issuers, "TIMEOUT_S", 0.1 if bad == "slow" else patience_s)
    server.answer_keys_with(**BAD_ANSWERS[bad])
    before = server.keys_fetched()
    assert not gate.takes(Key("unheard of").sign({"iss": server.url}))
    await until(lambda: server.keys_fetched() > before, limit_s=30)
    assert gate.takes(server.token(jti="meanwhile"))
    monkeypatch.setattr(issuers, "TIMEOUT_S", patience_s)
    server.answer_keys_with()
    server.keys = [Key("k2")]

    async def goes_on() -> bool:
        return gate.takes(server.token())

    await until_true(goes_on, limit_s=30)
    assert "/elsewhere" not in server.asked


async def test_each_new_user_is_told_to_persistence_until_it_listens(
    gate: Gate, server: IssuerServer, bus: Bus
) -> None:
    asked: list[accounts.Meet] = []
    first = server.token(sub="new")
    assert gate.takes(first)  # nobody listens yet

    def meet(_s: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        asked.append(decode(payload, accounts.Meet))
        refused = Refusal(Code.UNAVAILABLE, "not now") if len(asked) == 1 else None
        bus.send(reply.decode(), encode(accounts.Result(refused=refused)))

    bus.subscribe_raw("accounts.meet", meet, "accounts")
    await bus.flush()
    who = gate.identity.verify(first, time.time())

    def told() -> list[accounts.Meet]:
        return [one for one in asked[1:] if one.user.id == who.sub]

    await until(told, limit_s=30)
    assert told()[0] == accounts.Meet(who.user(), "main", server.url, "new")
    await until(lambda: not gate.issuer._waiting, limit_s=30)
    count = len(asked)
    assert gate.takes(server.token(sub="new", jti="again"))
    assert not gate.issuer._waiting
    await asyncio.sleep(0)
    assert len(asked) == count
