"""Webhooks, many, and all that is asked of them and of what is delivered."""

import time
from typing import Any

from sqlalchemy import Engine, insert

from persistence import database
from persistence.deliveries import condition, intake, sweep
from persistence.deliveries.service import Deliveries
from persistence.delivery_models import (
    NEVER,
    WebhookCursorRow,
    WebhookDeliveryRow,
    WebhookLineRow,
    WebhookReplayRow,
    WebhookRow,
)
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.accounts import Result
from schemas.webhooks import (
    AddWebhook,
    ChangeWebhook,
    Claim,
    Claimed,
    GetWebhook,
    Happened,
    LedgerAt,
    ListDeliveries,
    ListWebhooks,
    MadeWebhook,
    Outcome,
    Plan,
    Planned,
    Released,
    RemoveWebhook,
    Replay,
    Settle,
    Store,
    message_id,
)
from tests.support.filled import nobodys
from tests.support.running import service

HOOKS = 40
LEDGERS = 4
LINES = 50
STATUSES = ("waiting", "taken", "dead", "waiting")
"""Of each line's deliveries."""
LEDGER = "l0"
REGION = "r0"


def hook(number: int) -> str:
    return f"hook-{number}"


def hooked(engine: Engine) -> None:
    """Rows of each table, of webhooks of whom most are active, and of one that isn't
    there any more.
    """
    hooks = [
        nobodys(WebhookRow, id=hook(n), by="o", active=n > 0, events='["*"]')
        | {"since": "{}", "ended": None, "old_until_ms": 1}
        for n in range(HOOKS)
    ]
    cursors = [
        {"region": f"r{n}", "ledger": f"l{n}", "seq": 10_000, "reader": "w"}
        | {"until_ms": 1}
        for n in range(LEDGERS)
    ]
    replays: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []
    for number in range(HOOKS + 1):
        of_hook = {"webhook_id": hook(number)}
        replays += [
            of_hook | {"ledger": f"l{n}", "region": f"r{n}", "seq": 1, "until_seq": 9}
            for n in range(LEDGERS)
        ]
        for n in range(LINES):
            line = of_hook | {"line": f"trip-{n}"}
            lines.append(line | {"due_ms": n, "leased_ms": 0})
            sent += [delivery(line, n, k) for k in range(len(STATUSES))]
    with engine.begin() as connection:
        for table, rows in (
            (WebhookRow, hooks),
            (WebhookCursorRow, cursors),
            (WebhookReplayRow, replays),
            (WebhookLineRow, lines),
            (WebhookDeliveryRow, sent),
        ):
            connection.execute(insert(table), rows)


def delivery(line: dict[str, Any], n: int, k: int) -> dict[str, Any]:
    waits = STATUSES[k] == "waiting"
    return line | {
        "ledger": f"l{n % LEDGERS}",
        "seq": n * len(STATUSES) + k,
        "type": "trip.started",
        "trip_id": line["line"],
        "at_ms": n,
        "status": STATUSES[k],
        "attempts": 0,
        "due_ms": n or NEVER,  # the first line looks due, and nothing in it is
        "frees_ms": NEVER,
        "error": None,
        "size": 2 if waits else 0,
        "body": "{}" if waits else None,
    }


async def the_webhooks(bus: Bus, settings: Settings) -> None:
    """All that gateways, operators and the webhooks service ask."""
    url = settings.database_url
    engine, hasty = database.plain_engine(url), database.hasty_engine(url)
    deliveries = Deliveries(engine, hasty, bus, settings)
    async with service() as running:
        deliveries.start(running)
        await bus.flush()
        await the_operators(bus)
        await the_worker(bus)
        sweep.sweep(hasty, time.time_ns() // 1_000_000)
        with engine.connect() as connection:
            condition.look(connection)
            assert intake.places(connection)
        running.stop()
        await deliveries.stop()


async def told(bus: Bus, subject: str, question: Any) -> Result:
    answer = await bus.request(subject, codec.encode(question), 30)
    result = codec.decode(answer.data, Result)
    assert result.refused is None, (subject, result.refused)
    return result


async def the_operators(bus: Bus) -> None:
    async def does(operation: str, question: Any) -> Result:
        return await told(bus, subjects.webhooks(operation), question)

    added = AddWebhook(url="https://a.example/", events=["*"], by="o2")
    made = codec.decode((await does("add", added)).data or b"", MadeWebhook)
    await does("list", ListWebhooks())
    await does("get", GetWebhook(made.id))
    for active in (False, True):
        await does("change", ChangeWebhook(webhook=made.id, by="o2", active=active))
    await does("secret", RemoveWebhook(made.id, "o2"))
    for before in (None, message_id("l1", 21)):
        await does("deliveries", ListDeliveries(hook(1), before=before))
    for region in (None, REGION):
        await does("replay", Replay(hook(1), "o", 1, region))
    await does("test", GetWebhook(hook(1)))
    await does("remove", RemoveWebhook(made.id, "o2"))
    # The last that is active ends, and one is again: it begins at the ends.
    for number in range(HOOKS):
        await does("change", ChangeWebhook(webhook=hook(number), by="o", active=False))
    for number in (1, 2):
        await does("change", ChangeWebhook(webhook=hook(number), by="o", active=True))


async def the_worker(bus: Bus) -> None:
    async def does(operation: str, question: Any) -> Result:
        return await told(bus, subjects.deliveries(operation), question)

    there = [LedgerAt(REGION, LEDGER, 1), LedgerAt("new", "l9", 1)]
    planned = await does("plan", Plan("w", there))
    reading = codec.decode(planned.data or b"", Planned).reading
    (at,) = (one.seq for one in reading if one.ledger == LEDGER)
    event = Happened(at + 1, "trip.started", 1, "t", "t", ("somebody",), "{}")
    where: tuple[Any, ...] = ("w", REGION, LEDGER)
    await does("store", Store(*where, at, at + 2, ["*"], [event]))
    again = Happened(5, "trip.started", 1, "t", "t", ("somebody",), "{}")
    await does("store", Store(*where, 1, 9, ["*"], [again], hook(1)))
    room = {hook(number): 8 for number in range(HOOKS)}
    claimed = codec.decode((await does("claim", Claim(room))).data or b"", Claimed)
    assert claimed.lines
    outcomes = [
        Outcome(line.webhook, one.ledger, one.seq, "taken", 1)
        for line in claimed.lines
        for one in line.deliveries
    ]
    lines = [Released(one.webhook, one.line, one.lease) for one in claimed.lines]
    await does("settle", Settle(outcomes, lines, [hook(2)]))
    await does("plan", Plan("w", leaving=True))
