"""How a stopping gateway sends its clients away: a few at a time, so that the gateways
they come back to, and the leader who welcomes them, meet no stampede.

Shell. Who isn't gone by the end is closed by uvicorn's `shutdown()`.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from schemas.closes import Close

STEP_S = 0.05
EACH_S = 0.002
"""Pause between two clients where there are few: 1,000 take 2 s. A gateway takes 1,200
connects per CPU-second (issue 4), so those that come back use less than half of one."""


class Session(Protocol):
    @property
    def pending(self) -> int:
        """Commands of it that are not yet answered."""

    def close(self, code: Close) -> None: ...


async def send_away(connections: Iterable[Session], window_s: float) -> None:
    """Close all with 4002, spread over at most `window_s`. Who waits for an answer is
    closed once it is there, or at the end.
    """
    waiting = list(connections)
    spread_s = min(window_s, len(waiting) * EACH_S)
    began_s = time.monotonic()
    count = len(waiting)
    while waiting:
        passed_s = time.monotonic() - began_s
        share = 1.0 if passed_s >= spread_s else passed_s / spread_s
        due = int(count * share) - (count - len(waiting))
        busy = [each for each in waiting if each.pending]
        idle = [each for each in waiting if not each.pending]
        for each in idle[:due]:
            each.close(Close.DRAINING)
        waiting = idle[due:] + busy
        if not waiting or passed_s >= window_s:
            break
        await asyncio.sleep(STEP_S)
    for each in waiting:
        each.close(Close.DRAINING)
