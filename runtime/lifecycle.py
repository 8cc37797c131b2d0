"""A service process from start to end: signals, drain, and sudden death.

A dead task ends its process: a dispatcher that no longer reads commands but still
renews its lead is worse than none.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import structlog
import uvloop

from runtime import tracing
from runtime.settings import SettingsError

log = structlog.get_logger()

DRAIN_MAX_S = 20
"""A drain that takes longer is cut off; orchestrators kill after 30 s."""


CANCEL_AGAIN_S = 0.5


class Service:
    """The tasks of one process. `stopping` is set by SIGTERM, SIGINT or `stop()`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Future[Any]] = set()

    def spawn(
        self, name: str, work: Coroutine[Any, Any, Any], *, may_end: bool = False
    ) -> asyncio.Task[Any]:
        """Run `work` beside the rest; if it raises, or ends before the service stops
        (unless `may_end`), the process ends with status 1.
        """
        task = asyncio.create_task(work, name=name)
        self.watch(name, task, may_end=may_end)
        return task

    def watch(
        self, name: str, future: asyncio.Future[Any], *, may_end: bool = False
    ) -> None:
        """The same for a future that somebody else completes (`Bus.broken`)."""
        self._tasks.add(future)

        def ended(done: asyncio.Future[Any]) -> None:
            self._tasks.discard(done)
            if done.cancelled():
                return
            error = done.exception()
            if error is None and (may_end or self.stopping.is_set()):
                return
            log.critical("a task died", task=name, exc_info=error)
            self.failure = error or RuntimeError(f"task {name} ended")
            self.stopping.set()

        future.add_done_callback(ended)

    def stop(self) -> None:
        self.stopping.set()

    async def cancel_tasks(self) -> None:
        await cancel(self._tasks)


async def cancel(futures: Collection[asyncio.Future[Any]]) -> None:
    """Cancel, and again until all have ended: on Python 3.11 `asyncio.wait_for` loses a
    cancellation that comes just when it is done (CPython issue 86296), and who waits
    for that task waits for ever.
    """
    left = every = set(futures)
    while left:
        for future in left:
            future.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*every, return_exceptions=True)


Start = Callable[[Service], Awaitable[Callable[[], Awaitable[None]]]]
"""Starts the service and returns its drain."""


async def _serve(name: str, start: Start) -> int:
    service = Service(name)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, service.stop)
    starting = asyncio.ensure_future(start(service))
    stop = asyncio.ensure_future(service.stopping.wait())
    await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        drain = starting.result()
        # What start-up made stays: no later collection need look at it again.
        gc.collect()
        gc.freeze()
        log.info("started", service=name, pid=os.getpid())
        await stop
        log.info("draining", service=name)
        try:
            await asyncio.wait_for(drain(), DRAIN_MAX_S)
        except TimeoutError:
            log.error("drain took too long", service=name, limit_s=DRAIN_MAX_S)  # noqa: TRY400
    else:
        await cancel([starting])
    stop.cancel()
    await service.cancel_tasks()
    log.info("stopped", service=name)
    return 0 if service.failure is None else 1


def run(name: str, start: Start) -> int:
    """Run a service until SIGTERM, SIGINT or the death of one of its tasks.

    Returns:
        The process's exit status: 0 after a drain, 1 after a failure.

    Raises:
        SettingsError: a setting turned out wrong at the start.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(name, start))
        except SettingsError:
            raise
        except Exception:
            log.critical("could not start", service=name, exc_info=sys.exc_info())
            return 1
        finally:
            tracing.close()
