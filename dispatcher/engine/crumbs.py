"""Which positions of an active trip's driver are kept: one each 5 s or 50 m. Pure."""

from collections import OrderedDict

from dispatcher.engine.free import Spot
from dispatcher.engine.travel import Point, metres
from schemas.observations import CRUMB_LEAST_S, CRUMB_M, CRUMB_S, Crumb
from schemas.trips import Trip

LAST_MAX = 50_000
"""Trips whose last crumb is held, some 0.5 KB each: twice the drivers of DISPATCH.md's
goal; of one that is forgotten the next fix is kept."""
DECIMALS = 6
"""Of degrees: 0.1 m."""


class Crumbs:
    """Of one lead."""

    def __init__(self, last_max: int = LAST_MAX) -> None:
        self._last_max = last_max
        self._last: OrderedDict[tuple[str, str], tuple[int, Point]] = OrderedDict()
        """(trip, driver) → when and where the last one was."""

    def drop(self, trip: Trip, spot: Spot) -> Crumb | None:
        """Of a believed fix of the trip's driver; None: it needn't be kept."""
        key = trip.id, spot.driver
        last = self._last.get(key)
        if last is not None:
            since_ms = spot.at_ms - last[0]
            if since_ms < CRUMB_LEAST_S * 1000:
                return None
            if since_ms < CRUMB_S * 1000 and metres(last[1], spot) < CRUMB_M:
                return None
        place = Point(spot.lat, spot.lon, spot.unit)
        self._last[key] = spot.at_ms, place
        self._last.move_to_end(key)
        if len(self._last) > self._last_max:
            self._last.popitem(last=False)
        lat, lon = round(spot.lat, DECIMALS), round(spot.lon, DECIMALS)
        return Crumb(trip.id, trip.rider.id, spot.driver, lat, lon, spot.at_ms)
