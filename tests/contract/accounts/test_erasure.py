"""Who wants to be forgotten is, and whoever asks is told all that is known of them."""

import asyncio
import json
import threading
from typing import Any

import pytest
from sqlalchemy import MetaData, select
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database
from persistence.erasure import eraser, erasure
from persistence.models import ErasedUserRow, UserRow
from persistence.projected.projection import Unreadable, read_record
from persistence.projected.store import Store
from runtime.bus import Bus
from runtime.settings import Settings
from schemas.accounts import Erase, Erasure, Result, Revocation, Tokens
from schemas.codec import encode
from schemas.refusals import Code
from schemas.trips import Person
from tests.contract.accounts.conftest import START_MS, Client
from tests.contract.accounts.test_sessions import revocations
from tests.support.exported import exported
from tests.support.records import LEDGER, event, message, record, trip

SECRETS = ("anna", "Annabel", "Åberg", "17 Elm Street", "my knee hurts", "dear all")


def write(
    url: str, user: Tokens, first: int = 1, moves: tuple[int, ...] = (0, 1, 2, 3)
) -> None:
    """One trip of that user, and what they said at each move, as the ledger has it."""
    person = Person(user.user.id, "anna", "Annabel", "Åberg")
    store = Store(database.plain_engine(url))
    for move in moves:
        made = trip(first, move, rider=person, pick_up_address="17 Elm Street")
        said = event(made, by=person.id, reason="my knee hurts")
        chat = message("hall", first * 10 + move, text="dear all", sender=person)
        rows, bad = read_record("LEDGER_main", 9, record(first * 10 + move, said, chat))
        assert not bad
        store.write(rows, [], START_MS)
    payload = encode({"rider": {"id": person.id, "username": "anna"}})
    store.write([], [Unreadable(LEDGER, first, payload, "anna's is bad")], START_MS)
    store.close()


def everything(url: str) -> dict[str, list[Any]]:
    engine = database.plain_engine(url)
    tables = MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        found = {
            name: [tuple(row) for row in connection.execute(table.select())]
            for name, table in tables.tables.items()
        }
    engine.dispose()
    return found


def secrets_in(url: str) -> list[str]:
    text = repr(everything(url))
    return [secret for secret in SECRETS if secret in text]


async def erase(client: Client, user: str) -> Result:
    return await client.accounts.erase(Erase(user, "olga"))


@pytest.fixture
async def anna(client: Client, database_url: str) -> Tokens:
    made = await client.sign_up(first_name="Annabel", last_name="Åberg")
    await asyncio.to_thread(write, database_url, made)
    assert secrets_in(database_url) == list(SECRETS)
    return made


async def test_nothing_that_tells_who_it_was_is_left(
    client: Client, anna: Tokens, database_url: str
) -> None:
    bert = await client.sign_up("bert", first_name="Bertram")
    result = await erase(client, "anna")
    assert result.refused is None, result
    assert secrets_in(database_url) == []
    left = everything(database_url)
    assert len(left["trips"]) == 1
    assert len(left["trip_events"]) == 4
    assert len(left["messages"]) == 4
    assert [row[1] for row in left["users"]] == ["bert"]
    assert "Bertram" in repr(left)
    assert anna.user.id in repr(left["trips"])
    assert await client.tokens("refresh", refresh=bert.refresh)


async def test_what_is_written_later_is_without_them_too(
    client: Client, anna: Tokens, database_url: str
) -> None:
    await erase(client, anna.user.id)
    await asyncio.to_thread(write, database_url, anna, 2)
    left = everything(database_url)
    assert len(left["trips"]) == 2
    assert len(left["dead_letters"]) == 2
    assert secrets_in(database_url) == []


async def test_their_sessions_end_and_they_cant_log_in(
    client: Client, anna: Tokens, engine: AsyncEngine
) -> None:
    client.clock.now_ms += 5
    await erase(client, "anna")
    ended = await client.refusal("refresh", refresh=anna.refresh)
    assert ended == (Code.NOT_AUTHENTICATED, None)
    refused = await client.refusal("log_in", username="anna", password="correct horse")
    assert refused == (Code.BAD_CREDENTIALS, None)
    expected = Revocation(anna.user.id, None, client.clock.now_ms)
    assert await revocations(client.bus) == [expected]
    async with engine.connect() as connection:
        asked = select(ErasedUserRow.user_id, ErasedUserRow.done)
        rows = [tuple(row) for row in await connection.execute(asked)]
    assert rows == [(anna.user.id, True)]
    js = client.bus.jetstream()
    assert await eraser.remembered(js) == [Erasure(anna.user.id, START_MS + 5)]


async def test_erasing_may_be_repeated_by_id_and_the_name_is_free(
    client: Client, anna: Tokens, database_url: str
) -> None:
    await erase(client, "anna")
    before = everything(database_url)
    result = await erase(client, anna.user.id)
    assert result.refused is None
    after = everything(database_url)
    assert {**after, "audit_log": []} == {**before, "audit_log": []}
    again = await erase(client, "anna")
    assert (again.refused and again.refused.code) == Code.INVALID_DATA
    assert again.status == 404
    other = await client.sign_up("anna")
    assert other.user.id != anna.user.id


async def test_who_is_on_a_trip_is_not_erased(
    client: Client, database_url: str
) -> None:
    made = await client.sign_up()
    await asyncio.to_thread(write, database_url, made, 3, (0, 1))
    before = everything(database_url)
    result = await erase(client, "anna")
    assert result.refused is not None
    assert result.refused.code is Code.WRONG_STATUS
    assert everything(database_url) == before


async def test_an_erasure_that_was_cut_short_is_ended_at_the_next_start(
    client: Client, anna: Tokens, database_url: str, settings: Settings, bus: Bus
) -> None:
    engine = database.plain_engine(database_url)
    with engine.begin() as connection:
        erasure.mark(connection, anna.user.id, START_MS)
    engine.dispose()
    assert secrets_in(database_url)
    await client.accounts._eraser.finish()
    assert secrets_in(database_url) == []
    assert [one.user for one in await eraser.remembered(bus.jetstream())] == [
        anna.user.id
    ]


async def test_a_backup_from_before_forgets_them_again(
    client: Client, anna: Tokens, engine: AsyncEngine, database_url: str
) -> None:
    """The stream remembers whom the database doesn't know to be erased."""
    made = Erasure(anna.user.id, START_MS)
    await eraser.publish(client.bus.jetstream(), made, 1)
    await client.accounts._eraser.finish()
    assert secrets_in(database_url) == []


async def test_no_batch_slips_through_beside_an_erasure(
    client: Client, anna: Tokens, database_url: str
) -> None:
    stop = threading.Event()

    def writing(number: int) -> None:
        while not stop.is_set():
            write(database_url, anna, number, (3,))
            number += 1

    writers = [
        asyncio.create_task(asyncio.to_thread(writing, first)) for first in (100, 9000)
    ]
    result = await erase(client, "anna")
    stop.set()
    await asyncio.gather(*writers)
    assert result.refused is None
    assert secrets_in(database_url) == []


async def test_all_that_is_stored_is_exported_but_no_secret(
    client: Client, anna: Tokens, engine: AsyncEngine
) -> None:
    said = await exported(engine, "anna")
    assert said == await exported(engine, anna.user.id)
    text = json.dumps(said, separators=(",", ":"))
    assert said["user"]["username"] == "anna"
    assert said["has_password"] is True
    assert len(said["sessions"]) == 1
    assert [one["trip"]["pick_up_address"] for one in said["trips"]] == [
        "17 Elm Street"
    ]
    assert {one["reason"] for one in said["acts"]} == {"my knee hurts"}
    assert [one["text"] for one in said["messages"]] == ["dear all"] * 4
    assert [one["action"] for one in said["audit"]] == ["sign_up"]
    async with engine.connect() as connection:
        stored = (await connection.execute(select(UserRow.password_hash))).scalar_one()
    assert stored
    for secret in (stored, anna.refresh, 'hash":'):
        assert secret not in text
    assert await exported(engine, "nobody") is None
