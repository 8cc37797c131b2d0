"""Devices that logged in before: each has guesses of its own
(persistence/identity/throttle.py).

After OWASP's device cookies: who guesses from elsewhere, however much, takes nothing
from them. A device is known by the cookie that a browser or an HTTP client keeps, and,
since others keep none, by the address that it logged in from. Neither proves who
somebody is: all it gives is the right to be wrong ten times. Kept as hashes.
"""

import hashlib
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.database import reading
from persistence.models import DeviceRow

KEPT_MS = 90 * 86_400_000
"""Since its last log-in: three times an unused refresh token's life."""
PER_USER_MAX = 40
"""The latest of a user: some 20 devices, each by cookie and by address. Each may guess
on its own, so this is also what a thief of cookies gains."""

_rows = DeviceRow.__table__.c


def marks(user_id: str, address: str, cookie: str) -> list[str]:
    """What a device is known by, the surer first; none: by nothing."""
    said = (("cookie", cookie), ("address", address))
    return [_hash(kind, user_id, text) for kind, text in said if text]


async def known(engine: AsyncEngine, marked: list[str], now_ms: int) -> str | None:
    """The first of these marks that a device logged in with; None: a stranger."""
    asked = select(_rows.mark).where(
        _rows.mark.in_(marked), _rows.seen_at_ms > now_ms - KEPT_MS
    )
    async with reading(engine) as connection:
        found = set((await connection.execute(asked)).scalars())
    return next((mark for mark in marked if mark in found), None)


async def remember(
    connection: AsyncConnection, user_id: str, marked: list[str], now_ms: int
) -> None:
    """Within the caller's transaction, in which the user gave the right password."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    for mark in sorted(marked):
        new = insert[connection.dialect.name](DeviceRow.__table__).values(
            mark=mark, user_id=user_id, seen_at_ms=now_ms
        )
        seen = new.on_conflict_do_update(
            index_elements=["mark"], set_={"seen_at_ms": now_ms}
        )
        await connection.execute(seen)
    latest = (
        select(_rows.mark)
        .where(_rows.user_id == user_id)
        .order_by(_rows.seen_at_ms.desc(), _rows.mark)
        .limit(PER_USER_MAX)
    )
    await connection.execute(
        delete(DeviceRow).where(
            _rows.user_id == user_id, _rows.mark.not_in(latest.scalar_subquery())
        )
    )


def _hash(*parts: str) -> str:
    text = "\0".join(parts)  # ids and cookies have none
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
