"""Facts into state. Takes every event as it is: whether it may happen was decided
(dispatcher/engine/decide.py) before it was written.
"""

from collections.abc import Callable
from typing import Any

from dispatcher.engine import apply_offers as offers
from dispatcher.engine.state import Held, State
from dispatcher.engine.transitions import REQUESTED, SCHEDULED
from schemas.events import MATCHED, DriverEvent, Event, TripEvent
from schemas.kinds import ByKind, by_fact
from schemas.rooms import MemberEvent, MessageEvent
from schemas.trips import DRIVING, TERMINAL


def apply(state: State, event: Event) -> None:
    assert event.seq > state.head_seq, (
        f"event {event.seq} after event {state.head_seq} of {state.region}"
    )
    state.head_seq = event.seq
    timeline = state.timeline
    if event.at_ms >= timeline.next_ms:
        timeline.note(event.at_ms, event.seq)
    _CHANGES[type(event)](state, event)


def _driver(state: State, event: DriverEvent) -> None:
    offers.stand(state, event)
    if event.online:
        state.go_online(event.driver)
    else:
        state.go_offline(event.driver)


def _trip(state: State, event: TripEvent) -> None:
    trip = event.trip
    status = trip.status
    before = state.trips.get(trip.id)
    if before is not None and before.trip.driver is not None:
        state.drivers.pop(before.trip.driver.id, None)
    if trip.driver is not None and status in DRIVING:
        state.drivers[trip.driver.id] = trip.id

    held = Held(trip, event.type, event.by, event.at_ms)
    if status in TERMINAL:
        state.let_go(trip)
    else:
        state.hold(held)

    if status is SCHEDULED:
        state.booked_due(held)
    if status is REQUESTED:
        state.open[trip.id] = None
        state.opened_due(held)
        if event.matching in MATCHED:
            state.untold[trip.id] = None
        else:
            state.open_changed()
    elif trip.id in state.open:
        del state.open[trip.id]
        if trip.id in state.untold:
            del state.untold[trip.id]
        else:
            state.open_changed()
    offers.move(state, event, None if before is None else before.trip.driver)

    if event.feed:
        state.feed = event.feed
    if event.key is not None:
        state.keys.put(event.at_ms, event.by, event.key, trip.id)


def _message(state: State, event: MessageEvent) -> None:
    state.rooms.add_message(event)


def _member(state: State, event: MemberEvent) -> None:
    state.rooms.add_member(event)


_Change = Callable[[State, Any], None]
_HANDLERS: ByKind[_Change] = ByKind(
    trip=_trip,
    driver=_driver,
    offer=offers.make,
    offer_ended=offers.end,
    matching=offers.match,
    message=_message,
    member=_member,
)
_CHANGES = by_fact(_HANDLERS)
