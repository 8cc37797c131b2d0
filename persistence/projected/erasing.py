"""What is left of an erased user in rows and events. Pure.

What stays is named here, field by field: the id, as a number without a name, what
became of trips and when, so that these can be counted and settled. All else goes, a
field that somebody adds too, until it is named. Done twice, or for rider and
driver one after the other, it gives the same bytes: so rows that were scrubbed in the
database equal those that the ledger makes again.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct

from persistence.projected.dispatch import (
    DispatchRow,
    Duty,
    Ended,
    How,
    Offered,
    What,
    text_of,
)
from persistence.projected.messages import MessageRow
from persistence.projected.projection import AnyRow, EventRow, TripFields
from schemas import codec
from schemas.matching import Judged
from schemas.observations import Other, Round
from schemas.rooms import MessageData
from schemas.trips import Person, Trip

USERNAME = "erased"
TEXT = "(erased)"
"""For messages and addresses, which are never empty (PROTOCOL.md sections 1, 2)."""
_ID = re.compile(rb'"([A-Za-z0-9_-]{1,64})"')

# ---- what stays --------------------------------------------------------------

TRIP = frozenset({"id", "region", "status", "version", "created", "updated"})
"""Of a trip, whoever was erased."""
PEOPLE = frozenset({"rider", "driver"})
"""Of a trip; of who was erased `person` is left."""
RIDERS = frozenset(
    {"pick_up_address", "drop_off_address", "pick_up", "drop_off"}
    | {"note", "reference", "needs", "pick_up_at"}
)
"""The rider's own: they stay where its driver alone was erased."""
EVENT = frozenset(
    {"ledger", "seq", "trip_id", "type", "version", "at_ms", "by", "traceparent"}
)
"""Columns of an event that they brought about; and the trip, of which `trip` is left.
"""
MESSAGE = frozenset({"room", "seq", "id", "at"})
"""Of a message that they sent (`MessageData`)."""
MESSAGE_ROW = frozenset(
    {"ledger", "seq", "region", "room", "n", "id", "sender_id", "sent_at_ms"}
    | {"traceparent"}
)
"""Columns of one."""
DISPATCH = frozenset(
    {"ledger", "seq", "what", "at_ms", "trip_id", "driver_id", "offer_id"}
)
"""Columns of what is told of how drivers were found; and of `data` as much as
`dispatch` leaves."""
AUDIT = frozenset({"id", "at_ms", "actor", "action", "subject", "outcome", "detail"})
"""Columns of what they did; `detail` never has what somebody typed."""
_AROUND = frozenset({"place", "record", "stream"})
"""Whence a row comes; in no column."""


def blanks(
    fields: Mapping[str, Any], kept: Collection[str], said: Mapping[str, Any]
) -> dict[str, Any]:
    """What takes the place of the fields that are not `kept`: what is `said`, else
    their default, `NODEFAULT` where there is none.

    Raises:
        TypeError: a field has neither; a bug, which shows when this is imported.
    """
    gone = {name: said.get(name, fields[name]) for name in fields if name not in kept}
    for name, value in gone.items():
        if value is NODEFAULT:
            raise TypeError(f"say what is left of {name!r} once its user is erased")
    return gone


def fields_of(shape: type[Struct]) -> dict[str, Any]:
    """For `blanks`."""
    return {
        one.name: one.default
        if one.default_factory is NODEFAULT
        else one.default_factory()
        for one in msgspec.structs.fields(shape)
    }


def _of_trip(kept: Collection[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"pick_up_address": TEXT, "drop_off_address": TEXT}
    said |= {"pick_up": None, "drop_off": None}
    return blanks(fields_of(Trip), TRIP.union(kept, PEOPLE), said)


_NO_RIDER = _of_trip(())
_NO_DRIVER = _of_trip(RIDERS)
_EVENT = blanks(
    fields_of(EventRow),
    EVENT | _AROUND | {"data", "trip", "matching", "offer"},
    {"reason": None},
)
_MESSAGE = blanks(fields_of(MessageData), MESSAGE | {"sender"}, {"text": TEXT})
_MESSAGE_ROW = blanks(
    fields_of(MessageRow), MESSAGE_ROW | _AROUND | {"message"}, {"key": None}
)

# ---- what becomes of rows ----------------------------------------------------


def people_of(rows: Iterable[AnyRow]) -> Iterator[str]:
    """The ids of all who appear in these rows; some more than once."""
    for row in rows:
        if isinstance(row, MessageRow):
            yield row.message.sender.id
        elif isinstance(row, DispatchRow):
            yield from filter(None, (row.driver_id, row.rider_id))
        else:
            yield from (row.by, row.trip.rider.id)
            if row.trip.driver is not None:
                yield row.trip.driver.id


def scrubbed(rows: Iterable[AnyRow], erased: Collection[str]) -> list[AnyRow]:
    if not erased:
        return list(rows)
    return [_scrubbed(row, erased) for row in rows]


def _scrubbed(row: AnyRow, erased: Collection[str]) -> AnyRow:
    if isinstance(row, MessageRow):
        return _message(row, erased)
    if isinstance(row, DispatchRow):
        if not {row.driver_id, row.rider_id} & set(erased):
            return row
        return msgspec.structs.replace(row, data=dispatch(row.what, row.data))
    return _event(row, erased)


def trip(data: str, erased: Collection[str]) -> str:
    """A trip's JSON without what is known of these users; unchanged (byte for byte)
    where none of them is its rider or driver.
    """
    if not any(user in data for user in erased):
        return data
    said: dict[str, Any] = msgspec.json.decode(data)
    is_riders = said["rider"]["id"] in erased
    driver = said["driver"] or {"id": None}
    is_drivers = driver["id"] in erased
    if not (is_riders or is_drivers):
        return data
    if is_riders:
        said["rider"] = msgspec.to_builtins(person(said["rider"]["id"]))
    if is_drivers:
        said["driver"] = msgspec.to_builtins(person(driver["id"]))
    gone = _NO_RIDER if is_riders else _NO_DRIVER
    kept = TRIP | PEOPLE | (frozenset() if is_riders else RIDERS)
    left = {
        name: said[name] if name in kept else gone[name]
        for name in said
        if name in kept or name in gone  # else it is of a newer version: it goes
    }
    return codec.encode(left).decode()


def dispatch(what: What, data: str | None) -> str | None:
    """What is left of a row's `data` where its driver, or the rider of its trip, is
    erased: no place, and nothing from which one could be told.
    """
    if data is None:
        return None
    said = data.encode()
    if what == "offer":
        offer = codec.decode(said, Offered)
        return text_of(Offered(offer.round, offer.expires_ms))
    if what == "offer_ended":
        return text_of(Ended(codec.decode(said, Ended).why))
    if what == "duty":
        duty = codec.decode(said, Duty)
        return text_of(Duty(duty.online, duty.offers, (), duty.why))
    return text_of(codec.decode(said, How))


def round_of(data: str, erased: Collection[str]) -> str:
    """A `Round`'s JSON without what was seen of these drivers, but their verdicts;
    unchanged where none of them is in it.
    """
    if not any(user in data for user in erased):
        return data
    seen = codec.decode(data.encode(), Round)
    ranked = [
        Judged(one.driver, one.verdict) if one.driver in erased else one
        for one in seen.ranked
    ]
    others = [
        Other(one.driver, one.verdict) if one.driver in erased else one
        for one in seen.others
    ]
    left = msgspec.structs.replace(seen, ranked=ranked, others=others)
    return codec.encode(left).decode()


def person(user: str) -> Person:
    return Person(user, USERNAME, "", "")


def ids_in(payload: bytes) -> set[str]:
    """What may be a user's id in JSON that can't be read any better."""
    return {found.decode() for found in _ID.findall(payload)}


def _event(row: EventRow, erased: Collection[str]) -> EventRow:
    data = trip(row.data, erased)
    if data != row.data:
        fields = codec.decode(data.encode(), TripFields)
        row = msgspec.structs.replace(row, data=data, trip=fields)
    return msgspec.structs.replace(row, **_EVENT) if row.by in erased else row


def _message(row: MessageRow, erased: Collection[str]) -> MessageRow:
    if row.message.sender.id not in erased:
        return row
    sender = person(row.message.sender.id)
    message = msgspec.structs.replace(row.message, sender=sender, **_MESSAGE)
    return msgspec.structs.replace(row, message=message, **_MESSAGE_ROW)
