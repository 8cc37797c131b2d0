"""What of a trip is hidden from whom: the one place that hides any of it. The whole
table is docs/TRIPS.md's.

Pure. Drivers who aren't the trip's see it as an `OpenTrip` (schemas/trips.py) besides.
"""

from msgspec import Raw
from msgspec.structs import replace

from schemas.codec import decode, encode
from schemas.events import TripEvent
from schemas.trips import Role, Trip

HIDDEN: dict[Role, frozenset[str]] = {
    Role.RIDER: frozenset(),
    Role.DRIVER: frozenset({"reference"}),
    Role.OPERATOR: frozenset(),
}
"""Fields that are null to whom."""
_KNOWN = b'"needs":'
"""Of a trip that was written before it had needs, nothing in its JSON is this: inside
of a text quotes have a backslash before them."""


def trip_as(role: Role, trip: Trip) -> Trip:
    for name in HIDDEN[role]:
        if getattr(trip, name) is not None:
            return replace(trip, **dict.fromkeys(HIDDEN[role]))
    return trip


def trip_json_as(role: Role, data: bytes | Raw) -> bytes:
    """A trip's JSON; one from before a trip had all of these fields gets them."""
    data = bytes(data)
    if _KNOWN in data and not _is_hiding(role, data):
        return data
    return encode(trip_as(role, decode(data, Trip)))


def event_as(role: Role, event: TripEvent, encoded: bytes) -> bytes:
    """A trip's event, `encoded`."""
    trip = trip_as(role, event.trip)
    return encoded if trip is event.trip else encode(replace(event, trip=trip))


def event_json_as(role: Role, encoded: bytes) -> bytes:
    """The same of one that is only known encoded."""
    if not _is_hiding(role, encoded):
        return encoded
    return event_as(role, decode(encoded, TripEvent), encoded)


_WRITTEN = {
    role: [b'"%b":"' % name.encode() for name in hidden]
    for role, hidden in HIDDEN.items()
}
"""How they look in our JSON where they are not null."""


def _is_hiding(role: Role, data: bytes) -> bool:
    """Whether anything in this JSON of ours is hidden from them."""
    for one in _WRITTEN[role]:  # noqa: SIM110 - `any` takes five times as long
        if one in data:
            return True
    return False
