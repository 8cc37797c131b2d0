"""Reads what comes on `cmd.<region>`, `loc.<region>` and `presence.<region>`, from
whomever.

What can't be read, or names a user that no subject can be built of, is counted and
dropped before anything is decided: no gateway of ours sends it.
"""

import re
from functools import lru_cache

import structlog

from dispatcher import metrics
from schemas import codec, subjects
from schemas.commands import AnyCommand, Fix
from schemas.rooms import Presence

log = structlog.get_logger()

UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises: malformed, of another shape, or nested too deeply."""

_commands = codec.decoder(list[AnyCommand]).decode
_command = codec.decoder(AnyCommand).decode
_parts = codec.decoder(list[codec.Raw]).decode
_fixes = codec.decoder(list[Fix]).decode
_presence = codec.decoder(Presence).decode
_reply = re.compile(rb"reply\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,64}").fullmatch


def read(region: str, reply: bytes, payload: bytes) -> tuple[str, list[AnyCommand]]:
    """The subject for the answers, and the commands that can be decided."""
    subject = _subject_of(reply)
    if not subject:
        _drop(region, "no reply subject of a gateway", repr(reply[:80]))
        return "", []
    try:
        commands: list[AnyCommand] = _commands(payload)
    except UNREADABLE:
        commands = _readable(region, payload)
    try:
        for command in commands:
            subjects.token(command.by.id)
    except subjects.SubjectError:
        commands = [one for one in commands if _is_named(region, one)]
    return subject, commands


@lru_cache(maxsize=256)  # each gateway's is always the same
def _subject_of(reply: bytes) -> str:
    """Empty: it is no gateway's."""
    return "" if _reply(reply) is None else reply.decode()


def read_fixes(region: str, payload: bytes) -> list[Fix]:
    try:
        fixes: list[Fix] = _fixes(payload)
    except UNREADABLE as error:
        _drop(region, "not positions", str(error))
        return []
    return fixes


def read_presence(region: str, payload: bytes) -> Presence | None:
    try:
        news: Presence = _presence(payload)
    except UNREADABLE as error:
        _drop(region, "not presence", str(error))
        return None
    return news


def _is_named(region: str, command: AnyCommand) -> bool:
    if subjects.is_token(command.by.id):
        return True
    _drop(region, "user id is no subject token", command.by.id[:80])
    return False


def _readable(region: str, payload: bytes) -> list[AnyCommand]:
    """One bad command drops only itself."""
    try:
        parts = _parts(payload)
    except UNREADABLE as error:
        _drop(region, "not a list", str(error))
        return []
    commands = []
    for part in parts:
        try:
            commands.append(_command(part))
        except UNREADABLE as error:
            _drop(region, "not a command", str(error))
    return commands


def _drop(region: str, why: str, found: str) -> None:
    metrics.dropped.labels(region, "unreadable").inc()
    log.warning("message dropped", region=region, why=why, found=found)
