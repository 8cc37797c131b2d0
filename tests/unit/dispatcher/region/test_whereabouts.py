"""Riders hear where their driver is only of what is stored."""

from dispatcher.commit.observing import Observing
from dispatcher.region.whereabouts import Whereabouts
from schemas.codec import decode, encode
from schemas.commands import Fix
from schemas.events import Moved
from schemas.trips import Trip
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import DORA, RITA

NOTHING_STORED = 0


class Told:
    """A town with a trip under way, and what was sent to users."""

    def __init__(self) -> None:
        self.town = Town()
        self.town.driver("dora", 500)
        self.trip = self.town.request(place_m=0)
        self.town.accept(DORA, self.trip)
        self.places: list[tuple[str, float]] = []
        engine, observing = self.town.engine, Observing(self, "main", "ledger")  # type: ignore[arg-type]
        self.whereabouts = Whereabouts(self, "main", engine, observing)  # type: ignore[arg-type]

    def send(self, subject: str, payload: bytes) -> bool:
        if subject.startswith("user."):
            self.places.append((subject, decode(payload, Moved).lat))
        return True

    @property
    def stamp_ms(self) -> int:
        return self.town.engine.stamp_ms

    def hear(self, lat: float, stored_before_ms: int) -> None:
        fixes = [Fix(DORA.id, lat, 0.0, None, None, self.trip.created)]
        self.whereabouts.hear(encode(fixes), self.stamp_ms, stored_before_ms)

    def move(self, kind: str) -> Trip:
        return self.town.move(kind, DORA, self.trip)


RIDERS = f"user.main.{RITA.id}"


def test_what_is_stored_is_told_at_once() -> None:
    told = Told()
    told.hear(0.1, told.stamp_ms + 1)
    assert told.places == [(RIDERS, 0.1)]


def test_the_latest_place_waits_for_the_record() -> None:
    told = Told()
    told.hear(0.1, NOTHING_STORED)
    told.hear(0.2, NOTHING_STORED)
    told.whereabouts.tick(NOTHING_STORED)
    assert not told.places
    told.whereabouts.tick(told.stamp_ms + 1)
    told.whereabouts.tick(told.stamp_ms + 1)
    assert told.places == [(RIDERS, 0.2)]


def test_a_trip_that_moved_in_a_record_under_way_is_told_of_when_it_is_stored() -> None:
    told = Told()
    told.hear(0.1, told.stamp_ms)
    assert not told.places
    told.whereabouts.tick(told.stamp_ms)
    assert not told.places
    told.whereabouts.tick(told.stamp_ms + 1)
    assert told.places == [(RIDERS, 0.1)]


def test_what_waited_is_not_told_behind_what_came_after_it() -> None:
    told = Told()
    told.hear(0.1, NOTHING_STORED)
    told.hear(0.2, told.stamp_ms + 1)
    told.whereabouts.tick(told.stamp_ms + 1)
    assert told.places == [(RIDERS, 0.2)]


def test_of_a_trip_that_ended_meanwhile_nothing_is_told() -> None:
    told = Told()
    told.hear(0.1, NOTHING_STORED)
    for kind in ("arrive", "begin", "complete"):
        told.move(kind)
    told.whereabouts.tick(told.stamp_ms + 1)
    assert not told.places
