"""Facts into what is known of offers: dispatcher/engine/apply.py's part of them.

A move of a trip, or of a driver, ends offers by itself: there is no moment with a
started trip and a live offer of it.
"""

from dispatcher.engine.dues import What
from dispatcher.engine.offers import Course, Ended
from dispatcher.engine.state import State
from dispatcher.engine.transitions import REQUESTED
from schemas.events import (
    MATCHED,
    DriverEvent,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.trips import TERMINAL, Person, Status


def move(state: State, event: TripEvent, before: Person | None) -> None:
    """`before`: the trip's driver until now."""
    offers, trip = state.offers, event.trip
    if before is not None and trip.status not in _STAYS:
        duty = offers.duties.get(before.id)
        if duty is not None:
            duty.idle_since_ms = event.at_ms
    if trip.status is REQUESTED:
        _open(state, event, before)
        return
    course = offers.courses.get(trip.id)
    if event.type == "trip.started" and trip.driver is not None:
        _start(state, event, course, trip.driver.id)
    elif course is not None and trip.status in TERMINAL:
        course.matching = ""
        state.end_offer(course, "cancelled", event, says=True)
        del offers.courses[trip.id]


_STAYS = frozenset({Status.STARTED, Status.ARRIVED, Status.IN_PROGRESS})


def _open(state: State, event: TripEvent, before: Person | None) -> None:
    trip = event.trip
    known = trip.id in state.offers.courses
    if event.matching not in MATCHED and before is None and not known:
        return
    course = state.offers.course(trip.id)
    course.matching = event.matching
    course.opened_ms, course.made = event.at_ms, 0
    course.traceparent = event.traceparent
    course.passed = {d: why for d, why in course.passed.items() if why == "released"}
    if before is not None:
        state.offers.pass_by(course, before.id, "released")
    if event.matching in MATCHED:
        state.matched_due(course)


def _start(state: State, event: TripEvent, course: Course | None, driver: str) -> None:
    offers = state.offers
    if course is not None:
        course.matching = ""
        live = course.live
        if live is not None and live.offer == event.offer:
            offers.end(course, "accepted", event.at_ms)
        else:
            state.end_offer(course, "taken", event, says=True)
            if event.offer:
                accepted = Ended(event.offer, "accepted", event.at_ms)
                offers.note(course, driver, accepted)
    duty = offers.duties.get(driver)
    if duty is None:
        return
    if event.offer:
        duty.misses = 0
        if duty.paused:
            state.later(event.at_ms, What.RESUME, driver)
    other = offers.courses.get(duty.trip)
    if other is not None:
        state.end_offer(other, "withdrawn", event, says=True)


def stand(state: State, event: DriverEvent) -> None:
    """Before the driver is online or offline by it."""
    offers, driver = state.offers, event.driver
    if not (event.offers or event.tags or driver in offers.duties):
        return
    duty = offers.on_duty(driver, event.at_ms)
    duty.offers, duty.tags = event.offers, event.tags
    if event.online and driver in state.offline:
        duty.idle_since_ms = event.at_ms
        duty.misses = 0
    if event.why != "operator":
        duty.paused = event.why == "missed_offers"
    if not (event.online and event.offers):
        course = offers.courses.get(duty.trip)
        if course is not None:
            state.end_offer(course, "withdrawn", event, says=True)
    if not (event.offers or event.tags or duty.misses):
        del offers.duties[driver]


def make(state: State, event: OfferEvent) -> None:
    course = state.offers.course(event.trip.id)
    course.live = event
    course.made += 1
    course.rounds = event.round
    if course.matching == "waiting":
        course.matching = "nearest"
    state.offers.on_duty(event.driver, event.at_ms).trip = event.trip.id
    state.later(event.expires_ms, What.EXPIRE_OFFER, event.trip.id)


def end(state: State, event: OfferEndedEvent) -> None:
    offers = state.offers
    offers.unsaid.pop(event.offer, None)
    duty = offers.duties.get(event.driver)
    if duty is not None and event.why == "declined":
        duty.misses = 0
    elif duty is not None and event.why == "expired":
        duty.misses += 1
        state.later(event.at_ms, What.PAUSE, event.driver)
    course = offers.courses.get(event.trip)
    if course is None:
        return
    if course.live is not None and course.live.offer == event.offer:
        state.end_offer(course, event.why, event, says=False)
    if event.why == "declined":
        offers.pass_by(course, event.driver, "declined")
    elif event.why == "expired":
        offers.pass_by(course, event.driver, "missed")


def match(state: State, event: MatchingEvent) -> None:
    course = state.offers.course(event.trip.id)
    course.matching = event.matching
    if event.matching not in MATCHED:
        state.untold.pop(event.trip.id, None)
        state.open_changed()
    if event.feed:
        state.feed = event.feed
