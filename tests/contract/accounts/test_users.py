"""Users made from the command line."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.identity.tokens import Identity
from persistence.accounts import AccountError, add_user, make_tokens
from persistence.identity import keyfiles
from persistence.identity.keyfiles import Signer
from persistence.identity.users import CHUNK_USERS
from persistence.models import UserRow
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.accounts.conftest import Client


@pytest.fixture
def key_files(tmp_path: Path) -> tuple[Signer, Identity]:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    keyfiles.ensure(pem, jwks)
    return Signer.load(pem), Identity.load(str(jwks))


async def made_by(
    engine: AsyncEngine, signer: Signer, count: int, prefix: str = "load-"
) -> list[tuple[User, str]]:
    found = make_tokens(engine, signer, Role.DRIVER, count, prefix, "north")
    return [pair async for pair in found]


async def test_an_operator_made_by_hand_logs_in(
    client: Client, engine: AsyncEngine
) -> None:
    made = await add_user(
        engine, "olga", "correct horse", "operator", "south", "Olga", "Öst"
    )
    assert made == User(made.id, "olga", "Olga", "Öst", Role.OPERATOR)
    tokens = await client.tokens("log_in", username="olga", password="correct horse")
    assert tokens.user == made


async def test_a_user_made_without_a_password_cant_log_in(
    client: Client, engine: AsyncEngine
) -> None:
    await add_user(engine, "olga", None, Role.RIDER, "main")
    refused = await client.refusal("log_in", username="olga", password="")
    assert refused == (Code.BAD_CREDENTIALS, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"username": "anna"}, "The username 'anna' is taken"),
        ({"username": "a b"}, "is not 1 to 150 letters"),
        ({"username": ""}, "is not 1 to 150 letters"),
        ({"password": "short"}, "has 5 characters; it must have 8 to 128"),
        ({"password": "p" * 129}, "has 129 characters; it must have 8 to 128"),
        ({"password": "Password1"}, "The password is one of those that are tried"),
        ({"password": "trebtreb"}, "The password is a name of the user"),
        ({"role": "boss"}, "'boss' is none of rider, driver, operator"),
        ({"region": "a.b"}, "The region 'a.b'"),
        ({"first_name": "f" * 151}, "The first name has 151"),
        ({"last_name": "\x00"}, "The last name"),
    ],
)
async def test_what_cant_be_made_is_said_in_a_sentence(
    engine: AsyncEngine, change: dict[str, str], why: str
) -> None:
    good = {"password": "correct horse", "role": "rider", "region": "main"}
    await add_user(engine, "anna", **good)
    with pytest.raises(AccountError, match=why):
        await add_user(engine, **({"username": "bert"} | good | change))


async def test_load_test_users_have_good_tokens_and_no_password(
    engine: AsyncEngine, key_files: tuple[Signer, Identity]
) -> None:
    signer, identity = key_files
    count = CHUNK_USERS + 3
    made = await made_by(engine, signer, count)
    assert len({user.id for user, _ in made}) == count
    assert [made[0][0].username, made[-1][0].username] == ["load-1", f"load-{count}"]
    for user, access in made[::100]:
        said = identity.verify(access, 0)
        assert said.user() == user
        assert (said.region, said.role) == ("north", Role.DRIVER)
        assert said.exp - said.iat == pytest.approx(86_400)
    async with engine.connect() as connection:
        query = select(func.count(), func.count(UserRow.password_hash))
        counted = (await connection.execute(query)).one()
    assert tuple(counted) == (count, 0)


async def test_a_second_run_goes_on_where_the_first_ended(
    engine: AsyncEngine, key_files: tuple[Signer, Identity]
) -> None:
    signer, _ = key_files
    await add_user(engine, "load-x9", None, "rider", "main")
    await add_user(engine, "LOAD50", None, "rider", "main")
    names = [
        user.username for _ in range(2) for user, _ in await made_by(engine, signer, 2)
    ]
    assert names == ["load-1", "load-2", "load-3", "load-4"]


async def test_two_runs_at_once_take_different_numbers(
    engine: AsyncEngine, key_files: tuple[Signer, Identity]
) -> None:
    signer, _ = key_files
    runs = await asyncio.gather(*(made_by(engine, signer, 20) for _ in range(2)))
    names = [user.username for run in runs for user, _ in run]
    assert len(set(names)) == 40


async def test_a_prefix_with_a_wildcard_is_taken_as_it_is(
    engine: AsyncEngine, key_files: tuple[Signer, Identity]
) -> None:
    signer, _ = key_files
    await add_user(engine, "axb7", None, "rider", "main")
    made = await made_by(engine, signer, 1, "a_b")
    assert made[0][0].username == "a_b1"


@pytest.mark.parametrize(("count", "prefix"), [(0, "p"), (-1, "p"), (1, "a b")])
async def test_tokens_that_cant_be_made_are_refused(
    engine: AsyncEngine,
    key_files: tuple[Signer, Identity],
    count: int,
    prefix: str,
) -> None:
    with pytest.raises(AccountError):
        await made_by(engine, key_files[0], count, prefix)
