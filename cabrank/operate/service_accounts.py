"""`cabrank user add --service`, `keys`, `add-key` and `revoke`: service accounts.

Keys are made and listed in the database; ended by the running persistence service,
since gateways must hear of it.
"""

from collections.abc import Sequence
from pathlib import Path

from cabrank.errors import UnreachableError, UsageError, sentence
from cabrank.operate import target
from cabrank.operate.ledgers import connected
from persistence.audit_log import COMMAND_LINE
from persistence.errors import PersistenceError
from persistence.identity import service_keys
from persistence.identity.service_keys import Listed
from runtime import environment, log
from runtime.questions import Questions
from schemas import codec, subjects
from schemas.service_accounts import End, Ended, Scope
from schemas.times import rfc3339
from schemas.trips import Role, User


def check(role: Role, scopes: Sequence[str] | None, *, has_names: bool) -> None:
    """Raises UsageError: a service account isn't so."""
    if role is not Role.OPERATOR:
        raise UsageError(f"A service account is an operator, not a {role.value}.")
    if has_names:
        raise UsageError("A service account has no first and no last name.")
    _scopes(scopes)


def check_person(scopes: Sequence[str] | None, days: int | None) -> None:
    """Raises UsageError: a person isn't so."""
    for option, value in (("--scope", scopes), ("--expires", days)):
        if value is not None:
            raise UsageError(f"{option} is for service accounts: say --service too.")


def _scopes(named: Sequence[str] | None) -> list[Scope]:
    try:
        return [Scope(name) for name in named or ()]
    except ValueError:
        known = ", ".join(Scope)
        unknown = next(name for name in named or () if name not in set(Scope))
        raise UsageError(f"There is no scope {unknown!r}: {known}.") from None


async def add(
    name: str, scopes: Sequence[str] | None, days: int | None, data_dir: Path | None
) -> tuple[User, str]:
    """Make a service account and its first key.

    Raises:
        UsageError: the name is taken or doesn't fit, a scope is unknown, or the number
            of days is none.
    """
    found = target.find(data_dir)
    wanted, region = _scopes(scopes), environment.load().region
    async with target.engine(found.database_url) as engine:
        try:
            return await service_keys.add_account(engine, name, region, wanted, days)
        except PersistenceError as error:
            raise UsageError(sentence(error)) from None


async def add_key(
    name: str, scopes: Sequence[str] | None, days: int | None, data_dir: Path | None
) -> str:
    """One more key.

    Raises:
        UsageError: as `add`; or there is no such service account.
    """
    found, wanted = target.find(data_dir), _scopes(scopes)
    async with target.engine(found.database_url) as engine:
        try:
            return await service_keys.add_key(engine, name, wanted, days)
        except PersistenceError as error:
            raise UsageError(sentence(error)) from None


async def listing(name: str | None, data_dir: Path | None) -> list[str]:
    """A line a key, the oldest first.

    Raises:
        UsageError: there is no user of that name.
    """
    found = target.find(data_dir)
    async with target.engine(found.database_url) as engine:
        try:
            keys = await service_keys.listed(engine, name)
        except PersistenceError as error:
            raise UsageError(sentence(error)) from None
    return [_line(key) for key in keys]


def _line(key: Listed) -> str:
    scopes = " ".join(key.scopes) or "all"
    expires_ms = key.expires_ms
    ends = "never expires" if expires_ms is None else f"expires {rfc3339(expires_ms)}"
    made = rfc3339(key.made_ms)
    return f"{key.key}  {key.username}  may {scopes}  made {made}  {ends}"


async def end(who: str, data_dir: Path | None) -> str:
    """Have it done; a sentence about it.

    Raises:
        UsageError: there is no such user, and no such key.
        UnreachableError: nobody is there to do it.
    """
    log.configure("revoke", "error")
    async with connected(target.find(data_dir)) as bus:
        asker = Questions(bus)
        question = End(who, COMMAND_LINE)
        result = await asker.ask(subjects.operations("end"), question)
        asker.close()
    if result.refused is not None:
        if result.refused.retryable:
            why = result.refused.message
            raise UnreachableError(f"{who[:200]} may not be revoked: {why}.")
        raise UsageError(f"There is no user and no key {who[:200]!r}.")
    done = codec.decode(result.data or b"", Ended)
    if done.key is not None:
        return f"The key {done.key} of the user {done.user} is over."
    return f"All sessions and keys of the user {done.user} are over."
