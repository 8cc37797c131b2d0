"""All that happened is demanded to have been shown to those whom it concerns."""

from cabrank.trial.oracle.invariants import Checker
from schemas.trips import Person, Status
from tests.unit.cabrank.trial.worlds import (
    DRIVER,
    OTHER,
    RIDER,
    broken,
    life,
    rows,
    show,
    trip,
    welcome,
)

S = Status
OPEN = trip(1, S.REQUESTED)


def drives(checker: Checker, who: Person, session: str, seq: int = 100) -> None:
    checker.welcome(who.id, session, seq, [], recovered=True, drives=True)


def waiting() -> Checker:
    """A rider has asked, and two drivers are told."""
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, [OPEN], 101)
    for driver in (DRIVER, OTHER):
        drives(checker, driver, driver.id)
        checker.feed(driver.id, 101, "trip.requested", "t1")
    return checker


def test_an_expiry_that_its_rider_was_not_told_is_seen() -> None:
    checker = waiting()
    expired = [OPEN, trip(2, S.EXPIRED)]
    for driver in (DRIVER, OTHER):
        checker.feed(driver.id, 102, "trip.taken", "t1")
    checker.history(expired[-1], rows(expired))
    assert checker.unseen() == ["user rider was not shown trip t1 version 2, EXPIRED"]
    assert "all is shown" in broken(checker, history=True)
    checker.event("rider", 102, "trip.expired", expired[-1])
    assert checker.unseen() == []


def test_an_event_that_a_later_one_passed_over_is_seen() -> None:
    """After a release no version is known to come next."""
    checker = Checker()
    welcome(checker, DRIVER)
    mine = trip(2, S.STARTED, DRIVER)
    checker.event("driver", 102, "trip.started", mine)
    checker.event("driver", 103, "trip.released", trip(3, S.REQUESTED))
    checker.stored(trip(4, S.STARTED, DRIVER), 104)
    checker.event("driver", 105, "trip.arrived", trip(5, S.ARRIVED, DRIVER))
    assert len(checker.unseen()) == 1
    assert "version 4" in checker.unseen()[0]


def test_a_snapshot_stands_for_all_versions_before_it() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    for seq, each in enumerate(life()[:3], 101):
        checker.stored(each, seq)
    assert len(checker.unseen()) == 3
    checker.snapshot("rider", life()[2])
    assert checker.unseen() == []


def test_a_driver_who_was_not_told_of_an_open_trip_is_seen() -> None:
    checker = waiting()
    drives(checker, Person("late", "late", "L", "T"), "late", seq=100)
    assert checker.unseen() == ["driver late was not told 101, of trip t1"]
    assert "all is shown" in broken(checker)


def test_a_driver_who_was_not_told_that_a_trip_is_taken_is_seen() -> None:
    checker = waiting()
    taken = trip(2, S.STARTED, DRIVER)
    show(checker, RIDER, [taken], 102)
    show(checker, DRIVER, [taken], 102)
    assert checker.unseen() == ["driver other was not told 102, of trip t1"]
    checker.feed("other", 102, "trip.taken", "t1")
    assert checker.unseen() == []


def test_a_welcome_s_list_stands_for_what_was_up_for_grabs_before() -> None:
    checker = waiting()
    show(checker, RIDER, [trip(2, S.CANCELLED)], 102)
    assert len(checker.unseen()) == 2
    drives(checker, OTHER, "s2", seq=102)
    assert checker.unseen() == ["driver driver was not told 102, of trip t1"]


def test_of_a_driver_who_rested_no_list_is_demanded() -> None:
    checker = waiting()
    checker.rests("other")
    show(checker, RIDER, [trip(2, S.CANCELLED)], 102)
    drives(checker, OTHER, "s2", seq=101)
    assert checker.unseen() == ["driver driver was not told 102, of trip t1"]
