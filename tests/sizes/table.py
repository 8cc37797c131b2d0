"""docs/LIMITS.md: `python -m tests.sizes.table` writes it.

A constant of the services that is in no row must be among `NO_SIZE`, with its reason
(tests/unit/test_limits.py).
"""

from pathlib import Path

from tests.sizes import constants
from tests.sizes.rows import CONTRACT, GATEWAY, NATS, Row
from tests.sizes.rows_inside import DISPATCHER, NO_SIZE, PERSISTENCE
from tests.sizes.rows_seen import OBSERVED
from tests.sizes.rows_webhooks import WEBHOOKS

PAGE = Path(__file__).parents[2] / "docs" / "LIMITS.md"

SECTIONS = (
    ("What clients send and get", CONTRACT),
    ("A gateway", GATEWAY),
    ("Between the services", NATS),
    ("A region's leader and its standbys", DISPATCHER),
    ("Persistence", PERSISTENCE),
    ("Explanations and tracks", OBSERVED),
    ("Webhooks", WEBHOOKS),
)

# ---- the page ------------------------------------------------------------------

_HEAD = """\
# Limits

How large everything may get: what a client, a name or a day's traffic can make grow has
a budget in bytes, and is tried at its largest (`tests/sizes/`; `make sizes` at full
size). Made from the constants by `python -m tests.sizes.table`; a test holds page and
code to each other. Characters count six bytes, as JSON writes a control character. What
one user may ask for is in [PROTOCOL.md](PROTOCOL.md) (Limits of a user); what all of it
takes in memory, measured, in [OPERATING.md](OPERATING.md). What grows with the people
there are, and with nothing that one of them does, says for how many it is computed.
"""


def page() -> str:
    parts = [_HEAD]
    for title, rows in SECTIONS:
        parts.append(f"\n## {title}\n")
        parts.append("| what | at most | whose | beyond it | where |")
        parts.append("|---|---|---|---|---|")
        parts.extend(_line(row) for row in rows)
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    where = ", ".join(f"`{name.replace(':', '.')}`" for name in row.constants)
    return f"| {row.what} | {sized(row.size)} | {row.whose} | {row.beyond} | {where} |"


def sized(count: int) -> str:
    """Bytes as people read them."""
    for unit, size in (("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} bytes"


def listed() -> set[str]:
    return {name for _, rows in SECTIONS for row in rows for name in row.constants}


def unlisted() -> set[str]:
    """Limits that the page doesn't tell."""
    return set(constants.limits()) - listed() - set(NO_SIZE)


if __name__ == "__main__":
    PAGE.write_text(page())
