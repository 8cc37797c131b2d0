"""Who there is, for operators: found by name and role, and each one's sessions. Only
asks.
"""

from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.database import reading
from persistence.identity import person_names, usernames
from persistence.models import RefreshTokenRow, UserRow
from persistence.responder import Responder, answered, refused
from schemas import subjects, times
from schemas.accounts import (
    SESSIONS_TOLD_MAX,
    ListUsers,
    Result,
    SeeUser,
    SessionTold,
    UserTold,
)
from schemas.refusals import Code
from schemas.trips import Role, User

_users: Any = UserRow.__table__.c
_sessions: Any = RefreshTokenRow.__table__.c
_NAME_KEYS = (_users.name_key, _users.surname_key)
_LAST = "\U0010ffff"
"""Sorts after whatever goes on: the end of a range of all that begin alike."""


class People:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def serve(self, responder: Responder) -> None:
        responder.add(subjects.accounts("users"), ListUsers, self.users)
        responder.add(subjects.accounts("user"), SeeUser, self.user)

    async def users(self, question: ListUsers) -> Result:
        """Of an id, the one it is of; by name, those whose username begins so, then
        those whose first or last name does.
        """
        name = question.name.strip()
        if "\0" in name:
            return answered([])
        roles = list(Role) if question.role is None else [question.role]
        wanted = _users.role.in_([role.value for role in roles])
        everybody = select(UserRow.__table__)
        found: dict[str, User] = {}

        def add(users: list[User]) -> None:
            for one in users:
                found.setdefault(one.id, one)

        async with reading(self._engine) as connection:
            begun = usernames.begun(name)
            if name:
                by_id = everybody.where(_users.id == name, wanted)
                add(await _rows(connection, by_id))
            elif question.role is None:
                wanted = _users.username_key.is_not(None)
            if begun:
                wanted = and_(wanted, _begins(connection, begun))
            if begun or not name:
                asked = everybody.where(wanted).order_by(_users.username_key)
                add(await _rows(connection, asked.limit(question.limit)))
            for key in _NAME_KEYS:
                if len(found) < question.limit:
                    add(await _called(connection, key, name, roles, question.limit))
        return answered(list(found.values())[: question.limit])

    async def user(self, question: SeeUser) -> Result:
        """One, with the newest of their sessions; 404 `invalid_data`: nobody."""
        who = _users.id == question.user
        mine = _sessions.user_id == question.user
        newest = select(_sessions).where(mine).order_by(_sessions.created_at_ms.desc())
        if "\0" in question.user:
            return refused(Code.INVALID_DATA, "there is no such user", 404)
        async with reading(self._engine) as connection:
            asked = select(UserRow.__table__).where(who)
            row = (await connection.execute(asked)).one_or_none()
            if row is None:
                return refused(Code.INVALID_DATA, "there is no such user", 404)
            count = select(func.count()).select_from(RefreshTokenRow).where(mine)
            total = (await connection.execute(count)).scalar_one()
            sessions = (await connection.execute(newest.limit(SESSIONS_TOLD_MAX))).all()
        return answered(
            UserTold(
                _user(row),
                row.region,
                times.rfc3339(row.created_at_ms),
                [_session(one) for one in sessions],
                total,
            )
        )


def _begins(connection: AsyncConnection, begun: str) -> ColumnElement[bool]:
    """A range of the index: of bytes, whatever a database's language sorts by."""
    least, past = (">=", "<")
    if connection.dialect.name == "postgresql":
        least, past = ("~>=~", "~<~")
    key = _users.username_key
    return and_(
        key.op(least, is_comparison=True)(begun),
        key.op(past, is_comparison=True)(begun + _LAST),
    )


async def _called(
    connection: AsyncConnection, key: Any, name: str, roles: list[Role], limit: int
) -> list[User]:
    """Those whose `key` begins as `name`, in its order. A range of an index for each
    role: one for several would have to be sorted, however long it is.
    """
    begun = person_names.folded(name)
    if not begun:
        return []
    rows: list[Row[Any]] = []
    for role in roles:
        alike = (_users.role == role.value, key >= begun, key < begun + _LAST)
        asked = select(UserRow.__table__).where(*alike).order_by(key).limit(limit)
        rows += (await connection.execute(asked)).all()
    return [_user(row) for row in sorted(rows, key=attrgetter(key.name))]


async def _rows(connection: AsyncConnection, asked: Any) -> list[User]:
    return [_user(row) for row in (await connection.execute(asked)).all()]


def _user(row: Row[Any]) -> User:
    return User(row.id, row.username, row.first_name, row.last_name, Role(row.role))


def _session(row: Row[Any]) -> SessionTold:
    renewed = row.rotated_at_ms
    return SessionTold(
        row.session_id,
        times.rfc3339(row.created_at_ms),
        None if renewed is None else times.rfc3339(renewed),
        times.rfc3339(row.expires_at_ms),
    )
