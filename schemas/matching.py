"""What a match rests on, as the ledger, history and operators see it."""

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


PLACE_DECIMALS = 4
"""PROTOCOL.md section 7: some 11 m."""


def rounded(lat: float, lon: float) -> Position:
    return Position(round(lat, PLACE_DECIMALS), round(lon, PLACE_DECIMALS))
