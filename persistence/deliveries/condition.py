"""How webhooks are doing, for whoever looks after the system (`cabrank doctor`). Reads
only; each query stays small however much was delivered. Blocks.
"""

from msgspec import Struct
from sqlalchemy import Connection, text

from persistence.deliveries.sweep import KEPT_MAX

NEWEST = 1_000
"""Deliveries of one that are looked at for dead ones: of 100,000 that are kept."""
assert NEWEST <= KEPT_MAX

_HOOKS = text("SELECT id, url, active, ended FROM webhooks ORDER BY created_at_ms, id")
_WAITING = text("""
    SELECT webhook_id, count(*) AS waiting, min(at_ms) AS oldest_ms,
        max(error) AS error
    FROM webhook_deliveries WHERE status = 'waiting' GROUP BY webhook_id
""")
_DEAD = text("""
    SELECT count(*) FROM (
        SELECT status FROM webhook_deliveries WHERE webhook_id = :id
        ORDER BY at_ms DESC, seq DESC LIMIT :newest) AS newest
    WHERE status = 'dead'
""")
_READ = text("SELECT max(until_ms) FROM webhook_cursors")


class Condition(Struct, frozen=True):
    """Of one webhook. `ended`: why its endpoint ended it. `waiting` deliveries, the
    oldest of what happened at `oldest_ms`; `error`: what one of them met. `dead`: of
    the newest `NEWEST`.
    """

    id: str
    url: str
    active: bool
    ended: str | None
    waiting: int = 0
    oldest_ms: int | None = None
    error: str | None = None
    dead: int = 0


class Conditions(Struct, frozen=True):
    """`read_until_ms`: until when some worker has said that it reads a ledger; 0: the
    last one has left; None: there is no ledger.
    """

    hooks: list[Condition]
    read_until_ms: int | None


def look(connection: Connection) -> Conditions:
    """Raises: sqlalchemy.exc.SQLAlchemyError: it can't be told."""
    waiting = {row.webhook_id: row for row in connection.execute(_WAITING)}
    found = []
    for hook in connection.execute(_HOOKS).all():
        of = waiting.get(hook.id)
        asked = {"id": hook.id, "newest": NEWEST}
        found.append(
            Condition(
                hook.id,
                hook.url,
                bool(hook.active),
                hook.ended,
                of.waiting if of else 0,
                of.oldest_ms if of else None,
                of.error if of else None,
                connection.execute(_DEAD, asked).scalar_one(),
            )
        )
    return Conditions(found, connection.execute(_READ).scalar_one())
