"""What a command does on NATS ends as soon as NATS forbids it a subject: else it would
wait, for minutes, for the answer to what was never sent. Connects to nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.bus import Bus
from runtime.nats_trouble import ConnectError
from schemas.permissions import Service


class ForbiddenError(ConnectError):
    """Who we are may not publish or hear a subject; the message names it, and says
    what to do. Without its full stop.
    """


@asynccontextmanager
async def permitted(bus: Bus, service: Service) -> AsyncIterator[None]:
    """`service`: who may do what runs in it.

    Raises:
        ForbiddenError: we may not.
    """
    loop = asyncio.get_running_loop()
    told: list[str] = []

    def end(why: str) -> None:
        # Once: what is forbidden next finds a scope that ends already; NATS' reader,
        # which calls this, would end of the error.
        if not told:
            told.append(why)
            scope.reschedule(loop.time())

    try:
        async with asyncio.timeout(None) as scope:
            bus.on_forbidden = end
            try:
                yield
            finally:
                bus.on_forbidden = None
    except TimeoutError:
        if not told:
            raise
        raise ForbiddenError(f"{told[0]}: {seed_wanted(service)}") from None


def seed_wanted(service: Service) -> str:
    return f"set CABRANK_NATS_NKEY_SEED_FILE to the {service}'s seed"
