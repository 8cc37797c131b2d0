"""What all sockets of a gateway share: turns, timers, bounds, and the tick's end.

Wired by gateway/bootstrap.py, which also turns the wheel and ends the ticks.
"""

import asyncio
from collections.abc import Callable

from gateway.clock import Clock
from gateway.limits import Limits
from gateway.ports import Flushed
from gateway.sockets.admission import Admission
from gateway.sockets.drain import Session
from gateway.sockets.holding import Held
from gateway.sockets.intake import READ_BYTES_MAX
from gateway.sockets.strain import Strain
from gateway.sockets.timers import Wheel
from gateway.sockets.turns import Turns


class Sockets:
    """`wake`: asks for `flush` at the end of this tick. gateway/ports.py: Tick."""

    def __init__(
        self,
        limits: Limits,
        now: Clock,
        loop: asyncio.AbstractEventLoop,
        wake: Callable[[], None],
    ) -> None:
        self.limits = limits
        self.now = now
        self.wheel = Wheel(now().mono_s)
        self.turns = Turns(loop.call_soon)
        self.read_buffer = memoryview(bytearray(READ_BYTES_MAX))
        """What it holds is copied before another socket is read."""
        self.admission = Admission(
            loop, lambda: now().mono_s, lambda: bool(self.connections)
        )
        self.strain = Strain.of(limits)
        self.held = Held(limits)
        self.connections: set[Session] = set()
        """Open WebSockets."""
        self.draining = False
        self.frames_in = self.writes = self.bytes_out = 0
        """Since they were last counted."""
        self._wake = wake
        self._dirty: list[Flushed] = []

    def dirty(self, writer: Flushed) -> None:
        if not self._dirty:
            self._wake()
        self._dirty.append(writer)

    def flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for writer in dirty:
            writer.flush()
