"""Users who come with an outside issuer's tokens: their rows.

Gateways say who came; what a row of ours says about who has a password is none of
theirs to change.
"""

import uuid
from enum import Enum, auto

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence import audit_log
from persistence.audit_log import Entry
from persistence.erased import among, keep_out
from persistence.identity import person_names, usernames
from persistence.identity.users import row_of
from persistence.models import OutsideUserRow, UserRow
from schemas.accounts import Meet
from schemas.refusals import Code
from schemas.trips import User

MARK_CHARS = 9
"""`-` and eight hex digits, after a name that somebody else has."""
NAME_CHARS_MAX = 150


class Met(Enum):
    NEW = auto()
    KNOWN = auto()
    ERASED = auto()
    FORBIDDEN = auto()
    """The id is of a user who came another way."""


async def meet(connection: AsyncConnection, who: Meet, now_ms: int) -> Met:
    """Make the row, or bring it up to date; within the caller's transaction."""
    user = who.user
    entry = Entry("meet", user.id, user.id, detail=who.issuer[:500])
    await connection.run_sync(keep_out)
    if await connection.run_sync(among, [user.id]):
        refused = entry.refused(Code.NOT_AUTHENTICATED)
        await audit_log.write(connection, refused, now_ms)
        return Met.ERASED
    asked = (
        select(OutsideUserRow.issuer, OutsideUserRow.subject)
        .select_from(UserRow)
        .outerjoin(OutsideUserRow, OutsideUserRow.user_id == UserRow.id)
        .where(UserRow.id == user.id)
    )
    row = (await connection.execute(asked)).one_or_none()
    if row is None:
        await _make(connection, who, now_ms)
        await audit_log.write(connection, entry, now_ms)
        return Met.NEW
    if (row.issuer, row.subject) != (who.issuer, who.subject):
        return Met.FORBIDDEN
    await connection.execute(
        update(UserRow)
        .where(UserRow.id == user.id)
        .values(
            first_name=user.first_name,
            last_name=user.last_name,
            **person_names.keys_of(user.first_name, user.last_name),
            role=user.role.value,
            region=who.region,
        )
    )
    return Met.KNOWN


async def _make(connection: AsyncConnection, who: Meet, now_ms: int) -> None:
    user = who.user
    taken = select(UserRow.id).where(UserRow.username == user.username)
    if (await connection.execute(taken)).first() is not None:
        user = _renamed(user)
    # Nobody else may take a name with the issuer's prefix; within it names are its own.
    key = usernames.apart(user.id)
    row = row_of(user, who.region, None, now_ms) | {"username_key": key}
    await connection.execute(insert(UserRow), row)
    outside = {
        "user_id": user.id,
        "issuer": who.issuer,
        "subject": who.subject,
        "first_seen_ms": now_ms,
    }
    await connection.execute(insert(OutsideUserRow), outside)


def _renamed(user: User) -> User:
    """An issuer may give a name twice; ours are unique."""
    name = user.username[: NAME_CHARS_MAX - MARK_CHARS]
    mark = uuid.UUID(user.id).hex[:8]
    return User(user.id, f"{name}-{mark}", user.first_name, user.last_name, user.role)
