"""Password hashing: argon2id in one thread, with two bounded lines before it.

One thread, since each hash takes 19 MiB and a whole core for 44 ms; a line without end
would make everybody wait for answers that nobody awaits any more. New passwords and
known ones take turns, so that no crowd that signs up keeps anybody from logging in.
Knows no user.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from persistence.errors import PersistenceError
from persistence.identity.password_rules import normal

T = TypeVar("T")

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
"""OWASP Password Storage Cheat Sheet: argon2id, m=19 MiB, t=2, p=1."""
WAITING_MAX = 48
"""Of each line: about 2 s of hashing, 4 s while both are full; a gateway gives up after
5 s."""


_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


class HashingOverloaded(PersistenceError):  # noqa: N818 - the refusal's word
    """Too many passwords wait to be hashed."""


class _Line:
    """One at a time of it is handed to the thread, so two lines take turns there."""

    __slots__ = ("turn", "waiting")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0


class Passwords:
    """`dummy`: the hash of no password, at today's cost: checking against it takes an
    unknown user as long as a wrong password takes a known one.
    """

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._new = _Line()
        self._known = _Line()
        self._waiting_max = waiting_max
        self.dummy = hash_now("")

    async def hash(self, password: str) -> str:
        """The encoded hash, salt and parameters included.

        Raises:
            HashingOverloaded: the line is full.
        """
        return await self._run(self._new, lambda: hash_now(password))

    async def check(self, known: str | None, password: str) -> tuple[bool, str | None]:
        """Whether `password` is the one behind the hash `known`; and a new hash to keep
        where the parameters have changed since. None: no such user; takes as long.

        Raises:
            HashingOverloaded: the line is full.
        """
        if known is None:
            await self._run(self._known, lambda: _check(self.dummy, password))
            return False, None
        return await self._run(self._known, lambda: _check(known, password))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, line: _Line, work: Callable[[], T]) -> T:
        if line.waiting >= self._waiting_max:
            msg = f"{line.waiting} passwords wait to be hashed, the limit"
            raise HashingOverloaded(msg)
        line.waiting += 1
        try:
            async with line.turn:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, work)
        finally:
            line.waiting -= 1


def hash_now(password: str) -> str:
    """The same in the caller's thread, for the command line."""
    return _hasher.hash(normal(password))


def _check(known: str, password: str) -> tuple[bool, str | None]:
    """As it is, too: hashes made before passwords were normalised are still good."""
    text = normal(password)
    if _is(known, text):
        rehashed = hash_now(text) if _hasher.check_needs_rehash(known) else None
        return True, rehashed
    if text != password and _is(known, password):
        return True, hash_now(text)
    return False, None


def _is(known: str, text: str) -> bool:
    try:
        return _hasher.verify(known, text)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        msg = f"a stored password hash can't be checked: {error}"
        raise PersistenceError(msg) from error
