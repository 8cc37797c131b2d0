"""Usernames are compared by PRECIS; those stored before still log in."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database
from persistence.accounts import AccountError, add_user, make_tokens
from persistence.erasure import erasure
from persistence.identity import passwords, usernames
from persistence.identity.keyfiles import Signer
from persistence.identity.users import find, row_of
from persistence.models import OutsideUserRow, UserRow
from runtime.settings import Settings
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.accounts.conftest import START_MS, Client

PASSWORD = "correct horse"


async def log_in(client: Client, username: str) -> str | None:
    """The id of who is logged in; None: nobody."""
    asked = {"username": username, "password": PASSWORD}
    result = await client.ask("log_in", **asked)
    if result.refused is not None:
        assert result.refused.code is Code.BAD_CREDENTIALS
        return None
    return (await client.tokens("log_in", **asked)).user.id


async def old_user(
    engine: AsyncEngine, user_id: str, username: str, *, visits: bool = False
) -> None:
    """As the version before the keys left one, whatever was a name then; `visits`: an
    issuer's. At once: the service gives keys to who has none.
    """
    user = User(user_id, username, "A\x01", "\u202eB", Role.RIDER)
    row = row_of(user, "north", passwords.hash_now(PASSWORD), START_MS)
    row["username_key"] = None
    async with engine.begin() as connection:
        await connection.execute(insert(UserRow), row)
        if visits:
            seen = {"issuer": "i", "subject": "s", "first_seen_ms": 1}
            await connection.execute(
                insert(OutsideUserRow), {"user_id": user_id} | seen
            )


async def keys_of(engine: AsyncEngine) -> dict[str, str | None]:
    async with engine.connect() as connection:
        found = await connection.execute(select(UserRow.id, UserRow.username_key))
        return {row.id: row.username_key for row in found}


async def test_a_name_is_taken_in_whatever_way_it_is_written(client: Client) -> None:
    made = await client.sign_up("René@Home")
    assert made.user.username == "René@Home"
    for other in (
        "RENÉ@HOME",
        "rene\u0301@home",
        "René@\uff28\uff4f\uff4d\uff45",
        "René@Home",
    ):
        asked = {"username": other, "password": PASSWORD, "role": "rider"}
        refused = await client.refusal("sign_up", **asked)
        assert refused == (Code.INVALID_DATA, 409)
        assert await log_in(client, other) == made.user.id
    assert await log_in(client, "rene@home") is None


@pytest.mark.parametrize(
    "name", ["p\u0430ypal", "ann\u200b", "ann\u202e", "a\u00adnn", "🚕", "²"], ids=ascii
)
async def test_a_name_that_looks_like_another_is_refused_with_the_reason(
    client: Client, engine: AsyncEngine, name: str
) -> None:
    asked = {"username": name, "password": PASSWORD, "role": "rider"}
    result = await client.ask("sign_up", **asked)
    assert result.refused is not None
    assert (result.refused.code, result.status) == (Code.INVALID_DATA, None)
    assert "username" in result.refused.message
    with pytest.raises(AccountError, match="letters"):
        await add_user(engine, name, PASSWORD, Role.OPERATOR, "north")


async def test_a_full_width_name_is_told_as_the_usual_one(client: Client) -> None:
    assert (await client.sign_up("\uff21\uff2e\uff2e")).user.username == "ANN"


@pytest.mark.parametrize("name", ["ann\x00", "", "a" * 151, "\u0430" * 9999, "a b"])
async def test_a_name_that_nobody_has_is_a_wrong_password(
    client: Client, name: str
) -> None:
    await client.sign_up("ann")
    assert await log_in(client, name) is None


async def test_two_of_before_who_are_one_by_now_keep_their_exact_names(
    client: Client, engine: AsyncEngine
) -> None:
    for number, name in enumerate(("ann", "Ann", "ANN")):
        await old_user(engine, f"old-{number}", name)
    await usernames.give_all(engine)
    for number, name in enumerate(("ann", "Ann", "ANN")):
        assert await log_in(client, name) == f"old-{number}"
    given = await keys_of(engine)
    assert sorted(key for key in given.values() if key) == sorted(
        ["ann", *(f"!{user}" for user, key in given.items() if key != "ann")]
    )
    asked = {"username": "aNN", "password": PASSWORD, "role": "rider"}
    assert await client.refusal("sign_up", **asked) == (Code.INVALID_DATA, 409)


@pytest.mark.parametrize(
    "name", ["p\u0430ypal", "²", "é名٣", "Ⅳ", "x" * 150, "\U0001d400"], ids=ascii
)
async def test_who_was_called_what_nobody_may_be_any_more_logs_in(
    client: Client, engine: AsyncEngine, name: str
) -> None:
    await old_user(engine, "old", name)
    assert await log_in(client, name) == "old"  # before there is a key
    await usernames.give_all(engine)
    assert await log_in(client, name) == "old"
    assert (await find(engine, name)) is not None
    async with engine.connect() as connection:
        standing = await connection.run_sync(erasure.look, name)
    assert standing is not None
    assert standing.user == "old"


async def test_an_id_goes_before_a_name_and_an_exact_name_before_a_key(
    engine: AsyncEngine,
) -> None:
    await old_user(engine, "one", "two")
    await old_user(engine, "two", "Three")
    await old_user(engine, "4", "three")
    await usernames.give_all(engine)
    for named, user in {
        "two": "two",
        "Three": "two",
        "three": "4",
        "TWO": "one",
    }.items():
        found = await find(engine, named)
        assert found is not None
        assert found.id == user


async def test_nobody_takes_a_name_while_those_of_before_are_read(
    client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usernames, "CHUNK", 2)
    for number in range(5):
        await old_user(engine, f"old-{number}", f"Old-{number}")
    asked = {"username": "oLD-4", "password": PASSWORD, "role": "rider"}
    seen = [await client.refusal("sign_up", **asked) for _ in range(4)]
    assert seen[0] == (Code.UNAVAILABLE, None)
    assert seen[-1] == (Code.INVALID_DATA, 409)
    assert await keys_of(engine) == {f"old-{n}": f"old-{n}" for n in range(5)}


async def test_workers_that_give_keys_at_once_give_each_one(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usernames, "CHUNK", 3)
    for number in range(12):
        await old_user(engine, f"old-{number}", f"Old-{number % 4}{'!' * (number % 3)}")
    others = [database.engine(database_url) for _ in range(3)]
    await asyncio.gather(*map(usernames.give_all, others))
    given = await keys_of(engine)
    assert sorted(key for key in given.values() if key and key[0] != "!") == [
        f"old-{number}" for number in range(4)
    ]
    assert all(given.values())
    for other in others:
        await other.dispose()


async def test_an_issuers_users_take_no_key_and_nobody_takes_their_prefix(
    client: Client, engine: AsyncEngine
) -> None:
    await old_user(engine, "visitor", "sso.Ann", visits=True)
    await usernames.give_all(engine)
    assert await keys_of(engine) == {"visitor": "!visitor"}
    settings: Any = client.accounts._settings
    client.accounts._settings = Settings(
        oidc_issuer="https://login.example", database_url=settings.database_url
    )
    for name in ("sso.ann", "SSO.bert", "\uff33\uff33\uff2f.cleo"):
        asked = {"username": name, "password": PASSWORD, "role": "rider"}
        assert await client.refusal("sign_up", **asked) == (Code.INVALID_DATA, 409)


async def test_no_spelling_of_a_name_is_guessed_at_on_its_own(client: Client) -> None:
    await client.sign_up("anna")
    codes = []
    for number in range(12):
        name = "".join(
            c.upper() if number >> i & 1 else c for i, c in enumerate("anna")
        )
        asked = {"username": name, "password": "wrong horse", "address": "192.0.2.9"}
        codes.append((await client.refusal("log_in", **asked))[0])
    assert codes[:10] == [Code.BAD_CREDENTIALS] * 10
    assert codes[10:] == [Code.RATE_LIMITED] * 2


async def test_load_tests_users_are_numbered_past_every_spelling(
    engine: AsyncEngine, settings: Settings
) -> None:
    signer = Signer.load(settings.signing_key_file)
    seen = []
    for prefix in ("load-", "Load-", "LOAD-"):
        found = make_tokens(engine, signer, Role.RIDER, 2, prefix, "north")
        seen += [user.username async for user, _ in found]
    assert seen == ["load-1", "load-2", "Load-3", "Load-4", "LOAD-5", "LOAD-6"]


async def test_no_two_users_ever_have_one_key(engine: AsyncEngine) -> None:
    await add_user(engine, "ann", None, Role.RIDER, "north")
    other = await add_user(engine, "bert", None, Role.RIDER, "north")
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(
                update(UserRow).where(UserRow.id == other.id).values(username_key="ann")
            )
