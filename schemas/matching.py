"""What a match rests on, as the ledger, history and operators see it."""

from enum import StrEnum

from msgspec import Struct

from schemas.trips import Position


class Evidence(Struct, frozen=True):
    """Why this driver: what was known of the pair when it was chosen. Metres of great
    circle; seconds rounded; `cost_s` is what pairs are ranked by, and falls below 0 by
    idle credit. `position` is the driver's, rounded to `PLACE_DECIMALS`, and goes with
    an erased driver.
    """

    pick_up_distance_m: int
    pick_up_eta_s: int
    cost_s: int
    position_age_s: int
    position: Position | None = None


class Verdict(StrEnum):
    """Of a driver on a trip in a round: the first that holds, in this order."""

    OFFLINE = "offline"
    BUSY = "busy"
    OFFER_PENDING = "offer_pending"
    RELEASED = "released"
    DECLINED = "declined"
    MISSED = "missed"
    NO_OFFERS = "no_offers"
    POSITION_MISSING = "position_missing"
    POSITION_STALE = "position_stale"
    NEEDS = "needs"
    TOO_FAR = "too_far"
    LOST_TO = "lost_to"
    FARTHER = "farther"
    CHOSEN = "chosen"


class Judged(Struct, frozen=True, omit_defaults=True):
    """A driver by id, and why. The figures where the position is fresh; `cost_s` only
    where no verdict before `lost_to` holds; `trip`: the one they were lost to.
    """

    driver: str
    verdict: Verdict
    pick_up_eta_s: int | None = None
    pick_up_distance_m: int | None = None
    cost_s: int | None = None
    position_age_s: int | None = None
    trip: str | None = None


RANKED_MAX = 8
"""PROTOCOL.md section 7: the cheapest so many are told."""


class Judgement(Struct, frozen=True):
    """Of all drivers on one trip in one round. `excluded` counts those whom a verdict
    before `lost_to` left out, `ranked` is the cheapest `RANKED_MAX` of the others.
    """

    considered: int
    excluded: dict[str, int]
    ranked: list[Judged]


PLACE_DECIMALS = 4
"""PROTOCOL.md section 7: some 11 m."""


def rounded(lat: float, lon: float) -> Position:
    return Position(round(lat, PLACE_DECIMALS), round(lon, PLACE_DECIMALS))
