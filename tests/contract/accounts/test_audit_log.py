"""Who did what, to whom, whence: written by those who carry it out."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.audit_log import ACTIONS, COMMAND_LINE
from persistence.identity import cleanup
from persistence.identity.tokens import GRACE_MS
from persistence.identity.users import add_user
from persistence.models import AuditRow
from schemas.trips import Role
from tests.contract.accounts.conftest import START_MS, Client

HERE = "192.0.2.1"


async def rows(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        found = select(AuditRow.__table__).order_by(AuditRow.at_ms, AuditRow.id)
        return list(await connection.execute(found))


async def told(engine: AsyncEngine) -> list[tuple[str, ...]]:
    return [
        (r.action, r.actor, r.subject, r.outcome, r.address) for r in await rows(engine)
    ]


async def test_each_act_leaves_one_row(client: Client, engine: AsyncEngine) -> None:
    anna = (await client.sign_up("anna", address=HERE)).user.id
    good = {"username": "anna", "password": "correct horse", "address": HERE}
    expected = [("sign_up", anna, anna, "ok", HERE)]

    async def then(operation: str, row: tuple[str, ...], **request: Any) -> None:
        client.clock.now_ms += GRACE_MS + 1
        await client.ask(operation, **request)
        expected.append(row)
        assert await told(engine) == expected

    await then("log_in", ("log_in", anna, anna, "ok", HERE), **good)
    wrong = good | {"password": "wrong horse"}
    row = ("log_in", anna, anna, "bad_credentials", HERE)
    await then("log_in", row, **wrong)
    unknown = good | {"username": "nobody"}
    await then("log_in", ("log_in", "", "", "bad_credentials", HERE), **unknown)
    row = ("log_out", anna, anna, "ok", HERE)
    await then("log_out", row, user=anna, session="s", address=HERE)
    row = ("revoke", "olga", anna, "ok", HERE)
    await then("revoke", row, user=anna, by="olga", address=HERE)
    row = ("notify", "olga", anna, "ok", HERE)
    about = {"user": "anna", "notice_by": "olga", "address": HERE}
    await then("whereabouts", row, **about)


async def test_who_is_denied_an_operators_route_is_written_down_up_to_a_rate(
    client: Client, engine: AsyncEngine
) -> None:
    about = {"user": "anna", "route": "POST /x", "subject": "bert", "address": HERE}

    async def hammer(user: str = "anna") -> int:
        for _ in range(15):
            assert (
                await client.ask("denied", **about | {"user": user})
            ).refused is None
        return len(await rows(engine))

    assert await hammer() == 10
    row = ("denied", "anna", "bert", "wrong_role", HERE)
    assert set(await told(engine)) == {row}
    assert {r.detail for r in await rows(engine)} == {"POST /x"}
    client.clock.now_ms += 60_000
    assert await hammer() == 11
    assert await hammer("cleo") == 21


async def test_a_stolen_refresh_token_is_written_down(
    client: Client, engine: AsyncEngine
) -> None:
    made = await client.sign_up()
    await client.tokens("refresh", refresh=made.refresh)
    client.clock.now_ms += GRACE_MS + 1
    await client.refusal("refresh", refresh=made.refresh)
    anna = made.user.id
    row = ("refresh", anna, anna, "not_authenticated", "")
    assert (await told(engine))[1:] == [row]


async def test_a_user_made_on_the_command_line_is_written_down(
    engine: AsyncEngine,
) -> None:
    made = await add_user(engine, "olga", "correct horse", Role.OPERATOR, "main")
    (row,) = await rows(engine)
    assert (row.action, row.actor, row.subject) == ("user_add", COMMAND_LINE, made.id)
    assert row.detail == "operator"


async def test_no_secret_and_nothing_unprintable_is_written(
    client: Client, engine: AsyncEngine
) -> None:
    made = await client.sign_up(address="192.0.2.1\n\x1b[2J" + "9" * 200)
    (row,) = await rows(engine)
    assert row.address == ("192.0.2.1[2J" + "9" * 200)[:64]
    for secret in ("correct horse", made.access, made.refresh, "anna"):
        assert secret not in repr(row)
    assert row.action in ACTIONS


async def test_rows_are_kept_for_their_time_and_no_longer(
    client: Client, engine: AsyncEngine
) -> None:
    await client.sign_up()
    await cleanup.sweep(engine, START_MS + 60_000, 60)
    assert len(await rows(engine)) == 1
    await cleanup.sweep(engine, START_MS + 60_001, 60)
    assert await rows(engine) == []
