"""What operators did to trips, as rows of the audit log. Pure."""

import uuid
from typing import Any

from persistence.audit_log import Action, Entry, row
from persistence.projected.projection import EventRow

_MADE: Action = "trip_request"
_MOVES: dict[str, Action] = {
    "trip.scheduled": "trip_reschedule",
    "trip.started": "trip_assign",
    "trip.cancelled": "trip_cancel",
    "trip.completed": "trip_complete",
}
"""What operators may do (PROTOCOL.md sections 1 and 5), by either door."""
_EVENTS = uuid.UUID("8f1d2a54-6c0b-4e0e-9b5e-7d1c0f3a9e26")
"""Made once, at random: the name space of rows that events make."""


def _action(move: EventRow) -> Action | None:
    """A trip's first event is what made it, whatever it is."""
    return _MADE if move.version == 1 else _MOVES.get(move.type)


def row_of_move(move: EventRow) -> dict[str, Any] | None:
    """The columns for what neither the trip's rider nor its driver did to it, with the
    event's time; the same each time the event comes. None: they did it, or nobody.
    """
    trip = move.trip
    people = {"", trip.rider.id, trip.driver.id if trip.driver else ""}
    action = _action(move)
    if action is None or move.by in people:
        return None
    event = uuid.uuid5(_EVENTS, f"{move.ledger}/{move.seq}")
    return row(Entry(action, move.by, move.trip_id), move.at_ms) | {"id": str(event)}
