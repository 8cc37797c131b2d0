"""Each invariant holds for a good run and is seen to break for a planted fault."""

from msgspec.structs import replace

from cabrank.trial.oracle.invariants import VIOLATIONS_MAX, Checker
from schemas.trips import Status
from tests.unit.cabrank.trial.worlds import (
    DRIVER,
    OTHER,
    RIDER,
    another_driver,
    broken,
    life,
    played,
    rows,
    show,
    trip,
    welcome,
)

S = Status


def test_a_good_trip_breaks_nothing() -> None:
    checker = played()
    checker.history(life()[-1], rows(life()))
    assert checker.finish() == []


def test_release_and_second_driver_break_nothing() -> None:
    trips = [
        trip(1, S.REQUESTED),
        trip(2, S.STARTED, DRIVER),
        trip(3, S.REQUESTED),
        trip(4, S.STARTED, OTHER),
        trip(5, S.CANCELLED, OTHER),
    ]
    checker = Checker()
    for user in (RIDER, DRIVER, OTHER):
        welcome(checker, user)
    show(checker, RIDER, trips, 101)
    checker.feed("driver", 101, "trip.requested", "t1")
    checker.event("driver", 102, "trip.started", trips[1])
    checker.event("driver", 103, "trip.released", trips[2])
    checker.feed("driver", 104, "trip.taken", "t1")
    checker.feed("other", 103, "trip.requested", "t1")
    checker.event("other", 104, "trip.started", trips[3])
    checker.event("other", 105, "trip.cancelled", trips[4])
    checker.answer("driver", "trip.release", trips[2])
    checker.history(trips[-1], rows(trips))
    assert checker.finish() == []


def test_driver_may_get_a_trip_again_that_they_gave_back() -> None:
    trips = [
        trip(1, S.REQUESTED),
        trip(2, S.STARTED, DRIVER),
        trip(3, S.REQUESTED),
        trip(4, S.STARTED, OTHER),
        trip(5, S.REQUESTED),
        trip(6, S.STARTED, DRIVER),
    ]
    checker = Checker()
    welcome(checker, DRIVER)
    checker.event("driver", 102, "trip.started", trips[1])
    checker.event("driver", 103, "trip.released", trips[2])
    checker.event("driver", 106, "trip.started", trips[5])
    assert checker.finish(history_expected=False) == []


# ---- one driver, one truth -----------------------------------------------------


def test_two_drivers_told_that_the_trip_is_theirs_is_seen() -> None:
    checker = played()
    welcome(checker, OTHER)
    checker.answer("other", "trip.accept", another_driver(life()[1]))
    assert "one truth" in broken(checker)


def test_accept_answered_with_another_drivers_trip_is_seen() -> None:
    checker = played()
    checker.answer("other", "trip.accept", life()[1])
    assert "one driver" in broken(checker)


def test_trip_that_passes_between_drivers_without_release_is_seen() -> None:
    trips = life()
    trips[2] = another_driver(trips[2])
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, trips, 101)
    assert "one driver" in broken(checker)


def test_requested_trip_with_a_driver_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, [trip(1, S.REQUESTED, DRIVER)], 101)
    assert "one driver" in broken(checker)


def test_trip_that_changes_its_rider_is_seen() -> None:
    checker = Checker()
    welcome(checker, DRIVER)
    trips = [life()[1], replace(life()[2], rider=OTHER)]
    show(checker, DRIVER, trips, 101)
    assert "one rider" in broken(checker)


def test_illegal_move_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, [trip(1, S.REQUESTED), trip(2, S.COMPLETED, DRIVER)], 101)
    assert "legal moves" in broken(checker)


def test_move_after_the_end_is_seen() -> None:
    checker = played([*life(), trip(5, S.STARTED, DRIVER)])
    assert "legal moves" in broken(checker)


def test_one_version_with_two_seqs_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    welcome(checker, DRIVER)
    checker.event("rider", 102, "trip.started", life()[1])
    checker.event("driver", 103, "trip.started", life()[1])
    assert "one truth" in broken(checker)


def test_event_whose_type_does_not_fit_its_trip_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    checker.event("rider", 102, "trip.arrived", life()[1])
    assert "event type" in broken(checker)


# ---- one active trip -----------------------------------------------------------


def test_driver_with_two_active_trips_is_seen() -> None:
    checker = Checker()
    other_rider = replace(RIDER, id="rider2")
    welcome(checker, RIDER)
    welcome(checker, other_rider)
    welcome(checker, DRIVER)
    show(checker, RIDER, life()[:2], 101)
    show(checker, other_rider, life("t2", other_rider)[:2], 103)
    assert "one active trip" in broken(checker)


def test_rider_with_two_active_trips_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, life()[:1], 101)
    show(checker, RIDER, life("t2")[:1], 102)
    assert "one active trip" in broken(checker)


def test_trips_one_after_the_other_break_nothing() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, life(), 101)
    show(checker, RIDER, life("t2"), 105)
    assert broken(checker) == set()


def test_welcome_with_two_active_trips_is_seen() -> None:
    checker = Checker()
    both = [life()[1], life("t2")[1]]
    checker.welcome("driver", "s", 100, both, recovered=False)
    assert "one active trip" in broken(checker)


# ---- sequences -----------------------------------------------------------------


def test_gap_in_versions_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, [life()[0], life()[2]], 101)
    assert "versions without a gap" in broken(checker)


def test_gap_that_a_snapshot_fills_breaks_nothing() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, life()[:1], 101)
    checker.snapshot("rider", life()[2])
    show(checker, RIDER, life()[3:], 104)
    assert broken(checker) == set()


def test_snapshot_that_goes_back_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    show(checker, RIDER, life()[:3], 101)
    checker.snapshot("rider", life()[1])
    assert "versions without a gap" in broken(checker)


def test_event_twice_in_a_session_is_seen() -> None:
    checker = Checker()
    welcome(checker, DRIVER)
    checker.feed("driver", 101, "trip.requested", "t1")
    checker.feed("driver", 101, "trip.requested", "t1")
    assert "an event once" in broken(checker)


def test_participant_who_also_gets_the_feeds_frame_is_seen() -> None:
    checker = Checker()
    welcome(checker, DRIVER)
    checker.event("driver", 102, "trip.started", life()[1])
    checker.feed("driver", 102, "trip.taken", "t1")
    assert "an event once" in broken(checker)


def test_seq_that_shrinks_is_seen() -> None:
    checker = Checker()
    welcome(checker, DRIVER)
    checker.feed("driver", 105, "trip.requested", "t2")
    checker.feed("driver", 101, "trip.requested", "t1")
    assert "seq only grows" in broken(checker)


# ---- coming back ---------------------------------------------------------------


def test_recovered_session_goes_on_where_the_last_one_ended() -> None:
    checker = Checker()
    welcome(checker, RIDER, "s1")
    checker.event("s1", 101, "trip.requested", life()[0])
    checker.welcome("rider", "s2", 103, [life()[2]], recovered=True)
    checker.event("s2", 102, "trip.started", life()[1])
    checker.event("s2", 103, "trip.in_progress", life()[2])
    checker.event("s2", 104, "trip.completed", life()[3])
    assert broken(checker) == set()


def test_recovered_session_that_lacks_a_missed_event_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER, "s1")
    checker.event("s1", 101, "trip.requested", life()[0])
    checker.welcome("rider", "s2", 103, [life()[2]], recovered=True)
    checker.event("s2", 103, "trip.in_progress", life()[2])
    assert "versions without a gap" in broken(checker)


def test_recovered_session_that_lacks_the_last_missed_event_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER, "s1")
    checker.event("s1", 101, "trip.requested", life()[0])
    checker.welcome("rider", "s2", 103, [life()[2]], recovered=True)
    checker.event("s2", 102, "trip.started", life()[1])
    checker.event("s2", 110, "trip.requested", trip(1, S.REQUESTED, trip_id="t2"))
    assert "missed events are complete" in broken(checker)


def test_missed_events_may_be_cut_off_by_the_next_loss() -> None:
    checker = Checker()
    welcome(checker, RIDER, "s1")
    checker.event("s1", 101, "trip.requested", life()[0])
    checker.welcome("rider", "s2", 103, [life()[2]], recovered=True)
    checker.event("s2", 102, "trip.started", life()[1])
    checker.welcome("rider", "s3", 103, [life()[2]], recovered=True)
    checker.event("s3", 103, "trip.in_progress", life()[2])
    assert broken(checker) == set()


def test_who_gave_a_trip_back_since_was_shown_what_was_missed() -> None:
    checker = Checker()
    mine, back = trip(2, S.STARTED, DRIVER), trip(3, S.REQUESTED)
    welcome(checker, DRIVER, "s1")
    checker.welcome("driver", "s2", 102, [mine], recovered=True)
    checker.event("s2", 102, "trip.started", mine)
    checker.welcome("driver", "s3", 102, [mine], recovered=True)
    checker.event("s3", 103, "trip.released", back)
    assert "missed events are complete" not in broken(checker)


def test_session_that_could_not_be_recovered_starts_from_its_snapshot() -> None:
    checker = Checker()
    welcome(checker, RIDER, "s1")
    checker.event("s1", 101, "trip.requested", life()[0])
    checker.welcome("rider", "s2", 103, [life()[2]], recovered=False)
    checker.event("s2", 104, "trip.completed", life()[3])
    assert broken(checker) == set()


# ---- what was answered is shown ------------------------------------------------


def test_answered_move_that_the_other_side_never_saw_is_seen() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    welcome(checker, DRIVER)
    show(checker, RIDER, life()[:1], 101)
    show(checker, DRIVER, life()[:2], 101)
    checker.answer("driver", "trip.accept", life()[1])
    assert len(checker.unseen()) == 1
    assert "user rider" in checker.unseen()[0]
    assert "all is shown" in broken(checker)


def test_answered_release_must_reach_the_driver_who_gave_the_trip_back() -> None:
    checker = Checker()
    welcome(checker, RIDER)
    welcome(checker, DRIVER)
    released = trip(3, S.REQUESTED)
    show(checker, RIDER, [*life()[:2], released], 101)
    checker.event("driver", 102, "trip.started", life()[1])
    checker.answer("driver", "trip.release", released)
    assert len(checker.unseen()) == 1
    checker.event("driver", 103, "trip.released", released)
    assert checker.unseen() == []


def test_answered_move_is_covered_by_a_later_complete_state() -> None:
    checker = played(life()[:2])
    checker.answer("driver", "trip.begin", life()[2])
    checker.event("driver", 103, "trip.in_progress", life()[2])
    assert len(checker.unseen()) == 1
    checker.welcome("rider", "s2", 104, [], recovered=False)
    assert checker.unseen() == []


# ---- history -------------------------------------------------------------------


def test_trip_that_history_does_not_have_is_seen() -> None:
    assert "history equals answers" in broken(played(), history=True)


def test_history_that_lacks_the_last_move_is_seen() -> None:
    checker = played()
    assert checker.history_lags(life()[2], rows(life()[:3]))
    checker.history(life()[2], rows(life()[:3]))
    assert "history equals answers" in broken(checker, history=True)


def test_history_that_says_something_else_is_seen() -> None:
    checker = played()
    trips = life()
    trips[1] = another_driver(trips[1])
    checker.history(trips[-1], rows(trips))
    assert "one truth" in broken(checker, history=True)


def test_audit_rows_with_a_gap_are_seen() -> None:
    checker = played()
    found = rows(life())
    del found[1]
    checker.history(life()[-1], found)
    assert "audit rows without a gap" in broken(checker, history=True)


def test_audit_row_written_twice_is_seen() -> None:
    checker = played()
    found = rows(life())
    found.insert(2, found[1])
    checker.history(life()[-1], found)
    assert "audit rows without a gap" in broken(checker, history=True)


def test_history_with_all_that_was_seen_does_not_lag() -> None:
    checker = played()
    assert not checker.history_lags(life()[-1], rows(life()))
    assert checker.history_lags(life()[-1], rows(life()[:3]))


def test_only_so_many_violations_are_kept_but_all_are_counted() -> None:
    checker = Checker()
    for number in range(VIOLATIONS_MAX + 5):
        checker.violate("rule", str(number))
    assert len(checker.violations) == VIOLATIONS_MAX
    assert checker.violation_count == VIOLATIONS_MAX + 5
