"""What riders do who book: for soon, for much later, for when no one may; they change
and cancel what they booked. Others try to as well.
"""

from random import Random
from typing import TYPE_CHECKING

from schemas.times import rfc3339
from schemas.trips import Role, Status, Trip
from tests.simulation.driving import Asks
from tests.simulation.loop import WALL_S
from tests.simulation.places import place

if TYPE_CHECKING:
    from tests.simulation.world import World

DAY_MS = 86_400_000
STRANGERS = 0.05
"""Share of what others do that they do to somebody's booking."""
WHENS = ("soon", "at once", "just past", "much later", "long past", "too far")
BOOKED = (10, 2, 1, 3, 1, 1)
CHANGED = (6, 5, 1, 2, 1, 1)
"""How often, in the order of `WHENS`."""


class Booking:
    """What one client does."""

    def __init__(self, world: "World", role: Role, rng: Random) -> None:
        self._world = world
        self._role = role
        self._rng = rng
        self._notes = 0

    def choose(self, trips: dict[str, Trip]) -> Asks | None:
        """`trips`: as far as the client knows them."""
        booking, rng, seen = self._world.plan.booking, self._rng, self._world.watch.seen
        assert booking is not None, "nobody books"
        if rng.random() < STRANGERS and seen:
            return "trip.reschedule", rng.choice(list(seen)), self._changes()
        if self._role is not Role.RIDER or rng.random() > booking.share:
            return None
        mine = [t.id for t in trips.values() if t.status is Status.SCHEDULED]
        if not mine or rng.random() < 0.5:
            return "trip.request", None, {"pick_up_at": self._when(BOOKED)}
        if rng.random() < 0.75:
            return "trip.reschedule", rng.choice(mine), self._changes()
        return "trip.cancel", rng.choice(mine), {}

    def _changes(self) -> dict[str, object]:
        """Often more than one, sometimes none."""
        rng, offering = self._rng, self._world.plan.offering
        changes: dict[str, object] = {}
        if rng.random() < 0.7:
            changes["pick_up_at"] = self._when(CHANGED)
        if rng.random() < 0.4:
            self._notes += 1
            changes["note"] = rng.choice((None, f"note {self._notes}"))
        if rng.random() < 0.2:
            changes["drop_off_address"] = rng.choice("BCD")
        if offering is not None and rng.random() < 0.3:
            lat, lon = place(rng, offering.area)
            changes["pick_up"] = rng.choice((None, {"lat": lat, "lon": lon}))
        return changes

    def _when(self, weights: tuple[int, ...]) -> str:
        rng, booking = self._rng, self._world.plan.booking
        assert booking is not None, "nobody books"
        lead_ms = booking.lead_ms
        ahead_ms = {
            "soon": lead_ms + rng.randrange(20, 1_200),
            "at once": rng.randrange(lead_ms + 1),
            "just past": -rng.randrange(3_000),
            "much later": rng.randrange(2, 28) * DAY_MS,
            "long past": -2 * DAY_MS,
            "too far": 32 * DAY_MS,
        }[rng.choices(WHENS, weights)[0]]
        return rfc3339(round((WALL_S + self._world.loop.time()) * 1000) + ahead_ms)
