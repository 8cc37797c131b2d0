"""When a command is answered: one rider a gateway asks a hundred times a second.

Each asks for the same trip with the same key: a command that takes every step of one
that decides something, down to the ledger's fsync, and decides nothing. Not part of the
history: nobody drives these riders, and nothing is learned of their trips.
"""

import asyncio
import contextlib
import time

from cabrank.trial.load import frames
from cabrank.trial.load.link import Link, LinkError, connect
from cabrank.trial.load.users import Account

EVERY_S = 0.01
RETRY_S = 0.02
IN_FLIGHT_MAX = 200
"""Below the 256 that a connection may have."""
REQUEST: dict[str, object] = {
    "pick_up_address": "nobody drives this one",
    "drop_off_address": "it only shows that commands are answered",
    "idempotency_key": "probe",
}


class Probe:
    """`answers`: (asked, answered) in monotonic seconds, of answers that are no
    refusal; a trip that has expired meanwhile is one as well.
    """

    def __init__(self, base: str, account: Account) -> None:
        self.answers: list[tuple[float, float]] = []
        self._base = base
        self._account = account
        self._asked: dict[str, float] = {}
        self._refs = 0
        self._welcomed = False
        self._closed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._closed.clear()
            self._welcomed = False
            with contextlib.suppress(LinkError):
                link = await connect(
                    self._base, self._account.access, None, self._read, self._lost
                )
                try:
                    await self._ask(link)
                finally:
                    link.abort()
            self._asked.clear()
            await asyncio.sleep(RETRY_S)

    async def _ask(self, link: Link) -> None:
        while not self._closed.is_set():
            if self._welcomed and len(self._asked) < IN_FLIGHT_MAX:
                self._refs += 1
                self._asked[str(self._refs)] = time.monotonic()
                link.send(frames.command("trip.request", str(self._refs), REQUEST))
            await asyncio.sleep(EVERY_S)

    def _lost(self, _: int) -> None:
        self._closed.set()

    def _read(self, message: bytes) -> None:
        frame = frames.read_frame(message)
        if frame.type == "welcome":
            self._welcomed = True
        elif frame.type in {"reply", "refused"}:
            asked_s = self._asked.pop(frame.ref or "", None)
            if asked_s is not None and frame.type == "reply":
                self.answers.append((asked_s, time.monotonic()))

    def first_after(self, since_s: float) -> float | None:
        """When the first of the commands asked after `since_s` was answered."""
        later = [done for asked, done in reversed(self.answers) if asked >= since_s]
        return min(later, default=None)

    def longest_since(self, since_s: float) -> float:
        """Seconds that a command asked after `since_s` waited at most, so far."""
        waited = [done - asked for asked, done in self.answers if asked >= since_s]
        now_s = time.monotonic()
        waiting = [now_s - asked for asked in self._asked.values() if asked >= since_s]
        return max(waited + waiting, default=0.0)
