"""Where drivers are: what counts, for how long, and how much of it is kept."""

import gc
import math
import random
import tracemalloc

import h3.api.basic_int as h3
import pytest

from dispatcher.engine.free import COARSE, EDGES_M, FINE, LEAST_EDGE, RADII_M
from dispatcher.engine.positions import FORGET_MS, REORDERED_MS, SPOT_BYTES, Positions
from dispatcher.engine.standing import NEW, Standing
from dispatcher.engine.travel import metres, point
from schemas.commands import Fix
from schemas.matching import Verdict
from schemas.observations import mark_of
from schemas.times import rfc3339

NOW_MS = 1_795_255_200_000
MAX_AGE_MS = 60_000
FREE = Standing(offers=True)
PLACES = ("*/dispatcher/engine/*.py", "*/schemas/*.py", "*/h3/*.py")
"""Whose memory a driver's position takes."""


def positions(bytes_max: int = 2**20) -> Positions:
    return Positions(MAX_AGE_MS, bytes_max)


def fix(lat: float, lon: float, at_ms: int = NOW_MS, driver: str = "d") -> Fix:
    return Fix(driver, lat, lon, None, None, rfc3339(at_ms))


def place(of: Positions, driver: str = "d") -> tuple[float, float]:
    spot = of.spot(driver)
    assert spot is not None
    return spot.lat, spot.lon


def near(of: Positions, lat: float, lon: float, within_m: float) -> set[str]:
    """Free drivers so near, as a search from there finds them."""
    here = point(lat, lon)
    found = set()
    for spots, whole_m in of.free.around(here):
        found |= {one.driver for one in spots if metres(one, here) <= within_m}
        if whole_m >= within_m:
            break
    return found


# ---- which fix counts ----------------------------------------------------------


def test_the_fix_that_is_later_by_its_own_clock_counts() -> None:
    now = positions()
    assert now.hear(fix(1, 1, NOW_MS - 1_000), NOW_MS)
    assert not now.hear(fix(2, 2, NOW_MS - 2_000), NOW_MS + 10)
    assert place(now) == (1, 1)
    assert now.hear(fix(1.001, 1, NOW_MS - 1_000), NOW_MS + 20)
    assert place(now) == (1.001, 1)


def test_a_fix_from_the_future_freezes_none_that_follow() -> None:
    now = positions()
    now.hear(fix(1, 1, NOW_MS + 86_400_000), NOW_MS)
    spot = now.spot("d")
    assert spot is not None
    assert spot.at_ms == NOW_MS
    assert now.hear(fix(1.001, 1, NOW_MS + 1), NOW_MS + 1)
    assert place(now) == (1.001, 1)


def test_a_clock_that_is_behind_costs_nobody_their_place() -> None:
    """Age counts by when a fix arrived."""
    now = positions()
    now.stand("d", FREE)
    now.hear(fix(1, 1, NOW_MS - 10 * 365 * 86_400_000), NOW_MS)
    now.expire(NOW_MS + MAX_AGE_MS)
    assert near(now, 1, 1, 10) == {"d"}


def test_a_clock_that_is_set_back_freezes_a_driver_for_a_moment_only() -> None:
    now = positions()
    now.hear(fix(1, 1, NOW_MS), NOW_MS)
    late_ms = NOW_MS + REORDERED_MS
    assert not now.hear(fix(1.001, 1, NOW_MS - 3_600_000), late_ms - 1)
    assert now.hear(fix(1.001, 1, NOW_MS - 3_600_000), late_ms)


def test_an_instant_that_is_none_is_now() -> None:
    now = positions()
    assert now.hear(Fix("d", 1, 1, None, None, "soon"), NOW_MS)
    spot = now.spot("d")
    assert spot is not None
    assert spot.at_ms == NOW_MS


def test_a_stray_fix_costs_a_driver_nothing() -> None:
    now = positions()
    now.stand("d", FREE)
    now.hear(fix(59.91, 10.75), NOW_MS)
    assert not now.hear(fix(0, 0, NOW_MS + 1_000), NOW_MS + 1_000)
    assert near(now, 59.91, 10.75, 10) == {"d"}
    assert now.hear(fix(59.911, 10.75, NOW_MS + 2_000), NOW_MS + 2_000)
    assert not now.hear(fix(0, 0, NOW_MS + 3_000), NOW_MS + 3_000)
    assert place(now) == (59.911, 10.75)


def test_who_really_is_1000_km_away_is_believed_the_second_time() -> None:
    now = positions()
    now.stand("d", FREE)
    now.hear(fix(59.91, 10.75), NOW_MS)
    now.hear(fix(50.9, 10.75, NOW_MS + 1_000), NOW_MS + 1_000)
    assert now.hear(fix(50.901, 10.75, NOW_MS + 2_000), NOW_MS + 2_000)
    assert near(now, 50.901, 10.75, 10) == {"d"}
    assert near(now, 59.91, 10.75, 10) == set()


def test_a_journey_that_takes_its_time_is_believed_at_once() -> None:
    now = positions()
    now.hear(fix(59.91, 10.75), NOW_MS)
    late_ms = NOW_MS + FORGET_MS
    now.hear(fix(58.3, 10.75, late_ms), late_ms)
    assert place(now) == (58.3, 10.75)


def test_jumping_to_and_fro_a_hundred_times_a_second_stays_at_the_first_place() -> None:
    now = positions()
    now.stand("d", FREE)
    for number in range(1_000):
        at_ms = NOW_MS + 10 * number
        now.hear(fix(59.91 - 9 * (number % 2), 10.75, at_ms), at_ms)
    assert near(now, 59.91, 10.75, 10) == {"d"}


@pytest.mark.parametrize(
    ("lat", "lon"), [(91, 0), (-90.1, 0), (0, 180.1), (0, -181), (math.nan, 0)]
)
def test_what_is_nowhere_is_dropped(lat: float, lon: float) -> None:
    now = positions()
    assert not now.hear(fix(lat, lon), NOW_MS)
    assert now.spot("d") is None


def test_who_has_no_name_for_a_subject_is_dropped() -> None:
    now = positions()
    assert not now.hear(fix(1, 1, driver="a.*"), NOW_MS)
    assert not now.is_known("a.*")


# ---- who is found --------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ((0, 180), (0, -179.999)),
        ((12.3, -180), (12.3, 179.999)),
        ((90, 0), (89.9995, 135)),
        ((-90, 0), (-89.9995, -45)),
        ((64.7, 10.54), (64.7, 10.541)),
    ],
)
def test_neighbours_are_found_over_date_line_poles_and_pentagons(
    here: tuple[float, float], there: tuple[float, float]
) -> None:
    now = positions()
    now.stand("d", FREE)
    now.hear(fix(*there), NOW_MS)
    assert near(now, *here, 120) == {"d"}


@pytest.mark.parametrize("seed", range(6))
def test_a_search_never_misses_who_is_within_what_it_says_it_has_seen(
    seed: int,
) -> None:
    """The rings of cells are no distances; at pentagons less than anywhere."""
    rnd = random.Random(seed)
    origin = h3.cell_to_latlng(rnd.choice(h3.get_pentagons(FINE)))
    if seed % 2:
        origin = (rnd.uniform(-89, 89), rnd.uniform(-180, 180))
    now = positions(2**24)
    for number in range(4_000):
        name = f"d{number}"
        now.stand(name, FREE)
        far = rnd.random() ** 2 * 0.2
        lat = origin[0] + rnd.uniform(-far, far)
        east = rnd.uniform(-far, far) / max(0.01, math.cos(math.radians(lat)))
        lon = (origin[1] + east + 180) % 360 - 180
        now.hear(fix(max(-90, min(90, lat)), lon, driver=name), NOW_MS)
    for _ in range(20):
        lat = origin[0] + rnd.uniform(-0.02, 0.02)
        here = point(max(-90, min(90, lat)), origin[1])
        found: set[str] = set()
        far_m = {d: metres(one, here) for d, one in now.free.by_id.items()}
        for spots, whole_m in now.free.around(here):
            found |= {one.driver for one in spots}
            assert [d for d in far_m if far_m[d] <= whole_m and d not in found] == []
        assert found == set(now.free.by_id)


def test_the_least_edge_is_less_than_any_found() -> None:
    rnd = random.Random(1)
    cells = h3.get_pentagons(FINE)
    for _ in range(300):
        cell = rnd.choice(cells)
        if rnd.random() < 0.6:
            lat = math.degrees(math.asin(rnd.uniform(-1, 1)))
            cell = h3.latlng_to_cell(lat, rnd.uniform(-180, 180), FINE)
        here = point(*h3.cell_to_latlng(cell))
        for rings in (2, 3, 9):
            cells_at = h3.grid_ring(cell, rings)
            there = point(*h3.cell_to_latlng(rnd.choice(cells_at)))
            least_m = 1.5 * rings * LEAST_EDGE * EDGES_M[FINE]
            assert metres(here, there) > least_m


@pytest.mark.parametrize(("size", "count"), [(FINE, 500), (COARSE, 60)])
def test_no_corner_of_a_cell_is_farther_than_its_radius(size: int, count: int) -> None:
    """Who is in a coarse cell is in one of its fine ones, which jut out of it."""
    rnd = random.Random(1)
    cells = h3.get_pentagons(size)
    for _ in range(count):
        cell = rnd.choice(cells)
        if rnd.random() < 0.6:
            lat = math.degrees(math.asin(rnd.uniform(-1, 1)))
            cell = h3.latlng_to_cell(lat, rnd.uniform(-180, 180), size)
        here = point(*h3.cell_to_latlng(cell))
        for part in h3.cell_to_children(cell, FINE):
            for corner in h3.cell_to_boundary(part):
                assert metres(here, point(*corner)) < RADII_M[size]


# ---- who is free ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "is_free"),
    [
        (FREE, True),
        (NEW, False),
        (Standing(offers=True, online=False), False),
        (Standing(offers=True, busy=True), False),
        (Standing(offers=True, offered=True), False),
    ],
)
def test_only_the_free_are_in_the_index(standing: Standing, is_free: bool) -> None:
    for first in ("fix", "standing"):
        now = positions()
        if first == "fix":
            now.hear(fix(1, 1), NOW_MS)
        now.stand("d", standing)
        if first == "standing":
            now.hear(fix(1, 1), NOW_MS)
        assert near(now, 1, 1, 10) == ({"d"} if is_free else set())
        now.stand("d", FREE)
        assert near(now, 1, 1, 10) == {"d"}
        now.stand("d", None)
        assert near(now, 1, 1, 10) == set()


def test_who_comes_back_after_being_stale_is_free_again() -> None:
    now = positions()
    now.stand("d", FREE)
    now.hear(fix(1, 1), NOW_MS)
    now.expire(NOW_MS + MAX_AGE_MS + 1)
    assert near(now, 1, 1, 10) == set()
    assert not now.is_fresh("d")
    assert len(now.stale_free) == 1
    now.hear(fix(1.001, 1, NOW_MS + 70_000), NOW_MS + 70_000)
    assert near(now, 1.001, 1, 10) == {"d"}
    assert len(now.stale_free) == 0


def test_a_region_has_somebody_to_match_with_even_if_all_are_busy() -> None:
    now = positions()
    assert not now.has_any()
    now.stand("d", Standing(offers=True, busy=True))
    assert not now.has_any()
    now.hear(fix(1, 1), NOW_MS)
    assert now.has_any()
    now.expire(NOW_MS + MAX_AGE_MS + 1)
    assert not now.has_any()
    now.stand("e", Standing(offers=True, online=False))
    now.stand("f", NEW)
    for driver in "ef":
        at_ms = NOW_MS + 70_000
        now.hear(fix(1, 1, at_ms, driver), at_ms)
    assert not now.has_any()


def test_counts_are_those_of_counting_after_any_changes() -> None:
    rnd = random.Random(7)
    now = positions(40 * SPOT_BYTES)
    at_ms = NOW_MS
    standings: dict[str, Standing] = {}
    choices = (FREE, NEW, Standing(online=False), Standing(offers=True, busy=True))
    for _ in range(4_000):
        at_ms += rnd.choice((0, 100, 9_000))
        driver = f"d{rnd.randrange(60)}"
        does = rnd.random()
        if does < 0.5:
            now.hear(fix(1 + rnd.random(), 1, at_ms, driver), at_ms)
        elif does < 0.8:
            standings[driver] = rnd.choice(choices)
            now.stand(driver, standings[driver])
        elif does < 0.9:
            standings.pop(driver, None)
            now.stand(driver, None)
        else:
            now.expire(at_ms)
        known = [one for one in (f"d{k}" for k in range(60)) if now.is_known(one)]
        duties = [standings.get(one, NEW).duty for one in known]
        assert now.counts() == {duty: duties.count(duty) for duty in {*duties}}
        free = {one for one in known if standings.get(one, NEW).is_free}
        assert set(now.free.by_id) == {one for one in free if now.is_fresh(one)}
        stale = [one for one in free if now.spot(one) and not now.is_fresh(one)]
        assert now.stale_free.keys() == set(stale)
        missing = {one for one in free if now.spot(one) is None}
        assert now.missing_free.keys() == missing
        marks = {**now.stale_free, **now.missing_free}
        assert marks == {one: mark_of(one) for one in marks}
    assert {None, Verdict.OFFLINE, Verdict.BUSY} <= set(now.counts())


# ---- how much is kept, and for how long ----------------------------------------


def test_positions_fill_their_budget_and_no_more() -> None:
    count = 3_000
    budget = 2_000 * SPOT_BYTES
    names = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    rnd = random.Random(3)
    fixes = [fix(rnd.uniform(59, 60), rnd.uniform(10, 12), driver=n) for n in names]
    gc.collect()  # what earlier tests left must not go meanwhile
    tracemalloc.start()
    try:
        now = positions(budget)
        for number, one in enumerate(fixes):
            now.stand(one.driver, FREE)
            now.hear(one, NOW_MS + number)
        standings_bytes = 400 * count
        # Not what other tests' threads take meanwhile.
        ours = [tracemalloc.Filter(True, files) for files in PLACES]
        made = tracemalloc.take_snapshot().filter_traces(ours)
        taken = sum(each.size for each in made.statistics("filename"))
        held_bytes = taken - standings_bytes
    finally:
        tracemalloc.stop()
    assert now.bytes <= budget < now.bytes + SPOT_BYTES + 36
    assert held_bytes <= now.bytes
    left = [name for name in names if now.spot(name) is not None]
    assert left == names[-len(left) :]


def test_in_a_full_memory_who_was_unheard_for_longest_gives_way() -> None:
    now = positions(3 * (SPOT_BYTES + 1))
    for number, driver in enumerate("abcab"):
        now.hear(fix(1, 1, driver=driver), NOW_MS + number)
    now.hear(fix(1, 1, driver="d"), NOW_MS + 9)
    assert [one for one in "abcd" if now.is_known(one)] == ["a", "b", "d"]


def test_a_place_is_forgotten_when_it_is_long_stale() -> None:
    now = positions()
    now.hear(fix(1, 1), NOW_MS)
    now.expire(NOW_MS + FORGET_MS)
    assert now.spot("d") is not None
    now.expire(NOW_MS + FORGET_MS + 1)
    assert now.spot("d") is None
    assert now.bytes == 0
    assert now.counts() == {}
