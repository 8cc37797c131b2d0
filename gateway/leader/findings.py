"""What history, or of a user accounts, said of a command. Pure."""

from typing import Any

from gateway.leader.commands import Pending
from schemas import codec
from schemas.accounts import Result, Whereabouts
from schemas.commands import MADE
from schemas.refusals import Code, Refusal
from schemas.rooms import MessageData
from schemas.trips import Trip


def read(
    pending: Pending,
    trip: Result | None,
    backlog: Result | None,
    made: Result | None,
    user: Result | None,
    *,
    asked_ms: int,
    asked_seq: int,
) -> dict[str, Any] | Refusal:
    """Fields of the command that tell it (None: wasn't asked), or the refusal."""
    found: dict[str, Any] = {}
    for field, result, shape in (
        ("archived", trip, Trip),
        ("backlog", backlog, tuple[MessageData, ...]),
        ("made", made, MADE.get(type(pending.command))),
    ):
        if result is None:
            continue
        what = _found(result, shape)
        if isinstance(what, Refusal):
            return what
        found[field] = what
    if backlog is not None:
        found["sought_seq"] = asked_seq
    if made is not None:
        found |= {"sought": True, "sought_ms": asked_ms}
    if user is not None:
        who = _found(user, Whereabouts)
        if isinstance(who, Refusal):
            return who
        is_here = who.region == pending.region
        is_here &= who.id == getattr(pending.command, "driver", None)
        found |= {"sought": True, "found": who.user if is_here else None}
    return found


def _found(result: Result, shape: Any) -> Any:
    """What history found, or the refusal."""
    if result.refused is not None:
        return result.refused
    try:
        return codec.decode(result.data or b"null", shape)
    except codec.CodecError as error:
        text = f"history's answer can't be read: {error}"
        return Refusal(Code.UNAVAILABLE, text)
