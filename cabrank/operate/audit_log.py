"""`cabrank audit`: who did what, read from the database."""

import re
import sys
import time
from pathlib import Path

from msgspec.structs import asdict, replace

from cabrank.errors import UsageError
from cabrank.operate import target
from cabrank.operate.say import ITSELF
from persistence.audit_log import ACTIONS
from persistence.identity.audit_log_reader import Line, Wanted, read
from persistence.identity.users import find_id
from schemas import codec
from schemas.times import from_rfc3339, rfc3339

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NOBODY = "-"
HEADING = ("AT", "WHO", "DID", "TO", "OUTCOME", "FROM", "DETAIL")


async def show(
    data_dir: Path | None,
    *,
    user: str | None,
    action: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print the newest rows, oldest first.

    Args:
        data_dir: of the `up` whose database it is.
        user: an id or a username, who did it or to whom it was done.
        action: one of `ACTIONS`.
        since: an instant (RFC 3339), or how long ago (`90m`, `7d`).
        limit: at most so many rows.
        as_json: an object a line.

    Raises:
        UsageError: an argument that can't be understood.
    """
    if action is not None and action not in ACTIONS:
        raise UsageError(f"There is no action {action!r}; there are {_listed()}.")
    since_ms = _since_ms(since) if since else 0
    found = target.find(data_dir)
    async with target.engine(found.database_url) as engine:
        # Who was erased is still to be found by their id.
        user_id = await find_id(engine, user) or user if user else None
        wanted = Wanted(user_id, action, since_ms, limit)
        lines = [_named(line) for line in await read(engine, wanted)]
    for text in map(_json, lines) if as_json else _table(lines):
        print(text)
    sys.stdout.flush()


def _since_ms(text: str) -> int:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int((time.time() - int(ago[1]) * _UNIT_S[ago[2]]) * 1000)
    try:
        return from_rfc3339(text)
    except ValueError:
        raise UsageError(
            f"--since is {text!r}: neither an instant (2026-11-21T10:00:00Z) nor an "
            "age (90m, 7d)."
        ) from None


def _listed() -> str:
    return ", ".join(ACTIONS)


def _named(line: Line) -> Line:
    """With the name of who has no account: `cabrank notify` from a shell."""
    by_itself = line.actor == ITSELF.id
    return replace(line, actor_name=ITSELF.username) if by_itself else line


def _json(line: Line) -> str:
    said = asdict(line)
    at = rfc3339(said.pop("at_ms"))
    return codec.encode({"at": at, **said}).decode()


def _table(lines: list[Line]) -> list[str]:
    """Columns two spaces apart under their names, users by theirs."""
    rows = [HEADING, *(_cells(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _cells(line: Line) -> tuple[str, ...]:
    return (
        rfc3339(line.at_ms),
        line.actor_name or line.actor or NOBODY,
        line.action,
        line.subject_name or line.subject or NOBODY,
        line.outcome or NOBODY,
        line.address or NOBODY,
        line.detail,
    )
