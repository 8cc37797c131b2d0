"""What a lead makes of drivers' fixes: who is where, and who hears of it.

None of it is of the ledger, so the fence keeps nobody from telling it. What is told is
of a trip as it is stored: until its record is, the latest fix waits. Gateways drop what
a deposed leader tells of a trip that moved on since: each says of which version it is.
"""

from dispatcher.commit.observing import Observing
from dispatcher.engine.crumbs import Crumbs
from dispatcher.engine.engine import Engine
from dispatcher.region import inbox
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.commands import Fix
from schemas.times import rfc3339
from schemas.trips import Trip


class Whereabouts:
    """Of one lead. `stored_before_ms`: trips that are as they were before that may be
    told of.
    """

    def __init__(
        self, bus: Bus, region: str, engine: Engine, observing: Observing
    ) -> None:
        self._bus = bus
        self._region = region
        self._engine = engine
        self._observing = observing
        self._crumbs = Crumbs()
        self._untold: dict[str, tuple[Fix, bool]] = {}
        """Driver with a trip → the latest fix, and whether it is believed."""

    def hear(self, payload: bytes, now_ms: int, stored_before_ms: int) -> None:
        """Fixes of a gateway."""
        before = rfc3339(stored_before_ms)
        for fix in inbox.read_fixes(self._region, payload):
            is_place = self._engine.locate(fix, now_ms)
            self._pass_on(fix, before, is_place=is_place)

    def tick(self, stored_before_ms: int) -> None:
        """Tell what waits."""
        if not self._untold:
            return
        before = rfc3339(stored_before_ms)
        untold, self._untold = self._untold, {}
        for fix, is_place in untold.values():
            self._pass_on(fix, before, is_place=is_place)

    def _pass_on(self, fix: Fix, before: str, *, is_place: bool) -> None:
        trip = self._engine.driving(fix.driver)
        if trip is not None and trip.updated >= before:
            self._untold[fix.driver] = fix, is_place
            return
        self._untold.pop(fix.driver, None)
        if trip is None:
            return
        if is_place:
            self._drop_crumb(trip, fix.driver)
        told = self._engine.moved(fix)
        if told is not None:
            rider, moved = told
            subject = subjects.user(self._region, rider)
            self._bus.send(subject, codec.encode(moved))

    def _drop_crumb(self, trip: Trip, driver: str) -> None:
        spot = self._engine.positions.spot(driver)
        crumb = None if spot is None else self._crumbs.drop(trip, spot)
        if crumb is not None:
            self._observing.crumb(crumb)
