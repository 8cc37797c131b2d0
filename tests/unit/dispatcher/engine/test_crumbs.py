"""Which fixes of an active trip are kept: one each 5 s or 50 m, whichever is first."""

import pytest

from dispatcher.engine.crumbs import Crumbs
from dispatcher.engine.positions import Positions
from schemas.commands import Fix
from schemas.observations import Crumb
from schemas.times import rfc3339
from schemas.trips import Person, Status, Trip
from tests.unit.dispatcher.engine.town import M
from tests.unit.dispatcher.engine.world import DAN, DORA, NOON_MS, RITA


class Drive:
    """Fixes of drivers northwards, as (seconds, metres), and the crumbs of them."""

    def __init__(self, last_max: int = 100) -> None:
        self.crumbs = Crumbs(last_max)
        self.positions = Positions(60_000)

    def drop(
        self,
        second: float,
        metre: float,
        driver: Person | None = None,
        number: int = 1,
        off_s: float = 0,
    ) -> Crumb | None:
        """`off_s`: of the phone's clock."""
        who = driver or DORA.person()
        now_ms = NOON_MS + round(second * 1000)
        at = rfc3339(now_ms + round(off_s * 1000))
        fix = Fix(who.id, metre * M, 10.1234567, None, None, at)
        self.positions.hear(fix, now_ms)
        spot = self.positions.spot(who.id)
        assert spot is not None
        where = ("A", "B", None, None)
        started = (f"trip-{number}", "main", Status.STARTED, 2, *where)
        trip = Trip(*started, RITA.person(), who, "", "")
        return self.crumbs.drop(trip, spot)

    def kept(self, *fixes: tuple[float, float]) -> list[int]:
        """Which of them, by number."""
        return [n for n, fix in enumerate(fixes) if self.drop(*fix) is not None]


def test_who_stands_leaves_one_each_five_seconds() -> None:
    fixes = [(second, 0.0) for second in range(13)]
    assert Drive().kept(*fixes) == [0, 5, 10]


def test_who_drives_leaves_one_each_fifty_metres() -> None:
    fixes = [(second, 20.0 * second) for second in range(10)]  # 72 km/h
    assert Drive().kept(*fixes) == [0, 3, 6, 9]


def test_neither_is_reached_a_moment_or_a_metre_before() -> None:
    assert Drive().kept((0, 0), (4.999, 49.0), (5.0, 49.0)) == [0, 2]
    assert Drive().kept((0, 0), (2, 49.5), (3, 50.5)) == [0, 2]


def test_both_are_counted_from_the_last_one_kept() -> None:
    assert Drive().kept((0, 0), (4, 60), (6, 60), (8.9, 60), (9, 60)) == [0, 1, 4]


def test_a_hundred_fixes_a_second_leave_one() -> None:
    fixes = [(second / 100, 60.0 * second) for second in range(250)]
    assert Drive().kept(*fixes) == [0, 100, 200]


def test_a_clock_that_is_set_back_does_not_end_the_track() -> None:
    """An hour; the place is where they are, and the next ones come as ever."""
    drive = Drive()
    assert drive.drop(0, 0) is not None
    late_s = [drive.drop(20 + n, 20.0 * n, off_s=-3_600) for n in range(8)]
    assert [n for n, crumb in enumerate(late_s) if crumb] == [0, 3, 6]


def test_nothing_is_left_of_who_was_last_heard_of_long_ago() -> None:
    drive = Drive()
    drive.drop(0, 0, number=1)
    drive.drop(800, 0, number=2)
    drive.drop(901, 0, number=3)
    assert [trip for trip, _ in drive.crumbs._last] == ["trip-2", "trip-3"]


def test_each_trip_and_each_driver_is_counted_by_itself() -> None:
    drive = Drive()
    assert drive.drop(0, 0) is not None
    assert drive.drop(1, 0, DAN.person()) is not None
    assert drive.drop(2, 0, number=2) is not None
    assert drive.drop(3, 0) is None


def test_it_has_the_place_to_a_tenth_of_a_metre_and_whose_it_is() -> None:
    crumb = Drive().drop(7, 1_000)
    assert crumb is not None
    assert (crumb.trip, crumb.rider, crumb.driver) == ("trip-1", RITA.id, DORA.id)
    assert (crumb.lat, crumb.lon) == (pytest.approx(1_000 * M, abs=1e-6), 10.123457)
    assert crumb.at_ms == NOON_MS + 7_000


def test_of_a_trip_that_was_forgotten_the_next_fix_is_kept() -> None:
    drive = Drive(last_max=2)
    for number in (1, 2, 3):
        assert drive.drop(0, 0, number=number) is not None
    assert drive.drop(1, 0, number=2) is None
    assert drive.drop(1, 0, number=1) is not None
