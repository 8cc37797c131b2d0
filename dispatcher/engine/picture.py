"""What operators see of a region, told as changes: which of its drivers and trips are
other than when they were told last. Pure; looks at the engine and changes nothing.

All are compared, a share at a time, rather than noted where they change: while nobody
watches, nothing anywhere costs anything, and what time alone changes (a position gets
stale) is seen as well.
"""

from collections.abc import Iterator
from itertools import islice

from dispatcher.engine.drivers import Seen, is_watched, seen, watched
from dispatcher.engine.regional import Regional
from schemas.codec import encode
from schemas.trips import Trip
from schemas.watching import DriverRow, Told, nothing

DRIVERS_A_TURN = 1_000
TRIPS_A_TURN = 250
"""Of drivers who have all moved, 3 to 5 ms of a leader (a round of 5,000: 20 ms a
second; 2026-11-30): nobody's command waits for longer. Of more than 10,000 drivers a
round takes longer than a second."""


class Picture:
    """As it was told last; whole, after `begin(whole=True)`."""

    def __init__(self) -> None:
        self._drivers: dict[str, Seen] = {}
        self._trips: dict[str, Trip] = {}
        self._driver_ids: Iterator[str] = iter(())
        self._trip_ids: Iterator[str] = iter(())

    def begin(self, region: Regional, *, whole: bool) -> None:
        """A round begins. `whole`: all of it is news."""
        if whole:
            self._drivers.clear()
            self._trips.clear()
        self._driver_ids = iter(watched(region) | self._drivers.keys())
        self._trip_ids = iter(region.state.trips.keys() | self._trips.keys())

    def look(self, region: Regional, now_ms: int) -> tuple[Told, bool]:
        """The round's next share, and whether it was the last. `now_ms` is a stamp."""
        region.market.positions.expire(now_ms)
        told = nothing()
        drivers = list(islice(self._driver_ids, DRIVERS_A_TURN))
        for driver in drivers:
            self._look_at_driver(region, driver, now_ms, told)
        if len(drivers) == DRIVERS_A_TURN:
            return told, False
        trips = list(islice(self._trip_ids, TRIPS_A_TURN))
        for trip in trips:
            self._look_at_trip(region, trip, told)
        return told, len(trips) < TRIPS_A_TURN

    def _look_at_driver(
        self, region: Regional, driver: str, now_ms: int, told: Told
    ) -> None:
        if not is_watched(region, driver):
            if self._drivers.pop(driver, None) is not None:
                told.gone.append(encode(driver))
            return
        now, spot = seen(region, driver)
        if self._drivers.get(driver) != now:
            self._drivers[driver] = now
            age_s = None if spot is None else spot.age_s(now_ms)
            told.drivers.append(encode(DriverRow(driver, *now, age_s)))

    def _look_at_trip(self, region: Regional, trip: str, told: Told) -> None:
        held = region.state.trips.get(trip)
        if held is None:
            if self._trips.pop(trip, None) is not None:
                told.ended.append(encode(trip))
        elif self._trips.get(trip) is not held.trip:
            self._trips[trip] = held.trip
            told.trips.append(encode(held.trip))
