"""A standby's eye on the leader: asks ten times a second whether it lives.

"No responders" says at once that a killed one is gone, since NATS sees its connection
close; silence says that one hangs. One that hands over names its heir, and the others
hold back for a moment. Guards no correctness: the fence does.
"""

import asyncio
from collections.abc import Callable

from runtime.bus import Bus, is_no_responders
from schemas import codec, subjects
from schemas.members import HandOver

SILENCE_S = 2.0
"""A hung leader is deposed after it; twenty pings, and longer than any pause of a
healthy one (a snapshot takes tens of ms)."""
HEIR_S = 1.0
"""An heir leads within some 10 ms; after this it is taken not to."""
BEGINNER_S = 0.3
"""Who has just stored its epoch record answers pings a moment later."""


class Pinger:
    """`mono_s`: the monotonic clock."""

    def __init__(
        self, bus: Bus, region: str, instance: str, mono_s: Callable[[], float]
    ) -> None:
        self._bus = bus
        self._subject = subjects.ping(region)
        self._inbox = bus.new_inbox()
        self._mono_s = mono_s
        self._subscription = bus.subscribe_raw(self._inbox, self._on_answer)
        self._handovers = bus.subscribe_raw(
            subjects.handover(region), self._on_handover
        )
        self._instance = instance
        self._heard_s = mono_s()
        self._holds_back_until_s = 0.0
        self.gone = asyncio.Event()
        """Nobody leads the region, or whoever does hangs."""

    def close(self) -> None:
        self._subscription.cancel()
        self._handovers.cancel()

    def hold_back(self, seconds: float) -> None:
        """Somebody is about to lead, or has just begun to: "no responders", heard
        already or to come, may only say that the server does not know yet.
        """
        self.gone.clear()
        until_s = self._mono_s() + seconds
        self._holds_back_until_s = max(self._holds_back_until_s, until_s)

    def _on_answer(self, _: bytes, _r: bytes, _p: bytes, headers: bytes) -> None:
        now_s = self._heard_s = self._mono_s()
        if is_no_responders(headers) and now_s >= self._holds_back_until_s:
            self.gone.set()

    def _on_handover(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        try:
            heir = codec.decode(payload, HandOver).to
        except codec.CodecError:
            return
        if heir == self._instance:
            self.gone.set()
        else:
            self.hold_back(HEIR_S)

    def tick(self) -> None:
        now_s = self._mono_s()
        if not self._bus.send(self._subject, b"", self._inbox):
            self._heard_s = now_s  # NATS is away: that says nothing about the leader
        elif now_s - self._heard_s > SILENCE_S:
            self.gone.set()
