"""Takes away deliveries that are past their time, or of webhooks that are no more; and
sees that whatever waits has its turn. Small transactions; blocks.
"""

from sqlalchemy import Engine, text

KEPT_MS = 7 * 86_400_000
"""What was taken, or is dead, is listed so long; as long as the ledger can be replayed
by default."""
KEPT_MAX = 100_000
"""Of one webhook, the newest."""
CHUNK = 500

_KEYS = {
    "webhook_lines": "line",
    "webhook_replays": "ledger",
    "webhook_deliveries": "ledger, seq",
}
"""Table → what its key has beside the webhook."""
_OF_NOBODY = """
    WITH RECURSIVE named(id) AS (
        SELECT min(webhook_id) FROM {table} WHERE webhook_id > ''
        UNION ALL
        SELECT (SELECT min(webhook_id) FROM {table} WHERE webhook_id > named.id)
        FROM named WHERE named.id IS NOT NULL)
    SELECT id FROM named
    WHERE id IS NOT NULL AND id NOT IN (SELECT w.id FROM webhooks w)
"""
"""From each webhook that rows name to the next, by the key: as many steps as webhooks,
however many rows there are."""
_DROP = """
    DELETE FROM {table} WHERE (webhook_id, {key}) IN (
        SELECT webhook_id, {key} FROM {table} WHERE webhook_id = :id LIMIT :chunk)
"""
_WEBHOOKS = text("SELECT id FROM webhooks")
_OLD = text("""
    DELETE FROM webhook_deliveries WHERE (webhook_id, ledger, seq) IN (
        SELECT webhook_id, ledger, seq FROM webhook_deliveries
        WHERE webhook_id = :id AND at_ms < :before AND status <> 'waiting' LIMIT :chunk)
""")
_NTH = text("""
    SELECT at_ms FROM webhook_deliveries WHERE webhook_id = :id
    ORDER BY at_ms DESC LIMIT 1 OFFSET :kept
""")
_LOST = text("""
    INSERT INTO webhook_lines (webhook_id, line, due_ms, leased_ms)
    SELECT DISTINCT d.webhook_id, d.line, 0, 0 FROM webhook_deliveries d
    WHERE d.webhook_id = :id AND d.status = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM webhook_lines l
        WHERE l.webhook_id = d.webhook_id AND l.line = d.line)
    ON CONFLICT DO NOTHING
""")


def sweep(engine: Engine, now_ms: int) -> None:
    """Once. Raises: sqlalchemy.exc.SQLAlchemyError: do it again."""
    for table, key in _KEYS.items():
        _drop_of_nobody(engine, table, key)
    with engine.begin() as connection:
        hooks = list(connection.execute(_WEBHOOKS).scalars())
    for hook in hooks:
        with engine.begin() as connection:
            # Two workers that fail at once could leave one without.
            connection.execute(_LOST, {"id": hook})
        _drop_old(engine, hook, now_ms)


def _drop_of_nobody(engine: Engine, table: str, key: str) -> None:
    with engine.begin() as connection:
        asked = text(_OF_NOBODY.format(table=table))
        gone = list(connection.execute(asked).scalars())
    drop = text(_DROP.format(table=table, key=key))
    for hook in gone:
        done = CHUNK
        while done >= CHUNK:
            with engine.begin() as connection:
                done = connection.execute(drop, {"id": hook, "chunk": CHUNK}).rowcount


def _drop_old(engine: Engine, hook: str, now_ms: int) -> None:
    with engine.begin() as connection:
        nth = connection.execute(_NTH, {"id": hook, "kept": KEPT_MAX}).scalar()
    before = max(now_ms - KEPT_MS, nth or 0)
    done = CHUNK
    while done >= CHUNK:
        with engine.begin() as connection:
            given = {"id": hook, "before": before, "chunk": CHUNK}
            done = connection.execute(_OLD, given).rowcount
