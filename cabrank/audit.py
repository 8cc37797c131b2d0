"""`cabrank audit`: who did what, read from the database."""

import re
import sys
import time
from pathlib import Path

from msgspec.structs import asdict

from cabrank import target
from cabrank.errors import UsageError
from persistence.log_book import ACTIONS
from persistence.log_reader import Line, Wanted, read
from persistence.users import find_id
from schemas import codec
from schemas.times import from_rfc3339, rfc3339

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NOBODY = "-"


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
        lines = await read(engine, Wanted(user_id, action, since_ms, limit))
    for line in lines:
        print(_json(line) if as_json else _text(line))
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


def _json(line: Line) -> str:
    said = asdict(line)
    at = rfc3339(said.pop("at_ms"))
    return codec.encode({"at": at, **said}).decode()


def _text(line: Line) -> str:
    parts = (line.actor, line.action, line.subject, line.outcome, line.address)
    shown = [part or NOBODY for part in parts]
    return "  ".join([rfc3339(line.at_ms), *shown, line.detail]).rstrip()
