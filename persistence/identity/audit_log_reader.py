"""The audit log, read."""

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import aliased

from persistence import audit_log
from persistence.database import reading
from persistence.models import AuditRow, UserRow


class Wanted(Struct, frozen=True):
    """`user`: as actor or as subject; an id. `since_ms`: not before."""

    user: str | None = None
    action: str | None = None
    since_ms: int = 0
    limit: int = 100


class Line(Struct, frozen=True):
    """A row of `audit_log`, but for its id. Actor and subject are ids of users, of
    trips and keys, or words; names are those of the users, empty of anything else.
    """

    at_ms: int
    actor: str
    action: str
    subject: str
    outcome: str
    address: str
    detail: str
    actor_name: str = ""
    subject_name: str = ""


async def read(engine: AsyncEngine, wanted: Wanted) -> list[Line]:
    """The newest `limit`, oldest first."""
    row, by, whom = AuditRow, aliased(UserRow), aliased(UserRow)
    asked = select(
        row.at_ms,
        row.actor,
        row.action,
        row.subject,
        row.outcome,
        row.address,
        row.detail,
        func.coalesce(by.username, ""),
        func.coalesce(whom.username, ""),
    )
    asked = asked.outerjoin(by, by.id == row.actor)
    asked = asked.outerjoin(whom, whom.id == row.subject)
    asked = asked.where(row.at_ms >= wanted.since_ms)
    if wanted.user is not None:
        asked = asked.where(audit_log.about(wanted.user))
    if wanted.action is not None:
        asked = asked.where(row.action == wanted.action)
    newest = asked.order_by(row.at_ms.desc(), row.id.desc()).limit(wanted.limit)
    async with reading(engine) as connection:
        found = (await connection.execute(newest)).all()
    return [Line(*each) for each in reversed(found)]
