"""Which positions of an active trip's driver are kept: one each 5 s or 50 m. Pure."""

from collections import OrderedDict
from typing import NamedTuple

from dispatcher.engine.free import Spot
from dispatcher.engine.positions import FORGET_MS
from dispatcher.engine.travel import Point, metres
from schemas.observations import CRUMB_LEAST_S, CRUMB_M, CRUMB_S, Crumb
from schemas.trips import Trip

LAST_MAX = 50_000
"""Trips whose last crumb is held, some 0.5 KB each: twice the drivers of DISPATCH.md's
goal; of one that is forgotten the next fix is kept."""
DECIMALS = 6
"""Of degrees: 0.1 m."""


class Last(NamedTuple):
    """A crumb that was kept. `at_ms`: the fix's own; `arrived_ms`: by the leader."""

    at_ms: int
    arrived_ms: int
    place: Point

    def is_past(self, spot: Spot) -> bool:
        """Whether the next one is due where the driver is now. A clock that was set
        back says nothing of how long it was, and must not end the track.
        """
        since_ms = spot.at_ms - self.at_ms
        if since_ms < 0 or since_ms >= CRUMB_S * 1000:
            return True
        return since_ms >= CRUMB_LEAST_S * 1000 and metres(self.place, spot) >= CRUMB_M


class Crumbs:
    """Of one lead."""

    def __init__(self, last_max: int = LAST_MAX) -> None:
        self._last_max = last_max
        self._last: OrderedDict[tuple[str, str], Last] = OrderedDict()
        """By trip and driver, in the order in which they arrived."""

    def drop(self, trip: Trip, spot: Spot) -> Crumb | None:
        """Of a believed fix of the trip's driver; None: it needn't be kept."""
        self._forget(spot.arrived_ms - FORGET_MS)
        key = trip.id, spot.driver
        last = self._last.get(key)
        if last is not None and not last.is_past(spot):
            return None
        place = Point(spot.lat, spot.lon, spot.unit)
        self._last[key] = Last(spot.at_ms, spot.arrived_ms, place)
        self._last.move_to_end(key)
        if len(self._last) > self._last_max:
            self._last.popitem(last=False)
        lat, lon = round(spot.lat, DECIMALS), round(spot.lon, DECIMALS)
        return Crumb(trip.id, trip.rider.id, spot.driver, lat, lon, spot.at_ms)

    def _forget(self, arrived_ms: int) -> None:
        """Who was there before that: their trip is over, or their phone is silent."""
        while self._last:
            key, last = next(iter(self._last.items()))
            if last.arrived_ms >= arrived_ms:
                return
            del self._last[key]
