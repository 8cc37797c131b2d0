"""A region's settings of how drivers are found for trips, as its engine takes them."""

from dispatcher.engine.limits import Matching
from runtime.settings import Settings


def matching_of(settings: Settings, region: str) -> Matching:
    """How drivers are found for a region's trips."""
    return Matching(
        policy=settings.policy_of(region),
        offer_ttl_ms=ms(settings.offer_ttl_s),
        offers_max=settings.offers_max,
        broadcast_after_ms=ms(settings.broadcast_after_s),
        missed_offers_max=settings.missed_offers_max,
        position_max_age_ms=ms(settings.position_max_age_s),
        idle_credit=settings.idle_credit,
        pick_up_max_s=settings.pick_up_max_s,
        window_ms=ms(settings.match_window_s),
        detour=settings.detour,
        speed_kmh=settings.speed_kmh,
    )


def ms(seconds: float) -> int:
    """At least one, unless it is none at all."""
    return max(1, round(seconds * 1000)) if seconds else 0
