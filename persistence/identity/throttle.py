"""Log-ins and sign-ups, counted for all workers together in the database.

Each bucket is one number, when it will be full again (the generic cell rate algorithm),
moved by one atomic statement, before the password is looked at; a log-in that succeeds
gives its attempt back. A device that logged in before has a bucket of its own, which
nobody else can empty (persistence/identity/devices.py). Names are kept as hashes: one
may be a password in the wrong field. Must not know whether a user exists.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.models import ThrottleRow

_rows = ThrottleRow.__table__.c

HOUR_MS = 3_600_000
PAIR_EVERY_MS = 300_000
"""Of one user from one address, after the first ten: 12 an hour, where the user is
tried 100 times from all the world. So one address never uses up what a user has, and
it takes nine to."""


class Bucket(Struct, frozen=True):
    key: str
    """SHA-256, hex."""
    burst: int
    """Attempts that may come at once."""
    every_ms: int
    """Then one may come so often."""


class Blocked(Struct, frozen=True):
    wait_ms: int
    """Until an attempt is free again."""
    is_news: bool
    """Whether nobody was told since the last attempt that was let through."""


def buckets(username: str, address: str, device: str | None = None) -> list[Bucket]:
    """What one attempt takes from. Ten typing errors are free; a password is guessed
    100 times an hour at most from all the world (NIST SP 800-63B section 5.2.2: no more
    than 100 failures in a row), and one address guesses 360 times an hour.

    `username`: what it is compared by, so that no spelling has guesses of its own.
    `device`: the mark of one that this user logged in with before.
    """
    if device is not None:
        return [Bucket(_key("device", device), 10, PAIR_EVERY_MS)]
    made = [Bucket(_key("user", username), 100, 36_000)]
    if address:
        made.append(Bucket(_key("pair", username, address), 10, PAIR_EVERY_MS))
        made.append(_address(address))
    # By key, so that two attempts can't wait for each other in a ring.
    return sorted(made, key=lambda bucket: bucket.key)


def sign_ups(address: str, per_hour: int) -> list[Bucket]:
    """What one sign-up takes from: `per_hour` at once, and again within each hour. The
    riders of a carrier's NAT share an address. Not counted: an unknown one, and this
    machine's own, which is its owner or a proxy that nobody named.
    """
    if not address or _is_ours(address):
        return []
    return [Bucket(_key("sign-up", address), per_hour, HOUR_MS // per_hour)]


def wrong_keys(address: str) -> list[Bucket]:
    """What one wrong key of a service account takes from: the same as log-ins from that
    address, which so guesses 360 times an hour in all.
    """
    return [_address(address)] if address else []


def _address(address: str) -> Bucket:
    return Bucket(_key("address", address), 100, 10_000)


def _is_ours(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def denials(user: str) -> list[Bucket]:
    """What one row takes from that says what a user was not allowed: ten at once, then
    one a minute; 1,440 of them a day are 300 KB.
    """
    return [Bucket(_key("denied", user), 10, 60_000)]


def _key(*parts: str) -> str:
    sizes = ",".join(str(len(part)) for part in parts)
    text = "\0".join((sizes, *parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Throttle:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
        self._insert = insert[engine.dialect.name]

    async def take(self, wanted: Sequence[Bucket], now_ms: int) -> Blocked | None:
        """Take one attempt from each, or none from any and tell how long to wait."""
        async with self._engine.connect() as connection:
            work = await connection.begin()
            for bucket in wanted:
                if not await self._took(connection, bucket, now_ms):
                    break
            else:
                await work.commit()
                return None
            await work.rollback()
        # After the connection is given back: who waits for a second one while holding
        # one waits for ever, once enough do.
        return await self._blocked(wanted, now_ms)

    async def _took(
        self, connection: AsyncConnection, bucket: Bucket, now_ms: int
    ) -> bool:
        every_ms = bucket.every_ms
        new = self._insert(ThrottleRow.__table__).values(
            key=bucket.key, full_at_ms=now_ms + every_ms, told=False
        )
        later = case((_rows.full_at_ms > now_ms, _rows.full_at_ms), else_=now_ms)
        upsert = new.on_conflict_do_update(
            index_elements=["key"],
            set_={"full_at_ms": later + every_ms, "told": False},
            where=_rows.full_at_ms <= now_ms + (bucket.burst - 1) * every_ms,
        ).returning(_rows.key)
        return (await connection.execute(upsert)).first() is not None

    async def _blocked(self, wanted: Sequence[Bucket], now_ms: int) -> Blocked:
        by_key = {bucket.key: bucket for bucket in wanted}
        async with self._engine.begin() as connection:
            found = await connection.execute(
                select(ThrottleRow.__table__).where(_rows.key.in_(list(by_key)))
            )
            waits: dict[str, int] = {}
            for row in found:
                bucket = by_key[row.key]
                free_at_ms = row.full_at_ms - (bucket.burst - 1) * bucket.every_ms
                if free_at_ms > now_ms:
                    waits[row.key] = free_at_ms - now_ms
            if not waits:  # it was a moment ago
                return Blocked(1, is_news=False)
            told = await connection.execute(
                update(ThrottleRow)
                .where(_rows.key.in_(list(waits)), _rows.told.is_(False))
                .values(told=True)
                .returning(_rows.key)
            )
            return Blocked(max(waits.values()), told.first() is not None)


async def give_back(connection: AsyncConnection, taken: Sequence[Bucket]) -> None:
    """One attempt each: it was a good one, or not looked at."""
    for bucket in taken:
        await connection.execute(
            update(ThrottleRow)
            .where(_rows.key == bucket.key)
            .values(full_at_ms=_rows.full_at_ms - bucket.every_ms)
        )
