"""Trips that are for later: when they may be for, how they change, how they open.

PROTOCOL.md section 1. Changes nothing it looks at. That one opens by itself is due as
an expiry is (dispatcher/engine/dues.py), by the stamp.
"""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from dispatcher.engine.limits import BOOKINGS_MAX
from dispatcher.engine.lookups import find_trip, look_up
from dispatcher.engine.outcomes import (
    Decided,
    Outcome,
    not_a_participant,
    takes_part,
    wrong_role,
    wrong_status,
)
from dispatcher.engine.regional import Regional
from dispatcher.engine.state import Held, State
from dispatcher.engine.transitions import moved
from schemas.bookings import why_not
from schemas.commands import RequestTrip, RescheduleTrip
from schemas.events import MATCHED, Matching, TripEvent
from schemas.refusals import Code, Refusal
from schemas.times import from_rfc3339
from schemas.trips import Role, Status, Trip

CHANGES = (
    "pick_up_at",
    "pick_up_address",
    "drop_off_address",
    "pick_up",
    "drop_off",
    "note",
)
"""What of a SCHEDULED trip may be changed."""


def misses(state: State, pick_up_at: str) -> Refusal | None:
    """Why nothing can be booked for then; None: it can."""
    why = why_not(pick_up_at, from_rfc3339(pick_up_at), state.stamp_ms)
    return None if why is None else Refusal(Code.INVALID_DATA, why)


def unfit(state: State, command: RequestTrip | RescheduleTrip) -> Refusal | None:
    """The same of what a command says, before whose it is (PROTOCOL.md section 3)."""
    at = command.pick_up_at
    return misses(state, at) if isinstance(at, str) else None


def is_early(state: State, trip: Trip) -> bool:
    """Whether it isn't to be open yet."""
    return trip.pick_up_at is not None and state.opens_ms(trip) > state.stamp_ms


def too_many(state: State, rider: str) -> Refusal | None:
    """Why a rider may book no more; None: they may."""
    if len(state.booked.get(rider, ())) < BOOKINGS_MAX:
        return None
    return Refusal(Code.RIDER_BUSY, f"{BOOKINGS_MAX} trips are SCHEDULED already")


def feed_of(state: State, how: Matching) -> int:
    """The feed's number for a trip that opens."""
    return 0 if how in MATCHED else state.feed + 1


def booked(state: State, trip: Trip, event: dict[str, Any]) -> TripEvent:
    """A trip is SCHEDULED, as it is from now on. `event`: what else is known of it."""
    return TripEvent(
        type="trip.scheduled",
        at_ms=state.stamp_ms,
        audience=(trip.rider.id,),
        trip=trip,
        **event,
    )


def opened(region: Regional, trip: Trip, event: dict[str, Any]) -> TripEvent:
    """The same of one that is REQUESTED, and had no driver."""
    how = region.market.how(region.state, trip)
    return TripEvent(
        type="trip.requested",
        at_ms=region.state.stamp_ms,
        audience=(trip.rider.id,),
        trip=trip,
        feed=feed_of(region.state, how),
        matching=how,
        **event,
    )


def opens(region: Regional, trip: str, seq: int, feed: int) -> TripEvent:
    """A SCHEDULED trip, by itself. `feed`: the next number."""
    state = region.state
    now = state.stamp_text()
    after = moved(state.trips[trip].trip, Status.REQUESTED, None, now)
    event = opened(region, after, {"seq": seq})
    return replace(event, feed=feed) if event.feed else event


def reschedule(region: Regional, command: RescheduleTrip, seq: int) -> Outcome:
    state, by = region.state, command.by
    if by.role is Role.DRIVER:
        return unfit(state, command) or wrong_role(command)
    held = find_trip(state, region.ring, command.trip, command.archived)
    said = _said(command)
    if held is not None:
        said = {k: v for k, v in said.items() if v != getattr(held.trip, k)}
    if "pick_up_at" in said:
        missed = misses(state, said["pick_up_at"])
        if missed is not None:
            return missed
    if held is None:
        return look_up(region.ring, command.trip)
    trip = held.trip
    if not takes_part(by, trip):
        return not_a_participant(trip)
    if not said and _is_done(held, by.id):
        return Decided((), trip)
    if trip.status is not Status.SCHEDULED:
        return wrong_status(command, trip)
    return _rescheduled(region, command, replace(trip, **said), seq)


def _said(command: RescheduleTrip) -> dict[str, Any]:
    every = {name: getattr(command, name) for name in CHANGES}
    return {name: value for name, value in every.items() if value is not UNSET}


def _is_done(held: Held, by: str) -> bool:
    """Whether it is as it was asked to be, where nothing is to be changed: yet
    SCHEDULED, or opened by their own last change.
    """
    trip = held.trip
    if trip.status is Status.REQUESTED:
        return held.type == "trip.requested" and trip.version > 1 and held.by == by
    return trip.status is Status.SCHEDULED


def _rescheduled(
    region: Regional, command: RescheduleTrip, trip: Trip, seq: int
) -> Decided:
    """It opens at once where it should be open by now and its rider isn't under way."""
    state = region.state
    now, more = state.stamp_text(), {"command": command.id, "by": command.by.id}
    trip = moved(trip, Status.SCHEDULED, None, now)
    event = booked(state, trip, {"seq": seq, **more})
    if is_early(state, trip) or trip.rider.id in state.riders:
        return Decided((event,), trip)
    trip = moved(trip, Status.REQUESTED, None, now)
    return Decided((event, opened(region, trip, {"seq": seq + 1, **more})), trip)
