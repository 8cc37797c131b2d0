"""A trip that is to have a driver, and a driver, as offers see them; and what speaks
against an offer: PROTOCOL.md section 7.

Pure; knows the contract only. Instants are stamps.
"""

from typing import NamedTuple

from msgspec import Struct

from schemas.events import EVENTS_PER_RECORD_MAX, OfferEvent
from schemas.trips import OpenTrip, Status

RELAXED_MS = 45_000
"""Open for so long, a trip's driver may come from twice as far."""


class Rules(Struct, frozen=True):
    """The settings, and how long an accept may be late; `events_max`: of a record,
    beyond which what follows from one is in the next.
    """

    offer_ttl_ms: int = 15_000
    offers_max: int = 8
    broadcast_after_ms: int = 120_000
    missed_offers_max: int = 3
    position_max_age_ms: int = 60_000
    pick_up_max_s: float = 480
    request_ttl_ms: int = 300_000
    late_ms: int = 2_000
    events_max: int = EVENTS_PER_RECORD_MAX


class Over(NamedTuple):
    """An offer of one trip that has ended."""

    offer: str
    why: str
    at_ms: int


class Hunt(Struct):
    """One trip, as far as drivers are found for it."""

    status: Status
    is_matched: bool = False
    opened_ms: int = 0
    made: int = 0
    """Offers since it was opened last."""
    rounds: int = 0
    live: OfferEvent | None = None
    passed: dict[str, str] = {}
    """Who isn't asked, and why."""
    over: dict[str, tuple[Over, ...]] = {}
    """By driver, all their offers of it."""

    @property
    def is_told(self) -> bool:
        return self.status is Status.REQUESTED and not self.is_matched


class Duty(Struct):
    """A driver; the defaults are a new one's."""

    online: bool = True
    offers: bool = False
    tags: frozenset[str] = frozenset()
    trip: str | None = None
    """The active one."""
    live: OfferEvent | None = None
    misses: int = 0
    paused: bool = False


class Told(NamedTuple):
    """What all drivers hear of a trip, but for these users."""

    trip: str
    exclude: frozenset[str]


def is_exhausted(rules: Rules, hunt: Hunt, at_ms: int) -> bool:
    """Whether there is to be no other offer, and all are to be told."""
    return hunt.made >= rules.offers_max or (
        0 < rules.broadcast_after_ms <= at_ms - hunt.opened_ms
    )


def objections(
    rules: Rules, event: OfferEvent, hunt: Hunt, duty: Duty
) -> list[tuple[str, str]]:
    """Rules that say that it must not be made."""
    seen = event.evidence
    late = event.at_ms - hunt.opened_ms >= RELAXED_MS
    cap_s = rules.pick_up_max_s * (2 if late else 1)
    found: list[tuple[bool, str, str]] = [
        (
            hunt.status is not Status.REQUESTED,
            "no offer outlives its trip",
            f"it is {hunt.status.value}",
        ),
        (hunt.is_told, "one at a time", "all were told of it"),
        (hunt.live is not None, "one live offer of a trip", f"{hunt.live}"),
        (duty.live is not None, "one live offer of a driver", f"{duty.live}"),
        (duty.trip is not None, "no offer to who isn't free", f"has {duty.trip}"),
        (not duty.online, "no offer to who isn't free", "is offline"),
        (not duty.offers, "no offer to who isn't free", "wants none"),
        (
            duty.misses >= rules.missed_offers_max,
            "who misses too many goes offline",
            f"has missed {duty.misses} in a row",
        ),
        (
            event.driver in hunt.passed,
            "nobody is asked again",
            f"{hunt.passed.get(event.driver)}",
        ),
        (
            not needs_of(event.trip) <= duty.tags,
            "needs bind",
            f"{needs_of(event.trip)} of {duty.tags}",
        ),
        (
            is_exhausted(rules, hunt, event.at_ms),
            "told by rule",
            f"offer {hunt.made + 1}, {event.at_ms - hunt.opened_ms} ms on",
        ),
        (seen.pick_up_eta_s > cap_s, "the cap binds", f"{seen.pick_up_eta_s} s"),
        (
            seen.position_age_s * 1000 > rules.position_max_age_ms + 500,
            "positions are fresh",
            f"{seen.position_age_s} s old",
        ),
    ]
    return [(rule, why) for is_broken, rule, why in found if is_broken]


def needs_of(trip: OpenTrip) -> frozenset[str]:
    """What a driver must have."""
    return frozenset(getattr(trip, "needs", ()))
