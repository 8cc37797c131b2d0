"""Whose turn it is: lines are claimed, tried by one worker, and let go of with what
came of it. Blocks; each call is in its caller's transaction.

A line is what must stay in order: a trip for one webhook. Its first delivery that waits
holds the later ones back, until it is taken, dead, or failed `HOLD_MS` ago.
"""

import random
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, text

from persistence.delivery_models import NEVER
from schemas.budget import size_of
from schemas.webhooks import (
    ERROR_CHARS_MAX,
    HOLD_MS,
    LINE_LEASE_MS,
    STORE_BYTES_MAX,
    Claim,
    Claimed,
    Line,
    Settle,
    Waiting,
)

CHAIN_MAX = 16
"""Of one line at once, tried one after another."""
LINES_MAX = 256
"""Of one claim."""

_DUE_HOOKS = text("""
    SELECT w.id FROM webhooks w WHERE w.active AND EXISTS (
        SELECT 1 FROM webhook_lines l
        WHERE l.webhook_id = w.id AND l.due_ms <= :now AND l.leased_ms <= :now)
""")
_CLAIM = """
    UPDATE webhook_lines SET leased_ms = :lease
    WHERE webhook_id = :hook AND line IN (
        SELECT line FROM webhook_lines
        WHERE webhook_id = :hook AND due_ms <= :now AND leased_ms <= :now
        ORDER BY due_ms LIMIT :room {lock})
    RETURNING line
"""
_CLAIMS = {
    "sqlite": text(_CLAIM.format(lock="")),
    # Who finds one that another worker is claiming takes the next.
    "postgresql": text(_CLAIM.format(lock="FOR UPDATE SKIP LOCKED")),
}
_CHAINS = text("""
    SELECT d.ledger, d.seq, d.line, d.type, d.attempts, d.due_ms, d.frees_ms, d.size,
        d.body
    FROM webhook_deliveries d JOIN (
        SELECT ledger, seq, row_number() OVER (PARTITION BY line ORDER BY seq) AS k
        FROM webhook_deliveries
        WHERE webhook_id = :hook AND status = 'waiting' AND line IN :lines
            AND (due_ms <= :now OR frees_ms > :now)
    ) c ON d.ledger = c.ledger AND d.seq = c.seq
    WHERE d.webhook_id = :hook AND c.k <= :most
    ORDER BY d.line, d.seq
""").bindparams(bindparam("lines", expanding=True))
_SETTLE = text("""
    UPDATE webhook_deliveries SET status = :status, attempts = :attempts,
        due_ms = :due, error = :error,
        frees_ms = CASE WHEN frees_ms > :free THEN :free ELSE frees_ms END,
        size = CASE WHEN :waits THEN size ELSE 0 END,
        body = CASE WHEN :waits THEN body END
    WHERE webhook_id = :webhook AND ledger = :ledger AND seq = :seq
        AND status = 'waiting'
""")
_LET_GO = text("""
    UPDATE webhook_lines SET leased_ms = 0
    WHERE webhook_id = :webhook AND line = :line AND leased_ms = :lease
""")
_HAS = """EXISTS (
    SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = webhook_lines.webhook_id
        AND d.line = webhook_lines.line AND d.status = 'waiting')"""
_EMPTY = text(f"""
    DELETE FROM webhook_lines
    WHERE webhook_id = :webhook AND line = :line AND leased_ms = 0 AND NOT {_HAS}
""")  # noqa: S608
_OF_LINE = """FROM webhook_deliveries d WHERE d.webhook_id = webhook_lines.webhook_id
    AND d.line = webhook_lines.line AND d.status = 'waiting'"""
_NEXT = f"""
    UPDATE webhook_lines SET due_ms = {{least}}(
        coalesce((SELECT min(d.due_ms) {_OF_LINE} AND d.seq <= coalesce(
            (SELECT min(d.seq) {_OF_LINE} AND d.frees_ms > :now), :never)), :never),
        coalesce((SELECT min(d.frees_ms) {_OF_LINE} AND d.frees_ms > :now), :never))
    WHERE webhook_id = :webhook AND line = :line AND leased_ms = 0
"""  # noqa: S608
"""The next try of what no other holds back, or the end of the first hold."""
_NEXTS = {
    "sqlite": text(_NEXT.format(least="min")),
    "postgresql": text(_NEXT.format(least="least")),
}
_GONE = (
    text("UPDATE webhooks SET active = :no, ended = :why WHERE id = :id AND active"),
    text("""
        UPDATE webhook_deliveries SET status = 'dead', error = :why, size = 0,
            body = NULL
        WHERE webhook_id = :id AND status = 'waiting'
    """),
)
GONE = "its endpoint answered 410 Gone"


def is_any_due(connection: Connection, now_ms: int) -> bool:
    return connection.execute(_DUE_HOOKS, {"now": now_ms}).first() is not None


def claim(connection: Connection, asked: Claim, now_ms: int) -> Claimed:
    due = [row.id for row in connection.execute(_DUE_HOOKS, {"now": now_ms})]
    random.shuffle(due)  # whoever is first may take all that a message holds
    lease = now_ms + LINE_LEASE_MS
    lines: list[Line] = []
    left = STORE_BYTES_MAX
    more = False
    for hook in due:
        room = min(asked.room.get(hook, 0), LINES_MAX - len(lines))
        if room <= 0 or left <= 0:
            more = True
            continue
        names = connection.execute(
            _CLAIMS[connection.dialect.name],
            {"hook": hook, "now": now_ms, "room": room, "lease": lease},
        ).scalars()
        claimed = sorted(names)
        if not claimed:
            continue
        more = more or len(claimed) == room
        chains = _chains(connection, hook, claimed, now_ms)
        for name in claimed:
            chain = _within(chains.get(name, []), left)
            left -= sum(size_of(one.body) for one in chain)
            lines.append(Line(hook, name, lease, chain))
    # What can't be tried now is let go of: it is held back, or there was no room.
    idle = [one for one in lines if not one.deliveries]
    _release(connection, [(one.webhook, one.line, one.lease) for one in idle], now_ms)
    return Claimed([one for one in lines if one.deliveries], more)


def _chains(
    connection: Connection, hook: str, lines: Sequence[str], now_ms: int
) -> dict[str, list[Waiting]]:
    asked = {"hook": hook, "lines": lines, "now": now_ms, "most": CHAIN_MAX}
    rows = connection.execute(_CHAINS, asked).all()
    return {
        line: _chain(of_line, now_ms)
        for line, of_line in groupby(rows, key=lambda row: str(row.line))
    }


def _chain(rows: Iterable[Any], now_ms: int) -> list[Waiting]:
    """Those that may be tried one after another; the first that is not due yet holds
    back the rest.
    """
    chain = []
    for row in rows:
        if row.due_ms > now_ms:
            break
        holds = row.frees_ms > now_ms
        one = Waiting(row.ledger, row.seq, row.type, row.attempts, holds, row.body)
        chain.append(one)
    return chain


def _within(chain: list[Waiting], size: int) -> list[Waiting]:
    taken = []
    for one in chain:
        if size <= 0:
            break
        size -= size_of(one.body)
        taken.append(one)
    return taken


def settle(connection: Connection, asked: Settle, now_ms: int) -> None:
    """May be repeated."""
    # Lines first, as who stores events does.
    lines = sorted({(one.webhook, one.line, one.lease) for one in asked.lines})
    if lines:
        connection.execute(_LET_GO, _named(lines))
    outcomes = sorted(asked.outcomes, key=lambda o: (o.webhook, o.ledger, o.seq))
    values = [
        {
            "webhook": one.webhook,
            "ledger": one.ledger,
            "seq": one.seq,
            "status": one.status,
            "waits": one.status == "waiting",
            "attempts": one.attempts,
            "due": now_ms + one.again_ms,
            "free": now_ms + HOLD_MS,
            "error": None if one.error is None else one.error[:ERROR_CHARS_MAX],
        }
        for one in outcomes
    ]
    if values:
        connection.execute(_SETTLE, values)
    for hook in asked.gone:
        given = {"id": hook, "why": GONE, "no": False}
        end, bury = _GONE
        connection.execute(end, given)
        connection.execute(bury, {"id": hook, "why": GONE})
    _let_rest(connection, lines, now_ms)


def _release(
    connection: Connection, lines: list[tuple[str, str, int]], now_ms: int
) -> None:
    if lines:
        connection.execute(_LET_GO, _named(lines))
        _let_rest(connection, lines, now_ms)


def _let_rest(
    connection: Connection, lines: list[tuple[str, str, int]], now_ms: int
) -> None:
    """The line goes where nothing waits in it, else it says when to look again. In a
    statement after the one that locked it: that sees what was stored until then.
    """
    if not lines:
        return
    keys = [{"webhook": hook, "line": line} for hook, line, _ in lines]
    connection.execute(_EMPTY, keys)
    times = {"now": now_ms, "never": NEVER}
    connection.execute(_NEXTS[connection.dialect.name], [one | times for one in keys])


def _named(lines: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    return [{"webhook": w, "line": line, "lease": lease} for w, line, lease in lines]
