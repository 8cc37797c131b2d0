"""Whatever drivers, riders, leaders, clocks and matchers do, by the events alone:
nobody is offered what they may not be, and no trip hangs.
"""

from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.engine.feed import feed_entry
from dispatcher.engine.matching import Proposal, propose
from schemas.events import (
    MATCHED,
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.matching import Evidence
from schemas.trips import DRIVING, Role, Status, Trip, User
from tests.unit.dispatcher.engine.town import Town, frozen
from tests.unit.dispatcher.engine.world import OLGA, restart, user

RIDERS = [user(Role.RIDER, f"r{n}") for n in range(3)]
DRIVERS = [user(Role.DRIVER, f"d{n}") for n in range(4)]
OFFERS_MAX = 3
STEPS = 120


class Witness:
    """Reads the ledger as PROTOCOL.md section 7 would have it."""

    def __init__(self) -> None:
        self.trips: dict[str, Trip] = {}
        self.matched: set[str] = set()
        self.live: dict[str, OfferEvent] = {}
        self.rounds: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.passed: dict[str, dict[str, str]] = {}
        self.ended: dict[str, tuple[OfferEvent, str, int]] = {}
        """Offer → it, how it ended, when; those of which its driver was told."""
        self.untold: dict[str, OfferEvent] = {}
        self.duty: dict[str, tuple[bool, bool]] = {}
        """Driver → (online, wants offers)."""
        self.feed = 0

    def see(self, event: Event) -> None:
        if isinstance(event, TripEvent):
            self._trip(event)
        elif isinstance(event, DriverEvent):
            self.duty[event.driver] = (event.online, event.offers)
            if not (event.online and event.offers):
                self._over(self._of(event.driver))
        elif isinstance(event, OfferEvent):
            self._offer(event)
        elif isinstance(event, OfferEndedEvent):
            self._ended(event)
        elif isinstance(event, MatchingEvent):
            assert event.trip.id in self.matched
            if event.matching not in MATCHED:
                assert event.trip.id not in self.live
                self.matched.discard(event.trip.id)
        entry = feed_entry(event)
        if entry is not None:
            self.feed += 1
            assert entry.n == self.feed

    def _trip(self, event: TripEvent) -> None:
        trip = event.trip
        before = self.trips.get(trip.id)
        assert trip.version == (before.version if before else 0) + 1
        was_matched = trip.id in self.matched
        if event.type == "trip.started":
            assert trip.driver is not None
            if was_matched and event.by != OLGA.id:
                self._accepted(event, trip.driver.id)
            accepted = self.live.get(trip.id)
            if accepted is not None and accepted.offer == event.offer:
                del self.live[trip.id]
                self.ended[event.offer] = (accepted, "accepted", event.at_ms)
            self._over(self.live.get(trip.id))
            self._over(self._of(trip.driver.id))
        elif trip.status is not Status.REQUESTED:
            self._over(self.live.get(trip.id))
        self.matched.discard(trip.id)
        self.trips[trip.id] = trip
        passed = self.passed.setdefault(trip.id, {})
        if trip.status is Status.REQUESTED:
            self.made[trip.id] = 0
            for driver in [d for d, why in passed.items() if why != "released"]:
                del passed[driver]
            if before is not None and before.driver is not None:
                passed[before.driver.id] = "released"
            if event.matching in MATCHED:
                self.matched.add(trip.id)
                assert not event.feed
        elif before is not None and before.status is Status.REQUESTED:
            assert bool(event.feed) is not was_matched

    def _accepted(self, event: TripEvent, driver: str) -> None:
        live = self.live.get(event.trip.id)
        if live is not None and live.offer == event.offer:
            assert live.driver == driver
            return
        offer, why, at_ms = self.ended[event.offer]
        assert (offer.driver, why) == (driver, "expired")
        assert event.at_ms <= at_ms + 2_000

    def _offer(self, event: OfferEvent) -> None:
        trip, driver = event.trip.id, event.driver
        assert trip in self.matched
        assert self.trips[trip].status is Status.REQUESTED
        assert trip not in self.live
        assert self._of(driver) is None
        assert self.duty[driver] == (True, True)
        assert not any(
            one.driver is not None and one.driver.id == driver
            for one in self.trips.values()
            if one.status in DRIVING
        )
        assert driver not in self.passed[trip]
        assert event.round == self.rounds.get(trip, 0) + 1
        self.rounds[trip] = event.round
        self.made[trip] += 1
        assert self.made[trip] <= OFFERS_MAX
        self.live[trip] = event

    def _ended(self, event: OfferEndedEvent) -> None:
        live = self.live.get(event.trip)
        if live is not None and live.offer == event.offer:
            assert event.why in {"declined", "expired"}
            del self.live[event.trip]
            how = "declined" if event.why == "declined" else "missed"
            if self.passed[event.trip].get(event.driver) != "released":
                self.passed[event.trip][event.driver] = how
        else:
            live = self.untold.pop(event.offer)
            assert event.why in {"taken", "cancelled", "withdrawn"}
        assert event.offer not in self.ended
        assert event.driver == live.driver
        self.ended[event.offer] = (live, event.why, event.at_ms)

    def _of(self, driver: str) -> OfferEvent | None:
        return next((o for o in self.live.values() if o.driver == driver), None)

    def _over(self, live: OfferEvent | None) -> None:
        if live is not None:
            del self.live[live.trip.id]
            self.untold[live.offer] = live


class Play:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.town = Town(
            offers_max=OFFERS_MAX,
            broadcast_after_ms=self.random.choice((0, 20_000, 60_000)),
            offer_ttl_ms=self.random.choice((500, 5_000, 15_000)),
            missed_offers_max=self.random.choice((1, 2)),
            window_ms=self.random.choice((0, 0, 400)),
        )
        self.witness = Witness()
        self.seen = 0
        for driver in DRIVERS:
            self.town.online(driver, offers=True)
            self.town.at(driver, self.place())

    def place(self) -> float:
        return self.random.choice((0, 300, 1_000, 2_000, 5_000))

    def trip(self) -> Trip | None:
        held = list(self.witness.trips.values())[-4:]
        return self.random.choice(held) if held else None

    def offer(self) -> str | None:
        known = [*self.witness.ended, *(o.offer for o in self.witness.live.values())]
        return self.random.choice([None, "nonsense", *known[-4:]])

    def step(self) -> None:
        random, town = self.random, self.town
        driver, trip = random.choice(DRIVERS), self.trip()
        steps: list[tuple[int, Any]] = [
            (20, self.request),
            (10, lambda: town.at(driver, self.place())),
            (6, lambda: town.online(driver, offers=True)),
            (2, lambda: town.online(driver)),
            (1, lambda: town.online(driver, offers=False)),
            (2, lambda: town.offline(driver)),
            (25, lambda: town.wait(random.choice((0.1, 0.5, 1, 2, 5, 16)))),
            (3, lambda: self.take_over(warm=random.random() < 0.5)),
            (5, self.garbage),
        ]
        if trip is not None:
            steps += [
                (30, lambda: town.accept(self.asked(trip), trip, self.offer())),
                (10, lambda: town.decline(self.asked(trip), trip, offer=self.offer())),
                (20, lambda: self.drive_on(trip)),
                (3, lambda: town.assign(trip, driver)),
            ]
        weights = [weight for weight, _ in steps]
        random.choices(steps, weights)[0][1]()
        self.look()

    def request(self) -> None:
        rider = self.random.choice(RIDERS)
        if not any(
            one.rider.id == rider.id
            and (one.status is Status.REQUESTED or one.status in DRIVING)
            for one in self.witness.trips.values()
        ):
            self.town.request(rider, self.random.choice((None, 0, 0, 0, 0, 500, 1_500)))

    def asked(self, trip: Trip) -> User:
        """Mostly whoever is asked."""
        live = self.witness.live.get(trip.id)
        if live is not None and self.random.random() < 0.7:
            return next(d for d in DRIVERS if d.id == live.driver)
        return self.random.choice(DRIVERS)

    def drive_on(self, trip: Trip) -> None:
        verb = self.random.choice(
            ("begin", "complete", "complete", "release", "cancel")
        )
        known = self.witness.trips[trip.id]
        mine = [d for d in DRIVERS if d.id in known.participants()]
        anybody = [self.random.choice((*DRIVERS, *RIDERS))]
        self.town.move(verb, self.random.choice((mine or anybody) * 3 + anybody), trip)

    def take_over(self, *, warm: bool) -> None:
        self.town.take_over(warm=warm)

    def garbage(self) -> None:
        """A matcher gone mad."""
        evidence = Evidence(1, 1, 1, 1, None)
        trips = [*self.witness.trips, "none"]
        self.town.engine._market.found += [
            Proposal(self.random.choice(trips), d.id, evidence)
            for d in self.random.choices(DRIVERS, k=3)
        ]
        self.town.wait(0.1)

    def look(self) -> None:
        for event in self.town.events[self.seen :]:
            self.witness.see(event)
        self.seen = len(self.town.events)
        assert self.witness.untold == {}
        state = self.town.standby._state
        lives = {t: c.live.offer for t, c in state.offers.courses.items() if c.live}
        assert lives == {t: o.offer for t, o in self.witness.live.items()}
        assert set(state.untold) == self.witness.matched

    def pairs_left(self) -> list[Proposal]:
        """Whom a look at all trips and all free drivers would pair now."""
        market, now_ms = self.town.engine._market, self.town.now_ms
        if market._asked_ms is not None and market._rules.window_ms:
            return []  # they are, when the window ends
        rules = replace(market._rules, window_ms=0)
        market.positions.expire(now_ms)
        trips = list(market.open.values())
        return propose(trips, market.positions.free, market.travel, rules, now_ms)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
@example(48984296)  # found for a trip at the instant at which all are told of it
def test_offers_keep_the_contract(seed: int) -> None:
    play = Play(seed)
    for _ in range(STEPS):
        play.step()
        if play.random.random() < 0.2:
            play.town.wait(1)
            play.look()
            assert play.pairs_left() == []
    play.town.wait(301)
    play.look()
    trips = play.witness.trips.values()
    assert not [one for one in trips if one.status is Status.REQUESTED]
    assert not play.witness.live
    town = play.town
    stamp_ms = max(town.engine.stamp_ms, town.standby.stamp_ms)
    expected = frozen(town.engine, stamp_ms)
    assert frozen(town.standby, stamp_ms) == expected
    restarted = restart(town.payload, town.records, town.limits)
    assert frozen(restarted, stamp_ms) == expected
