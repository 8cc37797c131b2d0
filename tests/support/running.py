"""A service's tasks inside a test."""

import contextlib
from collections.abc import AsyncIterator

from runtime.lifecycle import Service


@contextlib.asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """A `Service`; a task of it that died fails the test."""
    running = Service("test")
    try:
        yield running
    finally:
        running.stopping.set()
        failure = running.failure
        await running.cancel_tasks()
        if failure is not None:
            raise failure
