"""What a fault cost, from the calls of those who lived through it."""

import time

import pytest

from cabrank.trial.chaos.measure import Measured, by_kind, p99_between, trips_per_s
from cabrank.trial.chaos.probe import Probe
from cabrank.trial.load.users import Account
from cabrank.trial.oracle.linear import NEVER
from cabrank.trial.oracle.sequential import Call
from schemas.trips import Role, User
from tests.support import records


def call(start: float, end: float, kind: str = "trip.request") -> Call:
    made = Call("anna", Role.RIDER, kind, None, None, start, end)
    if end != NEVER:
        made.answer = records.trip(1)
    return made


def test_latency_is_that_of_calls_asked_within_the_time_and_answered() -> None:
    calls = [call(0, 5), call(1, 1.25), call(2, NEVER), call(4, 9)]
    assert p99_between(calls, 1, 4) == pytest.approx(0.25)
    assert p99_between(calls, 2, 4) is None


def test_trips_a_second_are_those_whose_request_was_granted_within_the_time() -> None:
    refused = call(2, 3)
    refused.answer, refused.code = None, "overloaded"
    calls = [
        *(call(0, 1), call(1, 2), call(2, NEVER), refused),
        *(call(3, 4, "trip.accept"), call(4, 6), call(5, 6)),
    ]
    assert trips_per_s(calls, 1, 5) == pytest.approx(0.5)


def test_a_fault_that_was_never_over_counts_but_has_no_time() -> None:
    seen = [
        Measured("kill-leader", "dispatcher-1", 1, 0, answered, whole)
        for answered, whole in ((0.5, 1.0), (0.1, 0.2), (0.3, 0.6), (None, None))
    ]
    (row,) = by_kind(seen)
    assert (row.count, row.answered_max_s) == (4, 0.5)
    assert row.answered_p50_s == pytest.approx(0.3)
    assert row.whole_max_s == pytest.approx(1.0)
    assert row.longest_max_s is None
    seen[1].longest_s, seen[2].longest_s = 2.0, 0.7
    (row,) = by_kind(seen)
    assert row.longest_max_s == pytest.approx(2.0)


def test_the_longest_wait_is_of_what_was_asked_since_answered_or_not() -> None:
    user = User("anna", "anna", "", "", Role.RIDER)
    probe = Probe("http://nowhere", Account(user, "", None, NEVER))
    assert probe.longest_since(0) == 0
    probe.answers = [(1, 9), (2, 2.5), (3, 4)]
    assert probe.longest_since(2) == pytest.approx(1)
    probe._asked["ref"] = time.monotonic() - 7
    assert probe.longest_since(2) >= 7
