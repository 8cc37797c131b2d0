"""Who is there, by heartbeats."""

from dispatcher.placement.ranking import ranking
from dispatcher.placement.roster import OVERDUE_S, PROOF_S, SILENCE_S, Roster
from schemas.members import Member

FIRST, SECOND, THIRD = ranking("main", ["a", "b", "c"])


def beat(name: str, *, ready: bool = False, leaving: bool = False) -> Member:
    return Member(name, ("main",), ("main",) if ready else (), leaving)


def test_who_is_heard_the_first_time_is_new() -> None:
    roster = Roster("me")
    assert roster.hear(beat("a"), 0.0)
    assert not roster.hear(beat("a"), 1.0)
    assert list(roster.others) == ["a"]


def test_one_s_own_heartbeat_says_nothing() -> None:
    roster = Roster("me")
    assert not roster.hear(beat("me"), 0.0)
    assert not roster.others


def test_who_falls_silent_is_gone_and_new_when_heard_again() -> None:
    roster = Roster("me")
    roster.hear(beat("a"), 0.0)
    roster.hear(beat("b"), 2.0)
    assert roster.sweep(SILENCE_S) == []
    assert roster.sweep(SILENCE_S + 0.1) == ["a"]
    assert list(roster.others) == ["b"]
    assert roster.hear(beat("a"), SILENCE_S + 0.2)


def test_who_says_good_bye_is_gone_at_once() -> None:
    roster = Roster("me")
    roster.hear(beat("a"), 0.0)
    assert not roster.hear(beat("a", leaving=True), 0.1)
    assert not roster.others
    assert roster.sweep(100.0) == []


def test_standbys_are_counted_and_those_of_them_that_are_ready() -> None:
    roster = Roster("me")
    assert roster.standbys("main") == (0, 0, None)
    roster.hear(beat("a"), 0.0)
    roster.hear(beat("b", ready=True), 0.0)
    roster.hear(Member("c", ("oslo",), ("oslo",)), 0.0)
    assert roster.standbys("main") == (2, 1, None)
    assert roster.standbys("oslo") == (1, 1, None)


def test_the_standby_that_is_least_behind_says_how_far() -> None:
    roster = Roster("me")
    for name, behind in (("a", {"main": 40}), ("b", {"main": 7, "oslo": 1}), ("c", {})):
        roster.hear(Member(name, ("main",), behind=behind), 0.0)
    assert roster.standbys("main") == (3, 0, 7)
    assert roster.standbys("oslo") == (0, 0, None)
    roster.hear(Member("b", ("main",), ("main",), behind={"main": 0}), 1.0)
    assert roster.standbys("main") == (3, 1, 0)


def test_nobody_is_gone_while_nobody_could_be_heard() -> None:
    roster = Roster("me")
    roster.hear(beat("a"), 0.0)
    roster.excuse(60.0)
    assert roster.sweep(60.0 + SILENCE_S) == []
    assert roster.sweep(60.1 + SILENCE_S) == ["a"]


def test_who_is_overdue_is_there_but_not_to_be_counted_on() -> None:
    roster = Roster("me")
    roster.hear(beat("a"), 0.0)
    roster.hear(beat("b"), 1.0)
    assert set(roster.lively(1.5)) == {"a", "b"}
    assert set(roster.lively(2.0)) == {"b"}
    assert roster.sweep(2.0) == []
    assert set(roster.others) == {"a", "b"}


# ---- duties ---------------------------------------------------------------------


def test_a_dispatcher_begins_to_follow_once_one_before_it_is_overdue() -> None:
    """Not only when that one is gone from the roster: another may die before."""
    roster = Roster(THIRD)
    for other in (FIRST, SECOND):
        roster.hear(beat(other, ready=True), 0.0)
    roster.hear(beat(SECOND, ready=True), 1.0)
    assert not roster.duty("main", beat(THIRD), OVERDUE_S).begins
    assert roster.duty("main", beat(THIRD), OVERDUE_S + 0.1).begins
    assert FIRST in roster.others


def test_one_that_replaces_a_dead_one_makes_nobody_stop_following() -> None:
    """The dead one counts as a standby until it is overdue."""
    roster = Roster(THIRD)
    roster.hear(beat(SECOND, ready=True), 0.0)
    me = beat(THIRD, ready=True)
    roster.hear(beat(SECOND, ready=True), 10.0)  # and is killed
    came_s = 10.9
    roster.hear(beat(FIRST, ready=True), came_s)
    at_s = came_s
    while at_s < came_s + SILENCE_S:
        roster.hear(beat(FIRST, ready=True), at_s)
        assert roster.duty("main", me, at_s).stays, at_s
        at_s += 0.1


def test_who_is_not_needed_stops_once_the_others_have_proved_themselves() -> None:
    roster = Roster(THIRD)
    me = beat(THIRD, ready=True)
    for at_s in (0.0, PROOF_S, PROOF_S + 0.1):
        for other in (FIRST, SECOND):
            roster.hear(beat(other, ready=True), at_s)
    assert roster.duty("main", me, PROOF_S / 2).stays
    assert not roster.duty("main", me, PROOF_S + 0.1).stays
    assert roster.duty("main", me, PROOF_S + 0.1).heir == FIRST
