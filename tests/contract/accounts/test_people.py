"""Who there is: what operators find by name, role and id."""

from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity.users import add_user
from persistence.models import RefreshTokenRow
from schemas.accounts import SESSIONS_TOLD_MAX, UserTold
from schemas.codec import decode
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Role, User
from tests.contract.accounts.conftest import START_MS, Client, Clock


async def names(client: Client, **asked: Any) -> list[str]:
    result = await client.ask("users", **asked)
    assert result.data is not None, result.refused
    return [user.username for user in decode(result.data, list[User])]


async def told(client: Client, user: str) -> UserTold:
    result = await client.ask("user", user=user)
    assert result.data is not None, result.refused
    return decode(result.data, UserTold)


@pytest.fixture
async def crowd(engine: AsyncEngine) -> dict[str, User]:
    people = [
        ("anna", Role.RIDER),
        ("Anne.B", Role.DRIVER),
        ("ann-marie", Role.RIDER),
        ("Ärna", Role.RIDER),
        ("olga", Role.OPERATOR),
        ("a_n", Role.DRIVER),
        ("zoë", Role.RIDER),
    ]
    return {
        name: await add_user(engine, name, None, role, "south") for name, role in people
    }


async def test_users_are_found_by_how_their_names_begin(
    client: Client, crowd: dict[str, User]
) -> None:
    for typed in ("ann", "ANN", " ann "):
        found = await names(client, name=typed)
        assert sorted(found) == ["Anne.B", "ann-marie", "anna"], typed
    assert await names(client, name="anna") == ["anna"]
    assert await names(client, name="zo") == await names(client, name="ZOË") == ["zoë"]
    assert await names(client, name="är") == ["Ärna"]
    # No pattern: what means something elsewhere is a letter here.
    assert await names(client, name="a_n") == ["a_n"]
    assert await names(client, name="a%") == []
    assert await names(client, name="anne.") == ["Anne.B"]


async def test_users_are_found_by_role_in_the_order_of_their_names_and_by_id(
    client: Client, crowd: dict[str, User]
) -> None:
    assert sorted(await names(client, role="driver")) == ["Anne.B", "a_n"]
    assert await names(client, role="operator") == ["olga"]
    assert await names(client, role="rider", name="ann") == ["ann-marie", "anna"]
    assert await names(client, role="operator", name="ann") == []
    assert len(await names(client)) == len(crowd)
    assert len(await names(client, limit=3)) == 3
    olga = crowd["olga"]
    assert await names(client, name=olga.id) == ["olga"]
    assert await names(client, name=olga.id, role="rider") == []


@pytest.mark.parametrize(
    "name", ["\0", "nobody", "' OR 1=1 --", "!", "x" * 150, "\U0001d56c"]
)
async def test_nobody_is_found_by_what_is_no_name(
    client: Client, crowd: dict[str, User], name: str
) -> None:
    assert await names(client, name=name) == []


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 101}, {"role": "boss"}])
async def test_what_can_t_be_asked_is_refused(client: Client, asked: Any) -> None:
    code, _ = await client.refusal("users", **asked)
    assert code is Code.INVALID_DATA


async def test_a_user_is_told_with_where_they_are_logged_in(
    client: Client, clock: Clock
) -> None:
    anna = await client.sign_up("anna")
    clock.now_ms += 60_000
    await client.tokens("refresh", refresh=anna.refresh)
    clock.now_ms += 60_000
    who = {"username": "anna", "password": "correct horse"}
    await client.tokens("log_in", **who)
    found = await told(client, anna.user.id)
    assert (found.user, found.region) == (anna.user, "north")
    assert found.created == rfc3339(START_MS)
    assert found.sessions_total == 2
    second, first = found.sessions
    assert (first.begun, first.renewed) == (
        rfc3339(START_MS),
        rfc3339(START_MS + 60_000),
    )
    assert (second.begun, second.renewed) == (rfc3339(START_MS + 120_000), None)
    assert second.expires > first.expires > first.begun
    await client.ask("revoke", user=anna.user.id, by="o")
    found = await told(client, anna.user.id)
    assert (found.sessions, found.sessions_total) == ([], 0)


async def test_the_newest_sessions_of_many_are_told(
    client: Client, clock: Clock, engine: AsyncEngine
) -> None:
    anna = await add_user(engine, "anna", None, Role.RIDER, "south")
    count = SESSIONS_TOLD_MAX + 5
    rows = [
        {"session_id": f"s{n}", "user_id": anna.id, "current_hash": f"h{n}"}
        | {"created_at_ms": START_MS + n, "expires_at_ms": START_MS + 10_000}
        for n in range(count)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(RefreshTokenRow), rows)
    found = await told(client, anna.id)
    assert found.sessions_total == count
    assert [one.id for one in found.sessions] == [
        f"s{n}" for n in range(count - 1, 4, -1)
    ]


@pytest.mark.parametrize("user", ["nobody", "", "\0", "anna"])
async def test_an_unknown_user_is_404(client: Client, user: str) -> None:
    await client.sign_up("anna")
    assert await client.refusal("user", user=user) == (Code.INVALID_DATA, 404)
