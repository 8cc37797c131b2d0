"""Offers: how an accept or a decline meets one, what a proposal becomes, what is due.

PROTOCOL.md section 7. Changes nothing it looks at.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from dispatcher.engine.bookings import opens
from dispatcher.engine.dues import What
from dispatcher.engine.limits import LATE_MS
from dispatcher.engine.market import needs_of
from dispatcher.engine.matching import Proposal
from dispatcher.engine.offers import Course, Duty
from dispatcher.engine.regional import Regional
from dispatcher.engine.state import State
from dispatcher.engine.transitions import ENDED_BY, moved
from schemas.commands import AcceptTrip, DeclineTrip, GoOffline, GoOnline, TagDriver
from schemas.events import (
    MATCHED,
    DriverEvent,
    DriverWhy,
    Event,
    Matching,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.ids import made_id
from schemas.refusals import Code, Refusal
from schemas.trips import OpenTrip, Status, Trip

# ---- an accept or a decline meets an offer ---------------------------------------


def accepted(state: State, command: AcceptTrip) -> str | Refusal:
    """The offer by which a driver accepts a REQUESTED trip; empty: by none, since all
    were told of it.
    """
    driver, trip = command.by.id, command.trip
    course = state.offers.courses.get(trip)
    if course is None:
        return ""
    late = _late(state, course, driver)
    if course.matching not in MATCHED:
        return late
    live = course.live
    mine = live.offer if live is not None and live.driver == driver else ""
    wanted = command.offer
    for offer in (mine, late):
        if offer and wanted in (None, offer):
            return offer
    asked = mine or driver in course.asked
    if asked and course.passed.get(driver) != "released":
        return Refusal(Code.OFFER_EXPIRED, f"your offer of trip {trip} has ended")
    return Refusal(Code.TRIP_NOT_OPEN, f"trip {trip} is offered to others")


def _late(state: State, course: Course, driver: str) -> str:
    """Their offer that expired a moment ago, and may still be accepted."""
    ended = course.asked.get(driver)
    if ended is None or ended.why != "expired":
        return ""
    return ended.offer if state.stamp_ms <= ended.ended_ms + LATE_MS else ""


class Declined(Struct, frozen=True):
    """Of a decline that is good: the offer it ends, if there is one."""

    live: OfferEvent | None


def declined(region: Regional, command: DeclineTrip, trip: Trip) -> Declined | None:
    """What a decline meets; None: nothing that this driver could decline. Of a trip
    that has ended, the ring knows who was asked.
    """
    state, driver = region.state, command.by.id
    course = state.offers.courses.get(trip.id)
    if course is None:
        ended = region.ring.offered(trip.id, driver)
    else:
        live, asked = course.live, course.asked.get(driver)
        mine = live if live is not None and live.driver == driver else None
        if mine is not None and command.offer in {None, mine.offer}:
            return Declined(mine)
        ended = None if asked is None else asked.offer
    is_theirs = ended is not None and command.offer in {None, ended}
    return Declined(None) if is_theirs or state.is_told(trip.id) else None


def decline(
    state: State, command: DeclineTrip, live: OfferEvent, seq: int
) -> OfferEndedEvent:
    return OfferEndedEvent(
        seq,
        state.stamp_ms,
        live.offer,
        live.driver,
        live.trip.id,
        "declined",
        command.reason,
        command.id,
    )


# ---- drivers ---------------------------------------------------------------------


def driver_event(
    state: State,
    driver: str,
    seq: int,
    *,
    online: bool | None = None,
    offers: bool | None = None,
    tags: tuple[str, ...] | None = None,
    why: DriverWhy = "self",
    command: str = "",
) -> DriverEvent | None:
    """What changes of a driver by this; None: nothing."""
    duty = state.offers.duties.get(driver) or Duty(driver)
    was_online = driver not in state.offline
    before = (was_online, duty.offers, duty.tags)
    after = (
        was_online if online is None else online,
        duty.offers if offers is None else offers,
        duty.tags if tags is None else tags,
    )
    if after == before:
        return None
    return DriverEvent(
        seq,
        state.stamp_ms,
        driver,
        after[0],
        command,
        offers=after[1],
        tags=after[2],
        why=why,
    )


def stands(
    state: State, command: GoOnline | GoOffline, seq: int
) -> tuple[tuple[DriverEvent, ...], bool]:
    """What going online or offline makes, and whether they want offers then."""
    wants = command.offers if isinstance(command, GoOnline) else None
    online = isinstance(command, GoOnline)
    driver = command.by.id
    event = driver_event(
        state, driver, seq, online=online, offers=wants, command=command.id
    )
    if event is not None:
        return (event,), event.offers
    duty = state.offers.duties.get(driver)
    return (), duty is not None and duty.offers


def tagged(state: State, command: TagDriver, seq: int) -> tuple[DriverEvent, ...]:
    tags = tuple(sorted(set(command.tags)))
    event = driver_event(
        state, command.driver, seq, tags=tags, why="operator", command=command.id
    )
    return () if event is None else (event,)


# ---- proposals -------------------------------------------------------------------


def offered(
    region: Regional, proposals: Iterable[Proposal], seq: int
) -> tuple[OfferEvent, ...]:
    """The offers that come of proposals, whoever made them: those that hold."""
    state = region.state
    made: list[OfferEvent] = []
    taken: set[str] = set()
    for proposal in proposals:
        if {proposal.trip, proposal.driver} & taken:
            continue
        event = _offer(state, proposal, seq + len(made))
        if event is not None:
            taken |= {proposal.trip, proposal.driver}
            made.append(event)
    return tuple(made)


def _offer(state: State, proposal: Proposal, seq: int) -> OfferEvent | None:
    course = state.offers.courses.get(proposal.trip)
    held = state.trips.get(proposal.trip)
    if course is None or held is None or held.trip.status is not Status.REQUESTED:
        return None
    if course.matching not in MATCHED or course.live is not None:
        return None
    if state.is_exhausted(course, state.stamp_ms):
        return None
    if not _may_ask(state, proposal.driver, course, held.trip):
        return None
    number = course.rounds + 1
    return OfferEvent(
        seq,
        state.stamp_ms,
        made_id(state.stamp_ms, f"{proposal.trip} {number}", seq),
        proposal.driver,
        OpenTrip.of(held.trip),
        number,
        state.stamp_ms + state.limits.matching.offer_ttl_ms,
        proposal.evidence,
        traceparent=course.traceparent,
    )


def _may_ask(state: State, driver: str, course: Course, trip: Trip) -> bool:
    duty = state.offers.duties.get(driver)
    if duty is None or not duty.offers or duty.trip or driver in state.offline:
        return False
    if driver in state.drivers or driver in course.passed:
        return False
    return needs_of(trip) <= set(duty.tags)


# ---- what is due -----------------------------------------------------------------


def due(region: Regional, seq: int, count_max: int) -> tuple[Event, ...]:
    """What is due at the stamp, the oldest first; of one trip or person one thing at a
    time, since the next may be another by then.
    """
    state = region.state
    events: list[Event] = []
    feed, touched = state.feed, set[str]()
    for one in state.due(count_max):
        about = {one.id}
        if one.what is What.OPEN_TRIP:
            about.add(state.trips[one.id].trip.rider.id)
        if about & touched:
            continue
        touched |= about
        event = _EVENTS[one.what](region, one.id, seq + len(events), feed + 1)
        feed = max(feed, getattr(event, "feed", 0))
        events.append(event)
    return tuple(events)


def _expire_trip(region: Regional, trip: str, seq: int, feed: int) -> Event:
    state = region.state
    before = state.trips[trip].trip
    return TripEvent(
        seq=seq,
        type=ENDED_BY[Status.EXPIRED],
        at_ms=state.stamp_ms,
        audience=(before.rider.id,),
        trip=moved(before, Status.EXPIRED, None, state.stamp_text()),
        feed=feed if state.is_told(trip) else 0,
    )


def _expire_offer(region: Regional, trip: str, seq: int, _: int) -> Event:
    live = region.state.offers.live(trip)
    assert live is not None, f"trip {trip} has no live offer"
    at_ms = region.state.stamp_ms
    return OfferEndedEvent(
        seq,
        at_ms,
        live.offer,
        live.driver,
        trip,
        "expired",
        traceparent=live.traceparent,
    )


def _say_end(region: Regional, offer: str, seq: int, _: int) -> Event:
    said = region.state.offers.unsaid[offer]
    at_ms = region.state.stamp_ms
    return OfferEndedEvent(
        seq,
        at_ms,
        offer,
        said.driver,
        said.trip,
        said.why,
        traceparent=said.traceparent,
    )


def _tell_all(region: Regional, trip: str, seq: int, feed: int) -> Event:
    state = region.state
    course = state.offers.courses[trip]
    most = state.limits.matching.offers_max
    why: Matching = "offers_max" if course.made >= most else "too_long"
    return _told(state, course, why, seq, feed)


def _told(
    state: State, course: Course, why: Matching, seq: int, feed: int
) -> MatchingEvent:
    trip = state.trips[course.trip].trip
    gone = [driver for driver, how in course.passed.items() if how == "released"]
    exclude = (trip.rider.id, *gone)
    shown = OpenTrip.of(trip)
    return MatchingEvent(
        seq,
        state.stamp_ms,
        shown,
        why,
        feed,
        exclude,
        traceparent=course.traceparent,
    )


def _stop_waiting(region: Regional, trip: str, seq: int, feed: int) -> Event:
    state = region.state
    course, held = state.offers.courses[trip], state.trips[trip].trip
    how = region.market.how(state, held)
    if how in MATCHED:
        return MatchingEvent(seq, state.stamp_ms, OpenTrip.of(held), "nearest")
    return _told(state, course, how, seq, feed)


def _pause(region: Regional, driver: str, seq: int, _: int) -> Event:
    event = driver_event(region.state, driver, seq, online=False, why="missed_offers")
    assert event is not None, f"driver {driver} is offline"
    return event


def _resume(region: Regional, driver: str, seq: int, _: int) -> Event:
    event = driver_event(region.state, driver, seq, online=True)
    assert event is not None, f"driver {driver} is online"
    return event


_EVENTS: dict[What, Callable[[Regional, str, int, int], Event]] = {
    What.OPEN_TRIP: opens,
    What.EXPIRE_TRIP: _expire_trip,
    What.EXPIRE_OFFER: _expire_offer,
    What.SAY_END: _say_end,
    What.TELL_ALL: _tell_all,
    What.STOP_WAITING: _stop_waiting,
    What.PAUSE: _pause,
    What.RESUME: _resume,
}
