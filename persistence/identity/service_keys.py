"""Service accounts and their keys, in the database. Must not publish or sign."""

import hmac
import secrets
import time
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence import audit_log
from persistence.database import reading
from persistence.identity import usernames
from persistence.identity.users import AccountError, add_user, find_id
from persistence.models import ServiceKeyRow, UserRow
from schemas.service_accounts import (
    EXPIRES_DAYS_MAX,
    KEY_BYTES,
    PREFIX,
    KeyHolder,
    Scope,
    hash_of,
    id_of,
)
from schemas.trips import Role, User

KEYS_PER_ACCOUNT_MAX = 16
"""One that is used, one that replaces it, and some for parts of a system."""
DAY_MS = 86_400_000
_rows = ServiceKeyRow.__table__.c


class Listed(Struct, frozen=True):
    """A key as operators see it; instants in ms since 1970."""

    key: str
    """Its id."""
    username: str
    scopes: tuple[Scope, ...]
    made_ms: int
    expires_ms: int | None


async def holder(engine: AsyncEngine, key: str) -> KeyHolder | None:
    """Whose key that is, expired or not; None: nobody's."""
    hashed = hash_of(key)
    asked = (
        select(_rows.key_hash, *_HOLDER)
        .join(UserRow, UserRow.id == _rows.user_id)
        .where(_rows.id == id_of(hashed))
    )
    async with reading(engine) as connection:
        row = (await connection.execute(asked)).one_or_none()
    if row is None or not hmac.compare_digest(row.key_hash, hashed):
        return None
    user = User(row.id, row.username, row.first_name, row.last_name, Role(row.role))
    return KeyHolder(
        user,
        row.region,
        row.key,
        _scopes(row.scopes),
        row.made_at_ms,
        row.expires_at_ms,
    )


_HOLDER = (
    UserRow.id,
    UserRow.username,
    UserRow.first_name,
    UserRow.last_name,
    UserRow.role,
    UserRow.region,
    _rows.id.label("key"),
    _rows.scopes,
    _rows.made_at_ms,
    _rows.expires_at_ms,
)


def _scopes(text: str) -> tuple[Scope, ...]:
    """One that this version doesn't know allows nothing, and still confines."""
    known = {scope.value for scope in Scope}
    found = [part for part in text.split() if part in known]
    if text and not found:
        raise AccountError(f"A key has scopes of a later version: {text}.")
    return tuple(Scope(part) for part in found)


async def add_account(
    engine: AsyncEngine,
    username: str,
    region: str,
    scopes: Iterable[Scope],
    days: int | None,
) -> tuple[User, str]:
    """Make an operator that has no password, and its first key.

    Raises:
        AccountError: the name doesn't fit or is taken; or as `add_key`.
    """
    _check_days(days)
    user = await add_user(engine, username, None, Role.OPERATOR, region)
    return user, await add_key(engine, user.username, scopes, days)


async def add_key(
    engine: AsyncEngine, name: str, scopes: Iterable[Scope], days: int | None
) -> str:
    """Make one more key of a service account: told now, and never again.

    `name`: the account's username or id. `scopes`: none: all. `days`: until it expires;
    None: never.

    Raises:
        AccountError: there is no such service account, or it has too many keys.
    """
    _check_days(days)
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    hashed, now_ms = hash_of(key), time.time_ns() // 1_000_000
    async with engine.begin() as connection:
        user = await _account(connection, name)
        held = select(_rows.id).where(_rows.user_id == user)
        if len((await connection.execute(held)).all()) >= KEYS_PER_ACCOUNT_MAX:
            msg = f"{name!r} has {KEYS_PER_ACCOUNT_MAX} keys already: revoke one first."
            raise AccountError(msg)
        await connection.execute(
            insert(ServiceKeyRow).values(
                id=id_of(hashed),
                user_id=user,
                key_hash=hashed,
                scopes=" ".join(sorted(set(scopes))),
                made_at_ms=now_ms,
                expires_at_ms=None if days is None else now_ms + days * DAY_MS,
            )
        )
        actor, which = audit_log.COMMAND_LINE, f"key {id_of(hashed)}"
        entry = audit_log.Entry("service_key_add", actor, user, detail=which)
        await audit_log.write(connection, entry, now_ms)
    return key


def _check_days(days: int | None) -> None:
    if days is not None and not 1 <= days <= EXPIRES_DAYS_MAX:
        msg = f"A key expires after 1 to {EXPIRES_DAYS_MAX} days, not {days}."
        raise AccountError(msg)


async def _account(connection: AsyncConnection, name: str) -> str:
    """The id of the service account with that id or username.

    Raises:
        AccountError: there is none.
    """
    user = await connection.run_sync(usernames.id_of, name)
    asked = select(UserRow.role, UserRow.password_hash).where(UserRow.id == user)
    row = (await connection.execute(asked)).one_or_none()
    is_one = row is not None and row.role == Role.OPERATOR and not row.password_hash
    if user is None or not is_one:
        raise AccountError(f"There is no service account {name[:200]!r}.")
    return user


async def listed(engine: AsyncEngine, name: str | None) -> list[Listed]:
    """All keys, or those of one account; the oldest first.

    Raises:
        AccountError: there is no user of that name.
    """
    asked = (
        select(_rows.id, UserRow.username, _rows.scopes, _rows.made_at_ms)
        .add_columns(_rows.expires_at_ms)
        .join(UserRow, UserRow.id == _rows.user_id)
        .order_by(_rows.made_at_ms, _rows.id)
    )
    if name is not None:
        user = await find_id(engine, name)
        if user is None:
            raise AccountError(f"There is no user {name[:200]!r}.")
        asked = asked.where(_rows.user_id == user)
    async with reading(engine) as connection:
        found = (await connection.execute(asked)).all()
    return [_listed(row) for row in found]


def _listed(row: Row[str, str, str, int, int | None]) -> Listed:
    return Listed(
        row.id, row.username, _scopes(row.scopes), row.made_at_ms, row.expires_at_ms
    )


async def user_of(engine: AsyncEngine, key_id: str) -> str | None:
    """Whose key has that id; None: nobody's."""
    asked = select(_rows.user_id).where(_rows.id == key_id)
    async with reading(engine) as connection:
        return (await connection.execute(asked)).scalar_one_or_none()


async def of_user(engine: AsyncEngine, user: str) -> list[str]:
    """The ids of a user's keys."""
    asked = select(_rows.id).where(_rows.user_id == user)
    async with reading(engine) as connection:
        return list((await connection.execute(asked)).scalars())


async def end(engine: AsyncEngine, key_ids: Iterable[str]) -> None:
    """Of these keys nothing is left; who still holds a token of one must be told."""
    async with engine.begin() as connection:
        gone = delete(ServiceKeyRow).where(_rows.id.in_(list(key_ids)))
        await connection.execute(gone)
