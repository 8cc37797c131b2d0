"""What a ledger says of trips that are for later, and what was answered about them:
PROTOCOL.md section 1.

Pure; knows the contract only. Instants are stamps, in ms since 1970; times of calls and
of when a record was stored are any one clock's, in seconds.
"""

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from cabrank.trial.oracle.linear import NEVER
from cabrank.trial.oracle.sequential import Call, occupies
from schemas.events import TripEvent
from schemas.ledger import Record
from schemas.times import from_rfc3339
from schemas.trips import TERMINAL, Status, Trip

S = Status
DAY_MS = 86_400_000
AHEAD_DAYS = 30
SURE_DAYS = 1
"""No stamp is so far from any clock: what is further off is to be refused, or not."""
LATE_MS = 10_000
"""A command may have waited so long since what it names was yet to come."""
Violate = Callable[[str, str], None]


class Terms(Struct, frozen=True):
    """The settings. `most`: SCHEDULED trips of a rider."""

    lead_ms: int = 900_000
    request_ttl_ms: int = 300_000
    most: int = 20


class Welcomed(Struct, frozen=True):
    """What a rider was welcomed with: versions by trip."""

    user: str
    seq: int
    trips: dict[str, int]


class Moment(NamedTuple):
    """How it stands with a rider from that record on, until the next."""

    record: int
    is_active: bool
    booked: int


class Bookings:
    """Feed it every record, with when it was stored."""

    def __init__(self, terms: Terms, violate: Violate) -> None:
        self._terms = terms
        self._violate = violate
        self._trips: dict[str, TripEvent] = {}
        """The last of each trip that hasn't ended."""
        self._active: dict[str, str] = {}
        self._booked: dict[str, set[str]] = {}
        self._opened: set[str] = set()
        self._moments: dict[str, list[Moment]] = {}
        self._events: list[TripEvent] = []
        self._stored_s: list[float] = []
        self.stamp_ms = 0
        self.opened_count = 0
        """Of those that opened by themselves."""

    # ---- records -----------------------------------------------------------------

    def take(self, record: Record, stored_s: float) -> None:
        self._stored_s.append(stored_s)
        self.stamp_ms = record.at_ms
        for event in record.events:
            if isinstance(event, TripEvent):
                self._events.append(event)
                self._see(event)
                rider = event.trip.rider.id
                count = len(self._booked.get(rider, ()))
                moment = Moment(record.n, rider in self._active, count)
                self._moments.setdefault(rider, []).append(moment)

    def _see(self, event: TripEvent) -> None:
        trip, before = event.trip, self._trips.get(event.trip.id)
        if before is not None and event.type == "trip.expired":
            self._expired(event, before)
        if trip.status is S.SCHEDULED:
            self._scheduled(event, before)
        elif trip.status is S.REQUESTED:
            self._requested(event, before)
        self._move(event)

    def _move(self, event: TripEvent) -> None:
        trip, rider = event.trip, event.trip.rider.id
        mine = self._booked.setdefault(rider, set())
        mine.discard(trip.id)
        if self._active.get(rider) == trip.id:
            del self._active[rider]
        if trip.status is S.SCHEDULED:
            mine.add(trip.id)
        elif occupies(trip, rider):
            self._active[rider] = trip.id
        self._trips[trip.id] = event
        if trip.status in TERMINAL:
            del self._trips[trip.id]
        if len(mine) > self._terms.most:
            text = f"{rider} has {len(mine)} SCHEDULED, {self._terms.most} may be"
            self._violate("bookings of a rider", text)

    def _scheduled(self, event: TripEvent, before: TripEvent | None) -> None:
        trip, rule = event.trip, "booked ahead"
        was = None if before is None else before.trip.status
        if event.type != "trip.scheduled":
            self._violate("event type", f"{event.type} of trip {trip.id}, SCHEDULED")
        if trip.id in self._opened or (trip.version > 1 and was is not S.SCHEDULED):
            text = f"trip {trip.id} is SCHEDULED again from {was}"
            self._violate("rescheduled while SCHEDULED", text)
        if trip.pick_up_at is None:
            self._violate(rule, f"trip {trip.id} is SCHEDULED, for when?")
            return
        ahead_ms = from_rfc3339(trip.pick_up_at) - event.at_ms
        if before is None and ahead_ms <= self._terms.lead_ms:
            self._violate(rule, f"trip {trip.id} is SCHEDULED {ahead_ms} ms ahead")
        is_new = before is None or before.trip.pick_up_at != trip.pick_up_at
        if is_new and not -LATE_MS <= ahead_ms <= AHEAD_DAYS * DAY_MS:
            self._violate(rule, f"trip {trip.id} is for {ahead_ms} ms from then")

    def _requested(self, event: TripEvent, before: TripEvent | None) -> None:
        trip, rider = event.trip, event.trip.rider.id
        was = None if before is None else before.trip.status
        opens = was in {None, S.SCHEDULED}
        if (event.type == "trip.requested") is not opens:
            text = f"{event.type} of trip {trip.id}, which was {was}"
            self._violate("a booking opens once", text)
        if not opens:
            return
        active = self._active.get(rider)
        if active not in {None, trip.id}:
            text = f"trip {trip.id} opened while {rider} is on trip {active}"
            self._violate("opens for who is free", text)
        if trip.pick_up_at is None:
            return
        early_ms = self._opens_ms(trip) - event.at_ms
        if early_ms > 0:
            text = f"trip {trip.id} opened {early_ms} ms before its lead"
            self._violate("opens at the lead", text)
        if trip.id in self._opened:
            self._violate("a booking opens once", f"trip {trip.id} opened again")
        self._opened.add(trip.id)
        self.opened_count += before is not None and not event.command

    def _expired(self, event: TripEvent, before: TripEvent) -> None:
        early_ms = self._ends_ms(before) - event.at_ms
        if early_ms > 0:
            text = f"trip {event.trip.id} expired {early_ms} ms early"
            self._violate("bookings expire", text)

    def _opens_ms(self, trip: Trip) -> int:
        assert trip.pick_up_at is not None, f"trip {trip.id} isn't booked"
        return from_rfc3339(trip.pick_up_at) - self._terms.lead_ms

    def _ends_ms(self, event: TripEvent) -> int:
        """The later of its `updated` and its time, and how long it waits then."""
        at = event.trip.pick_up_at
        since_ms = max(event.at_ms, 0 if at is None else from_rfc3339(at))
        return since_ms + self._terms.request_ttl_ms

    # ---- what is due -------------------------------------------------------------

    def due(self) -> Iterator[tuple[int, str]]:
        """What is to happen by itself, with the stamp from which on."""
        for event in self._trips.values():
            trip = event.trip
            if trip.status not in {S.SCHEDULED, S.REQUESTED}:
                continue
            yield self._ends_ms(event), f"trip {trip.id}, {trip.status}, expires"
            if trip.status is S.SCHEDULED and trip.rider.id not in self._active:
                yield self._opens_ms(trip), f"trip {trip.id} opens"

    def at_least_ms(self, now_s: float) -> int:
        """The stamp there is by then: no leader's time goes slower than by a tenth."""
        passed_s = now_s - self._stored_s[-1] if self._stored_s else 0.0
        return self.stamp_ms + round(passed_s * 900)

    # ---- answers -----------------------------------------------------------------

    def judge(self, calls: Sequence[Call], began_ms: int) -> None:
        """`began_ms`: since 1970, when the calls' clock began."""
        for call in calls:
            at = (call.says or {}).get("pick_up_at")
            if not isinstance(at, str):
                continue
            if call.kind == "trip.request" and call.code == "rider_busy":
                self._judge_busy(call)
            ahead_ms = from_rfc3339(at) - began_ms - call.start * 1000
            days = ahead_ms / DAY_MS
            is_bad = not -SURE_DAYS < days < AHEAD_DAYS + SURE_DAYS
            is_good = SURE_DAYS < days < AHEAD_DAYS - SURE_DAYS
            is_made = call.answer is not None and call.key is None
            if (is_bad and is_made) or (is_good and call.code == "invalid_data"):
                self._violate("booked ahead", f"{call}: {days:.0f} days ahead")

    def _judge_busy(self, call: Call) -> None:
        """Its rider has as many as may be, or a trip while it is to open at once."""
        moments = self._moments.get(call.user, [])
        known = bisect.bisect_right(self._stored_s, call.start)
        came = len(self._stored_s)
        if call.end < NEVER:
            came = bisect.bisect_right(self._stored_s, call.end)
        last = [one for one in moments if one.record <= known][-1:]
        seen = last + [one for one in moments if known < one.record <= came]
        if not any(one.is_active or one.booked >= self._terms.most for one in seen):
            self._violate("bookings of a rider", f"{call}: none of {seen}")

    # ---- welcomes ----------------------------------------------------------------

    def judge_welcomes(self, welcomes: Sequence[Welcomed]) -> None:
        """Each holds all its rider's trips, as they were after the event it names."""
        left = sorted(welcomes, key=lambda one: one.seq, reverse=True)
        then: dict[str, dict[str, int]] = {}
        for event in self._events:
            while left and left[-1].seq < event.seq:
                self._holds_all(left.pop(), then)
            trip = event.trip
            mine = then.setdefault(trip.rider.id, {})
            mine[trip.id] = trip.version
            if trip.status in TERMINAL:
                del mine[trip.id]
        for one in left:
            self._holds_all(one, then)

    def _holds_all(self, said: Welcomed, then: Mapping[str, dict[str, int]]) -> None:
        true = then.get(said.user, {})
        if said.trips != true:
            text = f"{said.user} at {said.seq}: {said.trips}, not {true}"
            self._violate("a welcome holds what is booked", text)
