"""How drivers are now, as operators ask it. Pure; changes nothing it looks at."""

import heapq
from collections.abc import Iterable

from dispatcher.engine.free import Spot
from dispatcher.engine.regional import Regional
from dispatcher.engine.travel import metres, point
from schemas.commands import DriverNow, FindDrivers
from schemas.matching import Verdict
from schemas.trips import Position


def find(region: Regional, command: FindDrivers) -> list[DriverNow]:
    region.market.positions.expire(region.state.stamp_ms)
    if command.driver:
        return [_now(region, command.driver)]
    return [_now(region, driver) for driver in _first(region, command)]


def counts(region: Regional) -> dict[str, int]:
    """Of those who may be offered trips (all who are on a trip are busy), by state:
    `stale` are online, idle and asked for offers, and their position isn't fresh.
    """
    state, positions = region.state, region.market.positions
    positions.expire(state.stamp_ms)
    by_duty, free = positions.counts(), len(positions.free)
    return {
        "free": free,
        "offered": by_duty.get(Verdict.OFFER_PENDING, 0),
        "busy": len(state.drivers),
        "stale": by_duty.get(None, 0) - free,
        "offline": by_duty.get(Verdict.OFFLINE, 0),
    }


def watched(region: Regional) -> set[str]:
    """Whom operators see: who is on a trip, asked for offers, or said of late where
    they are. Of whom nothing but that they are offline is known is none of them.
    """
    state, heard = region.state, region.market.positions.heard()
    return heard | state.drivers.keys() | state.offers.duties.keys()


def is_watched(region: Regional, driver: str) -> bool:
    """Whether they are one of them."""
    state = region.state
    if driver in state.drivers or driver in state.offers.duties:
        return True
    return region.market.positions.spot(driver) is not None


Seen = tuple[float | None, float | None, float | None, str, str | None]
"""What of a `DriverRow` is news when it is another: all but id and age."""


def seen(region: Regional, driver: str) -> tuple[Seen, Spot | None]:
    """As of the last `Positions.expire`; and where that is from."""
    spot = region.market.positions.spot(driver)
    trip, state = region.state.drivers.get(driver), _state(region, driver)
    if spot is None:
        return (None, None, None, state, trip), None
    return (spot.lat, spot.lon, spot.heading, state, trip), spot


def _first(region: Regional, command: FindDrivers) -> list[str]:
    """By distance, who is nowhere known last; then by id."""
    near, positions = command.near, region.market.positions
    if near is None:
        return heapq.nsmallest(command.limit, _there(region))
    middle = point(near.lat, near.lon)

    def distance(driver: str) -> tuple[float, str]:
        spot = positions.spot(driver)
        return (float("inf") if spot is None else metres(middle, spot)), driver

    return heapq.nsmallest(command.limit, _there(region), key=distance)


def _there(region: Regional) -> Iterable[str]:
    state = region.state
    known = region.market.positions.known() | state.drivers.keys()
    return (d for d in known if d not in state.offline or d in state.drivers)


def _now(region: Regional, driver: str) -> DriverNow:
    state, positions = region.state, region.market.positions
    spot = positions.spot(driver)
    duty = state.offers.duties.get(driver)
    return DriverNow(
        driver,
        _state(region, driver),
        None if spot is None else Position(spot.lat, spot.lon),
        None if spot is None else _age_s(region, spot),
        state.drivers.get(driver),
        () if duty is None else duty.tags,
    )


def _age_s(region: Regional, spot: Spot) -> int:
    return spot.age_s(region.state.stamp_ms)


def _state(region: Regional, driver: str) -> str:
    """PROTOCOL.md section 7, of `ops.update`."""
    state = region.state
    if driver in state.drivers:
        return "busy"
    if driver in state.offline:
        return "offline"
    duty = state.offers.duties.get(driver)
    if duty is not None and duty.trip:
        return "offered"
    return "free" if region.market.positions.is_fresh(driver) else "stale"
