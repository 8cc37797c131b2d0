"""What is to be true of booked trips while a schedule comes to rest, and when it is
over; the rules themselves are cabrank/trial/oracle/booked.py's.
"""

from typing import TYPE_CHECKING

from cabrank.trial.oracle.booked import Bookings, Terms, Violate, Welcomed
from schemas.codec import decode
from schemas.ledger import Record
from tests.simulation.loop import WALL_S

if TYPE_CHECKING:
    from tests.simulation.world import World

SOON_MS = 1_500
"""What is due is done so soon, where there is a leader."""
WAIT_MS = 3_000
"""What is due later isn't waited for."""


class Booked:
    """Follows the ledger as it grows, where trips are booked."""

    def __init__(self, world: "World", violate: Violate) -> None:
        self._booking = world.plan.booking
        self.facts = Bookings(Terms(), violate)
        self.welcomes: list[Welcomed] = []
        self._taken = 0
        if self._booking is not None:
            terms = Terms(
                lead_ms=self._booking.lead_ms,
                request_ttl_ms=world.plan.request_ttl_ms,
                most=self._booking.most,
            )
            self.facts = Bookings(terms, violate)

    def _follow(self, world: "World") -> None:
        stream = world.server.stream
        for n in range(self._taken, len(stream.records)):
            self.facts.take(decode(stream.records[n], Record), stream.stored_s[n])
        self._taken = len(stream.records)

    def is_waiting(self, world: "World") -> bool:
        """Whether anything is about to happen by itself."""
        if self._booking is None:
            return False
        self._follow(world)
        soon_ms = self.facts.at_least_ms(world.loop.time()) + WAIT_MS
        return any(at_ms < soon_ms for at_ms, _ in self.facts.due())

    def judge(self, world: "World") -> list[str]:
        if self._booking is None:
            return []
        self._follow(world)
        self.facts.judge(world.watch.history.calls, round(WALL_S * 1000))
        self.facts.judge_welcomes(self.welcomes)
        late_ms = self.facts.at_least_ms(world.loop.time()) - SOON_MS
        return [
            f"nothing is overdue: {late_ms - at_ms} ms ago {what}"
            for at_ms, what in self.facts.due()
            if at_ms < late_ms
        ]
