"""Who may be offered what: PROTOCOL.md section 7, read from a ledger's facts in order.

Pure; knows the contract only, not the dispatcher's tables. Instants are stamps. What
clients are answered while a trip is matched is cabrank/trial/oracle/asking.py's.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cabrank.trial.oracle.hunts import Duty, Hunt, Over, Rules, Told, objections
from schemas.events import (
    EVENTS_PER_RECORD_MAX,
    MATCHED,
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.trips import DRIVING, TERMINAL, Status, Trip

Violate = Callable[[str, str], None]
Note = Callable[[int, str, Hunt], None]
"""(record, trip, how it is now)"""


class Offers:
    """Feed it every record. `note` gets each trip that a fact may have changed."""

    def __init__(
        self, rules: Rules, violate: Violate, note: Note = lambda *_: None
    ) -> None:
        self.rules = rules
        self._violate = violate
        self._note = note
        self.trips: dict[str, Trip] = {}
        self.hunts: dict[str, Hunt] = {}
        self.drivers: dict[str, Duty] = {}
        self.made: dict[str, OfferEvent] = {}
        self.ended: dict[str, tuple[str, int]] = {}
        """Offer → how, and by which event."""
        self.told: dict[int, Told] = {}
        """By seq."""
        self.matched: set[str] = set()
        """Trips that ever were."""
        self.rested: set[str] = set()
        """Drivers who ever were offline."""
        self.record = 0
        self.feed = 0
        self.stamp_ms = 0
        self._at_ms = 0
        """The event's that is being seen."""
        self.led_ms = 0
        self.led_seq = 0
        self._owed: dict[tuple[str, str], str] = {}
        """What must follow → as a sentence."""
        self._unsaid: dict[str, str] = {}
        """Offer that is over by something else → why."""

    # ---- records -----------------------------------------------------------------

    def take(self, n: int, epoch: int, at_ms: int, events: Sequence[Event]) -> None:
        """The next record."""
        self.record = n
        if at_ms < self.stamp_ms:
            self._violate("stamps never fall", f"record {n}: {self.stamp_ms}, {at_ms}")
        self.stamp_ms = max(at_ms, self.stamp_ms)
        for event in events:
            self.see(event)
        if epoch == n:
            self.led_ms, self.led_seq = at_ms, n * EVENTS_PER_RECORD_MAX
        elif len(events) < self.rules.events_max:
            for sentence in self._owed.values():
                self._violate("what follows, follows", f"record {n}: {sentence}")
            self._owed.clear()

    def see(self, event: Event) -> None:
        """A fact of the record."""
        see = _SEES.get(type(event))
        if see is not None:
            self._at_ms = event.at_ms
            see(self, event)

    def live_of(self, driver: str) -> OfferEvent | None:
        duty = self.drivers.get(driver)
        return None if duty is None else duty.live

    def expires_ms(self, live: OfferEvent) -> int:
        """One from before this lead lives through the lead's first 2 s."""
        if live.seq > self.led_seq:
            return live.expires_ms
        return max(live.expires_ms, self.led_ms + self.rules.late_ms)

    def duty(self, driver: str) -> Duty:
        return self.drivers.setdefault(driver, Duty())

    # ---- trips -------------------------------------------------------------------

    def _trip(self, event: TripEvent) -> None:
        trip = event.trip
        before = self.trips.get(trip.id)
        hunt = self.hunts.setdefault(trip.id, Hunt(trip.status))
        was_told, was_matched = hunt.is_told and before is not None, hunt.is_matched
        self.trips[trip.id] = trip
        if before is not None and before.driver is not None:
            self.duty(before.driver.id).trip = None
        if trip.driver is not None and trip.status in DRIVING:
            self.duty(trip.driver.id).trip = trip.id
        hunt.status = trip.status
        if trip.status is Status.REQUESTED:
            self._opened(event, hunt, before)
        else:
            self._left(event, hunt, was_told=was_told, was_matched=was_matched)
        self._fed(event.seq, event.feed, trip.id, event.audience)
        self._note(self.record, trip.id, hunt)

    def _opened(self, event: TripEvent, hunt: Hunt, before: Trip | None) -> None:
        trip = event.trip
        hunt.is_matched = event.matching in MATCHED
        hunt.opened_ms, hunt.made = event.at_ms, 0
        hunt.passed = {d: why for d, why in hunt.passed.items() if why == "released"}
        if before is not None and before.driver is not None:
            hunt.passed[before.driver.id] = "released"
        if hunt.is_matched:
            self.matched.add(trip.id)
            if trip.pick_up is None:
                self._violate("matched by rule", f"trip {trip.id} has no pick-up")
            if not any(one.online and one.offers for one in self.drivers.values()):
                self._violate("matched by rule", f"trip {trip.id}: nobody wants offers")
        if bool(event.feed) is hunt.is_matched:
            how = f"{event.matching or 'as of old'}, feed {event.feed}"
            self._violate("told by rule", f"trip {trip.id} was opened {how}")
        if (event.matching == "no_pick_up") is not (trip.pick_up is None) and (
            event.matching
        ):
            self._violate("told by rule", f"trip {trip.id}: {event.matching}")

    def _left(
        self, event: TripEvent, hunt: Hunt, *, was_told: bool, was_matched: bool
    ) -> None:
        """It isn't REQUESTED, or no longer."""
        trip, live = event.trip, hunt.live
        hunt.is_matched = False
        if (was_told or was_matched) and bool(event.feed) is not was_told:
            self._violate(
                "told by rule",
                f"{event.type} of trip {trip.id}, told {was_told}, feed {event.feed}",
            )
        if event.type == "trip.started" and trip.driver is not None:
            if was_matched and event.by == trip.driver.id:
                self._accepts(event, hunt)
            self._started(event, hunt, trip.driver.id)
        elif live is not None and trip.status in TERMINAL:
            self._end(live, "cancelled")
        expires_ms = hunt.opened_ms + self.rules.request_ttl_ms
        if trip.status is Status.EXPIRED and event.at_ms < expires_ms:
            early_ms = expires_ms - event.at_ms
            self._violate("requests expire", f"trip {trip.id} {early_ms} ms early")

    def _accepts(self, event: TripEvent, hunt: Hunt) -> None:
        """A driver takes a trip that wasn't told to all."""
        driver, live = event.by, hunt.live
        if live is not None and live.offer == event.offer and live.driver == driver:
            return
        for over in hunt.over.get(driver, ()):
            is_late = event.at_ms > over.at_ms + self.rules.late_ms
            if over.offer == event.offer and over.why == "expired" and not is_late:
                return
        self._violate(
            "only who is asked accepts",
            f"{driver} got trip {event.trip.id} by {event.offer!r}, live {live}",
        )

    def _started(self, event: TripEvent, hunt: Hunt, driver: str) -> None:
        live, duty = hunt.live, self.duty(driver)
        if live is not None and live.offer == event.offer:
            self._close(live, "accepted", event.seq)
        elif live is not None:
            self._end(live, "taken")
        if event.offer:
            hunt.over[driver] = tuple(
                one._replace(why="accepted") if one.offer == event.offer else one
                for one in hunt.over.get(driver, ())
            )
            duty.misses = 0
            self._owed.pop(("pause", driver), None)
            if duty.paused:
                self._owed["resume", driver] = f"{driver} isn't online again"
        if duty.live is not None:
            self._end(duty.live, "withdrawn")

    # ---- offers ------------------------------------------------------------------

    def _offer(self, event: OfferEvent) -> None:
        trip, driver = event.trip.id, event.driver
        hunt, duty = self.hunts.get(trip), self.duty(driver)
        what = f"offer {event.offer} of trip {trip} to {driver}"
        if hunt is None:
            self._violate("no offer outlives its trip", f"{what}: no such trip")
            return
        for rule, why in objections(self.rules, event, hunt, duty):
            self._violate(rule, f"{what}: {why}")
        if event.round != hunt.rounds + 1:
            self._violate("rounds are counted", f"{what}: {event.round}")
        if event.expires_ms != event.at_ms + self.rules.offer_ttl_ms:
            self._violate("offers live as told", f"{what}: until {event.expires_ms}")
        hunt.rounds, hunt.made = event.round, hunt.made + 1
        hunt.live = duty.live = self.made[event.offer] = event
        self._note(self.record, trip, hunt)

    def _offer_ended(self, event: OfferEndedEvent) -> None:
        made = self.made.get(event.offer)
        what = f"offer {event.offer}, {event.why}"
        if made is None or (made.driver, made.trip.id) != (event.driver, event.trip):
            self._violate("an offer ends once", f"{what}: no such offer was made")
            return
        hunt = self.hunts[event.trip]
        if hunt.live is made:
            if event.why not in {"declined", "expired"}:
                self._violate("an offer ends once", f"{what}: by nothing")
            self._answered(event, made)
            return
        self._owed.pop(("end", event.offer), None)
        why = self._unsaid.pop(event.offer, None)
        if why != event.why:
            self._violate("an offer ends once", f"{what}: it is {why or 'over'}")

    def _answered(self, event: OfferEndedEvent, live: OfferEvent) -> None:
        """Declined, or not at all."""
        duty, hunt = self.duty(event.driver), self.hunts[event.trip]
        if event.why == "expired":
            early_ms = self.expires_ms(live) - event.at_ms
            if early_ms > 0:
                self._violate("offers live as told", f"{live}: {early_ms} ms early")
            duty.misses += 1
            is_too_many = duty.misses >= self.rules.missed_offers_max
            if is_too_many and duty.online:
                sentence = f"{event.driver} stays online after {duty.misses} misses"
                self._owed["pause", event.driver] = sentence
        else:
            duty.misses = 0
        self._close(live, event.why, event.seq)
        if hunt.passed.get(event.driver) != "released":
            missed = event.why == "expired"
            hunt.passed[event.driver] = "missed" if missed else event.why
        self._note(self.record, event.trip, hunt)

    def _end(self, live: OfferEvent, why: str) -> None:
        """By something else; an event must say so."""
        self._close(live, why, 0)
        self._unsaid[live.offer] = why
        sentence = f"{live.driver} isn't told that offer {live.offer} is {why}"
        self._owed["end", live.offer] = sentence
        self._note(self.record, live.trip.id, self.hunts[live.trip.id])

    def _close(self, live: OfferEvent, why: str, seq: int) -> None:
        hunt, duty = self.hunts[live.trip.id], self.duty(live.driver)
        hunt.live = None
        if duty.live is live:
            duty.live = None
        self.ended[live.offer] = (why, seq)
        over = Over(live.offer, why, self._at_ms)
        hunt.over[live.driver] = (*hunt.over.get(live.driver, ()), over)

    # ---- the rest ----------------------------------------------------------------

    def _driver(self, event: DriverEvent) -> None:
        duty, driver = self.duty(event.driver), event.driver
        misses, most = duty.misses, self.rules.missed_offers_max
        if event.why == "missed_offers" and (event.online or misses < most):
            self._violate(
                "who misses too many goes offline", f"{driver} went after {misses}"
            )
        if not event.online:
            self.rested.add(driver)
        elif not duty.online:
            duty.misses = 0
        for what in ("pause", "resume"):
            if event.online is (what == "resume"):
                self._owed.pop((what, driver), None)
        if event.why != "operator":
            duty.paused = event.why == "missed_offers"
        duty.online, duty.offers = event.online, event.offers
        duty.tags = frozenset(event.tags)
        if duty.live is not None and not (event.online and event.offers):
            self._end(duty.live, "withdrawn")

    def _matching(self, event: MatchingEvent) -> None:
        trip, rules = event.trip.id, self.rules
        hunt = self.hunts[trip]
        since_ms = event.at_ms - hunt.opened_ms
        is_due = {
            "offers_max": hunt.made >= rules.offers_max,
            "too_long": 0 < rules.broadcast_after_ms <= since_ms,
        }.get(event.matching, not hunt.made)
        if not (is_due and hunt.is_matched and hunt.live is None):
            self._violate(
                "told by rule",
                f"trip {trip}: {event.matching} after {hunt.made} offers and "
                f"{since_ms} ms, live {hunt.live}",
            )
        if event.matching in MATCHED:
            if event.feed:
                self._violate("told by rule", f"trip {trip}: {event.matching}, fed")
            return
        hunt.is_matched = False
        gone = {driver for driver, why in hunt.passed.items() if why == "released"}
        if set(event.exclude) != gone | {event.trip.rider.id}:
            self._violate("told by rule", f"trip {trip}: all but {event.exclude}")
        self._fed(event.seq, event.feed, trip, event.exclude)
        self._note(self.record, trip, hunt)

    def _fed(self, seq: int, feed: int, trip: str, exclude: Sequence[str]) -> None:
        if not feed:
            return
        self.feed += 1
        if feed != self.feed:
            self._violate("the feed is dense", f"event {seq}: {feed} of {self.feed}")
        self.told[seq] = Told(trip, frozenset(exclude))


_SEES: dict[type[Any], Callable[[Offers, Any], None]] = {
    TripEvent: Offers._trip,  # noqa: SLF001 - a table of its own methods
    DriverEvent: Offers._driver,  # noqa: SLF001
    OfferEvent: Offers._offer,  # noqa: SLF001
    OfferEndedEvent: Offers._offer_ended,  # noqa: SLF001
    MatchingEvent: Offers._matching,  # noqa: SLF001
}
