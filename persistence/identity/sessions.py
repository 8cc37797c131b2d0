"""Sessions in the database: a row lives as long as its session can be refreshed.

Each function is one transaction's worth or less. Must not publish or sign anything.
"""

import secrets
import uuid
from typing import Any, cast

from msgspec import Struct
from sqlalchemy import CursorResult, RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.errors import PersistenceError
from persistence.identity.tokens import (
    Forge,
    RefreshToken,
    SessionState,
    Verdict,
    judge,
)
from persistence.models import RefreshTokenRow, UserRow
from schemas.trips import Role, User

_rows = RefreshTokenRow.__table__.c


class UnknownSuccessor(PersistenceError):  # noqa: N818 - it passes, soon
    """Asking again, of whoever, is safe."""


class Account(Struct, frozen=True):
    """A user as the database has them."""

    user: User
    region: str
    password_hash: str | None


class Refreshed(Struct, frozen=True):
    """What a refresh token was worth. `account`, `token`: the session's user and next
    token where `verdict` is ROTATE or REPEAT, else None.
    """

    verdict: Verdict
    account: Account | None = None
    token: RefreshToken | None = None


def account_of(row: RowMapping) -> Account:
    """From a row that has the columns of `UserRow`."""
    user = User(
        row["id"],
        row["username"],
        row["first_name"],
        row["last_name"],
        Role(row["role"]),
    )
    return Account(user, row["region"], row["password_hash"])


async def begin(
    connection: AsyncConnection,
    forge: Forge,
    user_id: str,
    now_ms: int,
    ttl_s: float,
) -> RefreshToken:
    """Start a session of that user, which ends unused after `ttl_s`."""
    token = forge.first(str(uuid.uuid4()), secrets.token_bytes(32))
    # So that sessions nobody ends do not pile up.
    await connection.execute(
        delete(RefreshTokenRow).where(
            _rows.user_id == user_id, _rows.expires_at_ms <= now_ms
        )
    )
    await connection.execute(
        insert(RefreshTokenRow).values(
            session_id=token.session,
            user_id=user_id,
            current_hash=token.digest,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + round(ttl_s * 1000),
        )
    )
    return token


async def refresh(
    engine: AsyncEngine, forge: Forge, token: RefreshToken, now_ms: int, ttl_s: float
) -> Refreshed | None:
    """Take the session from `token` to its successor, once; None: no such session.

    Two at once with the same token both get that one successor: the first to update
    the row rotates, the other finds itself the one before.

    Raises:
        UnknownSuccessor: another worker took it on with a key that we don't have yet.
    """
    successor = forge.successor(token)
    async with engine.begin() as connection:
        done = await connection.execute(
            update(RefreshTokenRow)
            .where(
                _rows.session_id == token.session,
                _rows.current_hash == token.digest,
                _rows.expires_at_ms > now_ms,
            )
            .values(
                previous_hash=token.digest,
                current_hash=successor.digest,
                rotated_at_ms=now_ms,
                expires_at_ms=now_ms + round(ttl_s * 1000),
            )
        )
        if cast("CursorResult[Any]", done).rowcount == 1:
            verdict = Verdict.ROTATE
        else:
            state = await _state(connection, token.session)
            if state is None:
                return None
            verdict = judge(state, token.digest, now_ms)
            if verdict is not Verdict.REPEAT:
                return Refreshed(verdict)
            successor = _as_told(state, forge.successors(token))
        found = await connection.execute(
            select(UserRow.__table__)
            .join(RefreshTokenRow.__table__, _rows.user_id == UserRow.id)
            .where(_rows.session_id == token.session)
        )
        return Refreshed(verdict, account_of(found.mappings().one()), successor)


def _as_told(state: SessionState, successors: list[RefreshToken]) -> RefreshToken:
    for successor in successors:
        if successor.digest == state.current_hash:
            return successor
    raise UnknownSuccessor("the session goes on with a key that is not here yet")


async def _state(connection: AsyncConnection, session: str) -> SessionState | None:
    found = await connection.execute(
        select(
            _rows.current_hash,
            _rows.previous_hash,
            _rows.rotated_at_ms,
            _rows.expires_at_ms,
        ).where(_rows.session_id == session)
    )
    row = found.one_or_none()
    return None if row is None else SessionState(*row)


async def end(engine: AsyncEngine, session: str) -> str | None:
    """End one session; its user, or None where it had ended before."""
    async with engine.begin() as connection:
        gone = await connection.execute(
            delete(RefreshTokenRow)
            .where(_rows.session_id == session)
            .returning(_rows.user_id)
        )
        return gone.scalar_one_or_none()


async def user_of(connection: AsyncConnection, session: str) -> str | None:
    found = await connection.execute(
        select(_rows.user_id).where(_rows.session_id == session)
    )
    return found.scalar_one_or_none()


async def end_all(engine: AsyncEngine, user_id: str) -> int | None:
    """End all sessions of a user.

    Returns:
        When the last token of them was issued, ms since 1970 by the clock of whoever
        issued it, 0 where there was none; None: there is no such user.
    """
    async with engine.begin() as connection:
        known = await connection.execute(
            select(UserRow.id).where(UserRow.id == user_id)
        )
        if known.one_or_none() is None:
            return None
        gone = await connection.execute(
            delete(RefreshTokenRow)
            .where(_rows.user_id == user_id)
            .returning(_rows.created_at_ms, _rows.rotated_at_ms)
        )
        return max((max(made, rotated or 0) for made, rotated in gone), default=0)
