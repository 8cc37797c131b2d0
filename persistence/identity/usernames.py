"""Which user somebody means by a name that they typed.

Names are compared by their key (schemas/names.py). Who had a name before there were
keys keeps it: an exact name goes before a key. Of two whose names are the same by now,
one has the key; the other, and whoever has a name that nobody may take any more, is
found by the exact name alone, which a key of `!` and their id says.
"""

import asyncio
from typing import Any, cast

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.database import reading
from persistence.identity import person_names
from persistence.models import OutsideUserRow, UserRow
from schemas import names

log = structlog.get_logger()

CHUNK = 200
"""Users given a key in one transaction: some ten milliseconds."""
RETRY_S = 5.0

_users = UserRow.__table__.c


def key_of(username: str, user_id: str) -> str:
    return names.key(username) or apart(user_id)


def apart(user_id: str) -> str:
    """The key of who is found by the exact name alone."""
    return f"!{user_id}"


def begun(typed: str) -> str:
    """What the keys of those names begin with that begin as somebody typed; empty: none
    does.
    """
    # By a whole name: what isn't one yet, such as `ann.`, may become one.
    key = names.key(f"{typed}1") if typed else None
    return "" if key is None else key.removesuffix("1")


def is_like(typed: str) -> ColumnElement[bool] | None:
    """The condition for the user of that name; None: nobody has such a name. Two may
    meet it: order by `exact_first`.
    """
    if "\0" in typed or not 1 <= len(typed) <= names.CHARS_MAX:
        return None  # PostgreSQL's text can't even be asked about the first
    key = names.key(typed)
    exact = _users.username == typed
    return exact if key is None else or_(exact, _users.username_key == key)


def exact_first(typed: str) -> ColumnElement[int]:
    return case((_users.username == typed, 0), else_=1)


def id_of(connection: Connection, named: str) -> str | None:
    """The user with that id or username; the id goes first, for a user may be called
    what another's id is.
    """
    if "\0" in named:
        return None
    by_id = select(_users.id).where(_users.id == named)
    found = connection.execute(by_id).scalar_one_or_none()
    like = is_like(named)
    if found is not None or like is None:
        return found
    by_name = select(_users.id).where(like).order_by(exact_first(named)).limit(1)
    return connection.execute(by_name).scalar_one_or_none()


async def give_keys(engine: AsyncEngine) -> bool:
    """A key to those that have none, of a version without keys; some of them.

    Returns:
        Whether all have one by now. Until then nobody may be given a new name.
    """
    missing = select(_users.id, _users.username, OutsideUserRow.user_id.label("visits"))
    missing = missing.select_from(UserRow.__table__).outerjoin(
        OutsideUserRow, OutsideUserRow.user_id == _users.id
    )
    missing = missing.where(_users.username_key.is_(None)).order_by(_users.id)
    async with reading(engine) as connection:
        found = (await connection.execute(missing.limit(CHUNK + 1))).all()
    if not found:
        return True
    try:
        async with engine.begin() as connection:
            for row in found[:CHUNK]:
                away = apart(row.id)
                key = away if row.visits else key_of(row.username, row.id)
                given = await connection.execute(_give(row.id, key))
                if cast("CursorResult[Any]", given).rowcount == 0:
                    await connection.execute(_give(row.id, away))
    except IntegrityError:  # another worker was faster; the next look tells
        return False
    return len(found) <= CHUNK


def _give(user_id: str, key: str) -> Any:
    other = UserRow.__table__.alias()
    taken = select(other.c.id).where(other.c.username_key == key).exists()
    mine = (_users.id == user_id, _users.username_key.is_(None), ~taken)
    return update(UserRow).where(*mine).values(username_key=key)


async def give_all(engine: AsyncEngine) -> None:
    """Return once all have a key; what another worker does beside this counts."""
    while not await give_keys(engine):
        pass


async def run(engine: AsyncEngine) -> None:
    """`give_all`, here and of people's names, as soon as the database lets it."""
    while True:
        try:
            await give_all(engine)
            await person_names.give_all(engine)
        except (SQLAlchemyError, OSError) as error:
            log.warning("names have no keys yet", error=repr(error)[:300])
            await asyncio.sleep(RETRY_S)
        else:
            return
