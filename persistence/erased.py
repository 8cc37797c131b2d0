"""Who is erased, for whoever writes what people said and did: persistence/erasure/
marks them and takes out what was written before.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select, text

from persistence.models import ErasedUserRow

FEW = 1000
"""So many erased users are looked through in memory; more are asked for by id."""
IDS_MAX = 500
"""Of one question, as in persistence/checks/verification.py."""

_erased = ErasedUserRow.__table__.c
_some = select(_erased.user_id).limit(FEW + 1)
_SOME = str(_some.compile(compile_kwargs={"literal_binds": True}))
"""Ready made: every transaction that writes begins with it."""


def among(connection: Connection, users: Iterable[str]) -> set[str]:
    """Which of these users are erased; nobody is looked at where none is."""
    few = connection.exec_driver_sql(_SOME).scalars().all()
    if len(few) <= FEW:
        return set(few).intersection(users) if few else set()
    found: set[str] = set()
    ids = sorted(set(users))
    for start in range(0, len(ids), IDS_MAX):
        some = ids[start : start + IDS_MAX]
        asked = select(_erased.user_id).where(_erased.user_id.in_(some))
        found.update(connection.execute(asked).scalars())
    return found


def keep_out(connection: Connection) -> None:
    """Who calls this before `among`, and then writes in the same transaction, writes
    nothing that a `mark` beside it would have wanted scrubbed. SQLite lets only one
    write at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE erased_users IN ROW SHARE MODE"))
