"""What is left of an erased user in rows and events. Pure.

The id stays, as a number without a name, so that trips can be counted and settled; gone
are names, what they wrote, and where they were taken. Done twice, or for rider and
driver one after the other, it gives the same bytes: so rows that were scrubbed in the
database equal those that the ledger makes again.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from persistence.projection import AnyRow, EventRow, TripFields
from persistence.rooms import MessageRow
from schemas import codec
from schemas.trips import Person

USERNAME = "erased"
TEXT = "(erased)"
"""For messages and addresses, which are never empty (PROTOCOL.md sections 1, 2)."""
_ID = re.compile(rb'"([A-Za-z0-9_-]{1,64})"')


def people_of(rows: Iterable[AnyRow]) -> set[str]:
    """The ids of all who appear in these rows."""
    found = set()
    for row in rows:
        if isinstance(row, MessageRow):
            found.add(row.message.sender.id)
            continue
        found |= {row.by, row.trip.rider.id}
        if row.trip.driver is not None:
            found.add(row.trip.driver.id)
    return found


def scrubbed(rows: Iterable[AnyRow], erased: Collection[str]) -> list[AnyRow]:
    if not erased:
        return list(rows)
    return [
        _message(row, erased) if isinstance(row, MessageRow) else _event(row, erased)
        for row in rows
    ]


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
    if is_riders:
        said["rider"] = msgspec.to_builtins(person(said["rider"]["id"]))
        for place in ("pick_up", "drop_off"):
            said[f"{place}_address"] = TEXT
            said[place] = None
    if is_drivers:
        said["driver"] = msgspec.to_builtins(person(driver["id"]))
    if not (is_riders or is_drivers):
        return data
    return codec.encode(said).decode()


def person(user: str) -> Person:
    return Person(user, USERNAME, "", "")


def ids_in(payload: bytes) -> set[str]:
    """What may be a user's id in JSON that can't be read any better."""
    return {found.decode() for found in _ID.findall(payload)}


def _event(row: EventRow, erased: Collection[str]) -> EventRow:
    data = trip(row.data, erased)
    reason = None if row.by in erased else row.reason
    if data == row.data and reason == row.reason:
        return row
    fields = codec.decode(data.encode(), TripFields)
    return msgspec.structs.replace(row, data=data, reason=reason, trip=fields)


def _message(row: MessageRow, erased: Collection[str]) -> MessageRow:
    if row.message.sender.id not in erased:
        return row
    sender = person(row.message.sender.id)
    message = msgspec.structs.replace(row.message, sender=sender, text=TEXT)
    return msgspec.structs.replace(row, message=message, key=None)
