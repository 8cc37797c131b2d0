"""A shift: asks for offers, and says where the driver is, as often as matching needs
it. What the driver answers is the caller's to say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from cabrank_client import commands, policy
from cabrank_client.errors import CabrankError
from cabrank_client.session import Session
from cabrank_client.shapes import Event, Fix, Offer, Trip

EVERY_S = 4.0
"""Between two positions; matching takes those up to a minute old."""

PositionSource = Callable[[], "Fix | Awaitable[Fix | None] | None"]
"""A function, async or not; None: not known now."""


class Shift:
    """An async iterator of offers that live: each once, and at most one at a time.

    It stays over reconnects. Who goes offline meanwhile (`driver.state`: by missed
    offers, an operator, or `offline`) stays so until `client.online(offers=True)`.
    """

    def __init__(
        self, session: Session, position: PositionSource, every_s: float | None
    ) -> None:
        self._session = session
        self._position = position
        self._every_s = EVERY_S if every_s is None else every_s
        if not self._every_s > 0:
            raise ValueError(f"every_s: seconds, more than 0, not {every_s}")
        self._news = session.subscribe(_tells_of_offers)
        self._seen: set[str] = set()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._say()
        await self._session.ask(commands.online(offers=True))
        self._beating = asyncio.create_task(self._beat())
        self._beating.add_done_callback(self._beaten)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Offline. What a reader of offers is not told of is raised here."""
        self._news.close()
        beating = self._beating
        if beating is not None:
            beating.cancel()
            await asyncio.wait([beating])
        try:
            async with asyncio.timeout(policy.ANSWER_MAX_S):
                await self._session.ask(commands.offline())
        except (CabrankError, TimeoutError):
            if error is None:
                raise
        if error is None and beating is not None and not beating.cancelled():
            beating.result()

    @property
    def offers(self) -> list[Offer]:
        """Those that live, the oldest first."""
        return self._session.offers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Offer:
        while True:
            self._news.clear()
            live = self._session.offers
            self._seen &= {offer["offer"] for offer in live}
            for offer in live:
                if offer["offer"] not in self._seen:
                    self._seen.add(offer["offer"])
                    return offer
            await anext(self._news)

    async def accept(self, offer: Offer) -> Trip:
        """Take it. Raises: OfferExpired, TripAlreadyTaken, …; Unavailable: look by
        `client.get_trip` before trying again.
        """
        taking = commands.accept_trip(offer["trip"]["id"], offer["offer"])
        return await self._session.ask(taking)

    async def decline(self, offer: Offer, reason: str | None = None) -> None:
        """Let it go to the next driver."""
        trip = offer["trip"]["id"]
        await self._session.ask(commands.decline_trip(trip, offer["offer"], reason))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._say()

    async def _say(self) -> None:
        fix = self._position()
        if isinstance(fix, Awaitable):
            fix = await fix
        if fix is not None:
            await self._session.moved(fix)

    def _beaten(self, beating: "asyncio.Task[None]") -> None:
        """A position's function that fails is told to whoever waits for offers."""
        if not beating.cancelled() and (error := beating.exception()) is not None:
            self._news.end(error)


def _tells_of_offers(event: Event) -> bool:
    return event.type in {"trip.offered", "welcome"}
