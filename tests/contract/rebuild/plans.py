"""Which tables a database looks through from end to end for a statement."""

import json
import re
from collections.abc import Iterator
from typing import Any

from persistence.models import Base


def looked_through(connection: Any, sql: str, values: Any) -> set[str]:
    """Tables of which the statement reads all rows, or all of an index."""
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        details = [row[3] for row in plan]
        return {
            name
            for detail in details
            if (match := re.match(r"SCAN (\w+)", detail))
            and (name := re.sub(r"_\d+$", "", match[1])) in Base.metadata.tables
        }
    # As where there are so many rows that nothing else would do.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar()
    connection.rollback()
    (whole,) = plan if not isinstance(plan, str) else json.loads(plan)
    return set(scans(whole["Plan"]))


def scans(node: dict[str, Any]) -> Iterator[str]:
    kind = node["Node Type"]
    by_key = "Index Cond" in node or kind in ("Bitmap Heap Scan", "Tid Scan")
    if "Relation Name" in node and "Scan" in kind and not by_key:
        yield node["Relation Name"]
    for child in node.get("Plans", []):
        yield from scans(child)
