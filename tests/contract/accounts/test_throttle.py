"""Who guesses passwords is made to wait, by all workers together."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity import cleanup
from persistence.identity.passwords import Passwords
from persistence.identity.throttle import PAIR_EVERY_MS, Throttle, buckets
from persistence.models import AuditRow, ThrottleRow
from runtime.bus import Bus
from runtime.settings import Settings
from schemas.accounts import Result
from schemas.refusals import Code
from tests.contract.accounts.conftest import START_MS, Client

HERE = "192.0.2.1"


async def count(engine: AsyncEngine, table: Any) -> int:
    async with engine.connect() as connection:
        asked = select(func.count()).select_from(table)
        return int((await connection.execute(asked)).scalar_one())


async def guess(
    client: Client,
    times: int,
    username: str = "anna",
    address: str = HERE,
    password: str = "wrong horse",
) -> list[Result]:
    asked = {"username": username, "password": password, "address": address}
    return [await client.ask("log_in", **asked) for _ in range(times)]


def codes(results: list[Result]) -> list[Code | None]:
    return [None if r.refused is None else r.refused.code for r in results]


async def test_after_ten_failures_the_eleventh_waits_and_says_how_long(
    client: Client,
) -> None:
    await client.sign_up()
    assert set(codes(await guess(client, 10))) == {Code.BAD_CREDENTIALS}
    (blocked,) = await guess(client, 1)
    assert codes([blocked]) == [Code.RATE_LIMITED]
    assert blocked.retry_after_s == 300
    # Nor is the right one looked at: who guesses would learn it.
    right = await guess(client, 1, password="correct horse")
    assert codes(right) == [Code.RATE_LIMITED]
    client.clock.now_ms += 300_000
    assert codes(await guess(client, 2)) == [Code.BAD_CREDENTIALS, Code.RATE_LIMITED]
    client.clock.now_ms += 300_000
    right = await guess(client, 1, password="correct horse")
    assert codes(right) == [None]


async def test_an_unknown_user_is_counted_and_answered_alike(client: Client) -> None:
    await client.sign_up()
    known = await guess(client, 12)
    unknown = await guess(client, 12, "nobody")
    assert known == unknown


async def test_somebody_elses_failures_lock_nobody_out(client: Client) -> None:
    await client.sign_up()
    await guess(client, 11)
    right = await guess(client, 1, address="192.0.2.2", password="correct horse")
    assert codes(right) == [None]


async def test_good_log_ins_cost_nothing(client: Client, engine: AsyncEngine) -> None:
    await client.sign_up()
    assert set(codes(await guess(client, 15, password="correct horse"))) == {None}
    async with engine.connect() as connection:
        asked = select(func.max(ThrottleRow.full_at_ms))
        assert (await connection.execute(asked)).scalar_one() <= START_MS


@pytest.fixture
def throttle(engine: AsyncEngine) -> Throttle:
    return Throttle(engine)


async def taken(throttle: Throttle, username: str, address: str, most: int) -> int:
    """How many attempts in a row are let through, of `most`."""
    for number in range(most):
        if await throttle.take(buckets(username, address), START_MS):
            return number
    return most


async def test_one_user_is_tried_100_times_from_all_the_world(
    throttle: Throttle,
) -> None:
    for number in range(100):
        assert await taken(throttle, "anna", f"192.0.2.{number}", 1) == 1
    assert await taken(throttle, "anna", "198.51.100.1", 1) == 0
    assert await taken(throttle, "bert", "198.51.100.1", 1) == 1


async def test_one_address_tries_100_users(throttle: Throttle) -> None:
    for number in range(100):
        assert await taken(throttle, f"user{number}", HERE, 1) == 1
    assert await taken(throttle, "one more", HERE, 1) == 0
    assert await taken(throttle, "one more", "192.0.2.2", 1) == 1


async def test_attempts_at_once_over_several_workers_are_counted_once_each(
    engine: AsyncEngine, throttle: Throttle
) -> None:
    workers = [throttle, Throttle(engine), Throttle(engine)]
    asked = (workers[n % 3].take(buckets("anna", HERE), START_MS) for n in range(30))
    results = await asyncio.gather(*asked)
    assert results.count(None) == 10


async def test_a_refused_attempt_takes_from_no_bucket(throttle: Throttle) -> None:
    await taken(throttle, "anna", HERE, 100)
    assert await taken(throttle, "bert", HERE, 100) == 10
    for number in range(8):
        assert await taken(throttle, f"user{number}", HERE, 100) == 10
    assert await taken(throttle, "last", HERE, 100) == 0


async def test_what_is_full_again_is_forgotten(
    throttle: Throttle, engine: AsyncEngine
) -> None:
    await taken(throttle, "anna", HERE, 5)
    assert await count(engine, ThrottleRow) == 3
    await cleanup.sweep(engine, START_MS + 60_000, 60)
    assert await count(engine, ThrottleRow) == 2
    await cleanup.sweep(engine, START_MS + 180_000, 60)
    assert await count(engine, ThrottleRow) == 1
    await cleanup.sweep(engine, START_MS + 5 * PAIR_EVERY_MS, 60)
    assert await count(engine, ThrottleRow) == 0


async def test_who_hammers_is_written_down_once(
    client: Client, engine: AsyncEngine
) -> None:
    await client.sign_up()
    await guess(client, 20)
    async with engine.connect() as connection:
        found = select(AuditRow.outcome, func.count()).where(
            AuditRow.action == "log_in"
        )
        outcomes = dict((await connection.execute(found.group_by("outcome"))).all())
    assert outcomes == {"bad_credentials": 10, "rate_limited": 1}


async def crowd(client: Client, names: Iterable[str], **more: str) -> list[Code | None]:
    asked = {"password": "correct horse", "role": "rider", "address": HERE, **more}
    return codes([await client.ask("sign_up", username=n, **asked) for n in names])


async def test_one_address_signs_up_so_many_and_then_waits(
    client: Client, engine: AsyncEngine
) -> None:
    await crowd(client, ["anna"])
    limited = msgspec.structs.replace(
        client.accounts._settings, sign_ups_per_address_max=3
    )
    client.accounts._settings = limited
    client.clock.now_ms += 3_600_000
    # A taken name counts: whose names are taken is not everybody's to find out.
    assert await crowd(client, ["anna", "bert", "cleo"]) == [
        *(Code.INVALID_DATA, None, None),
    ]
    asked = {"username": "dora", "password": "correct horse", "role": "rider"}
    blocked = await client.ask("sign_up", **asked, address=HERE)
    assert codes([blocked]) == [Code.RATE_LIMITED]
    assert blocked.retry_after_s == 1200
    assert await crowd(client, ["dora"]) == [Code.RATE_LIMITED]
    assert await crowd(client, ["emil"], address="192.0.2.2") == [None]
    locals_ = [f"local-{number}" for number in range(4)]
    assert await crowd(client, locals_, address="127.0.0.1") == [None] * 4
    client.clock.now_ms += 1_200_000
    assert await crowd(client, ["dora", "fred"]) == [None, Code.RATE_LIMITED]
    async with engine.connect() as connection:
        found = select(func.count()).where(AuditRow.outcome == "rate_limited")
        assert (await connection.execute(found)).scalar_one() == 2  # news, twice


async def test_a_sign_up_that_is_not_looked_at_costs_nothing(
    client: Client, engine: AsyncEngine
) -> None:
    client.accounts._passwords.close()
    client.accounts._passwords = Passwords(waiting_max=0)
    assert await crowd(client, ["anna"]) == [Code.OVERLOADED]
    assert await crowd(client, ["bert"], password="password") == [Code.INVALID_DATA]
    async with engine.connect() as connection:
        asked = select(func.max(ThrottleRow.full_at_ms))
        assert (await connection.execute(asked)).scalar_one() <= START_MS


async def test_no_name_that_was_typed_is_kept(
    client: Client, engine: AsyncEngine, bus: Bus, settings: Settings
) -> None:
    await guess(client, 11, "hunter2-in-the-wrong-field")
    async with engine.connect() as connection:
        rows = [
            *await connection.execute(select(AuditRow.__table__)),
            *await connection.execute(select(ThrottleRow.__table__)),
        ]
    assert len(rows) == 11 + 3
    assert "hunter2" not in repr(rows)
