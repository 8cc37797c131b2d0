"""An order that explains what was seen is found; a planted lie has none."""

import pytest
from msgspec.structs import replace

from cabrank.trial.oracle import linear
from cabrank.trial.oracle.history import Call, History
from cabrank.trial.oracle.linear import Op, TooManyStates, explains
from schemas.trips import OpenTrip, Person, Role, Status, Trip

R, D, E = "rider", "driver", "other"
S = Status


def person(name: str) -> Person:
    return Person(name, name, "F", "L")


def trip(
    version: int, status: Status, driver: str | None = None, name: str = "t"
) -> Trip:
    at = "2026-11-21T10:00:00.000Z"
    of = None if driver is None else person(driver)
    return Trip(
        name, "main", status, version, "A", "B", None, None, person(R), of, at, at
    )


class Story:
    """Calls one after the other, half a second each, unless told otherwise."""

    def __init__(self) -> None:
        self.history = History()
        self.now = 0.0

    def call(self, user: str, kind: str, of: str | None = "t", **more: object) -> Call:
        role = Role.RIDER if user == R else Role.DRIVER
        key = str(more["key"]) if "key" in more else None
        start = float(str(more.get("start", self.now)))
        call = Call(user, role, kind, of, key, start)
        self.history.add(call)
        self.now += 1
        return call

    def done(self, user: str, kind: str, answer: Trip, **more: object) -> None:
        call = self.call(user, kind, **more)  # type: ignore[arg-type]
        self.history.answered(call, answer, self.now - 0.5)

    def refused(self, user: str, kind: str, code: str, **more: object) -> None:
        call = self.call(user, kind, **more)  # type: ignore[arg-type]
        self.history.refused(call, code, self.now - 0.5)

    def requested(self, name: str = "t", **more: object) -> None:
        answer = trip(1, S.REQUESTED, name=name)
        self.done(R, "trip.request", answer, of=None, **more)

    def rules(self) -> set[str]:
        return {violation.rule for violation in self.history.check()}


def begun() -> Story:
    story = Story()
    story.requested()
    story.done(D, "trip.accept", trip(2, S.STARTED, D))
    return story


UNEXPLAINED = {"some order explains it"}


def test_a_trip_from_request_to_end_is_explained() -> None:
    story = begun()
    story.refused(E, "trip.accept", "trip_already_taken")
    story.done(D, "trip.arrive", trip(3, S.ARRIVED, D))
    story.done(D, "trip.begin", trip(4, S.IN_PROGRESS, D))
    story.refused(R, "trip.cancel", "wrong_status")
    story.done(D, "trip.complete", trip(5, S.COMPLETED, D))
    story.refused(E, "trip.accept", "trip_not_open")
    assert story.rules() == set()


def test_two_winners_of_one_trip_are_not_explained() -> None:
    story = begun()
    story.done(E, "trip.accept", trip(3, S.STARTED, E))
    assert story.rules() == UNEXPLAINED


def test_a_move_that_was_answered_and_then_lost_is_not_explained() -> None:
    story = begun()
    story.refused(D, "trip.arrive", "not_a_participant")
    assert story.rules() == UNEXPLAINED


def test_a_read_of_the_past_is_not_explained() -> None:
    story = begun()
    story.done(R, "trip.get", trip(1, S.REQUESTED))
    assert story.rules() == UNEXPLAINED


def test_a_read_beside_a_move_may_see_either() -> None:
    for seen in (trip(1, S.REQUESTED), trip(2, S.STARTED, D)):
        story = Story()
        story.requested()
        accept = story.call(D, "trip.accept")
        story.done(R, "trip.get", seen)
        story.history.answered(accept, trip(2, S.STARTED, D), story.now)
        assert story.rules() == set(), seen


def test_a_call_without_an_answer_may_have_happened() -> None:
    story = Story()
    story.requested()
    story.history.unknown(story.call(D, "trip.accept"))
    story.done(D, "trip.arrive", trip(3, S.ARRIVED, D))
    story.history.saw(trip(2, S.STARTED, D))
    assert story.rules() == set()


def test_a_call_without_an_answer_may_never_have_happened() -> None:
    story = Story()
    story.requested()
    story.history.unknown(story.call(D, "trip.accept"))
    story.done(E, "trip.accept", trip(2, S.STARTED, E))
    assert story.rules() == set()


def test_a_move_that_nobody_asked_for_is_not_explained() -> None:
    story = Story()
    story.requested()
    story.history.saw(trip(2, S.STARTED, D))
    assert story.rules() == UNEXPLAINED


def test_a_move_refused_as_overloaded_must_not_have_happened() -> None:
    story = Story()
    story.requested()
    story.refused(D, "trip.accept", "overloaded")
    story.history.saw(trip(2, S.STARTED, D))
    assert story.rules() == UNEXPLAINED


def test_an_expiry_needs_no_command() -> None:
    story = Story()
    story.requested()
    story.history.saw(trip(2, S.EXPIRED))
    story.refused(D, "trip.accept", "trip_not_open")
    assert story.rules() == set()


def test_a_repeated_transition_is_answered_with_the_trip_as_it_is() -> None:
    story = begun()
    story.done(D, "trip.accept", trip(2, S.STARTED, D))
    assert story.rules() == set()


def test_the_same_key_again_is_answered_with_what_it_made() -> None:
    story = Story()
    story.requested(key="k")
    story.done(D, "trip.accept", trip(2, S.STARTED, D))
    story.done(R, "trip.request", trip(2, S.STARTED, D), of=None, key="k")
    assert story.rules() == set()


def test_another_key_answered_with_an_old_trip_is_not_explained() -> None:
    story = Story()
    story.requested(key="k")
    story.done(R, "trip.request", trip(1, S.REQUESTED), of=None, key="l")
    assert story.rules() == UNEXPLAINED


def test_a_rider_with_two_active_trips_is_not_explained() -> None:
    story = Story()
    story.requested("t")
    story.requested("u")
    assert story.rules() == UNEXPLAINED


def test_a_driver_who_is_busy_without_a_trip_is_not_explained() -> None:
    story = Story()
    story.requested()
    story.refused(D, "trip.accept", "driver_busy")
    assert story.rules() == UNEXPLAINED


def test_a_driver_who_is_busy_with_another_trip_is_explained() -> None:
    story = begun()
    other = replace(trip(1, S.REQUESTED, name="u"), rider=person("rider-2"))
    second = Call("rider-2", Role.RIDER, "trip.request", None, None, story.now)
    story.history.add(second)
    story.history.answered(second, other, story.now + 1)
    story.now += 1
    story.refused(D, "trip.accept", "driver_busy", of="u")
    assert story.rules() == set()


def test_one_request_makes_no_two_trips() -> None:
    story = Story()
    story.history.unknown(story.call(R, "trip.request", None))
    for name in ("t", "u"):
        story.history.saw(trip(1, S.REQUESTED, name=name))
        story.history.saw(trip(2, S.EXPIRED, name=name))
    assert "one request makes one trip" in story.rules()


def test_what_was_seen_before_it_was_asked_for_is_not_explained() -> None:
    story = Story()
    story.requested()
    story.history.saw(trip(2, S.STARTED, D), 1.0)
    story.history.unknown(story.call(D, "trip.accept", start=5.0))
    assert story.rules() == UNEXPLAINED


def test_answers_that_change_nothing_need_no_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear, "STATES_MAX", 50)
    reads = [Op(0, 1, lambda state: [state] if state else []) for _ in range(30)]
    assert explains([Op(0, 1, lambda _: [1]), *reads], 0, lambda _: True)
    assert not explains([Op(2, 3, lambda _: [1]), *reads], 0, lambda _: True)


def test_trips_that_strangers_took_part_in_are_not_judged() -> None:
    for users, rules in ((frozenset({R}), set()), (frozenset({R, E}), UNEXPLAINED)):
        story = Story()
        story.history.users = users
        story.requested()
        story.history.saw(trip(2, S.STARTED, E))
        assert story.rules() == rules


def test_a_search_that_grows_too_far_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear, "STATES_MAX", 50)
    ops = [Op(0, 1, lambda state: [state + 1]) for _ in range(10)]
    with pytest.raises(TooManyStates):
        explains(ops, 0, lambda _: False)


# ---- a trip left to the others -------------------------------------------------------


def declined(story: Story, version: int, **more: object) -> None:
    left = OpenTrip.of(trip(version, S.REQUESTED))
    call = story.call(E, "trip.decline", **more)
    story.history.declined(call, left, story.now - 0.5)


def test_an_open_trip_can_be_left_to_the_others() -> None:
    story = Story()
    story.requested()
    declined(story, 1)
    story.done(D, "trip.accept", trip(2, S.STARTED, D))
    story.refused(E, "trip.decline", "wrong_status")
    assert story.rules() == set()


def test_a_trip_that_was_taken_long_ago_is_not_open_any_more() -> None:
    story = begun()
    declined(story, 1)
    assert story.rules() == UNEXPLAINED


def test_an_open_trip_that_nobody_could_leave_is_told() -> None:
    story = Story()
    story.requested()
    story.refused(E, "trip.decline", "wrong_status")
    assert story.rules() == UNEXPLAINED


def test_a_trip_left_in_a_version_it_never_had_is_told() -> None:
    story = Story()
    story.requested()
    declined(story, 7)
    assert story.rules() == UNEXPLAINED
