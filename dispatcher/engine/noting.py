"""What a leader's own memory takes of an event: who is to be matched anew, and who has
come or gone. Pure. What a fact changes of the state is dispatcher/engine/apply.py's.
"""

from collections.abc import Callable
from typing import Any

from dispatcher.engine.dues import What
from dispatcher.engine.regional import Regional
from schemas.events import (
    DriverEvent,
    Matching,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.kinds import ByKind, by_fact
from schemas.rooms import MemberEvent, MessageEvent


def wait(region: Regional, trip: str, how: Matching) -> None:
    """A trip that waits for positions does so for as long as this leader may."""
    if how == "waiting":
        until_ms = region.market.waits_until_ms(region.state.stamp_ms)
        region.state.later(until_ms, What.STOP_WAITING, trip)


def _trip(region: Regional, event: TripEvent) -> None:
    state, market = region.state, region.market
    offers = state.offers
    if not (offers.courses or offers.duties or market.open):
        return  # nobody asked for offers, and no trip was ever to be offered
    market.look_at_trip(state, event.trip.id)
    for user in event.audience:
        market.look_at_driver(state, user)
    if market.leads:
        wait(region, event.trip.id, event.matching)


def _offer(region: Regional, event: OfferEvent) -> None:
    region.market.look_at_trip(region.state, event.trip.id)
    region.market.look_at_driver(region.state, event.driver)


def _offer_ended(region: Regional, event: OfferEndedEvent) -> None:
    region.market.look_at_trip(region.state, event.trip)
    region.market.look_at_driver(region.state, event.driver)


def _driver(region: Regional, event: DriverEvent) -> None:
    region.market.look_at_driver(region.state, event.driver)


def _matching(region: Regional, event: MatchingEvent) -> None:
    region.market.look_at_trip(region.state, event.trip.id)


def _message(_: Regional, __: MessageEvent) -> None:
    pass


def _member(region: Regional, event: MemberEvent) -> None:
    region.presence.settled((event.room, event.user.id))


_HANDLERS: ByKind[Callable[[Regional, Any], None]] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=_offer,
    offer_ended=_offer_ended,
    matching=_matching,
    message=_message,
    member=_member,
)
NOTES = by_fact(_HANDLERS)
"""By the event's type; to be called once the state has it."""
