"""Password hashing: argon2id in one thread, with a bounded line before it.

One thread, since each hash takes 19 MiB and a whole core for 44 ms; a line without end
would make everybody wait for answers that nobody awaits any more. Knows no user.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from persistence.errors import PersistenceError
from persistence.password_rules import normal

T = TypeVar("T")

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
"""OWASP Password Storage Cheat Sheet: argon2id, m=19 MiB, t=2, p=1."""
WAITING_MAX = 64
"""About 3 s of hashing; a gateway gives up after 5 s."""


_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


class HashingOverloaded(PersistenceError):  # noqa: N818 - the refusal's word
    """Too many passwords wait to be hashed."""


class Passwords:
    """`dummy`: the hash of no password, at today's cost: checking against it takes an
    unknown user as long as a wrong password takes a known one.
    """

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._waiting = 0
        self._waiting_max = waiting_max
        self.dummy = hash_now("")

    async def hash(self, password: str) -> str:
        """The encoded hash, salt and parameters included.

        Raises:
            HashingOverloaded: the line is full.
        """
        return await self._run(lambda: hash_now(password))

    async def check(self, known: str | None, password: str) -> tuple[bool, str | None]:
        """Whether `password` is the one behind the hash `known`; and a new hash to keep
        where the parameters have changed since. None: no such user; takes as long.

        Raises:
            HashingOverloaded: the line is full.
        """
        if known is None:
            await self._run(lambda: _check(self.dummy, password))
            return False, None
        return await self._run(lambda: _check(known, password))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            msg = f"{self._waiting} passwords wait to be hashed, the limit"
            raise HashingOverloaded(msg)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


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
