"""What a region's leader holds of the present: active trips and who is in them,
offers, and rooms.

Changed by dispatcher/engine/apply.py alone.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from dispatcher.engine.dues import Due, Dues, What
from dispatcher.engine.idempotency import Keys
from dispatcher.engine.limits import ALL_OPEN_TRIPS_MAX, LATE_MS, OPEN_BYTES_MAX, Limits
from dispatcher.engine.offers import Course, Offers, Unsaid
from dispatcher.engine.rooms import Rooms
from dispatcher.engine.timeline import Timeline
from dispatcher.engine.transitions import SCHEDULED
from schemas.budget import as_list, in_messages
from schemas.codec import Raw, encode
from schemas.events import (
    MATCHED,
    DriverEvent,
    OfferEnd,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.frames import OPEN_TRIPS_BYTES_MAX, OPEN_TRIPS_MAX
from schemas.times import from_rfc3339, rfc3339
from schemas.trips import TERMINAL, OpenTrip, Status, Trip

Ends = TripEvent | DriverEvent | OfferEndedEvent
"""Facts that end offers."""


class Held(Struct, frozen=True):
    """A trip and its latest event's type, doer and stamp.

    `by` is empty for an expiry, and None for a trip that came from history, which
    doesn't tell; such a trip never moves.
    """

    trip: Trip
    type: str
    by: str | None
    at_ms: int


class State:
    """Trips that haven't ended only; the others are the ring's."""

    __slots__ = (
        "_open_encoded",
        "_text",
        "_text_of",
        "booked",
        "by_status",
        "drivers",
        "dues",
        "feed",
        "head_seq",
        "keys",
        "led_ms",
        "led_seq",
        "limits",
        "offers",
        "offline",
        "open",
        "region",
        "riders",
        "rooms",
        "stamp_ms",
        "timeline",
        "trips",
        "untold",
    )

    def __init__(self, region: str, limits: Limits) -> None:
        self.region = region
        self.limits = limits
        self.stamp_ms = 0
        self.head_seq = 0
        self.feed = 0
        self.trips: dict[str, Held] = {}
        self.by_status = {status: 0 for status in Status if status not in TERMINAL}
        """How many of those have which: counted as they change, for each second it is
        told, and going through 450,000 takes 100 ms."""
        self.open: OrderedDict[str, None] = OrderedDict()
        """REQUESTED trips in the order in which they became so."""
        self.untold: dict[str, None] = {}
        """Those of them that are matched: not all drivers were told."""
        self.offers = Offers(limits.duties_max)
        self.dues = Dues()
        self.led_seq = self.led_ms = 0
        """The head and the stamp when this lead began."""
        self.riders: dict[str, str] = {}
        """Rider → their active trip."""
        self.booked: dict[str, dict[str, None]] = {}
        """Rider → their SCHEDULED trips."""
        self.drivers: dict[str, str] = {}
        """Driver → their active trip."""
        self.offline: OrderedDict[str, None] = OrderedDict()
        """Drivers, who has been so for the longest first; who isn't in it is online."""
        self.timeline = Timeline()
        self.keys: Keys[str] = Keys(limits.keys_per_user_max, limits.keys_bytes_max)
        """What a rider's key made: a trip."""
        self.rooms = Rooms(limits)
        self._text_of = -1
        self._text = ""
        self._open_encoded: Raw | None = None

    def keys_since_ms(self) -> int:
        """The stamp up to which keys no longer hold."""
        return self.stamp_ms - self.limits.key_ms

    def seq_by(self, at_ms: int) -> int:
        """No event at `at_ms` or before has a greater number."""
        known = self.timeline.covers(at_ms)
        return self.head_seq if known is None else known

    def stamp_text(self) -> str:
        """The stamp in RFC 3339."""
        if self._text_of != self.stamp_ms:
            self._text = rfc3339(self.stamp_ms)
            self._text_of = self.stamp_ms
        return self._text

    def trips_of(self, user: str) -> list[Trip]:
        """Trips the user rides or drives: the active one, then those SCHEDULED, by when
        they are for.
        """
        active = (self.riders.get(user), self.drivers.get(user))
        found = [self.trips[trip].trip for trip in active if trip is not None]
        booked = [self.trips[trip].trip for trip in self.booked.get(user, ())]
        return found + sorted(booked, key=lambda trip: (trip.pick_up_at or "", trip.id))

    def hold(self, held: Held) -> None:
        """A trip that hasn't ended, as it is now."""
        trip = held.trip
        rider = trip.rider.id
        before = self.trips.get(trip.id)
        if before is not None:
            self.by_status[before.trip.status] -= 1
        self.by_status[trip.status] += 1
        self.trips[trip.id] = held
        if trip.status is SCHEDULED:
            self.booked.setdefault(rider, {})[trip.id] = None
        else:
            self.riders[rider] = trip.id
            if rider in self.booked:
                self._unbook(rider, trip.id)

    def let_go(self, trip: Trip) -> None:
        """It has ended. What its rider has booked may open now."""
        rider = trip.rider.id
        before = self.trips.pop(trip.id, None)
        if before is not None:
            self.by_status[before.trip.status] -= 1
        if rider in self.booked:
            self._unbook(rider, trip.id)
        if self.riders.get(rider) == trip.id:
            del self.riders[rider]
            for booked in self.booked.get(rider, ()):
                self.booked_due(self.trips[booked])

    def _unbook(self, rider: str, trip: str) -> None:
        mine = self.booked[rider]
        mine.pop(trip, None)
        if not mine:
            del self.booked[rider]

    def go_offline(self, driver: str) -> None:
        """Beyond the limit whoever has been offline for the longest is forgotten: they
        are online again, as a driver who is new is.
        """
        self.offline[driver] = None
        self.offline.move_to_end(driver)
        if len(self.offline) > self.limits.offline_max:
            self.offline.popitem(last=False)

    def go_online(self, driver: str) -> None:
        self.offline.pop(driver, None)

    def open_trips(self) -> Raw:
        """The newest that all were told of as a JSON list of `OpenTrip`, as many as
        fit; kept until the next change, since after a failure thousands of drivers ask
        for it at once.
        """
        if self._open_encoded is None:
            newest = islice(self._newest_told(), OPEN_TRIPS_MAX)
            shown = (encode(OpenTrip.of(self.trips[trip].trip)) for trip in newest)
            fitting = next(in_messages(shown, OPEN_TRIPS_BYTES_MAX), [])
            self._open_encoded = Raw(as_list(fitting))
        return self._open_encoded

    def all_open_trips(self) -> tuple[Raw, bool]:
        """The same, but as many of the newest as a message has room for, and whether
        that is all of them: for gateways, once each.
        """
        newest = islice(self._newest_told(), ALL_OPEN_TRIPS_MAX)
        shown = (encode(OpenTrip.of(self.trips[trip].trip)) for trip in newest)
        fitting = next(in_messages(shown, OPEN_BYTES_MAX), [])
        return Raw(as_list(fitting)), len(fitting) == len(self.open) - len(self.untold)

    def is_told(self, trip: str) -> bool:
        """Whether all drivers were told of it since it was opened last, and it is open
        yet.
        """
        return trip in self.open and trip not in self.untold

    def _newest_told(self) -> Iterator[str]:
        return (trip for trip in reversed(self.open) if trip not in self.untold)

    def open_changed(self) -> None:
        self._open_encoded = None

    # ---- offers ------------------------------------------------------------------

    def end_offer(self, course: Course, why: OfferEnd, by: Ends, *, says: bool) -> None:
        """The course's live offer is over by that, if there is one. `says`: an event of
        it is yet to come. Where it was the last, all are told of the trip.
        """
        at_ms = by.at_ms
        live = self.offers.end(course, why, at_ms)
        if live is None:
            return
        if by.traceparent:
            course.traceparent = by.traceparent
        if says:
            unsaid = Unsaid(live.offer, live.driver, course.trip, why, by.traceparent)
            self.offers.unsaid[live.offer] = unsaid
            self.later(at_ms, What.SAY_END, live.offer)
        if course.matching in MATCHED and self.is_exhausted(course, at_ms):
            self.later(at_ms, What.TELL_ALL, course.trip)

    def is_exhausted(self, course: Course, at_ms: int) -> bool:
        """Whether there is to be no other offer of a trip that is matched."""
        matching = self.limits.matching
        return course.made >= matching.offers_max or (
            0 < matching.broadcast_after_ms <= at_ms - course.opened_ms
        )

    def expires_ms(self, live: OfferEvent) -> int:
        """When a live offer ends: one from before this lead not in its first 2 s."""
        if live.seq > self.led_seq:
            return live.expires_ms
        return max(live.expires_ms, self.led_ms + LATE_MS)

    # ---- what is due -------------------------------------------------------------

    def lead(self) -> None:
        """A lead begins; also after a snapshot: all that is due, and when."""
        self.led_seq, self.led_ms = self.head_seq, self.stamp_ms
        self.dues.clear()
        for trip in self.open:
            self.opened_due(self.trips[trip])
        for mine in self.booked.values():
            for trip in mine:
                self.booked_due(self.trips[trip])
        for course in self.offers.courses.values():
            if course.matching in MATCHED:
                self.matched_due(course)
            if course.live is not None:
                ends_ms = self.expires_ms(course.live)
                self.later(ends_ms, What.EXPIRE_OFFER, course.trip)
        for offer in self.offers.unsaid:
            self.later(self.stamp_ms, What.SAY_END, offer)
        for duty in self.offers.duties.values():
            if duty.misses or duty.paused:
                self.later(self.stamp_ms, What.PAUSE, duty.driver)
                self.later(self.stamp_ms, What.RESUME, duty.driver)

    def opened_due(self, held: Held) -> None:
        """Of a trip that waits: REQUESTED, or SCHEDULED."""
        self.later(self.ends_ms(held), What.EXPIRE_TRIP, held.trip.id)

    def booked_due(self, held: Held) -> None:
        self.later(self.opens_ms(held.trip), What.OPEN_TRIP, held.trip.id)
        self.opened_due(held)

    def opens_ms(self, trip: Trip) -> int:
        """From when on a trip with a `pick_up_at` is open."""
        return pick_up_ms(trip) - self.limits.booking_lead_ms

    def ends_ms(self, held: Held) -> int:
        """When a trip that waits does so no longer."""
        since_ms = held.at_ms
        if held.trip.pick_up_at is not None:
            since_ms = max(since_ms, pick_up_ms(held.trip))
        return since_ms + self.limits.request_ttl_ms

    def matched_due(self, course: Course) -> None:
        """Of a trip that is matched, from now on."""
        after_ms = self.limits.matching.broadcast_after_ms
        if self.is_exhausted(course, self.stamp_ms):
            self.later(self.stamp_ms, What.TELL_ALL, course.trip)
        elif after_ms:
            self.later(course.opened_ms + after_ms, What.TELL_ALL, course.trip)

    def later(self, at_ms: int, what: What, about: str) -> None:
        self.dues.put(at_ms, what, about, self._holds)

    def due_ms(self) -> int | None:
        """When the next is due; None: nothing is."""
        return self.dues.next_ms(self._holds)

    def due(self, count_max: int) -> list[Due]:
        """All that is due at the stamp."""
        return self.dues.until(self.stamp_ms, count_max, self._holds)

    def _holds(self, due: Due) -> bool:
        return _HOLDS[due.what](self, due)

    def _opens_trip(self, due: Due) -> bool:
        """One whose rider is on their way is put in again when that ends; one that
        is too late expires.
        """
        held = self.trips.get(due.id)
        if held is None or held.trip.status is not Status.SCHEDULED:
            return False
        if due.at_ms != self.opens_ms(held.trip):
            return False
        if due.at_ms > self.stamp_ms:
            return True
        return held.trip.rider.id not in self.riders and self.stamp_ms < self.ends_ms(
            held
        )

    def _expires_trip(self, due: Due) -> bool:
        held = self.trips.get(due.id)
        if held is None or held.trip.status not in _WAITS:
            return False
        return due.at_ms == self.ends_ms(held)

    def _expires_offer(self, due: Due) -> bool:
        live = self.offers.live(due.id)
        return live is not None and due.at_ms == self.expires_ms(live)

    def _says_end(self, due: Due) -> bool:
        return due.id in self.offers.unsaid

    def _tells_all(self, due: Due) -> bool:
        """A live offer runs out first, and puts this in again."""
        course = self.offers.courses.get(due.id)
        if course is None or course.matching not in MATCHED:
            return False
        if due.at_ms > self.stamp_ms:
            return True
        return course.live is None and self.is_exhausted(course, self.stamp_ms)

    def _stops_waiting(self, due: Due) -> bool:
        course = self.offers.courses.get(due.id)
        return course is not None and course.matching == "waiting"

    def _pauses(self, due: Due) -> bool:
        duty = self.offers.duties.get(due.id)
        if duty is None or due.id in self.offline:
            return False
        return duty.misses >= self.limits.matching.missed_offers_max

    def _resumes(self, due: Due) -> bool:
        duty = self.offers.duties.get(due.id)
        if duty is None or due.id not in self.offline:
            return False
        return duty.paused and not duty.misses


def pick_up_ms(trip: Trip) -> int:
    """Of a trip that has a `pick_up_at`."""
    assert trip.pick_up_at is not None, f"trip {trip.id} is not booked"
    return from_rfc3339(trip.pick_up_at)


_WAITS = frozenset({Status.SCHEDULED, Status.REQUESTED})
_HOLDS = {
    What.OPEN_TRIP: State._opens_trip,  # noqa: SLF001
    What.EXPIRE_TRIP: State._expires_trip,  # noqa: SLF001 - a table of its own methods
    What.EXPIRE_OFFER: State._expires_offer,  # noqa: SLF001
    What.SAY_END: State._says_end,  # noqa: SLF001
    What.TELL_ALL: State._tells_all,  # noqa: SLF001
    What.STOP_WAITING: State._stops_waiting,  # noqa: SLF001
    What.PAUSE: State._pauses,  # noqa: SLF001
    What.RESUME: State._resumes,  # noqa: SLF001
}
