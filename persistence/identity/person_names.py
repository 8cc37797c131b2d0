"""Whose first or last name begins as somebody types it: what these are compared by.

No capitals, accents or widths (`Théo` is found by `theo`), spaces once, and at most 150
characters: a way to find people, and nothing that two may not share.
"""

import unicodedata

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.database import reading
from persistence.models import UserRow

KEY_CHARS_MAX = 150
CHUNK = 200
"""Users given keys in one transaction: some ten milliseconds."""

_users = UserRow.__table__.c


def folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    return " ".join(bare.split())[:KEY_CHARS_MAX]


def keys_of(first_name: str, last_name: str) -> dict[str, str]:
    """The columns (`persistence.person_names.Named`)."""
    return {
        "name_key": folded(f"{first_name} {last_name}"),
        "surname_key": folded(f"{last_name} {first_name}"),
    }


async def give_keys(engine: AsyncEngine) -> bool:
    """Keys to some of those that have none, of a version without; whether all have."""
    keyless = select(_users.id, _users.first_name, _users.last_name)
    keyless = keyless.where(_users.name_key.is_(None)).limit(CHUNK + 1)
    async with reading(engine) as connection:
        found = (await connection.execute(keyless)).all()
    if not found:
        return True
    given = update(UserRow).where(
        _users.id == bindparam("who"), _users.name_key.is_(None)
    )
    rows = [
        {"who": row.id, **keys_of(row.first_name, row.last_name)}
        for row in found[:CHUNK]
    ]
    async with engine.begin() as connection:
        await connection.execute(given, rows)
    return len(found) <= CHUNK


async def give_all(engine: AsyncEngine) -> None:
    """Return once all have keys."""
    while not await give_keys(engine):
        pass
