"""Whoever guesses, and however long: a user's own devices log in, and new ones soon."""

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity import cleanup, devices
from persistence.identity.throttle import buckets
from persistence.models import DeviceRow, UserRow
from schemas.refusals import Code
from tests.contract.accounts.conftest import START_MS, Client
from tests.contract.accounts.test_throttle import codes

HOME, WORK, AWAY = "192.0.2.1", "192.0.2.2", "192.0.2.3"
PHONE = "p" * 22
MINUTE_MS = 60_000
PASSWORD = "correct horse"
WRONG = "wrong horse"


async def log_in(
    client: Client, address: str, device: str = "", password: str = PASSWORD
) -> Code | None:
    said = {"username": "anna", "password": password}
    result = await client.ask("log_in", **said, address=address, device=device)
    return codes([result])[0]


async def guess_until_blocked(client: Client, address: str, device: str = "") -> int:
    """As often as it is let; returns how often that was."""
    for tried in range(200):
        if await log_in(client, address, device, WRONG) is Code.RATE_LIMITED:
            return tried
    raise AssertionError


async def hammer(client: Client, addresses: list[str], hours: int) -> int:
    """Guess from each address whenever that is allowed; returns how often it was. What
    each guess takes, without the hashing of its password.
    """
    throttle, tried = client.accounts._throttle, 0
    for _ in range(hours * 12):
        for address in addresses:
            taken = buckets("anna", address)
            while await throttle.take(taken, client.clock.now_ms) is None:
                tried += 1
        client.clock.now_ms += 5 * MINUTE_MS
    return tried


async def test_one_address_that_never_stops_guessing_keeps_nobody_out(
    client: Client,
) -> None:
    await client.sign_up(address=HOME)
    tried = await hammer(client, ["198.51.100.1"], 12)
    assert tried == 10 + 12 * 12 - 1
    assert await log_in(client, HOME) is None
    assert await log_in(client, WORK) is None  # where they never were


async def test_many_addresses_keep_none_of_a_users_devices_out(client: Client) -> None:
    await client.sign_up(address=HOME, device=PHONE)
    addresses = [f"198.51.100.{number}" for number in range(20)]
    tried = await hammer(client, addresses, 1)
    assert 100 < tried <= 100 + 100
    assert await guess_until_blocked(client, "203.0.113.1") <= 9
    assert await log_in(client, WORK) is Code.RATE_LIMITED
    assert await log_in(client, HOME) is None
    assert await log_in(client, AWAY, PHONE) is None
    assert await log_in(client, AWAY) is None  # the phone was there
    client.clock.now_ms += 36_000  # a new device soon after they rest
    assert await log_in(client, WORK) is None


async def test_who_shares_an_address_with_a_user_doesnt_use_up_their_device(
    client: Client,
) -> None:
    await client.sign_up(address=HOME, device=PHONE)
    await guess_until_blocked(client, HOME)
    assert await log_in(client, HOME) is Code.RATE_LIMITED
    assert await log_in(client, HOME, PHONE) is None


async def test_a_known_device_guesses_ten_times_and_then_as_slowly_as_others(
    client: Client,
) -> None:
    await client.sign_up(address=HOME, device=PHONE)
    for device, address in ((PHONE, AWAY), ("", HOME)):
        assert await guess_until_blocked(client, address, device) == 10
        client.clock.now_ms += 5 * MINUTE_MS
        assert await guess_until_blocked(client, address, device) == 1


async def test_a_device_is_known_for_who_logged_in_with_it_alone(
    client: Client,
) -> None:
    await client.sign_up(address=HOME, device=PHONE)
    await client.sign_up("bert", address=WORK, device="b" * 22)
    await guess_until_blocked(client, WORK, "b" * 22)
    tried = await guess_until_blocked(client, HOME, "b" * 22)
    assert tried == 10  # anna's home is known, bert's cookie is not hers
    assert await log_in(client, HOME, PHONE) is None


async def test_a_failed_log_in_makes_no_device_known(
    client: Client, engine: AsyncEngine
) -> None:
    await client.sign_up()
    await log_in(client, AWAY, PHONE, WRONG)
    async with engine.connect() as connection:
        asked = select(func.count()).select_from(DeviceRow)
        assert (await connection.execute(asked)).scalar_one() == 0


async def test_a_users_latest_devices_are_kept_so_many_so_long(
    client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "PER_USER_MAX", 4)
    tokens = await client.sign_up(address=HOME, device=PHONE)
    for number in range(2):
        client.clock.now_ms += 1
        assert await log_in(client, f"203.0.113.{number}", f"{number}" * 22) is None
    known = [
        await devices.known(engine, devices.marks(tokens.user.id, *each), START_MS)
        for each in ((HOME, PHONE), ("203.0.113.0", ""), ("", "1" * 22))
    ]
    assert known[0] is None
    assert all(known[1:])
    mine = devices.marks(tokens.user.id, "", "1" * 22)
    later_ms = client.clock.now_ms + devices.KEPT_MS
    assert await devices.known(engine, mine, later_ms) is None
    await cleanup.sweep(engine, later_ms, 60)
    async with engine.begin() as connection:
        asked = select(func.count()).select_from(DeviceRow)
        assert (await connection.execute(asked)).scalar_one() == 0


async def test_what_is_kept_of_devices_is_hashes_and_goes_with_the_user(
    client: Client, engine: AsyncEngine
) -> None:
    tokens = await client.sign_up(address=HOME, device=PHONE)
    async with engine.begin() as connection:
        rows = (await connection.execute(select(DeviceRow.__table__))).all()
        assert len(rows) == 2
        assert HOME not in repr(rows)
        assert PHONE not in repr(rows)
        await connection.execute(delete(UserRow).where(UserRow.id == tokens.user.id))
        left = select(func.count()).select_from(DeviceRow)
        assert (await connection.execute(left)).scalar_one() == 0
