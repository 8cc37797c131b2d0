"""A standby's eye on the leader: asks ten times a second whether it lives.

"No responders" says at once that a killed one is gone, since NATS sees its connection
close; silence says that one hangs. Guards no correctness: the fence does.
"""

import asyncio
from collections.abc import Callable

from runtime.bus import Bus, is_no_responders
from schemas import subjects

SILENCE_S = 2.0
"""A hung leader is deposed after it; twenty pings, and longer than any pause of a
healthy one (a snapshot takes tens of ms)."""


class Pinger:
    """`mono_s`: the monotonic clock."""

    def __init__(self, bus: Bus, region: str, mono_s: Callable[[], float]) -> None:
        self._bus = bus
        self._subject = subjects.ping(region)
        self._inbox = bus.new_inbox()
        self._mono_s = mono_s
        self._subscription = bus.subscribe_raw(self._inbox, self._on_answer)
        self._heard_s = mono_s()
        self.gone = asyncio.Event()
        """Nobody leads the region, or whoever does hangs."""

    def close(self) -> None:
        self._subscription.cancel()

    def _on_answer(self, _: bytes, _r: bytes, _p: bytes, headers: bytes) -> None:
        self._heard_s = self._mono_s()
        if is_no_responders(headers):
            self.gone.set()

    def tick(self) -> None:
        now_s = self._mono_s()
        if not self._bus.send(self._subject, b"", self._inbox):
            self._heard_s = now_s  # NATS is away: that says nothing about the leader
        elif now_s - self._heard_s > SILENCE_S:
            self.gone.set()
