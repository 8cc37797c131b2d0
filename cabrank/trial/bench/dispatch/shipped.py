"""The shipped engine as a policy: every request, answer, offer and expiry is decided by
what leads a region, in the evening's time. Pure.
"""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from cabrank.trial.bench.dispatch.evening import (
    BEGIN_MS,
    FIX_EVERY_S,
    Driver,
    Evening,
    Trip,
)
from cabrank.trial.bench.dispatch.people import Answer
from dispatcher.engine.engine import Decided, Engine, Limits
from dispatcher.engine.limits import Matching
from dispatcher.region.match_limits import matching_of, ms
from runtime.settings import Settings
from schemas import commands
from schemas.codec import encode
from schemas.commands import Fix
from schemas.events import (
    MATCHED,
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEvent,
    TripEvent,
)
from schemas.times import rfc3339
from schemas.trips import Position, Role, Status, User

REGION = "bench"
TICK_S = 1.0
"""How often a leader looks at what relaxes by itself."""
NEVER_MS = 2**53
PAUSE_S = 120.0
"""After which a driver who was taken offline for not answering comes back."""


class Shipped:
    """`relaxed_ms`: after which the cap relaxes; None: as it is shipped."""

    def __init__(self, settings: Settings, relaxed_ms: int | None = None) -> None:
        self._settings = settings
        # What is tried is matching, whatever CABRANK_MATCHING says of regions.
        matching = replace(matching_of(settings, REGION), policy=Matching().policy)
        if relaxed_ms is not None:
            matching = replace(matching, relaxed_ms=relaxed_ms)
        limits = Limits(ms(settings.request_ttl_s), matching=matching)
        self._engine = Engine(REGION, limits)
        self._ids: dict[int, str] = {}
        """Trip → the engine's id."""
        self._trips: dict[str, Trip] = {}
        self._riders: dict[int, User] = {}
        self._live: dict[str, str] = {}
        """The engine's trip → its live offer."""
        self._told: dict[str, Trip] = {}
        """Open trips that all were told of."""
        self._commands = 0
        self._wakes_s = -1.0

    # ---- what the evening tells ----------------------------------------------

    def begin(self, evening: Evening) -> None:
        self._evening = evening
        self._drivers = {_driver(one).id: one for one in evening.drivers}
        self._engine.advance(BEGIN_MS)
        self._engine.lead(0)
        for driver in evening.drivers:
            self._locate(driver)
            self._ask(commands.GoOnline, _driver(driver), offers=True)
        self._tick()

    def opened(self, trip: Trip) -> None:
        ask = trip.request
        rider = _user(Role.RIDER, trip.number)
        self._riders[trip.number] = rider
        events = self._ask(
            commands.RequestTrip,
            rider,
            pick_up_address="A",
            drop_off_address="B",
            pick_up=Position(ask.pick_up.lat, ask.pick_up.lon),
            drop_off=Position(ask.drop_off.lat, ask.drop_off.lon),
        )
        [made] = [one for one in events if isinstance(one, TripEvent)]
        self._ids[trip.number] = made.trip.id
        self._trips[made.trip.id] = trip
        if made.matching not in MATCHED:
            self._tell_all(made.trip.id)
        self._go_on()

    def left(self, trip: Trip) -> None:
        rider = self._riders.pop(trip.number)
        self._ask(commands.CancelTrip, rider, trip=self._over(trip))
        self._go_on()

    def answered(self, trip: Trip, driver: Driver, answer: Answer) -> None:
        """A late answer is refused, as ever."""
        trip_id = self._ids[trip.number]
        does = commands.AcceptTrip if answer is Answer.ACCEPT else commands.DeclineTrip
        events = self._ask(does, _driver(driver), trip=trip_id)
        if any(_is(one, Status.STARTED) for one in events):
            self._told.pop(trip_id, None)
            self._evening.match(trip, driver)
        self._go_on()

    def freed(self, driver: Driver) -> None:
        by = _driver(driver)
        trip = self._engine.driving(by.id)
        assert trip is not None
        self._ask(commands.BeginTrip, by, trip=trip.id)
        self._ask(commands.CompleteTrip, by, trip=trip.id)
        done = self._trips[trip.id]
        self._riders.pop(done.number, None)
        self._over(done)
        self._hear(driver)
        for told in list(self._told.values()):
            self._evening.offer(told, driver)
        self._go_on()

    # ---- inside --------------------------------------------------------------

    @property
    def _now_ms(self) -> int:
        return BEGIN_MS + round(self._evening.now_s * 1000)

    def _over(self, trip: Trip) -> str:
        trip_id = self._ids.pop(trip.number)
        del self._trips[trip_id]
        self._told.pop(trip_id, None)
        return trip_id

    def _ask(self, command: Any, by: User, **data: Any) -> tuple[Event, ...]:
        """A command, decided and applied; nothing where it is refused."""
        self._commands += 1
        engine = self._engine
        engine.advance(self._now_ms)
        asked = command(
            id=f"{self._commands:032x}",
            deadline_ms=self._now_ms + commands.COMMAND_DEADLINE_MS,
            by=by,
            **data,
        )
        outcome = engine.decide(asked, engine.head_seq + 1)
        if not isinstance(outcome, Decided):
            return ()
        self._apply(outcome.events)
        return outcome.events

    def _apply(self, events: Iterable[Event]) -> None:
        for event in events:
            self._engine.apply(event, encode(event))
            if isinstance(event, OfferEvent):
                trip = self._trips[event.trip.id]
                self._evening.offer(trip, self._drivers[event.driver])
            elif isinstance(event, MatchingEvent) and event.matching not in MATCHED:
                self._tell_all(event.trip.id)
            elif isinstance(event, DriverEvent) and event.why == "missed_offers":
                self._pause(self._drivers[event.driver])
            elif isinstance(event, TripEvent) and _is(event, Status.EXPIRED):
                self._told.pop(event.trip.id, None)

    def _go_on(self) -> None:
        """What is due, and what comes of it, until nothing is."""
        engine = self._engine
        engine.advance(self._now_ms)
        while True:
            events: tuple[Event, ...] = engine.due(engine.head_seq + 1)
            if not events and engine.seek(self._now_ms):
                events = engine.offers(engine.head_seq + 1)
                if not events:
                    continue
            if not events:
                break
            self._apply(events)
        due_ms = engine.next_due_ms()
        if due_ms is not None:
            at_s = max(self._evening.now_s, (due_ms - BEGIN_MS) / 1000)
            if at_s != self._wakes_s:
                self._wakes_s = at_s
                self._evening.at(at_s, self._go_on)

    def _tick(self) -> None:
        self._go_on()
        self._evening.at(self._evening.now_s + TICK_S, self._tick)

    def _tell_all(self, trip_id: str) -> None:
        """What follows where no driver is found by offers."""
        trip = self._told[trip_id] = self._trips[trip_id]
        for driver in self._evening.drivers:
            if driver.trip is None:
                self._evening.offer(trip, driver)

    def _pause(self, driver: Driver) -> None:
        def comes_back() -> None:
            if self._is_silent(driver):
                self._pause(driver)
                return
            self._ask(commands.GoOnline, _driver(driver))
            self._go_on()

        self._evening.at(self._evening.now_s + PAUSE_S, comes_back)

    def _is_silent(self, driver: Driver) -> bool:
        return self._evening.people.is_silent(driver.number, self._evening.now_s)

    def _hear(self, driver: Driver) -> None:
        where, at = driver.place, rfc3339(self._now_ms)
        fix = Fix(_driver(driver).id, where.lat, where.lon, None, None, at)
        self._engine.locate(fix, self._now_ms)

    def _locate(self, driver: Driver) -> None:
        """Again and again; of who is on a trip, from where it will end."""
        if not self._is_silent(driver):
            self._hear(driver)
        every_s = min(FIX_EVERY_S, self._settings.position_max_age_s / 2)
        self._evening.at(self._evening.now_s + every_s, lambda: self._locate(driver))


def _is(event: Event, status: Status) -> bool:
    return isinstance(event, TripEvent) and event.trip.status is status


def _user(role: Role, number: int) -> User:
    name = f"{role.value}{number:06d}"
    return User(name, name, "", "", role)


def _driver(driver: Driver) -> User:
    return _user(Role.DRIVER, driver.number)
