"""Who is there, by heartbeats."""

from dispatcher.roster import SILENCE_S, Roster
from schemas.members import Member


def beat(name: str, *, leaving: bool = False) -> Member:
    return Member(name, ("main",), leaving=leaving)


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
