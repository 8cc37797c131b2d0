"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import time
from collections.abc import Callable


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
