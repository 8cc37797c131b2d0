"""Every kind of event there is: one table, a row each.

Who does something with events has a `ByKind` of handlers, one field a kind. A kind
that a place forgets is a missing argument there, which mypy finds; that rows, unions
and tags agree is tests/unit/schemas/test_kinds.py's, a part of `make check`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from schemas.events import (
    MATCHED,
    DriverEvent,
    DriverPush,
    Event,
    MatchingEvent,
    MatchingPush,
    OfferEndedEvent,
    OfferEndedPush,
    OfferEvent,
    OfferPush,
    TripEvent,
    TripPush,
)
from schemas.rooms import MemberEvent, MemberPush, MessageEvent, MessagePush
from schemas.trips import OpenTrip, Trip

H = TypeVar("H")


@dataclass(frozen=True, kw_only=True)
class ToUsers(Generic[H]):
    """Kinds that come on `user.<region>.<user>`; a field's name is the kind's tag."""

    trip: H
    driver: H
    offer: H
    offer_ended: H


@dataclass(frozen=True, kw_only=True)
class ToRooms(Generic[H]):
    """Kinds that come on `room.<region>.<room>`."""

    message: H
    member: H


@dataclass(frozen=True, kw_only=True)
class ToDrivers(Generic[H]):
    """Kinds that gateways know by `drivers.<region>` alone."""

    matching: H


@dataclass(frozen=True, kw_only=True)
class ByKind(ToUsers[H], ToRooms[H], ToDrivers[H]):
    """All kinds."""


@dataclass(frozen=True)
class Kind:
    fact: type[Event]
    """As ledger and leader have it."""
    push: type[Any]
    """As a gateway reads it."""


KINDS: ByKind[Kind] = ByKind(
    trip=Kind(TripEvent, TripPush),
    driver=Kind(DriverEvent, DriverPush),
    offer=Kind(OfferEvent, OfferPush),
    offer_ended=Kind(OfferEndedEvent, OfferEndedPush),
    matching=Kind(MatchingEvent, MatchingPush),
    message=Kind(MessageEvent, MessagePush),
    member=Kind(MemberEvent, MemberPush),
)


def format_of(event: Event) -> int:
    """The format (schemas/ledger.py) that a record with this event has: that of the
    oldest program which doesn't lose anything of it.
    """
    return _FORMATS[type(event)](event)


def _trip_format(event: TripEvent) -> int:
    if says_more(event.trip):
        return 3
    return 2 if event.matching in MATCHED or event.offer else 1


def says_more(trip: Trip | OpenTrip) -> bool:
    """Whether it says what programs before bookings would lose."""
    return bool(
        trip.needs
        or trip.pick_up_at is not None
        or trip.note is not None
        or trip.reference is not None
    )


def _open_trip_format(event: OfferEvent | MatchingEvent) -> int:
    return 3 if says_more(event.trip) else 2


def _driver_format(event: DriverEvent) -> int:
    return 2 if event.offers or event.tags or event.why != "self" else 1


def _first(_: Event) -> int:
    return 1


def _second(_: Event) -> int:
    return 2


def by_tag(handlers: ToUsers[H] | ToRooms[H] | ToDrivers[H]) -> dict[str, H]:
    return {one.name: getattr(handlers, one.name) for one in fields(handlers)}


def by_fact(handlers: ByKind[H]) -> dict[type[Event], H]:
    return {_row(tag).fact: handler for tag, handler in by_tag(handlers).items()}


def by_push(handlers: ToUsers[H] | ToRooms[H]) -> dict[type[Any], H]:
    return {_row(tag).push: handler for tag, handler in by_tag(handlers).items()}


def pushes() -> Iterator[type[Any]]:
    """As gateways read them, of all kinds."""
    return (row.push for row in by_tag(KINDS).values())


def _row(tag: str) -> Kind:
    row: Kind = getattr(KINDS, tag)
    return row


_FORMAT_OF: ByKind[Callable[[Any], int]] = ByKind(
    trip=_trip_format,
    driver=_driver_format,
    offer=_open_trip_format,
    offer_ended=_second,
    matching=_open_trip_format,
    message=_first,
    member=_first,
)
_FORMATS = by_fact(_FORMAT_OF)
