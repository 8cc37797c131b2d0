"""A leader with drivers and riders in places, and a standby that follows it; commands
go through the real batches, so that what follows from one lies in its record.
"""

from typing import Any, ClassVar

from dispatcher.engine.batch import Batcher, Writer
from dispatcher.engine.engine import Engine
from dispatcher.engine.limits import Limits, Matching
from schemas.allowances import UNLIMITED
from schemas.codec import decode
from schemas.commands import (
    AcceptTrip,
    Answer,
    AnyCommand,
    AssignTrip,
    DeclineTrip,
    Fix,
    GoOffline,
    GoOnline,
    LiveOffer,
    RequestTrip,
    SyncData,
    SyncUser,
    TagDriver,
)
from schemas.events import (
    DriverEvent,
    Event,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.ledger import Record
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Position, Role, Trip, User
from tests.unit.dispatcher.engine.world import NOON_MS, OLGA, RITA, VERBS, user

TTL_MS = 300_000
TICK_MS = 100
M = 1 / 111_195.08
"""Degrees of latitude in a metre."""


class Town:
    """All on one meridian; places are metres north of its middle."""

    built: ClassVar[list["Town"]] = []
    """For who looks at all of them afterwards."""

    def __init__(self, **matching: Any) -> None:
        self.built.append(self)
        self.limits = Limits(
            request_ttl_ms=TTL_MS, users=UNLIMITED, matching=Matching(**matching)
        )
        self.engine = Engine("main", self.limits)
        self.standby = Engine("main", self.limits)
        self.now_ms = NOON_MS
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.commands = 0
        self._places: dict[str, float] = {}
        self.engine.advance(self.now_ms)
        self._begin(1)
        self.payload = self.engine.snapshot()

    def _begin(self, n: int) -> None:
        self.engine.lead(0)
        self.batcher = Batcher(self.engine, Writer("ledger", n, "writer"), n)

    # ---- doing ---------------------------------------------------------------

    def do(self, command: AnyCommand) -> Answer:
        assert self.batcher.take("reply.g.main", command, self.now_ms)
        answers = {e.answer.id: e.answer for e in self.flush()}
        assert not self.batcher.faults, self.batcher.faults
        return answers[command.id]

    def flush(self) -> list[Any]:
        """Write the open batch; the standby follows."""
        if self.batcher.empty:
            return []
        batch = self.batcher.close()
        record = decode(batch.payload, Record)
        self.records.append(record)
        self.events += record.events
        self.standby.apply_record(record)
        self.batcher.delivered(batch)
        return batch.entries

    def envelope(self, by: User) -> dict[str, Any]:
        self.commands += 1
        deadline_ms = self.now_ms + 10_000
        return {"id": f"{self.commands:032x}", "deadline_ms": deadline_ms, "by": by}

    def wait(self, seconds: float, *, fixes: bool = True) -> list[Event]:
        """Ticks; drivers say every 4 s where they are. What happened meanwhile."""
        known = len(self.events)
        until_ms = self.now_ms + round(seconds * 1000)
        while self.now_ms < until_ms:
            self.now_ms = min(self.now_ms + TICK_MS, until_ms)
            if fixes and self.now_ms % 4_000 == 0:
                for driver in self._places:
                    self._fix(driver)
            self.batcher.expire(self.now_ms)
            self.flush()
        return self.events[known:]

    def take_over(self, *, warm: bool = True) -> None:
        """The standby leads; cold: it has heard no positions."""
        led = Engine("main", self.limits)
        if warm:
            led.hear_from(self.engine.positions)
        for record in self.records:
            led.apply_record(record)
        led.advance(self.now_ms)
        self.engine = led
        self._begin(len(self.records) + 1)

    # ---- people ----------------------------------------------------------------

    def driver(self, name: str, place_m: float | None = 0, **more: Any) -> User:
        """Who asks for offers, and is there; None: nowhere known."""
        who = user(Role.DRIVER, name)
        self.online(who, **({"offers": True} | more))
        if place_m is not None:
            self.at(who, place_m)
        return who

    def online(self, who: User, **more: Any) -> Answer:
        return self.do(GoOnline(**more, **self.envelope(who)))

    def offline(self, who: User) -> Answer:
        return self.do(GoOffline(**self.envelope(who)))

    def at(self, who: User, place_m: float) -> None:
        self._places[who.id] = place_m
        self._fix(who.id)
        self.batcher.expire(self.now_ms)
        self.flush()

    def vanish(self, who: User) -> None:
        """Their phone says nothing more."""
        del self._places[who.id]

    def _fix(self, driver: str) -> None:
        at = rfc3339(self.now_ms)
        fix = Fix(driver, self._places[driver] * M, 0.0, None, None, at)
        self.engine.locate(fix, self.now_ms)

    def tag(self, who: User, *tags: str) -> Answer:
        return self.do(TagDriver(driver=who.id, tags=tags, **self.envelope(OLGA)))

    # ---- trips -----------------------------------------------------------------

    def request(
        self, rider: User = RITA, place_m: float | None = 0, **more: Any
    ) -> Trip:
        pick_up = None if place_m is None else Position(place_m * M, 0.0)
        fields = {"pick_up_address": "A", "drop_off_address": "B", "pick_up": pick_up}
        answer = self.do(RequestTrip(**(fields | more), **self.envelope(rider)))
        return trip_of(answer)

    def move(self, verb: str, by: User, trip: Trip, **more: Any) -> Answer:
        return self.do(VERBS[verb](trip=trip.id, **more, **self.envelope(by)))

    def accept(self, by: User, trip: Trip, offer: str | None = None) -> Answer:
        return self.do(AcceptTrip(trip=trip.id, offer=offer, **self.envelope(by)))

    def decline(self, by: User, trip: Trip, **more: Any) -> Answer:
        return self.do(DeclineTrip(trip=trip.id, **more, **self.envelope(by)))

    def assign(self, trip: Trip, driver: User | None, by: User = OLGA) -> Answer:
        name = "nobody" if driver is None else driver.id
        more: dict[str, Any] = {"sought": True, "found": driver}
        command = AssignTrip(trip=trip.id, driver=name, **more, **self.envelope(by))
        return self.do(command)

    # ---- then ------------------------------------------------------------------

    def sync(self, by: User, since: int | None = None) -> SyncData:
        answer = self.do(SyncUser(since=since, **self.envelope(by)))
        assert answer.data is not None
        return decode(answer.data, SyncData)

    def offers(self, by: User) -> list[LiveOffer]:
        """Theirs that live, as a welcome tells."""
        data = self.sync(by).offers
        assert data is not None
        return decode(data, list[LiveOffer])

    def live(self, by: User) -> LiveOffer:
        (one,) = self.offers(by)
        return one

    def open_trips(self) -> list[str]:
        shown: list[dict[str, Any]] = decode(
            self.engine._state.open_trips(), list[dict[str, Any]]
        )
        return [one["id"] for one in shown]


def trip_of(answer: Answer) -> Trip:
    assert answer.data is not None, answer
    return decode(answer.data, Trip)


def code(answer: Answer) -> Code:
    assert answer.refused is not None, answer
    return answer.refused.code


def told(events: list[Event]) -> list[str]:
    """In short: what happened, and to whom."""
    return [_SHORT[type(event)](event) for event in events]


def _of_driver(event: DriverEvent) -> str:
    name = event.driver.removeprefix("driver-")
    return f"{name} {'online' if event.online else 'offline'} {event.why}"


_SHORT: dict[type[Any], Any] = {
    TripEvent: lambda e: e.type,
    DriverEvent: _of_driver,
    OfferEvent: lambda e: f"offered to {e.driver.removeprefix('driver-')}",
    OfferEndedEvent: lambda e: f"{e.why} of {e.driver.removeprefix('driver-')}",
    MatchingEvent: lambda e: f"matching {e.matching}",
}


def frozen(engine: Engine, stamp_ms: int) -> bytes:
    engine.advance(stamp_ms)
    return engine.snapshot()
