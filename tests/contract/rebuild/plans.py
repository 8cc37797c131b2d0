"""Which tables a database looks through from end to end for a statement, and of which
it may.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from persistence.models import Base

SMALL = {
    *("dropped_history", "alembic_version"),
    "webhooks",  # 64 at most (schemas/webhooks.py)
    "webhook_cursors",  # one of each region
    "webhook_replays",  # one of each webhook and region
}
"""Tables of a few rows."""

WHOLE = {
    # (table, part of the statement): why it may look at every row.
    ("trip_events", "ORDER BY trip_events.ledger LIMIT"): "one row: the first ledger",
    ("messages", "ORDER BY messages.ledger LIMIT"): "the same",
    ("dead_letters", "ORDER BY dead_letters.ledger LIMIT"): "the same",
    ("outside_users", "username_key IS NULL"): "as users",
    ("users", "ORDER BY audit_log.at_ms DESC"): "names of the rows that are shown; an"
    " operator's command, and the planner's choice beside few users",
    ("users", "ORDER BY service_keys.made_at_ms"): "`cabrank user keys`: whose all of"
    " them are; an operator's command, and the planner's choice beside few",
    ("service_keys", "ORDER BY service_keys.made_at_ms"): "the same: all there are",
    ("erased_users", "LIMIT"): "who is erased is kept in memory while they are few",
    ("erased_users", "done"): "at a start: who is erased, and who not wholly",
    ("erased_users", "SELECT erased_users.user_id, erased_users.at_ms"): "the same",
    ("dispatch_events", "ORDER BY dispatch_events.ledger LIMIT"): "the same",
    ("track", "UNION SELECT track"): "`user export`, of who rode: by the key where"
    " there are many; the planner's choice beside few",
    ("matches", "ORDER BY matches.ledger, matches.seq"): (
        "erasing: the rounds of a few days, in pieces, by the key"
    ),
    ("dead_letters", "ORDER BY dead_letters.ledger, dead_letters.seq"): (
        "erasing: nobody can tell what is whose in them; in pieces, by the key"
    ),
    ("trips", "ORDER BY trips.created_at_ms DESC"): (
        "operators' newest of all, by the index, as far as the page goes"
    ),
    ("trips", "ORDER BY trips.id"): "verify and rebuild, in pieces, by the key",
    ("audit_log", "ORDER BY audit_log.at_ms DESC"): "`cabrank audit`, by the index",
    ("users", "username_key IS NULL"): "once after the upgrade that brought the keys",
    (
        "users",
        "users.name_key IS NULL",
    ): "the same of first and last names, by the index that has these users alone",
    ("webhook_deliveries", "GROUP BY webhook_deliveries.webhook_id"): (
        "how much waits for each webhook: what waits, by the index of what does"
    ),
    ("webhook_deliveries", "GROUP BY webhook_id"): "the same, for `cabrank doctor`",
    ("users", "LIKE"): "`cabrank tokens`, for load tests: the highest number",
}


def looked_through(connection: Any, sql: str, values: Any) -> set[str]:
    """Tables of which the statement reads all rows, or all of an index."""
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        details = [row[3] for row in plan]
        return {
            name
            for detail in details
            if (match := re.match(r"SCAN (\w+)", detail))
            and (name := table_of(match[1], sql)) in Base.metadata.tables
        }
    # As where there are so many rows that nothing else would do.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar()
    connection.rollback()
    (whole,) = plan if not isinstance(plan, str) else json.loads(plan)
    return set(scans(whole["Plan"]))


def table_of(name: str, sql: str) -> str:
    """What SQLite calls by the statement's name of it."""
    named = re.search(rf"\b(?:FROM|JOIN) (\w+) (?:AS )?{name}\b", sql)
    return named[1] if named else re.sub(r"_\d+$", "", name)


def scans(node: dict[str, Any]) -> Iterator[str]:
    kind = node["Node Type"]
    by_key = "Index Cond" in node or kind in ("Bitmap Heap Scan", "Tid Scan")
    if "Relation Name" in node and "Scan" in kind and not by_key:
        yield node["Relation Name"]
    for child in node.get("Plans", []):
        yield from scans(child)


def reason(table: str, sql: str) -> str | None:
    return next(
        (why for (name, part), why in WHOLE.items() if name == table and part in sql),
        None,
    )
