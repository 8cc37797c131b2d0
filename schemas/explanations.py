"""`GET /api/trips/{id}/matching`: why these drivers (PROTOCOL.md section 7)."""

from msgspec import Struct

from schemas.matching import Verdict

NOT_RECORDED = "not_recorded"
"""The verdict where nothing is known any more."""


class Driver(Struct, frozen=True):
    id: str
    username: str
    """`erased` of who was; empty of who never was a user here."""


class Figures(Struct, frozen=True, kw_only=True):
    """Of a driver for a trip at one moment; None: not known, or it went with an erased
    user.
    """

    pick_up_distance_m: int | None = None
    pick_up_eta_s: int | None = None
    cost_s: int | None = None
    position_age_s: int | None = None


class OfferMade(Figures, frozen=True, kw_only=True):
    offer: str
    driver: Driver
    round: int
    at: str
    expires_at: str
    ended_at: str | None
    """None: it lives."""
    end: str | None
    """`accepted`, or as in `trip.offer_ended`."""


class Ranked(Figures, frozen=True, kw_only=True):
    driver: Driver
    verdict: Verdict
    trip: str | None = None
    """lost_to: which."""


class RoundSeen(Struct, frozen=True):
    round: int
    at: str
    considered: int
    """Drivers of the region of whom anything was known."""
    excluded: dict[str, int]
    """How many of them by the verdict that left them out."""
    ranked: list[Ranked]
    """The cheapest of the others."""


class DriverRound(Figures, frozen=True, kw_only=True):
    round: int
    at: str
    verdict: str
    """A `Verdict`, or `not_recorded`."""
    trip: str | None = None


class DriverSeen(Struct, frozen=True):
    id: str
    rounds: list[DriverRound]


class Explanation(Struct, frozen=True):
    trip: str
    policy: str
    """`nearest` or `broadcast`."""
    reason: str | None
    """Why it is broadcast."""
    offers: list[OfferMade]
    rounds: list[RoundSeen]
    driver: DriverSeen | None = None
