"""Every kind of event there is: one table, a row each.

Who does something with events has a `ByKind` of handlers, one field a kind. A kind
that a place forgets is a missing argument there, which mypy finds; that rows, unions
and tags agree is tests/unit/schemas/test_kinds.py's, a part of `make check`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from schemas.events import DriverEvent, DriverPush, Event, TripEvent, TripPush
from schemas.rooms import MemberEvent, MemberPush, MessageEvent, MessagePush

H = TypeVar("H")


@dataclass(frozen=True, kw_only=True)
class ToUsers(Generic[H]):
    """Kinds that come on `user.<region>.<user>`; a field's name is the kind's tag."""

    trip: H
    driver: H


@dataclass(frozen=True, kw_only=True)
class ToRooms(Generic[H]):
    """Kinds that come on `room.<region>.<room>`."""

    message: H
    member: H


@dataclass(frozen=True, kw_only=True)
class ByKind(ToUsers[H], ToRooms[H]):
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
    message=Kind(MessageEvent, MessagePush),
    member=Kind(MemberEvent, MemberPush),
)


def by_tag(handlers: ToUsers[H] | ToRooms[H]) -> dict[str, H]:
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
