"""What an idempotency key made that the leader no longer holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from persistence.history import history as histories
from runtime.bus import Bus
from schemas import codec
from schemas.accounts import FindMade
from schemas.events import seq_of
from schemas.refusals import Code
from schemas.rooms import MessageData
from schemas.trips import Trip
from tests.contract.persistence.conftest import Working
from tests.contract.persistence.past import Past
from tests.contract.persistence.test_writer import settled
from tests.support.records import T0_MS, Ledger, event, message, trip


@pytest.fixture
async def past(bus: Bus, database_url: str) -> AsyncIterator[Past]:
    async with Past(bus, database_url).answering() as made:
        yield made


def asks(
    n: int, user: str, key: str, kind: str = "request", since_ms: int = 0
) -> FindMade:
    return FindMade("main", user, key, kind, since_ms, seq_of(n, 0))


async def made(past: Past, question: FindMade) -> bytes:
    answer = await past.ask("made", question)
    assert answer.refused is None, answer
    return bytes(answer.data or b"null")


async def test_a_trip_s_key_finds_the_trip_as_it_is_now(
    past: Past, database_url: str, ledger: Ledger, working: Working
) -> None:
    await ledger.append(event(trip(1), key="k"), event(trip(2), key="k"))
    await ledger.append(event(trip(1, 1)))
    n = await ledger.append(event(trip(3)))
    async with working(database_url):
        await settled(ledger)
        found = codec.decode(await made(past, asks(n, "r1", "k")), Trip)
        assert found == trip(1, 1)
        for user, key in (("r1", "x"), ("d1", "k"), ("r3", "k"), ("r1", "a\0b")):
            assert await made(past, asks(n, user, key)) == b"null"
        late = asks(n, "r1", "k", since_ms=T0_MS)
        assert await made(past, late) == b"null"


async def test_a_message_s_key_finds_the_newest_message_of_it(
    past: Past, database_url: str, ledger: Ledger, working: Working
) -> None:
    said = [replace(message("lobby", n), key="k") for n in (1, 2)]
    n = await ledger.append(*said, message("lobby", 3))
    async with working(database_url):
        await settled(ledger)
        found = await made(past, asks(n, "u1", "k", "send", T0_MS + 1_000))
        assert codec.decode(found, MessageData) == said[1].message
        assert await made(past, asks(n, "u1", "k", "send", T0_MS + 2_000)) == b"null"
        assert await made(past, asks(n, "u1", "k")) == b"null"
        assert await made(past, asks(n, "u2", "k", "send")) == b"null"


async def test_a_key_of_what_is_not_written_yet_is_waited_for_and_then_unavailable(
    past: Past,
    database_url: str,
    ledger: Ledger,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await ledger.append(event(trip(2)))
    async with working(database_url):
        await settled(ledger)
    n = await ledger.append(event(trip(1), key="k"))
    asked = asyncio.create_task(made(past, asks(n, "r1", "k")))
    async with working(database_url):
        assert codec.decode(await asked, Trip) == trip(1)
    monkeypatch.setattr(histories, "CATCH_UP_S", 0.05)
    assert await past.refusal("made", asks(n + 5, "r1", "k")) is Code.UNAVAILABLE
