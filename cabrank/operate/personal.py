"""`cabrank user export` and `cabrank user erase`: a user's data, given and taken away.

Exporting only reads the database; erasing is the running persistence service's to do,
since sessions end with it.
"""

import sys
from pathlib import Path

from cabrank.errors import UnreachableError, UsageError
from cabrank.operate import target
from cabrank.operate.ledgers import connected
from persistence import audit_log
from persistence.audit_log import COMMAND_LINE, Entry
from persistence.erasure.export import export as export_all
from persistence.identity.users import find_id
from runtime import log
from runtime.questions import Questions
from schemas import codec, subjects
from schemas.accounts import Erase, Erasure
from schemas.times import rfc3339

ERASE_MAX_S = 600.0
"""The whole database is looked through for what they wrote."""


async def export(user: str, data_dir: Path | None) -> None:
    """Print a JSON document.

    Raises:
        UsageError: there is no such user.
    """
    found = target.find(data_dir)
    async with target.engine(found.database_url) as engine:
        user_id = await find_id(engine, user)
        if user_id is None:
            raise UsageError(_nobody(user))
        # First: whoever reads has some of it as soon as it is written.
        await audit_log.note(engine, Entry("user_export", COMMAND_LINE, user_id))
        await export_all(engine, user_id, sys.stdout.buffer.write)
    sys.stdout.buffer.flush()


def confirm(user: str, *, yes: bool) -> None:
    """Ask whether it is meant.

    Raises:
        UsageError: it is not, or nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("Erasing can't be undone: say --yes.")
    if input(f"Erase {user} for good? Type the name again: ") != user:
        raise UsageError("Nothing was erased.")


async def erase(user: str, data_dir: Path | None) -> str:
    """Have it done; a sentence about it.

    Raises:
        UsageError: there is no such user, or they are on a trip.
        UnreachableError: nobody is there to do it.
    """
    log.configure("erase", "error")
    found = target.find(data_dir)
    async with connected(found) as bus:
        asker = Questions(bus)
        question = Erase(user, COMMAND_LINE)
        subject = subjects.operations("erase")
        result = await asker.ask(subject, question, ERASE_MAX_S)
        asker.close()
    if result.refused is not None:
        if result.status == 404:  # noqa: PLR2004 - the only such refusal
            raise UsageError(_nobody(user))
        why = result.refused.message
        text = f"{user} is not erased, or not wholly: {why}. Run it again later."
        if result.refused.retryable:
            raise UnreachableError(text)
        raise UsageError(text)
    done = codec.decode(result.data or b"", Erasure)
    return f"{done.user} is erased since {rfc3339(done.at_ms)}"


def _nobody(user: str) -> str:
    return f"There is no user {user[:200]!r}."
