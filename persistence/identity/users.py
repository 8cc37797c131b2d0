"""Users made from the command line: one by hand, or many for a load test."""

import re
import time
import uuid
from collections.abc import AsyncIterator

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import audit_log
from persistence.database import reading
from persistence.errors import PersistenceError
from persistence.identity import password_rules, passwords, person_names, usernames
from persistence.identity.keyfiles import Signer
from persistence.models import UserRow
from schemas import names, subjects
from schemas.accounts import Name, Password, Whereabouts
from schemas.claims import LOAD_TEST_TTL_S
from schemas.trips import Role, User

CHUNK_USERS = 1000
"""Rows in one transaction: ten fsyncs for 10,000 users."""
NUMBERING_TRIES = 10
"""Somebody else who makes users of the same prefix takes a number first, once each."""


class AccountError(PersistenceError):
    """What was asked can't be done; the message is one plain sentence."""


def row_of(
    user: User, region: str, password_hash: str | None, now_ms: int
) -> dict[str, object]:
    """The columns of `UserRow`."""
    return {
        "id": user.id,
        "username": user.username,
        "username_key": usernames.key_of(user.username, user.id),
        **person_names.keys_of(user.first_name, user.last_name),
        "password_hash": password_hash,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "role": str(user.role),
        "region": region,
        "created_at_ms": now_ms,
    }


async def add_user(  # noqa: PLR0917 - a user's fields, in the order of the row
    engine: AsyncEngine,
    username: str,
    password: str | None,
    role: Role | str,
    region: str,
    first_name: str = "",
    last_name: str = "",
) -> User:
    """Make one user of any role; without a password they can't log in with one.

    Raises:
        AccountError: a name, password, role or region that doesn't fit, or is taken.
    """
    username = _shown(username)
    _check_region(region)
    for what, name in (("first name", first_name), ("last name", last_name)):
        if not _fits(name, Name):
            msg = (
                f"The {what} has {len(name)} characters, or some that control how text "
                f"is shown; {names.CHARS_MAX} others are the limit."
            )
            raise AccountError(msg)
    if password is not None and not _fits(password, Password):
        msg = f"The password has {len(password)} characters; it must have 8 to 128."
        raise AccountError(msg)
    if password is not None:
        own = (username, first_name, last_name)
        wrong = password_rules.fault(password, own)
        if wrong is not None:
            raise AccountError(f"{wrong[0].upper()}{wrong[1:]}.")
    user = User(str(uuid.uuid4()), username, first_name, last_name, _role(role))
    hashed = None if password is None else passwords.hash_now(password)
    await usernames.give_all(engine)
    try:
        async with engine.begin() as connection:
            now_ms = _now_ms()
            row = row_of(user, region, hashed, now_ms)
            await connection.execute(insert(UserRow), row)
            actor = audit_log.COMMAND_LINE
            entry = audit_log.Entry("user_add", actor, user.id, detail=user.role.value)
            await audit_log.write(connection, entry, now_ms)
    except IntegrityError as error:
        raise AccountError(f"The username {username!r} is taken.") from error
    return user


_SHOWN = (
    UserRow.id,
    UserRow.username,
    UserRow.first_name,
    UserRow.last_name,
    UserRow.role,
)


async def find(engine: AsyncEngine, name: str) -> Whereabouts | None:
    """The user with that id or username; None: there is none."""
    async with reading(engine) as connection:
        user = await connection.run_sync(usernames.id_of, name)
        if user is None:
            return None
        asked = select(*_SHOWN, UserRow.region).where(UserRow.id == user)
        row = (await connection.execute(asked)).one_or_none()
    if row is None:
        return None
    shown = User(row.id, row.username, row.first_name, row.last_name, Role(row.role))
    return Whereabouts(row.id, row.region, shown)


async def find_id(engine: AsyncEngine, name: str) -> str | None:
    """As `find`."""
    found = await find(engine, name)
    return None if found is None else found.id


async def make_tokens(  # noqa: PLR0917 - the order of the command line
    engine: AsyncEngine,
    signer: Signer,
    role: Role | str,
    count: int,
    prefix: str,
    region: str,
    ttl_s: float = LOAD_TEST_TTL_S,
) -> AsyncIterator[tuple[User, str]]:
    """Make `count` users that can't log in, each with an access token; nothing is
    hashed. They are called `prefix` and a number that none has yet. Each comes when its
    row is durable.

    Raises:
        AccountError: a count, prefix, role or region that doesn't fit.
    """
    if count < 1:
        msg = f"The number of tokens is {count}; it must be at least 1."
        raise AccountError(msg)
    prefix = _shown(prefix + str(count)).removesuffix(str(count))
    _check_region(region)
    known_role = _role(role)
    await usernames.give_all(engine)
    left = count
    while left:
        users = await _insert_numbered(
            engine, known_role, min(left, CHUNK_USERS), prefix, region
        )
        left -= len(users)
        for user in users:
            session = str(uuid.uuid4())
            yield user, signer.issue(user, region, session, _now_ms(), ttl_s)


async def _insert_numbered(
    engine: AsyncEngine, role: Role, count: int, prefix: str, region: str
) -> list[User]:
    """Insert `count` users with the next free numbers."""
    for _ in range(NUMBERING_TRIES):
        first = await _last_number(engine, prefix) + 1
        users = [
            User(str(uuid.uuid4()), f"{prefix}{number}", "", "", role)
            for number in range(first, first + count)
        ]
        _shown(users[-1].username)
        now_ms = _now_ms()
        try:
            async with engine.begin() as connection:
                rows = [row_of(user, region, None, now_ms) for user in users]
                await connection.execute(insert(UserRow), rows)
        except IntegrityError:
            continue
        return users
    msg = f"Others keep making users called {prefix!r} and a number; try another."
    raise AccountError(msg)


async def _last_number(engine: AsyncEngine, prefix: str) -> int:
    """The highest number after `prefix` in a username, 0 where there is none."""
    # By the key: `Rider7` leaves no 7 for `rider`.
    key = usernames.key_of(f"{prefix}1", "").removesuffix("1")
    numbered = re.compile(re.escape(key) + r"([0-9]+)")
    async with reading(engine) as connection:
        found = await connection.stream_scalars(
            select(UserRow.username_key).where(
                UserRow.username_key.startswith(key, autoescape=True)
            )
        )
        matches = [numbered.fullmatch(name or "") async for name in found]
    return max((int(match[1]) for match in matches if match), default=0)


def _shown(username: str) -> str:
    try:
        return names.shown(username)
    except names.UsernameError as error:
        msg = (
            f"The username {username[:200]!r} is not 1 to 150 letters, digits, '@', "
            f"'.', '+', '-' or '_': {error}."
        )
        raise AccountError(msg) from error


def _check_region(region: str) -> None:
    try:
        subjects.token(region)
    except subjects.SubjectError as error:
        raise AccountError(f"The region {error}.") from error


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        names = ", ".join(Role)
        raise AccountError(f"The role {role!r} is none of {names}.") from error


def _fits(value: str, shape: object) -> bool:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return False
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
