"""Webhooks: made, changed, removed; what was delivered to each. Blocks; each call is in
its caller's transaction.
"""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, structs
from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from persistence.delivery_models import (
    NEVER,
    WebhookCursorRow,
    WebhookDeliveryRow,
    WebhookLineRow,
    WebhookReplayRow,
    WebhookRow,
)
from schemas import outside
from schemas.times import rfc3339
from schemas.webhooks import (
    OLD_SECRET_MS,
    TEST,
    WEBHOOKS_MAX,
    WEBHOOKS_OF_OPERATOR_MAX,
    AddWebhook,
    ChangeWebhook,
    DeliveryTold,
    Hook,
    ListDeliveries,
    MadeWebhook,
    NewSecret,
    Webhook,
    is_pattern,
    is_wanted,
    message_id,
    place_of,
)

_hooks: Any = WebhookRow.__table__
_cursors: Any = WebhookCursorRow.__table__
_sent: Any = WebhookDeliveryRow.__table__

OLD_SECRETS_MAX = 7
"""That sign beside the newest: a header of 0.4 KB."""
SECRET_BYTES = 32
"""Standard Webhooks: 24 to 64."""


class End(Struct, frozen=True):
    """Where a region's ledger ends: its last event so far has at most that `seq`."""

    region: str
    ledger: str
    seq: int


class WebhookError(Exception):
    """Can't be done; the message says why."""


class UnknownWebhook(WebhookError):  # noqa: N818 - what is unknown is no error of ours
    """There is no such webhook."""


class TooMany(WebhookError):  # noqa: N818
    """There are as many as may be."""


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_url(url: str, *, private: bool) -> None:
    """Raises: WebhookError: nothing may be sent there, or it is no URL."""
    try:
        target = outside.target(url)
    except outside.UrlError as error:
        raise WebhookError(f"url: {error}") from None
    why = None if target.address is None or private else outside.fault(target.address)
    if why is not None:
        raise WebhookError(f"url: nothing is sent to {why}")


def check_events(patterns: list[str]) -> None:
    """Raises: WebhookError: one names no type."""
    for one in patterns:
        if not is_pattern(one):
            raise WebhookError(f"events: there is no type {one[:64]!r}")


def add(
    connection: Connection, asked: AddWebhook, ends: list[End], now_ms: int
) -> MadeWebhook:
    """Make one; what happens from now on is for it.

    Raises:
        TooMany: there are as many as may be.
    """
    owners = connection.execute(select(_hooks.c.by)).scalars().all()
    if len(owners) >= WEBHOOKS_MAX:
        raise TooMany(f"there are {WEBHOOKS_MAX} webhooks, as many as may be")
    if owners.count(asked.by) >= WEBHOOKS_OF_OPERATOR_MAX:
        msg = f"you have {WEBHOOKS_OF_OPERATOR_MAX} webhooks, as many as one may"
        raise TooMany(msg)
    _begin_where_there_is_none(connection, ends)
    secret = new_secret()
    row = {
        "id": str(uuid.uuid4()),
        "url": asked.url,
        "events": json.dumps(asked.events),
        "description": asked.description,
        "by": asked.by,
        "active": True,
        "ended": None,
        "secret": secret,
        "old_secret": None,
        "old_until_ms": None,
        "since": _since(ends),
        "created_at_ms": now_ms,
        "updated_at_ms": now_ms,
    }
    connection.execute(insert(_hooks), row)
    return MadeWebhook(**structs.asdict(_told(row)), secret=secret)


def change(
    connection: Connection, asked: ChangeWebhook, ends: list[End], now_ms: int
) -> Webhook:
    """One that is made active again begins anew: what happened meanwhile isn't for it.

    Raises:
        UnknownWebhook: there is none.
    """
    was = _find(connection, asked.webhook)
    new: dict[str, Any] = {"updated_at_ms": now_ms}
    if asked.url is not UNSET:
        new["url"] = asked.url
    if asked.events is not UNSET:
        new["events"] = json.dumps(asked.events)
    if asked.description is not UNSET:
        new["description"] = asked.description
    if asked.active is not UNSET and asked.active != was["active"]:
        new |= {"active": asked.active, "ended": None}
        if asked.active:
            _begin_where_there_is_none(connection, ends)
            new["since"] = _since(ends)
    connection.execute(update(_hooks).where(_hooks.c.id == asked.webhook).values(new))
    return _told({**was, **new})


def remove(connection: Connection, webhook: str) -> None:
    """What was for it goes by and by (sweep.py). Raises: UnknownWebhook."""
    _find(connection, webhook)
    connection.execute(delete(_hooks).where(_hooks.c.id == webhook))


def renew_secret(connection: Connection, webhook: str, now_ms: int) -> NewSecret:
    """Raises: UnknownWebhook."""
    was = _find(connection, webhook)
    until_ms = now_ms + OLD_SECRET_MS
    secret = new_secret()
    # Who asks again, because no answer came, was never told the one in between.
    before = _old_secrets(was, now_ms)[: OLD_SECRETS_MAX - 1]
    new = {
        "secret": secret,
        "old_secret": " ".join([was["secret"], *(f"{s}@{t}" for s, t in before)]),
        "old_until_ms": until_ms,
        "updated_at_ms": now_ms,
    }
    connection.execute(update(_hooks).where(_hooks.c.id == webhook).values(new))
    return NewSecret(secret, rfc3339(until_ms))


def every(connection: Connection) -> list[Webhook]:
    order = (_hooks.c.created_at_ms, _hooks.c.id)
    return [
        _told(r) for r in connection.execute(select(_hooks).order_by(*order)).mappings()
    ]


def one(connection: Connection, webhook: str) -> Webhook:
    """Raises: UnknownWebhook."""
    return _told(_find(connection, webhook))


def active(connection: Connection) -> list[RowMapping]:
    asked = select(_hooks).where(_hooks.c.active).order_by(_hooks.c.id)
    return list(connection.execute(asked).mappings())


def hook_of(row: RowMapping, now_ms: int) -> Hook:
    old = [secret for secret, _ in _old_secrets(row, now_ms)]
    return Hook(row["id"], row["url"], [row["secret"], *old])


def _old_secrets(row: RowMapping, now_ms: int) -> list[tuple[str, int]]:
    """Those that sign beside it, the newest first, each with until when."""
    newest, *others = (row["old_secret"] or "").split(" ")
    found = [(newest, row["old_until_ms"] or 0)]
    for one in others:
        secret, _, until_ms = one.partition("@")
        found.append((secret, int(until_ms)))
    return [(secret, until_ms) for secret, until_ms in found if now_ms < until_ms]


def wants(row: RowMapping, type_: str, ledger: str, seq: int) -> bool:
    """Whether an event is for an active webhook."""
    patterns: list[str] = json.loads(row["events"])
    since: dict[str, int] = json.loads(row["since"])
    return is_wanted(type_, patterns) and seq > since.get(ledger, -1)


def deliveries(connection: Connection, asked: ListDeliveries) -> list[DeliveryTold]:
    """Raises:
    UnknownWebhook: there is none.
    WebhookError: `before` is no delivery of it.
    """
    _find(connection, asked.webhook)
    row = _sent.c
    found = select(_sent).where(row.webhook_id == asked.webhook)
    if asked.before is not None:
        place = place_of(asked.before)
        same = () if place is None else (row.ledger == place[0], row.seq == place[1])
        at = select(row.at_ms).where(row.webhook_id == asked.webhook, *same)
        at_ms = None if place is None else connection.execute(at).scalar()
        if place is None or at_ms is None:
            raise WebhookError("before: it has no delivery of that id")
        found = found.where(
            or_(row.at_ms < at_ms, and_(row.at_ms == at_ms, row.seq < place[1]))
        )
    found = found.order_by(row.at_ms.desc(), row.seq.desc()).limit(asked.limit)
    return [
        DeliveryTold(
            message_id(r["ledger"], r["seq"]),
            r["type"],
            r["trip_id"],
            r["status"],
            r["attempts"],
            rfc3339(r["at_ms"]),
            r["error"],
        )
        for r in connection.execute(found).mappings()
    ]


def replay(
    connection: Connection, webhook: str, since: int, region: str | None
) -> None:
    """Have what happened after `since`, as far as it was taken in, delivered again.

    Raises:
        UnknownWebhook: there is none.
        WebhookError: it isn't active, or there is no such region.
    """
    if not _find(connection, webhook)["active"]:
        raise WebhookError("it isn't active: make it so first")
    cursors = list(connection.execute(select(_cursors)).mappings())
    if region is not None:
        cursors = [one for one in cursors if one["region"] == region]
        if not cursors:
            raise WebhookError(f"region: there is none of the name {region[:64]!r}")
    row = WebhookReplayRow.__table__.c
    for one in cursors:
        gone = (row.webhook_id == webhook, row.ledger == one["ledger"])
        connection.execute(delete(WebhookReplayRow).where(*gone))
        if since < one["seq"]:
            new = {"webhook_id": webhook, "ledger": one["ledger"], "seq": since}
            new |= {"region": one["region"], "until_seq": one["seq"]}
            connection.execute(insert(WebhookReplayRow), new)


def test(connection: Connection, webhook: str, now_ms: int) -> DeliveryTold:
    """A delivery that is no event's, to be tried at once.

    Raises:
        UnknownWebhook: there is none.
        WebhookError: it isn't active.
    """
    if not _find(connection, webhook)["active"]:
        raise WebhookError("it isn't active: make it so first")
    at = rfc3339(now_ms)
    said = {"type": TEST, "timestamp": at, "data": {"webhook": webhook}}
    body = msgspec.json.encode(said).decode()
    made = {"webhook_id": webhook, "ledger": "test", "seq": now_ms, "type": TEST}
    made |= {"trip_id": None, "line": f"test:{now_ms}", "at_ms": now_ms}
    made |= {"status": "waiting", "attempts": 0, "due_ms": now_ms, "frees_ms": NEVER}
    made |= {"error": None, "size": len(body), "body": body}
    connection.execute(insert(_sent), made)
    line = {"webhook_id": webhook, "line": made["line"], "due_ms": now_ms}
    connection.execute(insert(WebhookLineRow), line | {"leased_ms": 0})
    return DeliveryTold(message_id("test", now_ms), TEST, None, "waiting", 0, at, None)


def _find(connection: Connection, webhook: str) -> RowMapping:
    asked = select(_hooks).where(_hooks.c.id == webhook)
    row = connection.execute(asked).mappings().one_or_none()
    if row is None:
        raise UnknownWebhook("there is no such webhook")
    return row


def _told(row: Mapping[str, Any] | RowMapping) -> Webhook:
    return Webhook(
        row["id"],
        row["url"],
        json.loads(row["events"]),
        row["description"],
        row["active"],
        row["ended"],
        rfc3339(row["created_at_ms"]),
        rfc3339(row["updated_at_ms"]),
    )


def _since(ends: list[End]) -> str:
    return json.dumps({end.ledger: end.seq for end in ends})


def _begin_where_there_is_none(connection: Connection, ends: list[End]) -> None:
    """Where nothing is delivered so far nobody reads: what is read from now on begins
    at the ends.
    """
    asked = select(func.count()).select_from(_hooks).where(_hooks.c.active)
    if connection.execute(asked).scalar_one():
        return
    connection.execute(delete(_cursors))
    for end in ends:
        row = {"region": end.region, "ledger": end.ledger, "seq": end.seq}
        connection.execute(insert(_cursors), row | {"reader": "", "until_ms": 0})
