"""Pauses of loops that look at what is due: ended early by who knows better. Where
nothing is due soon they end at the same instants for all processes of a machine, since
one that wakes for one of them is awake for all (docs/decisions/start-and-rest.md).
"""

import asyncio

SLACK_S = 0.01
"""A timer may be early by a millisecond; what is due within this is due now."""


def together_s(every_s: float) -> float:
    """From now until the next whole multiple of that, by the machine's steady clock."""
    now_s = asyncio.get_running_loop().time()
    return every_s + SLACK_S - (now_s + SLACK_S) % every_s


class Pause:
    """One loop's."""

    def __init__(self) -> None:
        self._over: asyncio.Future[None] | None = None
        self.is_rest = False

    async def take(self, seconds: float) -> None:
        """Sleep, but no longer than until `end`."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        timer = loop.call_later(seconds, self.end)
        try:
            await self._over
        finally:
            timer.cancel()
            self._over = None

    async def rest(self, every_s: float) -> None:
        """Sleep until the next whole multiple of that, or `end`: nothing is due, unless
        something comes.
        """
        self.is_rest = True
        try:
            await self.take(together_s(every_s))
        finally:
            self.is_rest = False

    def end(self) -> None:
        """Who takes it goes on; nothing where nobody does."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
