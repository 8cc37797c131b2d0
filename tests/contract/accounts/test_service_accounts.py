"""Service accounts' keys, from their making to their end, on each database."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import RevokedToken
from gateway.identity.tokens import Identity
from persistence.audit_log import COMMAND_LINE
from persistence.identity import service_keys
from persistence.identity.service_keys import KEYS_PER_ACCOUNT_MAX
from persistence.identity.users import AccountError, add_user
from persistence.models import AuditRow, ServiceKeyRow
from runtime.settings import Settings
from schemas import subjects
from schemas.accounts import Erase, Result, Revocation
from schemas.claims import UNSET, Service
from schemas.codec import decode, encode
from schemas.refusals import Code
from schemas.service_accounts import (
    PREFIX,
    AccessToken,
    Ended,
    KeyHolder,
    Scope,
    hash_of,
    id_of,
    is_key,
)
from schemas.trips import Role, User
from tests.contract.accounts.conftest import Client

UNKNOWN = PREFIX + "u" * 43
HERE = "192.0.2.7"
DAY_MS = 86_400_000


@pytest.fixture
async def account(engine: AsyncEngine, client: Client) -> tuple[User, str]:
    made = await service_keys.add_account(engine, "Billing", "north", [], None)
    client.clock.now_ms = await made_ms(engine) + 1
    return made


async def made_ms(engine: AsyncEngine) -> int:
    """When the last key was made, by the command line's own clock."""
    async with engine.connect() as connection:
        found = await connection.execute(select(ServiceKeyRow.made_at_ms))
        return max(found.scalars())


async def check(client: Client, key: str, address: str = HERE) -> KeyHolder:
    result = await client.ask("check_key", key=key, address=address)
    assert result.refused is None, result
    return decode(result.data or b"", KeyHolder)


async def exchange(client: Client, key: str, **more: Any) -> AccessToken:
    result = await client.ask("exchange", key=key, address=HERE, **more)
    assert result.refused is None, result
    return decode(result.data or b"", AccessToken)


async def end(client: Client, who: str) -> Result:
    question = encode({"who": who, "by": COMMAND_LINE})
    answer = await client.bus.request(subjects.operations("end"), question, timeout=10)
    return decode(answer.data, Result)


async def audit(engine: AsyncEngine) -> list[tuple[str, str, str, str]]:
    row = AuditRow
    asked = select(row.action, row.actor, row.outcome, row.detail).order_by(row.at_ms)
    async with engine.connect() as connection:
        return [tuple(each) for each in await connection.execute(asked)]


async def test_a_key_is_an_operators_without_a_password_and_only_its_hash_is_kept(
    client: Client, engine: AsyncEngine, account: tuple[User, str]
) -> None:
    user, key = account
    assert is_key(key)
    assert (user.username, user.role) == ("Billing", Role.OPERATOR)
    found = await check(client, key)
    assert (found.user, found.region, found.scopes) == (user, "north", ())
    assert (found.key, found.expires_ms) == (id_of(hash_of(key)), None)
    async with engine.connect() as connection:
        for table in ("service_keys", "users", "audit_log"):
            rows = await connection.execute(text(f"SELECT * FROM {table}"))
            assert key not in str(rows.all())
    log_in = {"username": "Billing", "password": key}
    assert await client.refusal("log_in", **log_in) == (Code.BAD_CREDENTIALS, None)


async def test_a_key_is_exchanged_for_a_token_of_its_scopes(
    client: Client, engine: AsyncEngine, identity: Identity
) -> None:
    scopes = [Scope.TRIPS, Scope.READ, Scope.TRIPS]
    user, key = await service_keys.add_account(engine, "desk", "north", scopes, None)
    token = await exchange(client, key)
    assert (token.token_type, token.expires_in) == ("Bearer", 900)
    claims = identity.verify(token.access_token, client.clock.now_s)
    assert (claims.user(), claims.region) == (user, "north")
    assert claims.service == Service(id_of(hash_of(key)), (Scope.READ, Scope.TRIPS))
    fewer = await exchange(client, key, scopes=["read"])
    claims = identity.verify(fewer.access_token, client.clock.now_s)
    assert claims.service is not UNSET
    assert claims.service.scopes == (Scope.READ,)
    more = {"key": key, "scopes": ["read", "rooms"]}
    assert await client.refusal("exchange", **more) == (Code.INVALID_DATA, None)
    told = [one for one in await audit(engine) if one[0] == "log_in"]
    which = f"key {id_of(hash_of(key))}"
    assert told == [("log_in", user.id, "ok", which)] * 2


async def test_a_key_without_scopes_may_ask_for_some(
    client: Client, account: tuple[User, str], identity: Identity
) -> None:
    token = await exchange(client, account[1], scopes=["rooms"])
    claims = identity.verify(token.access_token, client.clock.now_s)
    assert claims.service is not UNSET
    assert claims.service.scopes == (Scope.ROOMS,)


async def test_a_key_expires_and_no_token_of_it_lives_longer(
    client: Client, engine: AsyncEngine, identity: Identity
) -> None:
    _, key = await service_keys.add_account(engine, "desk", "north", [], 2)
    ends_ms = await made_ms(engine) + 2 * DAY_MS
    client.clock.now_ms = ends_ms - 10_500
    assert (await check(client, key)).expires_ms == ends_ms
    token = await exchange(client, key)
    assert token.expires_in == 10
    claims = identity.verify(token.access_token, client.clock.now_s)
    assert round(claims.exp * 1000) == ends_ms
    client.clock.now_ms = ends_ms
    assert await client.refusal("check_key", key=key) == (Code.NOT_AUTHENTICATED, None)
    assert await client.refusal("exchange", key=key) == (Code.BAD_CREDENTIALS, None)


@pytest.mark.parametrize("key", [UNKNOWN, "", "cbk_", "x" * 5_000, "cbk_\0", "é"])
async def test_an_unknown_key_is_refused_and_never_written_down(
    client: Client, engine: AsyncEngine, key: str
) -> None:
    about = {"key": key, "address": HERE}
    assert await client.refusal("check_key", **about) == (Code.NOT_AUTHENTICATED, None)
    assert await client.refusal("exchange", **about) == (Code.BAD_CREDENTIALS, None)
    assert await audit(engine) == [("log_in", "", "bad_credentials", "key")] * 2


async def test_who_guesses_is_slowed_down_and_who_has_a_good_key_is_not(
    client: Client, engine: AsyncEngine, account: tuple[User, str]
) -> None:
    for _ in range(100):
        await client.refusal("check_key", key=UNKNOWN, address=HERE)
    blocked = await client.ask("exchange", key=UNKNOWN, address=HERE)
    assert blocked.refused is not None
    assert blocked.refused.code is Code.RATE_LIMITED
    assert blocked.retry_after_s == 10
    # Passwords are guessed from the same allowance.
    log_in = {"username": "anna", "password": "wrong horse", "address": HERE}
    assert (await client.refusal("log_in", **log_in))[0] is Code.RATE_LIMITED
    elsewhere = {"key": UNKNOWN, "address": "192.0.2.8"}
    assert (await client.refusal("check_key", **elsewhere))[0] is Code.NOT_AUTHENTICATED
    await check(client, account[1])
    await exchange(client, account[1])
    told = [one[2] for one in await audit(engine) if one[3] == "key"]
    assert told.count("rate_limited") == 1
    client.clock.now_ms += 10_000
    again = {"key": UNKNOWN, "address": HERE}
    assert (await client.refusal("check_key", **again))[0] is Code.NOT_AUTHENTICATED


async def test_one_key_ends_and_the_others_of_its_account_do_not(
    client: Client,
    engine: AsyncEngine,
    account: tuple[User, str],
    identity: Identity,
) -> None:
    user, old = account
    new = await service_keys.add_key(engine, "billing", [Scope.READ], 30)
    tokens = [(await exchange(client, key)).access_token for key in (old, new)]
    ended = await end(client, id_of(hash_of(old)))
    done = decode(ended.data or b"", Ended)
    assert (done.user, done.key) == (user.id, id_of(hash_of(old)))
    assert await client.refusal("check_key", key=old) == (Code.NOT_AUTHENTICATED, None)
    await check(client, new)
    now_ms = client.clock.now_ms
    identity.revoke(Revocation(user.id, id_of(hash_of(old)), now_ms))
    with pytest.raises(RevokedToken):
        identity.verify(tokens[0], client.clock.now_s)
    identity.verify(tokens[1], client.clock.now_s)
    left = await service_keys.listed(engine, user.id)
    assert [key.key for key in left] == [id_of(hash_of(new))]
    assert [key.scopes for key in left] == [(Scope.READ,)]
    gone = await end(client, id_of(hash_of(old)))
    assert (gone.refused and gone.refused.code, gone.status) == (Code.INVALID_DATA, 404)


@pytest.mark.parametrize("way", ["operators", "command line", "erased"])
async def test_whoever_revokes_or_erases_the_user_ends_all_keys(
    client: Client, engine: AsyncEngine, account: tuple[User, str], way: str
) -> None:
    user, first = account
    second = await service_keys.add_key(engine, user.id, [], None)
    client.clock.now_ms = await made_ms(engine) + 1
    if way == "operators":
        result = await client.ask("revoke", user=user.id, by="olga")
    elif way == "command line":
        result = await end(client, "bILLING")
    else:
        result = await client.accounts.erase(Erase("billing", "olga"))
    assert result.refused is None, result
    for key in (first, second):
        code = (Code.NOT_AUTHENTICATED, None)
        assert await client.refusal("check_key", key=key) == code
    js = client.bus.jetstream()
    info = await js.stream_info("REVOCATIONS")
    told = [
        decode((await js.get_msg("REVOCATIONS", seq)).data or b"", Revocation)
        for seq in range(1, info.state.last_seq + 1)
    ]
    assert all(one.user == user.id for one in told)
    assert told[-1].session is None
    assert told[-1].at_ms >= client.clock.now_ms
    if way != "erased":
        kids = {id_of(hash_of(key)) for key in (first, second)}
        assert {one.session for one in told[:-1]} == kids


async def test_who_is_no_service_account_gets_no_key(
    client: Client, engine: AsyncEngine
) -> None:
    await add_user(engine, "olga", "correct horse", Role.OPERATOR, "north")
    await add_user(engine, "rita", None, Role.RIDER, "north")
    for name in ("olga", "rita", "nobody", "", "\0"):
        with pytest.raises(AccountError, match="no service account"):
            await service_keys.add_key(engine, name, [], None)
    with pytest.raises(AccountError, match="taken"):
        await service_keys.add_account(engine, "OLGA", "north", [], None)
    for days in (0, -1, 3_651):
        with pytest.raises(AccountError, match="1 to 3650 days"):
            await service_keys.add_account(engine, "desk", "north", [], days)
    with pytest.raises(AccountError, match="no user"):
        await service_keys.listed(engine, "desk")


async def test_an_account_has_so_many_keys_at_most(
    client: Client, engine: AsyncEngine, account: tuple[User, str]
) -> None:
    for _ in range(KEYS_PER_ACCOUNT_MAX - 1):
        await service_keys.add_key(engine, account[0].id, [], None)
    with pytest.raises(AccountError, match="revoke one first"):
        await service_keys.add_key(engine, account[0].id, [], None)
    assert len(await service_keys.listed(engine, None)) == KEYS_PER_ACCOUNT_MAX


async def test_scopes_of_a_later_version_give_a_key_no_more_than_it_has(
    client: Client, engine: AsyncEngine, account: tuple[User, str], settings: Settings
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE service_keys SET scopes = 'fly read'"))
    assert (await check(client, account[1])).scopes == (Scope.READ,)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE service_keys SET scopes = 'fly'"))
    refused = await client.refusal("check_key", key=account[1])
    assert refused[0] is Code.UNAVAILABLE
