"""Where a user is: for those who have something to tell them."""

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity.users import add_user, row_of
from persistence.models import UserRow
from schemas.accounts import Whereabouts
from schemas.codec import decode
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.accounts.conftest import START_MS, Client


async def where(client: Client, user: str) -> Whereabouts:
    result = await client.ask("whereabouts", user=user)
    assert result.data is not None, result.refused
    return decode(result.data, Whereabouts)


async def test_a_user_is_found_by_id_and_by_username(
    client: Client, engine: AsyncEngine
) -> None:
    user = await add_user(engine, "olga.ö@x", None, Role.RIDER, "south")
    await client.sign_up("anna")
    for name in (user.id, user.username):
        assert await where(client, name) == Whereabouts(user.id, "south", user)


async def test_nobody_takes_another_users_place_by_a_username_like_their_id(
    client: Client, engine: AsyncEngine
) -> None:
    user = await add_user(engine, "olga", None, Role.RIDER, "south")
    other = User("0-other", user.id, "", "", Role.RIDER)
    async with engine.begin() as connection:
        row = row_of(other, "north", None, START_MS)
        await connection.execute(insert(UserRow), row)
    assert await where(client, user.id) == Whereabouts(user.id, "south", user)
    assert await where(client, "0-other") == Whereabouts("0-other", "north", other)


@pytest.mark.parametrize(
    "user", ["nobody", "ANNA.", "", "\0", "a b", "%", "ann_", "x" * 5000, "' OR 1=1 --"]
)
async def test_an_unknown_user_is_404(client: Client, user: str) -> None:
    await client.sign_up("anna")
    refusal = await client.refusal("whereabouts", user=user)
    assert refusal == (Code.INVALID_DATA, 404)
