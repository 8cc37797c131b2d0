"""An event of the ledger as it is delivered: what it is called, what it says, what it
must stay in order with. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from schemas import codec
from schemas.events import (
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.kinds import ByKind, by_fact
from schemas.rooms import MemberEvent, MessageEvent, trip_of
from schemas.times import rfc3339
from schemas.trips import OpenTrip
from schemas.webhooks import Happened, is_wanted

Names = Mapping[str, str]
"""User → username; who isn't in it is told by the id alone."""


class Driver(Struct, frozen=True):
    id: str
    username: str


class OfferMade(Struct, frozen=True):
    """`trip.offered`'s data, with the driver. `expires_in_ms`: when it was made."""

    driver: Driver
    trip: OpenTrip
    offer: str
    round: int
    expires_at: str
    expires_in_ms: int
    pick_up_distance_m: int
    pick_up_eta_s: int


class OfferEnded(Struct, frozen=True):
    """`trip.offer_ended`'s data, with the driver; `id`: the trip's."""

    driver: Driver
    id: str
    offer: str
    why: str


class DriverState(Struct, frozen=True):
    driver: Driver
    online: bool
    offers: bool
    why: str


class Body(Struct, frozen=True):
    """What is sent."""

    type: str
    timestamp: str
    data: Any


class _Said(Struct, frozen=True):
    type: str
    trip: str | None
    line: str
    people: tuple[str, ...]
    data: Any


def _driver(user: str, names: Names) -> Driver:
    return Driver(user, names.get(user, ""))


def _trip(event: TripEvent, _: Names) -> _Said | None:
    if event.restored:
        return None
    trip = event.trip
    return _Said(event.type, trip.id, trip.id, trip.participants(), trip)


def _offer(event: OfferEvent, names: Names) -> _Said:
    data = OfferMade(
        _driver(event.driver, names),
        event.trip,
        event.offer,
        event.round,
        rfc3339(event.expires_ms),
        event.expires_ms - event.at_ms,
        event.evidence.pick_up_distance_m,
        event.evidence.pick_up_eta_s,
    )
    people = (event.driver, event.trip.rider.id)
    return _Said("offer.made", event.trip.id, event.trip.id, people, data)


def _offer_ended(event: OfferEndedEvent, names: Names) -> _Said:
    driver = _driver(event.driver, names)
    data = OfferEnded(driver, event.trip, event.offer, event.why)
    return _Said("offer.ended", event.trip, event.trip, (event.driver,), data)


def _on_duty(event: DriverEvent, names: Names) -> _Said | None:
    if event.why == "operator":
        return None  # what they have changed, not whether they are there
    driver = _driver(event.driver, names)
    type_ = "driver.online" if event.online else "driver.offline"
    data = DriverState(driver, event.online, event.offers, event.why)
    return _Said(type_, None, f"driver:{event.driver}", (event.driver,), data)


def _message(event: MessageEvent, _: Names) -> _Said:
    message = event.message
    trip = trip_of(message.room)
    line = trip or f"room:{message.room}"
    return _Said("chat.message", trip, line, (message.sender.id,), message)


def _nothing(_: MatchingEvent | MemberEvent, __: Names) -> None:
    """Clients hear of it, other systems don't (PROTOCOL.md section 8)."""


_SAID: ByKind[Callable[[Any, Names], _Said | None]] = ByKind(
    trip=_trip,
    driver=_on_duty,
    offer=_offer,
    offer_ended=_offer_ended,
    matching=_nothing,
    message=_message,
    member=_nothing,
)
_BY_FACT = by_fact(_SAID)


def happened(event: Event, patterns: Iterable[str], names: Names) -> Happened | None:
    """None: nobody wants it."""
    said = _BY_FACT[type(event)](event, names)
    if said is None or not is_wanted(said.type, patterns):
        return None
    body = codec.encode(Body(said.type, rfc3339(event.at_ms), said.data))
    return Happened(
        event.seq,
        said.type,
        event.at_ms,
        said.trip,
        said.line,
        said.people,
        body.decode(),
    )


def drivers_in(events: Iterable[Event]) -> set[str]:
    """Whose names `happened` asks for."""
    named = (OfferEvent, OfferEndedEvent, DriverEvent)
    return {event.driver for event in events if isinstance(event, named)}
