"""What is explained of a driver in a round, from rows and the leader's record, is what
held as the leader decided: for every driver of a town in which anything happens.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Struct

from dispatcher.engine import rounds as seeing
from dispatcher.engine.engine import Engine
from persistence.history.explaining import About, explain_driver
from persistence.projected.dispatch import DispatchRow
from persistence.projected.projection import EventRow, dispatch_of_move, read_record
from schemas import codec
from schemas.events import OfferEvent
from schemas.explanations import NOT_RECORDED
from schemas.matching import RANKED_MAX, Verdict
from schemas.observations import MARK_CHARS, MARKS_MAX, ROUND_BYTES_MAX, Round
from schemas.times import rfc3339
from schemas.trips import Role, Trip, User
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import user

TRUTH: dict[tuple[int, str], dict[str, str]] = {}
"""(seq, trip) of a round → driver → their verdict, as the leader had it."""


class Noting(Engine):
    """A leader who writes down the verdict of every driver of each round."""

    def offers(self, seq: int) -> tuple[OfferEvent, ...]:
        known = len(self.seen)
        made = super().offers(seq)
        went = {offer.driver: offer.trip.id for offer in made}
        judge = self._market.judge(self.stamp_ms, went)
        for seen in self.seen[known:]:
            trip = self._market.open[seen.trip]
            TRUTH[seen.seq, seen.trip] = {
                driver: self._of(driver) or judge.judge(trip, driver).verdict.value
                for driver in DRIVERS
            }
        return made

    def _of(self, driver: str) -> str | None:
        """Of who isn't on duty the matcher knows nothing; the ledger does."""
        if driver in self._state.offline:
            return Verdict.OFFLINE.value
        return Verdict.BUSY.value if driver in self._state.drivers else None


class Watched(Town):
    """Its leader notes; what it saw is kept as MATCHES would."""

    def __init__(self, **matching: Any) -> None:
        super().__init__(**matching)
        self.engine = Noting("main", self.limits)
        self.engine.advance(self.now_ms)
        self._begin(1)
        self.rounds: list[Round] = []

    def flush(self) -> list[Any]:
        batch = self.batcher.batch
        if batch is not None:
            self.rounds += [codec.decode(codec.encode(o), Round) for o in batch.seen]
        return super().flush()

    def facts(self) -> list[DispatchRow]:
        found: list[DispatchRow] = []
        for record in self.records:
            rows, bad = read_record("LEDGER_main", record.n, codec.encode(record))
            assert not bad
            found += [row for row in rows if isinstance(row, DispatchRow)]
            moves = [row for row in rows if isinstance(row, EventRow)]
            found += [row for row in map(dispatch_of_move, moves) if row is not None]
        return sorted(found, key=lambda row: row.seq)


NAMES = [f"d{n}" for n in range(12)]
PEOPLE = [user(Role.DRIVER, name) for name in NAMES]
DRIVERS = [one.id for one in PEOPLE]


class Life(Struct):
    """Anything that may happen to people of a town."""

    town: Watched
    by: random.Random
    trips: list[Trip] = []

    def step(self) -> None:
        town, by = self.town, self.by
        driver = by.choice(PEOPLE)
        deed = by.random()
        if deed < 0.3:
            town.at(driver, by.choice((0, 300, 900, 1500, 2500, 4000)))
        elif deed < 0.45:
            self._request()
        elif deed < 0.6:
            self._answer(driver)
        elif deed < 0.7:
            self._move()
        elif deed < 0.78:
            town.online(driver, offers=by.random() < 0.9)
        elif deed < 0.84:
            town.offline(driver)
        elif deed < 0.88 and driver.id in town._places:
            town.vanish(driver)
        else:
            town.wait(by.choice((0.1, 1, 9, 30)), fixes=by.random() < 0.7)

    def _request(self) -> None:
        rider = user(Role.RIDER, f"r{len(self.trips)}")
        place_m = self.by.choice((0, 100, 1000, 3000))
        self.trips.append(self.town.request(rider, place_m))

    def _answer(self, driver: User) -> None:
        for offer in self.town.offers(driver):
            trip = codec.decode(offer.trip, dict[str, Any])["id"]
            at = next(one for one in self.trips if one.id == trip)
            verb = self.town.accept if self.by.random() < 0.5 else self.town.decline
            verb(driver, at)

    def _move(self) -> None:
        for trip in self.trips:
            held = self.town.engine._state.trips.get(trip.id)
            if held is None or held.trip.driver is None:
                continue
            driver = next(d for d in PEOPLE if d.id == held.trip.driver.id)
            verb = self.by.choice(("release", "arrive", "complete", "cancel"))
            self.town.move(verb, driver, trip)
            return


def about(town: Watched, facts: Sequence[DispatchRow], trip: str) -> About:
    rounds = [("ledger", one) for one in town.rounds if one.trip == trip]
    return About(trip, [row for row in facts if row.trip_id == trip], rounds, {})


@pytest.mark.parametrize(("others_max", "marks_max"), [(128, 0), (1, 12), (1, 3)])
@pytest.mark.parametrize("seed", range(12))
def test_every_driver_of_every_round_is_explained_as_it_was(
    seed: int, others_max: int, marks_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few are listed: the rest is told by marks. Where these are too many, it
    may be that it can't be told; it is never told wrong.
    """
    for name in ("FEW", "OTHERS_MAX"):
        monkeypatch.setattr(seeing, name, others_max)
    monkeypatch.setattr(seeing, "MARKS_MAX", marks_max)
    TRUTH.clear()
    town = Watched(position_max_age_ms=20_000, pick_up_max_s=300)
    for driver in PEOPLE:
        town.online(driver, offers=True)
    life = Life(town, random.Random(seed))
    for _ in range(250):
        life.step()
    facts = town.facts()
    assert town.rounds
    untold = 0
    theirs = {d: [row for row in facts if row.driver_id == d] for d in DRIVERS}
    for trip in {one.trip for one in town.rounds}:
        truths = [TRUTH[o.seq, o.trip] for o in town.rounds if o.trip == trip]
        asked = about(town, facts, trip)
        for driver in DRIVERS:
            rounds = explain_driver(asked, driver, theirs[driver]).rounds
            told = [one.verdict for one in rounds]
            assert len(told) == len(truths)
            for said, truth in zip(told, truths, strict=True):
                untold += said == NOT_RECORDED
                if said != NOT_RECORDED:
                    assert said == truth[driver], (trip, driver)
    if marks_max >= len(DRIVERS):
        assert not untold


@pytest.mark.parametrize(("count", "is_told"), [(4_500, True), (6_600, False)])
def test_a_record_has_at_most_so_many_bytes_however_many_there_are(
    count: int, *, is_told: bool
) -> None:
    town = Watched()
    for number in range(count):
        place = number % 900, None, 5_000 + number
        town.driver(f"{number}-{'x' * 50}", place[number % 3])
    town.request()
    (seen,) = town.rounds
    assert len(seen.ranked) == RANKED_MAX
    assert len(seen.others) == seeing.OTHERS_MAX
    marks = sum(map(len, seen.marks.values()))
    assert len(codec.encode(seen)) + MARKS_MAX * MARK_CHARS - marks <= ROUND_BYTES_MAX
    assert bool(seen.unlisted) is bool(marks) is is_told


def test_a_trip_that_loses_a_driver_to_another_is_remembered_too() -> None:
    """As the nearest of both goes to the one whose pick-up is nearer."""
    town = Watched(window_ms=2_000)
    town.wait(0.1)
    ann = town.driver("ann", 5_000)
    near = town.request(user(Role.RIDER, "near"), 0)
    far = town.request(user(Role.RIDER, "far"), 500)
    town.at(ann, -100)
    town.wait(4)
    by_trip = {one.trip: one for one in town.rounds}
    assert by_trip.keys() == {near.id, far.id}
    (lost,) = by_trip[far.id].ranked
    assert (lost.driver, lost.verdict, lost.trip) == (
        ann.id,
        Verdict.LOST_TO,
        near.id,
    )
    assert by_trip[far.id].seq == by_trip[near.id].seq
    assert by_trip[far.id].rider == "rider-far"


def test_a_round_says_when_it_was_and_what_came_of_it() -> None:
    town = Watched()
    ann = town.driver("ann", 800)
    trip = town.request()
    (seen,) = town.rounds
    (offer,) = [one for one in town.events if isinstance(one, OfferEvent)]
    assert (seen.seq, seen.round, seen.trip) == (offer.seq, offer.round, trip.id)
    assert rfc3339(seen.at_ms) == rfc3339(offer.at_ms)
    (ranked,) = seen.ranked
    assert (ranked.driver, ranked.verdict) == (ann.id, Verdict.CHOSEN)
    assert ranked.pick_up_distance_m == offer.evidence.pick_up_distance_m
    assert ranked.cost_s == offer.evidence.cost_s
