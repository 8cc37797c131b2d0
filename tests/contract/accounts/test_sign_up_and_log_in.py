import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.identity.tokens import Identity
from persistence.identity.passwords import WAITING_MAX, Passwords
from persistence.identity.tokens import TOKEN_CHARS
from persistence.models import RefreshTokenRow, UserRow
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.accounts.conftest import Client
from tests.support.waiting import until


async def test_sign_up_makes_a_user_and_a_session(
    client: Client, identity: Identity
) -> None:
    made = await client.sign_up(first_name="Anna", last_name="Åberg")
    assert made.user == User(made.user.id, "anna", "Anna", "Åberg", Role.RIDER)
    assert made.expires_in == 900
    assert len(made.refresh) == TOKEN_CHARS
    said = identity.verify(made.access, client.clock.now_s)
    assert said.user() == made.user
    assert said.region == "north"
    assert said.exp - said.iat == pytest.approx(900)


async def test_no_secret_is_stored_in_the_clear(
    client: Client, engine: AsyncEngine
) -> None:
    made = await client.sign_up()
    async with engine.connect() as connection:
        user = (await connection.execute(select(UserRow.__table__))).one()
        session = (await connection.execute(select(RefreshTokenRow.__table__))).one()
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    stored = " ".join(map(str, (*user, *session)))
    assert "correct horse" not in stored
    assert made.refresh not in stored
    assert made.access not in stored


async def test_a_taken_name_is_refused_with_409(client: Client) -> None:
    await client.sign_up()
    refused = await client.refusal(
        "sign_up", username="anna", password="another one", role="driver"
    )
    assert refused == (Code.INVALID_DATA, 409)


async def test_one_of_many_who_want_a_name_at_once_gets_it(client: Client) -> None:
    request = {"username": "anna", "password": "correct horse", "role": "rider"}
    results = await asyncio.gather(*(client.ask("sign_up", **request) for _ in "four"))
    assert sorted(r.status or 201 for r in results) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    "accepted",
    [
        {"username": "a" * 150},
        {"username": "Ünïcødé_9@.+-"},
        {"password": "quartz 7"},
        {"password": "quartz 7" * 16},
        {"password": "nul\x00 and 😀"},
        {"first_name": "f" * 150, "last_name": "l" * 150},
        {"role": "driver"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_is_just_within_the_limits_signs_up_and_logs_in(
    client: Client, accepted: dict[str, Any]
) -> None:
    await client.sign_up(**({"username": "anna"} | accepted))
    username = accepted.get("username", "anna")
    password = accepted.get("password", "correct horse")
    logged_in = await client.tokens("log_in", username=username, password=password)
    assert logged_in.user.username == username


@pytest.mark.parametrize(
    "broken",
    [
        {"username": ""},
        {"username": "a" * 151},
        {"username": "an na"},
        {"username": "anna\n"},
        {"username": "an\x00na"},
        {"username": "an/na"},
        {"username": None},
        {"password": "1234567"},
        {"password": "p" * 129},
        {"password": 12345678},
        {"password": "12345678"},
        {"password": "PassWord"},
        {"password": "annaanna"},
        {"password": "cabrank1"},
        {"password": "ﬃﬃﬃ́́́́"[:7]},
        {"first_name": "f" * 151},
        {"last_name": "l" * 151},
        {"last_name": "nul\x00"},
        {"role": "operator"},
        {"role": "admin"},
        {"role": None},
    ],
    ids=str,
)
async def test_what_breaks_a_limit_is_refused(
    client: Client, broken: dict[str, Any]
) -> None:
    request = {"username": "anna", "password": "correct horse", "role": "rider"}
    refused = await client.refusal("sign_up", **(request | broken))
    assert refused == (Code.INVALID_DATA, None)


async def test_log_in_starts_another_session(
    client: Client, identity: Identity
) -> None:
    first = await client.sign_up()
    second = await client.tokens("log_in", username="anna", password="correct horse")
    assert second.user == first.user
    sessions = {
        identity.verify(t.access, client.clock.now_s).sid for t in (first, second)
    }
    assert len(sessions) == 2
    assert await client.tokens("refresh", refresh=first.refresh)
    assert await client.tokens("refresh", refresh=second.refresh)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("anna", "wrong horse"),
        ("anna", ""),
        ("anna", "correct horse\x00"),
        ("ANNA.", "correct horse"),
        ("nobody", "correct horse"),
        ("an\x00na", "correct horse"),
        ("' OR 1=1 --", "correct horse"),
        ("a" * 10_000, "p" * 10_000),
    ],
)
async def test_wrong_credentials_are_refused_alike(
    client: Client, username: str, password: str
) -> None:
    await client.sign_up()
    result = await client.ask("log_in", username=username, password=password)
    assert result.refused is not None
    assert result.refused.code is Code.BAD_CREDENTIALS
    assert result.refused.message == "wrong username or password"


async def test_an_unknown_user_costs_a_hash_of_the_same_parameters(
    client: Client,
) -> None:
    dummy = client.accounts._passwords.dummy
    assert dummy.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_user_without_a_password_cant_log_in(
    client: Client, engine: AsyncEngine
) -> None:
    await client.sign_up()
    async with engine.begin() as connection:
        await connection.execute(update(UserRow).values(password_hash=None))
    for password in ("", "correct horse"):
        refused = await client.refusal("log_in", username="anna", password=password)
        assert refused == (Code.BAD_CREDENTIALS, None)


async def test_a_hash_of_older_parameters_is_renewed_at_log_in(
    client: Client, engine: AsyncEngine
) -> None:
    from argon2 import PasswordHasher  # noqa: PLC0415 - only here

    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    await client.sign_up()
    async with engine.begin() as connection:
        old = weak.hash("correct horse")
        await connection.execute(update(UserRow).values(password_hash=old))
    await client.refusal("log_in", username="anna", password="wrong horse")
    for _ in range(2):
        await client.tokens("log_in", username="anna", password="correct horse")
    async with engine.connect() as connection:
        now = (await connection.execute(select(UserRow.password_hash))).scalar_one()
    assert now != old
    assert "m=19456,t=2,p=1" in now


async def test_a_full_line_of_passwords_is_refused_as_overloaded(
    client: Client,
) -> None:
    await client.sign_up()
    client.accounts._passwords.close()
    passwords = client.accounts._passwords = Passwords(waiting_max=2)
    go_on = threading.Event()
    passwords._thread.submit(go_on.wait)  # the thread is at another's
    request = {"username": "anna", "password": "correct horse"}
    asked = [asyncio.ensure_future(client.ask("log_in", **request)) for _ in range(8)]
    try:
        await until(lambda: sum(map(asyncio.Future.done, asked)) >= 6, "refusals", 10)
    finally:
        go_on.set()
    results = await asyncio.gather(*asked)
    refusals = [r.refused for r in results if r.refused is not None]
    assert len(refusals) == 6
    assert all(r.code is Code.OVERLOADED and r.retryable for r in refusals)
    assert await client.tokens("log_in", **request)


async def test_a_crowd_that_signs_up_keeps_nobody_from_logging_in(
    client: Client,
) -> None:
    await client.sign_up()
    line = client.accounts._passwords._new
    line.waiting = WAITING_MAX
    body = {"password": "correct horse", "username": "bert", "role": "rider"}
    assert (await client.refusal("sign_up", **body))[0] is Code.OVERLOADED
    await client.tokens("log_in", username="anna", password="correct horse")
    line.waiting = 0
    await client.tokens("sign_up", **body)


async def test_both_lines_of_passwords_take_turns() -> None:
    passwords = Passwords()
    known = await passwords.hash("correct horse")
    done: list[str] = []

    async def one(name: str, work: Awaitable[object]) -> None:
        await work
        done.append(name)

    crowd = [one("sign-up", passwords.hash("x" * 8)) for _ in range(10)]
    wanted = [one("log-in", passwords.check(known, "correct horse")) for _ in range(3)]
    await asyncio.gather(*crowd, *wanted)
    passwords.close()
    assert done.index("log-in") <= 2
    assert done[:8].count("log-in") == 3
