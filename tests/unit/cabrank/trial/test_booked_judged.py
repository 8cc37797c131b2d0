"""A ledger of bookings that keeps PROTOCOL.md section 1 is let pass; with any of its
facts changed, it isn't. So are answers about them.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from cabrank.trial.oracle.asking import Asking
from cabrank.trial.oracle.booked import DAY_MS, Bookings, Terms, Welcomed
from cabrank.trial.oracle.history import Call, History
from cabrank.trial.oracle.hunts import Rules
from cabrank.trial.oracle.invariants import Checker
from schemas.events import DriverEvent, TripEvent
from schemas.ledger import Record
from schemas.times import rfc3339
from schemas.trips import Person, Position, Role, Status, Trip

TERMS = Terms(lead_ms=1_000, request_ttl_ms=5_000, most=2)
RITA, DAN = Person("rita", "rita", "F", "L"), Person("dan", "dan", "F", "L")
S = Status
NOW_MS = 1_795_000_000_000
FOR_MS = 10_000
"""After `NOW_MS`: when the booking is for."""


def trip(
    version: int, status: Status, name: str = "t", for_ms: int | None = FOR_MS
) -> Trip:
    at = rfc3339(NOW_MS)
    driver = DAN if status is S.STARTED else None
    made = Trip(
        name, "main", status, version, "A", "B", None, None, RITA, driver, at, at
    )
    if for_ms is None:
        return made
    return replace(made, pick_up_at=rfc3339(NOW_MS + for_ms))


def moved(at_ms: int, kind: Any, to: Trip, **more: Any) -> TripEvent:
    return TripEvent(0, kind, NOW_MS + at_ms, to.participants(), to, **more)


BOOKED = moved(0, "trip.scheduled", trip(1, S.SCHEDULED), command="c")
CHANGED = moved(100, "trip.scheduled", trip(2, S.SCHEDULED, for_ms=12_000), command="d")
OPENED = moved(11_000, "trip.requested", trip(3, S.REQUESTED, for_ms=12_000))
LIFE = [BOOKED, CHANGED, OPENED]
"""Booked, put off, opened at the lead."""
OTHER = moved(0, "trip.requested", trip(1, S.REQUESTED, "u", None), command="e")
EXPIRED = trip(4, S.EXPIRED, for_ms=12_000)


def record(n: int, event: TripEvent) -> Record:
    return Record(1, "l", 1, n, "w", event.at_ms, [event])


def judged(events: Sequence[TripEvent]) -> tuple[Bookings, set[str]]:
    found: set[str] = set()
    bookings = Bookings(TERMS, lambda rule, _: found.add(rule))
    for n, event in enumerate(events, 1):
        numbered = replace(event, seq=n)
        bookings.take(record(n, numbered), float(n))
    return bookings, found


def test_a_booking_that_opens_at_its_lead_and_expires_after_its_time_is_let_pass() -> (
    None
):
    bookings, found = judged([*LIFE, moved(17_000, "trip.expired", EXPIRED)])
    assert not found
    assert bookings.opened_count == 1


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        (
            [BOOKED, CHANGED, replace(OPENED, at_ms=NOW_MS + 10_999)],
            "opens at the lead",
        ),
        ([*LIFE, replace(OPENED, trip=trip(4, S.REQUESTED))], "a booking opens once"),
        ([BOOKED, CHANGED, OTHER, OPENED], "opens for who is free"),
        ([BOOKED, replace(OPENED, type="trip.released")], "a booking opens once"),
        ([*LIFE, moved(16_999, "trip.expired", EXPIRED)], "bookings expire"),
        ([BOOKED, moved(14_999, "trip.expired", EXPIRED)], "bookings expire"),
        (
            [*LIFE, replace(CHANGED, trip=trip(4, S.SCHEDULED))],
            "rescheduled while SCHEDULED",
        ),
        ([moved(9_000, "trip.scheduled", trip(1, S.SCHEDULED))], "booked ahead"),
        (
            [moved(0, "trip.scheduled", trip(1, S.SCHEDULED, for_ms=31 * DAY_MS))],
            "booked ahead",
        ),
        (
            [replace(BOOKED, trip=trip(1, S.SCHEDULED, name)) for name in "abc"],
            "bookings of a rider",
        ),
    ],
)
def test_what_breaks_the_contract_is_found(events: list[TripEvent], rule: str) -> None:
    assert rule in judged(events)[1]


def test_what_is_due_is_known_and_waits_for_who_is_on_the_way() -> None:
    free, _ = judged([BOOKED])
    assert min(free.due())[0] == NOW_MS + FOR_MS - TERMS.lead_ms
    under_way, _ = judged([BOOKED, OTHER])
    ends_ms = NOW_MS + FOR_MS + TERMS.request_ttl_ms
    assert sorted(at_ms for at_ms, _ in under_way.due()) == [NOW_MS + 5_000, ends_ms]
    assert not list(judged([*LIFE, moved(17_000, "trip.expired", EXPIRED)])[0].due())


@pytest.mark.parametrize(
    ("for_ms", "code", "is_fine"),
    [
        (5_000, "rider_busy", False),
        (32 * DAY_MS, None, False),
        (-2 * DAY_MS, None, False),
        (5 * DAY_MS, "invalid_data", False),
        (5 * DAY_MS, None, True),
        (32 * DAY_MS, "invalid_data", True),
    ],
)
def test_answers_about_bookings_are_true(
    for_ms: int, code: str | None, *, is_fine: bool
) -> None:
    found: list[str] = []
    bookings = Bookings(TERMS, lambda _, text: found.append(text))
    bookings.take(record(1, BOOKED), 1.0)
    says = {"pick_up_at": rfc3339(NOW_MS + for_ms)}
    call = Call("rita", Role.RIDER, "trip.request", None, None, 2.0, 3.0, says=says)
    call.code, call.answer = code, None if code else trip(1, S.SCHEDULED)
    bookings.judge([call], NOW_MS)
    assert (not found) is is_fine


@pytest.mark.parametrize(
    ("said", "is_fine"), [({"t": 2}, True), ({"t": 1}, False), ({}, False)]
)
def test_a_welcome_holds_what_is_booked(said: dict[str, int], *, is_fine: bool) -> None:
    bookings, found = judged(LIFE)
    bookings.judge_welcomes([Welcomed("rita", 2, said)])
    assert (not found) is is_fine


def test_who_accepts_what_is_booked_is_told_that_it_is_not_open() -> None:
    found: list[str] = []
    asking = Asking(Rules(), lambda rule, _: found.append(rule))
    there = Position(1, 2)
    opened = replace(trip(2, S.REQUESTED), pick_up=there)
    booked = replace(BOOKED, trip=replace(BOOKED.trip, pick_up=there))
    asks = DriverEvent(0, NOW_MS, "dan", online=True, offers=True)
    asking.take(Record(1, "l", 1, 1, "w", NOW_MS, [asks, booked]), 1.0)
    event = moved(9_000, "trip.requested", opened, matching="nearest")
    asking.take(record(2, event), 5.0)
    accept = Call("dan", Role.DRIVER, "trip.accept", "t", None, 2.0, 3.0)
    accept.code = "trip_not_open"
    asking.judge([accept])
    assert not found
    accept.code = "offer_expired"
    asking.judge([accept])
    assert found == ["offers are met as told"]


# ---- one call at a time --------------------------------------------------------------


def explained(*steps: tuple[Any, Trip | str]) -> bool:
    """Whether these calls of rita's, one after the other, may be answered so."""
    history = History()
    for at, (says, answer) in enumerate(steps):
        kind = "trip.reschedule" if at else "trip.request"
        about = "t" if at else None
        call = Call("rita", Role.RIDER, kind, about, None, float(at), says=says)
        history.add(call)
        if isinstance(answer, str):
            history.refused(call, answer, at + 0.5)
        else:
            history.answered(call, answer, at + 0.5)
    if OPENED.trip in [answer for _, answer in steps]:
        history.saw(trip(2, S.SCHEDULED, for_ms=12_000), 99.0)
    return not history.check()


FIRST = ({"pick_up_at": BOOKED.trip.pick_up_at}, BOOKED.trip)
LATER = {"pick_up_at": CHANGED.trip.pick_up_at}


def test_a_reschedule_changes_what_it_says_and_may_open_the_trip() -> None:
    assert explained(FIRST, (LATER, CHANGED.trip), (LATER, CHANGED.trip))
    assert explained(FIRST, (LATER, OPENED.trip), (LATER, OPENED.trip))
    assert explained(FIRST, (LATER, OPENED.trip), ({"note": "n"}, "wrong_status"))


def test_a_reschedule_that_was_answered_otherwise_has_no_order() -> None:
    assert not explained(FIRST, (LATER, trip(2, S.SCHEDULED)))
    assert not explained(FIRST, (LATER, replace(CHANGED.trip, note="n")))
    assert not explained(FIRST, (LATER, "wrong_status"))
    assert not explained(FIRST, (LATER, BOOKED.trip))


def test_bookings_beside_the_active_trip_are_welcome() -> None:
    checker = Checker()
    both = [OTHER.trip, BOOKED.trip, replace(BOOKED.trip, id="v")]
    checker.welcome("rita", "s", 1, both, recovered=False)
    assert not checker.violations
    checker.welcome(
        "rita", "s", 1, [*both, replace(OTHER.trip, id="w")], recovered=False
    )
    assert [one.rule for one in checker.violations] == ["one active trip"]
