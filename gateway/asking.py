"""How many questions about people one address may have under way at persistence.

A handshake or a frame with a password or a key costs persistence some milliseconds,
good or not, and whoever opens sockets opens thousands. Those of one address take turns,
so that others' wait behind a few of them. Must not know what is asked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.limits import Limits
from schemas.accounts import Result
from schemas.refusals import Code, Refusal

_MANY = Result(
    refused=Refusal(Code.OVERLOADED, "many log-ins from this address wait already")
)
_LONG = Result(
    refused=Refusal(Code.OVERLOADED, "others from this address were asked about first")
)


class _Place:
    __slots__ = ("count", "turns")

    def __init__(self, at_once: int) -> None:
        self.turns = asyncio.Semaphore(at_once)
        self.count = 0
        """Under way and waiting."""


class Asking:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places: dict[str, _Place] = {}

    def __len__(self) -> int:
        """Addresses of which something is asked."""
        return len(self._places)

    async def ask(
        self, address: str, question: Callable[[], Awaitable[Result]]
    ) -> Result:
        """What `question` says, called once it is its turn; or `overloaded`: too many
        of that address wait, or it waited for too long.
        """
        limits = self._limits
        place = self._places.get(address)
        if place is None:
            place = self._places[address] = _Place(limits.asked_per_address_max)
        if place.count >= limits.asking_per_address_max:
            return _MANY
        place.count += 1
        since_s = time.monotonic()
        try:
            async with place.turns:
                if time.monotonic() - since_s > limits.asking_s:
                    return _LONG
                return await question()
        finally:
            place.count -= 1
            if not place.count:
                del self._places[address]
