"""Who floods: sends without end what nobody asked for, whatever is answered, and comes
back when thrown out. What it is told is of no interest; what others lose, is.
"""

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from schemas.claims import Claims
from schemas.trips import Role
from tests.simulation.clients import Cable
from tests.support.rawsocket import CONT, PING, TEXT, frame

if TYPE_CHECKING:
    from tests.simulation.world import Machine, World

_CODE = re.compile(rb'"code":"(\w+)"')
_CLOSE = re.compile(rb"\x88.(..)", re.DOTALL)
PAUSE_S = 0.02
BURST = 400
"""Frames at once."""
MASK = bytes(4)
KNOWN = [
    frame(TEXT, b'{"type":"x"}', mask=MASK),
    frame(TEXT, b'{"type":"trip.get","ref":"r","data":{"id":"x"}}', mask=MASK),
    frame(TEXT, b'{"type":"chat.leave","data":{"room":"none"}}', mask=MASK),
    frame(TEXT, b'{"type":"driver.offline"}', mask=MASK),
]
ANY = [
    *KNOWN,
    frame(TEXT, b"{", mask=MASK),
    frame(TEXT, b"[" * 990, mask=MASK),
    frame(PING, mask=MASK),
    frame(TEXT, b" ", fin=False, mask=MASK) + frame(CONT, fin=False, mask=MASK) * 9,
]


class Flooder:
    """Half of them have logged in, as riders of their own."""

    def __init__(self, world: "World", number: int) -> None:
        self.id = f"flooder-{number}"
        self._world = world
        self._loop = world.loop
        self._rng: Random = world.rng(self.id)
        self._is_known = number % 2 == 0
        self._cable: Cable | None = None
        self._times = 0
        self.sent = 0
        """Frames, read or not."""
        self.codes: Counter[str] = Counter()
        """Refusals and closes that it was told of."""

    @property
    def is_slowed(self) -> bool:
        """Refused by the rate; or paced, so that most is not even read: three of four
        kinds are answered with a code.
        """
        return bool(self.codes["rate_limited"]) or self.codes.total() < self.sent / 2

    def start(self) -> None:
        self._loop.call_soon(self._flood)

    def _flood(self) -> None:
        if not self._world.acting:
            if self._cable is not None:
                self._cable.cut()
            return
        if self._cable is None and self._world.gateways:
            self._come(self._rng.choice(self._world.gateways))
        if self._cable is not None:
            piece = self._rng.choice(KNOWN if self._is_known else ANY)
            count = self._rng.randrange(BURST)
            self.sent += count
            self._cable.bring(piece * count)
        self._loop.call_later(self._rng.random() * PAUSE_S, self._flood)

    def _come(self, machine: "Machine") -> None:
        self._times += 1
        session = f"{self.id}/{self._times}"
        cable = self._cable = Cable(self, machine, self._world.rng(session))
        claims = Claims(
            self.id, self.id, "F", "L", Role.RIDER, "main", session, 0, 1e12
        )
        cable.open(claims if self._is_known else None, None)

    def receive(self, cable: Cable, data: bytes) -> None:
        self._world.watch.note(f"{self._loop.time()} {self.id} ".encode() + data)
        self.codes.update(code.decode() for code in _CODE.findall(data))
        closes = _CLOSE.findall(data)
        for each in closes:
            self.codes[str(int.from_bytes(each, "big"))] += 1
        if closes:
            cable.cut()

    def gateway_died(self, machine: "Machine") -> None:
        if self._cable is not None and self._cable.machine is machine:
            self._cable.cut()

    def lost(self, cable: Cable) -> None:
        if cable is self._cable:
            self._cable = None
