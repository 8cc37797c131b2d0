"""Guards of offers, taken away one at a time: part of tests/simulation/mutants.py."""

from typing import Any

from msgspec.structs import replace

import dispatcher.engine.apply_offers
import dispatcher.engine.decide_offers
import dispatcher.engine.market
from dispatcher.engine.dues import What
from dispatcher.engine.market import Market
from dispatcher.engine.matching import Proposal
from dispatcher.engine.offers import Course, Duty, Offers
from dispatcher.engine.standing import Standing
from dispatcher.engine.state import State
from dispatcher.region.lead import Lead
from gateway.fanout.sync import IN_STEP
from gateway.fanout.user_stream import UserStream
from schemas.commands import Fix, SyncData
from schemas.events import Moved, OfferEvent, TripEvent
from schemas.ids import made_id
from schemas.trips import TERMINAL, OpenTrip, Person, Trip

Patch = tuple[Any, dict[str, Any]]

_move = dispatcher.engine.apply_offers.move
_may_ask = dispatcher.engine.decide_offers._may_ask
_standing_of = dispatcher.engine.market.standing_of
_hear = Market.hear
_lead = State.lead
_later = State.later


def _outlives(state: State, event: TripEvent, before: Person | None) -> None:
    """A trip that ends takes its course along, and leaves the driver their offer."""
    if event.trip.status in TERMINAL:
        state.offers.courses.pop(event.trip.id, None)
    else:
        _move(state, event, before)


def _busy_is_free(state: State, duty: Duty) -> Standing:
    if duty.driver not in state.drivers:
        return _standing_of(state, duty)
    idle_since_ms, tags = duty.idle_since_ms, frozenset(duty.tags)
    return Standing(
        offers=duty.offers,
        offered=bool(duty.trip),
        idle_since_ms=idle_since_ms,
        tags=tags,
    )


def _busy_may_be_asked(state: State, driver: str, course: Course, trip: Trip) -> bool:
    active = state.drivers.pop(driver, None)
    may = _may_ask(state, driver, course, trip)
    if active is not None:
        state.drivers[driver] = active
    return may


def _forgets_offers(state: State) -> None:
    """A lead begins, and its offers end when an answer comes, or never."""

    def later(self: State, at_ms: int, what: What, about: str) -> None:
        if what is not What.EXPIRE_OFFER:
            _later(self, at_ms, what, about)

    State.later = later  # type: ignore[method-assign]
    try:
        _lead(state)
    finally:
        State.later = _later  # type: ignore[method-assign]


def _asks_releasers(offers: Offers, course: Course, driver: str, why: str) -> None:
    if why != "released":
        course.passed[driver] = why


def _unchecked(state: State, proposal: Proposal, seq: int) -> OfferEvent | None:
    """Whatever is proposed is offered."""
    held = state.trips.get(proposal.trip)
    if held is None:
        return None
    number = state.offers.course(proposal.trip).rounds + 1
    return OfferEvent(
        seq,
        state.stamp_ms,
        made_id(state.stamp_ms, f"{proposal.trip} {number}", seq),
        proposal.driver,
        OpenTrip.of(held.trip),
        number,
        state.stamp_ms + state.limits.matching.offer_ttl_ms,
        proposal.evidence,
    )


def _wants_more(market: Market, state: State, course: Course) -> bool:
    return bool(course.matching) and not state.is_exhausted(course, state.stamp_ms)


def _amiss(market: Market, fix: Fix, now_ms: int) -> bool:
    """A hundred metres off."""
    return _hear(market, replace(fix, lat=fix.lat - 0.001), now_ms)


def _tells_at_once(lead: Lead) -> int:
    return lead._engine.stamp_ms + 1


def _always_current(stream: UserStream, _: Moved) -> bool:
    return stream.sync is IN_STEP


def _says_nothing(_: UserStream, __: SyncData) -> list[Any]:
    return []


OFFER_MUTANTS: dict[str, list[Patch]] = {
    "an offer outlives its trip": [
        (dispatcher.engine.apply_offers, {"move": _outlives})
    ],
    "a busy driver is free": [
        (dispatcher.engine.market, {"standing_of": _busy_is_free}),
        (dispatcher.engine.decide_offers, {"_may_ask": _busy_may_be_asked}),
    ],
    "expiry forgotten at a take-over": [(State, {"lead": _forgets_offers})],
    "the releaser asked again": [(Offers, {"pass_by": _asks_releasers})],
    "two offers at once": [
        (dispatcher.engine.decide_offers, {"_offer": _unchecked}),
        (Market, {"_wants": _wants_more}),
    ],
    "a proposal taken unchecked": [
        (dispatcher.engine.decide_offers, {"_offer": _unchecked})
    ],
    "a fix is heard amiss": [(Market, {"hear": _amiss})],
    "where a driver is of a trip that moved on is passed on": [
        (UserStream, {"is_current": _always_current})
    ],
    "a driver is told of ahead of the record": [
        (Lead, {"_stored_before_ms": _tells_at_once})
    ],
    "a gap hides that one is offline": [
        (UserStream, {"_state_changed": _says_nothing})
    ],
    "a gap hides what is offered": [(UserStream, {"_offers_changed": _says_nothing})],
}
