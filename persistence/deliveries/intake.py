"""Events in, a delivery for each webhook that wants it; how far each ledger is read,
and by whom. Blocks; each call is in its caller's transaction.

A position moves only from where it was, in the transaction that makes the deliveries:
two who read the same ledger make none twice and leave none out, whatever they know of
each other. The lease only saves work.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, RowMapping, case, delete, func, or_, select, text
from sqlalchemy import update as updating
from sqlalchemy.dialects import postgresql, sqlite

from persistence.deliveries import endpoints
from persistence.delivery_models import (
    NEVER,
    WebhookCursorRow,
    WebhookDeliveryRow,
    WebhookLineRow,
    WebhookReplayRow,
)
from persistence.erased import among, keep_out
from schemas.events import EVENTS_PER_RECORD_MAX, record_of
from schemas.webhooks import (
    READER_LEASE_MS,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    Happened,
    LedgerAt,
    Plan,
    Planned,
    Reading,
    Replaying,
    Store,
    is_wanted,
)

_cursors: Any = WebhookCursorRow.__table__
_replays: Any = WebhookReplayRow.__table__
_sent: Any = WebhookDeliveryRow.__table__

FULL = f"over {WAITING_MAX} deliveries, or {WAITING_BYTES_MAX} bytes, were waiting"
REPLAYS_SHOWN_MAX = 64


class Moved(Exception):  # noqa: N818 - a finding
    """The position is another, or more is wanted: look again."""


class Crowd(Struct):
    """What waits for one webhook."""

    count: int = 0
    size: int = 0

    def has_room(self) -> bool:
        return self.count < WAITING_MAX and self.size < WAITING_BYTES_MAX


# ---- who reads what ----------------------------------------------------------


def plan(
    connection: Connection, asked: Plan, crowds: dict[str, Crowd], now_ms: int
) -> Planned:
    hooks = endpoints.active(connection)
    if asked.leaving:
        own = _cursors.c.reader == asked.worker
        freed = updating(_cursors).where(own).values(reader="", until_ms=0)
        connection.execute(freed)
    if asked.leaving or not hooks:
        return Planned([], [], [], [])
    reading = [_take(connection, asked.worker, at, now_ms) for at in asked.ledgers]
    mine = [one for one in reading if one is not None]
    return Planned(
        [endpoints.hook_of(hook, now_ms) for hook in hooks],
        sorted(_types(hooks)),
        mine,
        _pending(connection, {one.ledger for one in mine}),
        {webhook: crowd.count for webhook, crowd in crowds.items()},
    )


def _types(hooks: Iterable[RowMapping]) -> set[str]:
    """The patterns of all."""
    return {one for hook in hooks for one in json.loads(hook["events"])}


def _take(
    connection: Connection, worker: str, at: LedgerAt, now_ms: int
) -> Reading | None:
    """None: another worker reads it."""
    same = _cursors.c.region == at.region
    row = connection.execute(select(_cursors).where(same)).mappings().one_or_none()
    begin = at.first * EVENTS_PER_RECORD_MAX - 1
    if row is None:
        new = {"region": at.region, "ledger": at.ledger, "seq": begin}
        new |= {"reader": "", "until_ms": 0}
        connection.execute(_insert(connection, _cursors).on_conflict_do_nothing(), new)
        row = connection.execute(select(_cursors).where(same)).mappings().one()
    free = or_(_cursors.c.reader == worker, _cursors.c.until_ms < now_ms)
    mine: dict[str, Any] = {"reader": worker, "until_ms": now_ms + READER_LEASE_MS}
    seq = row["seq"]
    if row["ledger"] != at.ledger:
        # It was lost, and another begun in its place.
        seq = begin
        mine |= {"ledger": at.ledger, "seq": seq}
    where = (same, _cursors.c.seq == row["seq"], free)
    done = connection.execute(updating(_cursors).where(*where).values(mine))
    return Reading(at.region, at.ledger, seq) if done.rowcount else None


def _pending(connection: Connection, ledgers: Collection[str]) -> list[Replaying]:
    """Where it has ended, or its webhook has, the row goes."""
    if not ledgers:
        return []
    asked = select(_replays).where(_replays.c.ledger.in_(ledgers))
    rows = connection.execute(asked.limit(REPLAYS_SHOWN_MAX)).mappings()
    return [
        Replaying(
            row["webhook_id"],
            row["region"],
            row["ledger"],
            row["seq"],
            row["until_seq"],
        )
        for row in rows
    ]


def places(connection: Connection) -> dict[str, int]:
    """Region → the last record that was read whole; empty while there is no webhook."""
    if not endpoints.active(connection):
        return {}
    rows = connection.execute(select(_cursors.c.region, _cursors.c.seq)).all()
    return {region: record_of(seq + 1)[0] - 1 for region, seq in rows}


# ---- events in ---------------------------------------------------------------


def store(
    connection: Connection, asked: Store, crowds: dict[str, Crowd], now_ms: int
) -> None:
    """Raises: Moved."""
    hooks = endpoints.active(connection)
    if asked.replay is not None:
        hooks = [hook for hook in hooks if hook["id"] == asked.replay]
        _move_replay(connection, asked)
    else:
        _move(connection, asked)
        if not _types(hooks) <= set(asked.types):
            raise Moved("some webhook wants more types")
    keep_out(connection)
    people = {person for event in asked.events for person in event.people}
    erased = among(connection, people)
    rows = [
        _row(hook, asked, event, crowds.setdefault(hook["id"], Crowd()), now_ms)
        for event in asked.events
        if erased.isdisjoint(event.people)
        for hook in hooks
        if _is_for(hook, asked, event)
    ]
    if not rows:
        return
    waiting = [row for row in rows if row["status"] == "waiting"]
    # Lines first: who settles one waits for us, or we for them.
    add_lines(connection, {(r["webhook_id"], r["line"]) for r in waiting}, now_ms)
    made = _insert(connection, _sent)
    if asked.replay is None:
        made = made.on_conflict_do_nothing()
    else:
        again = ("status", "attempts", "due_ms", "frees_ms", "error", "size", "body")
        made = made.on_conflict_do_update(
            index_elements=["webhook_id", "ledger", "seq"],
            set_={name: made.excluded[name] for name in again},
            where=_sent.c.status != "waiting",
        )
    connection.execute(made, rows)


def _is_for(hook: RowMapping, asked: Store, event: Happened) -> bool:
    if asked.replay is not None:
        return is_wanted(event.type, json.loads(hook["events"]))
    return endpoints.wants(hook, event.type, asked.ledger, event.seq)


def _row(
    hook: RowMapping, asked: Store, event: Happened, crowd: Crowd, now_ms: int
) -> dict[str, Any]:
    waits = crowd.has_room()
    size = len(event.body.encode())
    if waits:
        crowd.count += 1
        crowd.size += size
    return {
        "webhook_id": hook["id"],
        "ledger": asked.ledger,
        "seq": event.seq,
        "type": event.type,
        "trip_id": event.trip,
        "line": event.line,
        "at_ms": event.at_ms,
        "status": "waiting" if waits else "dead",
        "attempts": 0,
        "due_ms": now_ms,
        "frees_ms": NEVER,
        "error": None if waits else FULL,
        "size": size if waits else 0,
        "body": event.body if waits else None,
    }


def _move(connection: Connection, asked: Store) -> None:
    at = _cursors.c
    where = (
        at.region == asked.region,
        at.ledger == asked.ledger,
        at.seq == asked.after,
    )
    moved = connection.execute(updating(_cursors).where(*where).values(seq=asked.upto))
    if not moved.rowcount:
        raise Moved(f"{asked.region} is not at {asked.after} any more")


def _move_replay(connection: Connection, asked: Store) -> None:
    at = _replays.c
    where = (
        at.webhook_id == asked.replay,
        at.ledger == asked.ledger,
        at.seq == asked.after,
    )
    moved = connection.execute(updating(_replays).where(*where).values(seq=asked.upto))
    if not moved.rowcount:
        raise Moved("the replay is not there any more")
    connection.execute(
        delete(_replays).where(
            at.webhook_id == asked.replay,
            at.ledger == asked.ledger,
            at.seq >= at.until_seq,
        )
    )


def add_lines(
    connection: Connection, lines: Collection[tuple[str, str]], now_ms: int
) -> None:
    """They are to be looked at. One that is there is locked until the transaction ends,
    so that who settles it sees what came.
    """
    if not lines:
        return
    made = _insert(connection, WebhookLineRow.__table__)
    earlier = WebhookLineRow.due_ms > made.excluded.due_ms
    made = made.on_conflict_do_update(
        index_elements=["webhook_id", "line"],
        set_={
            "due_ms": case((earlier, made.excluded.due_ms), else_=WebhookLineRow.due_ms)
        },
    )
    rows = [
        {"webhook_id": hook, "line": line, "due_ms": now_ms, "leased_ms": 0}
        for hook, line in sorted(lines)  # always in one order: no deadlock
    ]
    connection.execute(made, rows)


def crowds(connection: Connection) -> dict[str, Crowd]:
    """What waits for each webhook."""
    row = _sent.c
    asked = (
        select(row.webhook_id, func.count(), func.coalesce(func.sum(row.size), 0))
        .where(text("status = 'waiting'"))
        .group_by(row.webhook_id)
    )
    found = connection.execute(asked)
    return {webhook: Crowd(count, int(size)) for webhook, count, size in found}


def _insert(connection: Connection, table: Any) -> Any:
    kinds: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    return kinds[connection.dialect.name](table)
