"""Guards of booked trips, taken away one at a time: part of
tests/simulation/mutants.py.
"""

from typing import Any

import dispatcher.engine.state
from dispatcher.engine.dues import Due, What
from dispatcher.engine.state import State
from schemas.trips import Status, Trip

Patch = tuple[Any, dict[str, Any]]

_holds = dispatcher.engine.state._HOLDS
_lead = State.lead
_later = State.later
_trips_of = State.trips_of


def _opens_again(state: State, due: Due) -> bool:
    """What opened as its second version is yet to open."""
    if _holds[What.OPEN_TRIP](state, due):
        return True
    held = state.trips.get(due.id)
    return (
        held is not None
        and (held.trip.status, held.trip.version) == (Status.REQUESTED, 2)
        and held.type == "trip.requested"
        and due.at_ms == state.opens_ms(held.trip) <= state.stamp_ms
    )


def _opens_on_the_way(state: State, due: Due) -> bool:
    """Whatever its rider does."""
    held = state.trips.get(due.id)
    if held is None or held.trip.status is not Status.SCHEDULED:
        return False
    return due.at_ms == state.opens_ms(held.trip) and state.stamp_ms < state.ends_ms(
        held
    )


def _forgets_bookings(state: State) -> None:
    """A lead begins, and none that was booked before opens by itself."""

    def later(self: State, at_ms: int, what: What, about: str) -> None:
        if what is not What.OPEN_TRIP:
            _later(self, at_ms, what, about)

    State.later = later  # type: ignore[method-assign]
    try:
        _lead(state)
    finally:
        State.later = _later  # type: ignore[method-assign]


def _active_only(state: State, user: str) -> list[Trip]:
    found = _trips_of(state, user)
    return [trip for trip in found if trip.status is not Status.SCHEDULED]


BOOKING_MUTANTS: dict[str, list[Patch]] = {
    "a booking opens twice": [
        (dispatcher.engine.state, {"_HOLDS": _holds | {What.OPEN_TRIP: _opens_again}})
    ],
    "a booking opens while its rider rides": [
        (
            dispatcher.engine.state,
            {"_HOLDS": _holds | {What.OPEN_TRIP: _opens_on_the_way}},
        )
    ],
    "a booking's time forgotten at a take-over": [(State, {"lead": _forgets_bookings})],
    "a welcome without bookings": [(State, {"trips_of": _active_only})],
}
