"""What a leader tells of offers, to Prometheus and to who watches, from the events of
stored records alone.

Holds when each open trip was opened, so that waits are told without asking an engine
that is ahead of the record.
"""

import time

from dispatcher import metrics
from dispatcher.engine.batch import Batch
from dispatcher.engine.engine import Engine
from dispatcher.engine.figures import Flow
from dispatcher.engine.transitions import REQUESTED, STARTED
from schemas.events import (
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)


class OfferMetrics:
    """Of one lead."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._opened: dict[str, int] = {}
        """Trip without a driver → the stamp of its opening; the oldest first."""
        self.flow = Flow()
        self._turns: list[float] = []
        self._rounds = metrics.rounds.labels(region)
        self._made = metrics.offers_made.labels(region)
        self._ended = {
            end: metrics.offers_ended.labels(region, end) for end in metrics.OFFER_ENDS
        }
        self._matchings = {
            how: metrics.matchings.labels(region, how) for how in metrics.MATCHINGS
        }
        self._first_offer = metrics.first_offer_seconds.labels(region)
        self._match = metrics.match_seconds.labels(region)

    def begin(self, engine: Engine) -> None:
        self._opened = engine.opened()
        self._turns = engine.time_matching(time.perf_counter)

    def take(self, batch: Batch) -> None:
        """Of a stored record."""
        if batch.seen:
            self._rounds.inc(len(batch.seen))
        for event in batch.events:
            if type(event) is TripEvent:
                self._trip(event)
            else:
                self.note(event)

    def note(self, event: Event) -> None:
        if isinstance(event, TripEvent):
            self._trip(event)
        elif isinstance(event, OfferEvent):
            self._offer(event)
        elif isinstance(event, OfferEndedEvent):
            self._ended[event.why].inc()
            self.flow.ended(event.at_ms, accepted=False)
        elif isinstance(event, MatchingEvent):
            self._how(event.matching)

    def _trip(self, event: TripEvent) -> None:
        trip = event.trip
        if trip.status is REQUESTED:
            self._opened[trip.id] = event.at_ms
            self._how(event.matching)
            return
        opened_ms = self._opened.pop(trip.id, None)
        if opened_ms is not None and trip.status is STARTED:
            self._match.observe((event.at_ms - opened_ms) / 1000)
            self.flow.waited(event.at_ms, event.at_ms - opened_ms)
        if event.offer:
            self._ended["accepted"].inc()
            self.flow.ended(event.at_ms, accepted=True)

    def _offer(self, event: OfferEvent) -> None:
        self._made.inc()
        self.flow.made(event.at_ms)
        opened_ms = self._opened.get(event.trip.id)
        if event.round == 1 and opened_ms is not None:
            self._first_offer.observe((event.at_ms - opened_ms) / 1000)

    def _how(self, how: str) -> None:
        if how:
            self._matchings[how].inc()

    def tell(self, now_ms: int) -> None:
        """About once a second: the oldest open trip's age, and the matcher's time."""
        oldest_ms = next(iter(self._opened.values()), now_ms)
        age_s = max(0, now_ms - oldest_ms) / 1000
        metrics.oldest_open_seconds.labels(self._region).set(age_s)
        took = metrics.matching_seconds.labels(self._region)
        for seconds in self._turns:
            took.observe(seconds)
        self._turns.clear()
