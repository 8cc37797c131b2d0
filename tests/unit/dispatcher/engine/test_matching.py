"""Which driver is proposed for which trip: PROTOCOL.md section 7."""

import random
from collections import Counter
from collections.abc import Mapping

import msgspec
import pytest

from dispatcher.engine.matching import (
    Proposal,
    Rules,
    Unmatched,
    due_ms,
    propose,
    reached,
    round_of,
)
from dispatcher.engine.positions import Positions
from dispatcher.engine.rounds import rest
from dispatcher.engine.standing import Standing
from dispatcher.engine.travel import GreatCircle, point
from dispatcher.engine.verdicts import Round
from schemas.commands import Fix
from schemas.matching import Judged, Verdict
from schemas.observations import MARK_CHARS, mark_of
from schemas.times import rfc3339
from tests.unit.dispatcher.engine import situations
from tests.unit.dispatcher.engine.situations import NOW_MS, Situation, Trip, situation

TRAVEL = GreatCircle(situations.DETOUR, situations.SPEED_KMH)
SITUATIONS = 10_000
PARTS = 10
M = 1 / 111_195.08
"""Degrees of latitude in a metre."""


@pytest.mark.parametrize("part", range(PARTS))
def test_pairs_and_verdicts_are_those_of_a_brute_force_reading_of_the_contract(
    part: int,
) -> None:
    for seed in range(part, SITUATIONS, PARTS):
        now = situation(seed)
        trips = [one.unmatched() for one in now.trips]
        positions = now.positions()
        found = proposed(trips, positions, now.rules)
        pairs = situations.pairs(now)
        wanted = [
            (one.trip, one.driver, one.cost_s, one.eta_s, one.distance_m)
            for one in pairs
        ]
        assert [told(one) for one in found] == wanted, f"seed {seed}"
        went = {one.driver: one.trip for one in found}
        judging = Round(positions, TRAVEL, now.rules, NOW_MS, went)
        for trip in now.trips:
            told_of = situations.verdicts(now, trip, pairs)
            check_verdicts(judging, now, trip, told_of, f"seed {seed}, {trip.id}")


def check_verdicts(
    judging: Round,
    now: Situation,
    trip: Trip,
    wanted: Mapping[str, tuple[str, str | None]],
    where: str,
) -> None:
    asked = trip.unmatched()
    for driver in now.drivers:
        one = judging.judge(asked, driver.id)
        assert (one.verdict, one.trip) == wanted[driver.id], f"{where}, {driver.id}"
    made = judging.judgement(asked)
    recorded = as_recorded(judging, now, asked)
    assert recorded == {one: why for one, (why, _) in wanted.items() if one in recorded}
    free = [one.id for one in now.drivers if one.standing.is_free]
    assert recorded.keys() == {one for one in free if one not in trip.passed}, where
    excluded = Counter(verdict for verdict, _ in wanted.values())
    for verdict in ("lost_to", "farther", "chosen"):
        del excluded[verdict]
    assert made.considered == len(now.drivers), where
    assert made.excluded == excluded, where
    costs = sorted(
        situations.cost(now, trip, driver)
        for driver in now.drivers
        if wanted[driver.id][0] not in excluded
    )
    assert made.ranked == [
        Judged(
            cost.driver,
            Verdict(wanted[cost.driver][0]),
            cost.eta_s,
            cost.distance_m,
            cost.cost_s,
            situations.age_s(now, cost.driver),
            wanted[cost.driver][1],
        )
        for cost in costs[:8]
    ], where


def as_recorded(judging: Round, now: Situation, asked: Unmatched) -> dict[str, str]:
    """The verdicts of all whom the ledger takes for free, where only two of them are
    listed, and the rest is told by marks; who is listed is asked there first.
    """
    positions = judging._positions
    look = judging.look(asked, 2)
    listed = {pair.driver for pair in look.cheapest} | set(judging.went)
    found: dict[str, str] = {}
    marks, unlisted = rest(positions, asked, look, listed)
    for driver in now.drivers:
        if not driver.standing.is_free or driver.id in asked.passed:
            continue
        found[driver.id] = unlisted
        for verdict, those in marks.items():
            assert len(those) % MARK_CHARS == 0
            starts = range(0, len(those), MARK_CHARS)
            if mark_of(driver.id) in [those[at : at + MARK_CHARS] for at in starts]:
                found[driver.id] = verdict
        if driver.id in listed:
            found[driver.id] = judging.judge(asked, driver.id).verdict
    return found


def told(one: Proposal) -> tuple[str, str, int, int, int]:
    why = one.evidence
    return one.trip, one.driver, why.cost_s, why.pick_up_eta_s, why.pick_up_distance_m


def proposed(
    trips: list[Unmatched], positions: Positions, rules: Rules | None = None
) -> list[Proposal]:
    return propose(trips, positions.free, TRAVEL, rules or Rules(), NOW_MS)


def drivers(*metres: float, idle_s: tuple[float, ...] = ()) -> Positions:
    """`d0`, `d1`, … so far north of (0, 0)."""
    made = Positions(60_000)
    for number, far in enumerate(metres):
        put(made, f"d{number}", far, (*idle_s, *([0] * 200))[number])
    return made


def put(positions: Positions, driver: str, far_m: float, idle_s: float = 0) -> None:
    fix = Fix(driver, far_m * M, 0, None, None, rfc3339(NOW_MS))
    positions.hear(fix, NOW_MS)
    since_ms = NOW_MS - round(idle_s * 1000)
    positions.stand(driver, Standing(offers=True, idle_since_ms=since_ms))


def trip(name: str = "t", far_m: float = 0, open_s: float = 0) -> Unmatched:
    return Unmatched(name, point(far_m * M, 0), NOW_MS - round(open_s * 1000))


def test_the_older_trip_doesnt_take_the_newer_ones_driver() -> None:
    """Trip by trip, `old` would get d0, and `new` a driver 3 km away."""
    now = drivers(1_000, -2_000)
    found = proposed([trip("old", 0), trip("new", 1_100)], now)
    assert [(one.trip, one.driver) for one in found] == [("new", "d0"), ("old", "d1")]


def test_who_is_as_cheap_goes_by_trip_then_by_driver() -> None:
    now = drivers(500, 500)
    found = proposed([trip("b"), trip("a")], now)
    assert [(one.trip, one.driver) for one in found] == [("a", "d0"), ("b", "d1")]


def test_an_idle_driver_farther_away_comes_first() -> None:
    now = drivers(500, 1_000, idle_s=(0, 600))
    assert proposed([trip()], now)[0].driver == "d1"
    assert proposed([trip()], now, Rules(idle_credit=0))[0].driver == "d0"


def test_who_is_as_cheap_but_not_yet_looked_at_may_come_first() -> None:
    """d0, in the second look, costs what d1 does, in the first: 62 - 20 = 42."""
    now = drivers(333, 224, *[20_000] * 40, idle_s=(100,))
    [only] = proposed([trip()], now)
    assert (only.driver, only.evidence.cost_s) == ("d0", 42)
    whole, _ = list(now.free.around(point(0, 0)))[:2]
    assert "d0" not in {one.driver for one in whole[0] if whole[1] > 333}


def test_those_who_are_too_far_are_counted_to_the_metre() -> None:
    """A metre is 0.19 s; 480 s are 2,564 m, and round to 480 as far as 2,566."""
    now = drivers(*range(2_500, 2_600), *range(10))
    judging = Round(now, TRAVEL, Rules(), NOW_MS, {})
    made = judging.judgement(trip())
    assert made.considered == 110
    assert made.excluded == {"too_far": 33}


@pytest.mark.parametrize("size", [0.04, 0.12])
@pytest.mark.parametrize("needs", [frozenset(), frozenset({"wav"})])
def test_a_crowd_is_counted_as_one_by_one(needs: frozenset[str], size: float) -> None:
    """Thousands, so that whole cells are counted: small ones, and large ones."""
    rnd = random.Random(11)
    now = Positions(60_000)
    for number in range(3_000):
        tags = frozenset({"wav"} if number % 3 else ())
        now.stand(f"d{number}", Standing(offers=True, tags=tags))
        place = rnd.uniform(-size, size), rnd.uniform(-size, size)
        now.hear(Fix(f"d{number}", *place, None, None, rfc3339(NOW_MS)), NOW_MS)
    passed = {f"d{number}": "declined" for number in range(0, 3_000, 40)}
    asked = msgspec.structs.replace(trip(), needs=needs, passed=passed)
    rules = Rules(pick_up_max_s=1_500) if size > 0.1 else Rules()
    judging = Round(now, TRAVEL, rules, NOW_MS, {})
    one_by_one = [judging.judge(asked, f"d{n}").verdict for n in range(3_000)]
    excluded = Counter(one for one in one_by_one if one != Verdict.FARTHER)
    assert excluded["too_far"] > 800
    assert reached(asked, now.free, TRAVEL, rules, NOW_MS).cells or needs
    assert judging.judgement(asked).excluded == excluded


@pytest.mark.parametrize("most_idle_s", [0, 300, 9_000])
@pytest.mark.parametrize("count", [900, 3_000])
def test_the_cheapest_of_a_crowd_are_those_of_looking_at_all(
    count: int, most_idle_s: int
) -> None:
    """Idle credit makes some far away cheaper than many who are near."""
    rnd = random.Random(count + most_idle_s)
    now = Positions(60_000)
    for number in range(count):
        since_ms = NOW_MS - rnd.randrange(most_idle_s + 1) * 1000
        now.stand(f"d{number}", Standing(offers=True, idle_since_ms=since_ms))
        place = rnd.uniform(-0.03, 0.03), rnd.uniform(-0.03, 0.03)
        now.hear(Fix(f"d{number}", *place, None, None, rfc3339(NOW_MS)), NOW_MS)
    judging = Round(now, TRAVEL, Rules(), NOW_MS, {})
    judged = [judging.judge(trip(), f"d{n}") for n in range(count)]
    costs = [
        (one.cost_s, one.driver) for one in judged if one.verdict == Verdict.FARTHER
    ]
    for wanted in (8, 136):
        found = judging.look(trip(), wanted).cheapest
        assert [(one.cost_s, one.driver) for one in found] == sorted(costs)[:wanted]


def test_evidence_tells_distance_eta_cost_age_and_a_rounded_place() -> None:
    now = Positions(60_000)
    now.stand("d", Standing(offers=True, idle_since_ms=NOW_MS - 100_000))
    fix = Fix("d", 0.0123456, -0.0123456, None, None, rfc3339(NOW_MS - 7_000))
    now.hear(fix, NOW_MS - 7_000)
    [only] = proposed([trip()], now)
    why = only.evidence
    assert (why.pick_up_distance_m, why.pick_up_eta_s) == (1_941, 363)
    assert (why.cost_s, why.position_age_s) == (343, 7)
    assert why.position is not None
    assert (why.position.lat, why.position.lon) == (0.0123, -0.0123)


def test_the_cap_is_doubled_once_the_trip_has_been_open_45_s() -> None:
    now = drivers(4_000)
    assert proposed([trip(open_s=44.9)], now) == []
    assert proposed([trip(open_s=45)], now)[0].evidence.pick_up_eta_s == 749


def test_a_round_in_small_steps_pairs_the_same() -> None:
    now = situation(40)
    free = now.positions().free
    trips = [one.unmatched() for one in now.trips]
    steps = list(round_of(trips, free, TRAVEL, now.rules, NOW_MS))
    assert steps.count(None) >= len(trips)
    found = [one for one in steps if one is not None]
    assert found == propose(trips, free, TRAVEL, now.rules, NOW_MS)


def test_who_is_busy_by_the_next_step_is_not_proposed() -> None:
    now = drivers(100, 200)
    steps = round_of([trip()], now.free, TRAVEL, Rules(), NOW_MS)
    assert next(steps) is None
    now.stand("d0", Standing(offers=True, busy=True))
    assert [one.driver for one in steps if one is not None] == ["d1"]


def test_who_has_moved_by_the_next_step_is_ranked_where_they_are() -> None:
    now = drivers(100, 200)
    steps = round_of([trip()], now.free, TRAVEL, Rules(), NOW_MS)
    assert next(steps) is None
    put(now, "d0", 900)
    assert [one.driver for one in steps if one is not None] == ["d1"]


@pytest.mark.parametrize(
    ("window_ms", "asked_ms", "due"),
    [(0, 1234, 1234), (2000, 1234, 2000), (2000, 2000, 2000), (500, 2001, 2500)],
)
def test_rounds_take_place_at_the_windows_ends(
    window_ms: int, asked_ms: int, due: int
) -> None:
    assert due_ms(asked_ms, Rules(window_ms=window_ms)) == due
