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

_OF_NOBODY = (
    "webhook_lines",
    "webhook_replays",
    "webhook_deliveries",
)
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
    WHERE d.status = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM webhook_lines l
        WHERE l.webhook_id = d.webhook_id AND l.line = d.line)
    ON CONFLICT DO NOTHING
""")


def sweep(engine: Engine, now_ms: int) -> None:
    """Once. Raises: sqlalchemy.exc.SQLAlchemyError: do it again."""
    for table in _OF_NOBODY:
        _drop_of_nobody(engine, table)
    with engine.begin() as connection:
        # Two workers that fail at once could leave one without.
        connection.execute(_LOST)
        hooks = list(connection.execute(_WEBHOOKS).scalars())
    for hook in hooks:
        _drop_old(engine, hook, now_ms)


def _drop_of_nobody(engine: Engine, table: str) -> None:
    key = {"webhook_lines": "line", "webhook_replays": "ledger"}.get(
        table, "seq, ledger"
    )
    gone = text(f"""
        DELETE FROM {table} WHERE (webhook_id, {key}) IN (
            SELECT webhook_id, {key} FROM {table} WHERE NOT EXISTS (
                SELECT 1 FROM webhooks w WHERE w.id = {table}.webhook_id) LIMIT :chunk)
    """)  # noqa: S608 - names of ours
    done = CHUNK
    while done >= CHUNK:
        with engine.begin() as connection:
            done = connection.execute(gone, {"chunk": CHUNK}).rowcount


def _drop_old(engine: Engine, hook: str, now_ms: int) -> None:
    with engine.begin() as connection:
        nth = connection.execute(_NTH, {"id": hook, "kept": KEPT_MAX}).scalar()
    before = max(now_ms - KEPT_MS, nth or 0)
    done = CHUNK
    while done >= CHUNK:
        with engine.begin() as connection:
            given = {"id": hook, "before": before, "chunk": CHUNK}
            done = connection.execute(_OLD, given).rowcount
