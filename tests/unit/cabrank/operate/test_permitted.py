"""What a command does on NATS, when NATS forbids it a subject."""

import asyncio

import pytest

from cabrank.operate.permitted import ForbiddenError, permitted
from runtime.bus import Bus
from schemas.permissions import Service


async def test_it_ends_at_what_is_forbidden_and_names_it() -> None:
    bus = Bus()
    with pytest.raises(ForbiddenError, match=r"no to a: set .* the operator's seed"):
        await _forbidden(bus, "no to a")
    assert bus.on_forbidden is None


async def test_of_two_that_are_forbidden_at_once_it_names_the_first() -> None:
    with pytest.raises(ForbiddenError, match="no to a"):
        await _forbidden(Bus(), "no to a", "no to b")


async def test_what_is_forbidden_while_it_ends_harms_nothing() -> None:
    with pytest.raises(ForbiddenError, match="no to a"):
        await _forbidden(Bus(), "no to a", while_ending="no to b")


async def _forbidden(bus: Bus, *subjects: str, while_ending: str = "") -> None:
    """A command that waits, and what the connection's reader tells meanwhile."""
    async with permitted(bus, Service.OPERATOR):
        tell = bus.on_forbidden
        assert tell is not None
        for why in subjects:
            tell(why)
        try:
            await asyncio.Event().wait()
        finally:
            if while_ending:
                tell(while_ending)
