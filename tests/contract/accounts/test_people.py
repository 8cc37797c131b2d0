"""Who there is: what operators find by name, role and id."""

from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity import person_names
from persistence.identity.users import add_user
from persistence.models import RefreshTokenRow, UserRow
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


@pytest.fixture
async def called(engine: AsyncEngine) -> list[str]:
    people = [
        ("u1", Role.RIDER, "Théodore", "Strøm"),
        ("u2", Role.DRIVER, "Anna Maria", "van der Berg"),
        ("u3", Role.RIDER, "ANNA", "Öz"),
        ("u4", Role.OPERATOR, "Ánna", ""),
        ("anna5", Role.RIDER, "Bo", "Annan"),
        ("u6", Role.RIDER, "", "Straße"),
        ("u7", Role.DRIVER, "李", "小龍"),
        ("u8", Role.DRIVER, "100%", "_"),
    ]
    for name, role, first, last in people:
        await add_user(engine, name, None, role, "south", first, last)
    return [name for name, *_ in people]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        # By username first, then by first name, then by last.
        ("anna", ["anna5", "u4", "u2", "u3"]),
        (" ÁNNA ", ["u4", "u2", "u3", "anna5"]),
        ("théo", ["u1"]),
        ("THEO", ["u1"]),
        ("van der", ["u2"]),
        ("Anna  Maria VAN", ["u2"]),
        ("van der berg anna", ["u2"]),
        ("berg", []),
        ("strasse", ["u6"]),
        ("oz anna", ["u3"]),
        ("李", ["u7"]),
        ("小龍", ["u7"]),
        ("100%", ["u8"]),
        ("%", []),
        ("_", ["u8"]),
    ],
)
async def test_users_are_found_by_their_first_and_last_names(
    client: Client, called: list[str], typed: str, found: list[str]
) -> None:
    assert await names(client, name=typed) == found


async def test_those_found_by_name_are_of_the_role_and_no_more_than_asked_for(
    client: Client, called: list[str]
) -> None:
    assert await names(client, name="anna", role="rider") == ["anna5", "u3"]
    assert await names(client, name="anna", role="operator") == ["u4"]
    assert await names(client, name="anna", limit=2) == ["anna5", "u4"]


async def test_those_of_before_are_found_once_they_have_keys(
    client: Client, engine: AsyncEngine, called: list[str]
) -> None:
    """As the version without them leaves a row, and does again beside this one."""
    keyless = update(UserRow).values(name_key=None, surname_key=None)
    async with engine.begin() as connection:
        await connection.execute(keyless)
    assert await names(client, name="theo") == []
    await person_names.give_all(engine)
    assert await names(client, name="theo") == ["u1"]
    async with engine.connect() as connection:
        longest = (await connection.execute(select(UserRow.name_key))).scalars().all()
    assert all(key is not None for key in longest)


async def test_the_longest_names_are_found_by_their_beginnings(
    client: Client, engine: AsyncEngine
) -> None:
    for number, char in enumerate(("\ufdfa", "x", "\U0001f695")):
        await add_user(
            engine, f"w{number}", None, Role.RIDER, "south", char * 150, char * 150
        )
        assert await names(client, name=char * 150) == [f"w{number}"]


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
