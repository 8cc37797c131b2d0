"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    condition: Callable[[], object], what: str = "condition", limit_s: float = 10
) -> None:
    """Return as soon as `condition()` is true.

    Raises:
        TimeoutError: it is still false after `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            msg = f"{what} did not come within {limit_s} s"
            raise TimeoutError(msg)
        await asyncio.sleep(0.005)


async def until_is(
    look: Callable[[], Awaitable[T]],
    wanted: Callable[[T], object],
    limit_s: float = 10,
) -> T:
    """Look again and again until what is seen is `wanted`; returns it.

    Raises:
        TimeoutError: the last thing seen still isn't, after `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while not wanted(seen := await look()):
        if time.monotonic() > deadline:
            msg = f"after {limit_s} s it is still {seen!r}"
            raise TimeoutError(msg)
        await asyncio.sleep(0.02)
    return seen


async def until_true(
    condition: Callable[[], Awaitable[object]],
    what: str = "condition",
    limit_s: float = 10,
) -> None:
    """The same for a condition that has to be asked for.

    Raises:
        TimeoutError: it is still false after `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while not await condition():
        if time.monotonic() > deadline:
            msg = f"{what} did not come within {limit_s} s"
            raise TimeoutError(msg)
        await asyncio.sleep(0.01)
