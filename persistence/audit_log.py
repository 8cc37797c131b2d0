"""The audit log: who did what to whom, whence, and what came of it.

Append-only but for its retention. Never a secret, and no name that somebody typed.
"""

import re
import time
import uuid
from typing import Any, Literal, get_args

from msgspec import Struct
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.models import AuditRow
from schemas.refusals import Code

Action = Literal[
    "sign_up",
    "log_in",
    "refresh",
    "log_out",
    "revoke",
    "notify",
    "denied",
    "trip_request",
    "trip_reschedule",
    "trip_assign",
    "trip_cancel",
    "trip_complete",
    "meet",
    "user_add",
    "user_export",
    "user_erase",
    "service_key_add",
    "service_key_end",
    "keys_rotate",
    "keys_retire",
    "webhook_add",
    "webhook_change",
    "webhook_remove",
    "webhook_replay",
    "webhook_secret",
]
"""`refresh`: only one that was refused as used again. `meet`: an outside issuer's user
came for the first time, or was turned away. `notify`: an operator's notice. `denied`:
somebody else asked for an operators' route, which `detail` names. `trip_…`: an operator
did it; the subject is the trip. `service_key_…`: `detail` names the key, by its id."""
ACTIONS: tuple[str, ...] = get_args(Action)
OK = "ok"
COMMAND_LINE = "command line"
"""As actor: somebody who can read the database's address."""
_ADDRESS_CHARS = 64
_UNPRINTED = re.compile(r"[^\x20-\x7e]")


class Entry(Struct, frozen=True):
    """`outcome`: `ok`, or a refusal's code. `address`: empty from the command line."""

    action: Action
    actor: str = ""
    subject: str = ""
    outcome: str = OK
    address: str = ""
    detail: str = ""

    def refused(self, code: Code) -> "Entry":
        return Entry(
            self.action, self.actor, self.subject, code.value, self.address, self.detail
        )


def row(entry: Entry, at_ms: int) -> dict[str, Any]:
    """The columns of `AuditRow`."""
    return {
        "id": str(uuid.uuid4()),
        "at_ms": at_ms,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "outcome": entry.outcome,
        # It may be what a proxy said.
        "address": _UNPRINTED.sub("", entry.address)[:_ADDRESS_CHARS],
        "detail": entry.detail,
    }


def about(user: str) -> ColumnElement[bool]:
    """Whether a row is of what that user did, or had done to them. Each by its own
    index, which an OR would be too vague for.
    """
    did = select(AuditRow.id).where(AuditRow.actor == user)
    had = select(AuditRow.id).where(AuditRow.subject == user)
    return AuditRow.id.in_(did.union(had))


async def write(connection: AsyncConnection, entry: Entry, at_ms: int) -> None:
    await connection.execute(insert(AuditRow), row(entry, at_ms))


async def note(engine: AsyncEngine, entry: Entry) -> None:
    """Write it now, by itself."""
    async with engine.begin() as connection:
        await write(connection, entry, time.time_ns() // 1_000_000)
