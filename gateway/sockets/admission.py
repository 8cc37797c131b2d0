"""Which HTTP requests go on, and how many a tick: the loop's time is the sessions' too.

Each tick begins a few requests, one of each address or user after the other
(gateway/sockets/lines.py). Must not know what a request says.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from gateway.sockets.lines import Lines

log = structlog.get_logger()

A_TICK_MAX = 2
"""Of 0.4 ms each or so (a GET through the framework, 2026-11-29). A frame and its
answer come in and go out between two ticks: who floods costs them 2 ms."""
REST_TIMES = 2
"""So many times as long as a tick took: requests are a third of the loop's work."""
LATER_TIMES = 2
"""What waits for somebody's answer takes about as long again once it has come; and
finding it is work on the same machine, or a shared one."""
REST_MIN_S = 0.001
"""libuv's timers know no less. Without a rest who floods has the loop's whole time.
"""
OPENS = "open "
"""How the keys of handshakes begin. They are not rested after: a gateway's sessions
that all come back at once have nobody else to wait for."""
QUIET_S = 60
"""Requests that can't be read are in a row if there are no more than these between."""

Go = Callable[[], None]


class Admission:
    """`now_s` tells monotonic seconds, `has_sessions` whether the loop has anybody
    else's work to do.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now_s: Callable[[], float],
        has_sessions: Callable[[], bool],
    ) -> None:
        self._lines: Lines[Go] = Lines()
        self._loop = loop
        self._now_s = now_s
        self._has_sessions = has_sessions
        self._is_called = False
        self._began_s = 0.0
        """The last tick."""
        self._begun: list[str] = []
        """The keys of what it began, and is rested after."""
        self._unreadable_s = float(-QUIET_S)
        self._unreadable = 0

    def ask(self, key: str, go: Go, most: int) -> None:
        """Call `go` once it is its turn: among those of `key`, of whom `most` may be
        under way, each until `done`.
        """
        self._lines.ask(key, go, most)
        self._call()

    def done(self, key: str) -> None:
        self._lines.done(key)
        self._call()

    def leave(self, key: str, go: Go) -> None:
        """Nobody waits for it any more."""
        self._lines.leave(key, go)

    def _call(self) -> None:
        if not self._is_called and self._lines.is_anyone_ready:
            self._is_called = True
            self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._is_called = True
        self._began_s = self._now_s()
        self._begun.clear()
        try:
            self._begin()
        finally:  # what raises is one request's end, and not that of all others
            self._after()

    def _begin(self) -> None:
        for _ in range(A_TICK_MAX):
            turn = self._lines.next()
            if turn is None:
                break
            key, go = turn
            if not key.startswith(OPENS):
                self._begun.append(key)
            go()

    def _after(self) -> None:
        if self._begun and self._has_sessions():
            # Called after the first steps of what was begun, most of its work.
            self._loop.call_soon(self._rest)
        else:
            self._go_on()

    def _rest(self) -> None:
        """The loop is the sessions' for longer than the tick took."""
        took_s = self._now_s() - self._began_s
        if any(map(self._lines.is_under_way, self._begun)):
            took_s *= LATER_TIMES
        self._loop.call_later(max(REST_TIMES * took_s, REST_MIN_S), self._go_on)

    def _go_on(self) -> None:
        self._is_called = False
        self._call()

    def unreadable(self, why: str, address: str) -> None:
        """A request was none; written down once in a row, so that who sends no more
        than that doesn't fill the log.
        """
        now_s = time.monotonic()
        is_first = now_s - self._unreadable_s >= QUIET_S
        self._unreadable_s = now_s
        if not is_first:
            self._unreadable += 1
            return
        before, self._unreadable = self._unreadable, 0
        log.warning("unreadable request", why=why, address=address, more_before=before)
