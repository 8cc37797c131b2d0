"""Users of an outside issuer: a row at first sight, and no way into others' rows."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.accounts import Accounts
from persistence.models import AuditRow, UserRow
from runtime.bus import Bus
from runtime.settings import Settings
from schemas.accounts import Erase, Revocation, SignUp
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.accounts.conftest import Client
from tests.contract.accounts.test_sessions import revocations
from tests.support.exported import exported

ISSUER = "https://login.example"
ANN = User("7d0c1d8e-6a4f-5a7e-8f5a-0d2b6b8f0a11", "sso.ann", "Ann", "L", Role.RIDER)
REFUSED = (Code.NOT_AUTHENTICATED, None)


def question(user: User = ANN, **changes: Any) -> dict[str, Any]:
    said = {"user": user, "region": "north", "issuer": ISSUER, "subject": "00u1"}
    return said | changes


async def rows(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        found = select(UserRow.id, UserRow.username, UserRow.role, UserRow.region)
        return [tuple(row) for row in await connection.execute(found)]


async def test_the_first_token_makes_a_row_and_later_ones_keep_it_right(
    client: Client, engine: AsyncEngine
) -> None:
    for _ in range(2):
        assert (await client.ask("meet", **question())).refused is None
    assert await rows(engine) == [(ANN.id, "sso.ann", "rider", "north")]
    now = User(ANN.id, "sso.ann", "Anne", "L", Role.DRIVER)
    await client.ask("meet", **question(now, region="south"))
    assert await rows(engine) == [(ANN.id, "sso.ann", "driver", "south")]
    async with engine.connect() as connection:
        acts = (await connection.execute(select(AuditRow.action))).scalars().all()
    assert acts == ["meet"]
    document = await exported(engine, "sso.ann")
    assert document is not None
    assert document["outside"][0]["subject"] == "00u1"


async def test_they_have_no_password(client: Client) -> None:
    await client.ask("meet", **question())
    refused = await client.refusal("log_in", username="sso.ann", password="")
    assert refused == (Code.BAD_CREDENTIALS, None)


async def test_a_name_somebody_has_gets_a_mark(
    client: Client, engine: AsyncEngine
) -> None:
    other = User("8d0c1d8e-6a4f-5a7e-8f5a-0d2b6b8f0a11", "sso.ann", "", "", Role.RIDER)
    await client.ask("meet", **question())
    await client.ask("meet", **question(other, subject="00u2"))
    assert sorted(row[1] for row in await rows(engine)) == [
        "sso.ann",
        "sso.ann-8d0c1d8e",
    ]


async def test_nobody_else_becomes_theirs(client: Client, engine: AsyncEngine) -> None:
    made = await client.sign_up("bert")
    stolen = User(made.user.id, "sso.x", "", "", Role.OPERATOR)
    assert await client.refusal("meet", **question(stolen)) == REFUSED
    await client.ask("meet", **question())
    assert await client.refusal("meet", **question(subject="00u2")) == REFUSED
    assert {row[2] for row in await rows(engine)} == {"rider"}


async def test_who_was_erased_is_sent_away_each_time(
    client: Client, engine: AsyncEngine
) -> None:
    await client.ask("meet", **question())
    await client.accounts.erase(Erase(ANN.id, "olga"))
    client.clock.now_ms += 5
    assert await client.refusal("meet", **question()) == REFUSED
    assert await rows(engine) == []
    assert (await revocations(client.bus))[-1] == Revocation(
        ANN.id, None, client.clock.now_ms
    )


@pytest.mark.parametrize(("issuer", "status"), [(ISSUER, 409), ("", None)])
async def test_their_names_are_kept_for_them(
    *,
    issuer: str,
    status: int | None,
    client: Client,
    engine: AsyncEngine,
    bus: Bus,
    settings: Settings,
) -> None:
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    with_issuer = Settings(**(fields | {"oidc_issuer": issuer}))
    worker = Accounts(engine, bus, with_issuer, clock_ms=client.clock)
    wanted = SignUp("sso.bert", "correct horse", "rider")
    assert (await worker.sign_up(wanted)).status == status
    await worker.stop()


async def test_a_role_of_before_is_not_kept(
    client: Client, engine: AsyncEngine
) -> None:
    await client.ask("meet", **question())
    async with engine.begin() as connection:
        await connection.execute(update(UserRow).values(role="operator"))
    await client.ask("meet", **question())
    assert (await rows(engine))[0][2] == "rider"
