"""Virtual time: an event loop that never waits, and processes that can hang and die.

Code runs as a process's by its context: what a hung process would run is kept until it
goes on, what a dead one would run never runs. Time comes from here alone.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable
from typing import Any

WALL_S = 1_795_000_000.0
"""Where every simulated wall clock begins, some day of 2026."""
_process: contextvars.ContextVar["Process | None"] = contextvars.ContextVar(
    "process", default=None
)


class Stalled(Exception):  # noqa: N818
    """Nothing is left to happen, and the world is not over."""


class Process:
    """`skew_s`: how far its wall clock is off."""

    def __init__(self, loop: "Loop", name: str, skew_s: float) -> None:
        self.loop = loop
        self.name = name
        self.skew_s = skew_s
        self.is_alive = True
        self.is_hung = False
        self._stash: list[asyncio.Handle] = []
        self.context = contextvars.copy_context()
        self.context.run(_process.set, self)

    def start(self, callback: Callable[..., object], *args: Any) -> None:
        """Run `callback` soon, as this process."""
        self.loop.call_soon(callback, *args, context=self.context)

    def kill(self) -> None:
        self.is_alive = False
        self._stash.clear()

    def hang(self) -> None:
        self.is_hung = True

    def go_on(self) -> None:
        self.is_hung = False
        stash, self._stash = self._stash, []
        self.loop.resume(stash)

    def takes(self, handle: asyncio.Handle) -> bool:
        """Whether the handle may run now; kept for later if the process hangs."""
        if self.is_hung and self.is_alive:
            self._stash.append(handle)
            return False
        return self.is_alive


class Loop(asyncio.BaseEventLoop):
    """`failures`: what callbacks raised; no code of ours may."""

    _ready: deque[Any]
    _scheduled: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self.failures: list[str] = []
        self.world = contextvars.Context()
        """Of what belongs to no process."""
        self.work_s: Callable[[], float] = lambda: 0.001
        self.set_exception_handler(self._note)

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and "never retrieved" not in context["message"]:
            self.failures.append(f"{context['message']}: {error!r}")

    def time(self) -> float:
        return self._now_s

    def begin_at(self, now_s: float) -> None:
        """Before anything has happened."""
        self._now_s = now_s

    def _check_closed(self) -> None:
        """What dies with the world may still clean up after itself, for nothing."""

    def resume(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handles)

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stalled
            self._now_s = max(self._now_s, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now_s:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(_process)
            if process is None or process.takes(handle):
                handle._run()

    def run_in_executor(  # type: ignore[override]
        self, _: Any, work: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """The work takes a while; that it is done is known a while later."""
        done = self.create_future()

        def run() -> None:
            try:
                result = work(*args)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                self.call_later(self.work_s(), _fail, done, error)
            else:
                self.call_later(self.work_s(), _settle, done, result)

        self.call_later(self.work_s(), run)
        return done


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


class Clock:
    """Stands for the module `time` in the code that runs: each process has its own."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time() + 1.0

    def time(self) -> float:
        process = _process.get()
        skew_s = 0.0 if process is None else process.skew_s
        return WALL_S + self._loop.time() + skew_s

    def time_ns(self) -> int:
        return int(self.time() * 1000) * 1_000_000
