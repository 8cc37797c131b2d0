"""Frames with a note, a reference, needs and a time: what of them is taken, and how."""

from typing import Any

import pytest
from msgspec import UNSET

from gateway.session.effects import Submit
from schemas.commands import RequestTrip, RescheduleTrip
from schemas.trips import Role
from tests.unit.gateway.session.sessions import (
    NOW,
    TRIP,
    frame,
    refusal,
    refused,
    session,
)

ADDRESSES = {"pick_up_address": "A", "drop_off_address": "B"}
TEN = "2026-11-30T10:00:00.000Z"
WIDE = "\U0001f695"


def command(kind: str, data: dict[str, Any]) -> Any:
    (submit,) = session().receive(frame(kind, data), NOW)
    assert isinstance(submit, Submit), submit
    return submit.command


def request(**more: Any) -> RequestTrip:
    made: RequestTrip = command("trip.request", ADDRESSES | more)
    return made


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("2026-11-30T10:00:00Z", TEN),
        ("2026-11-30t10:00:00.000000z", TEN),
        ("2026-11-30 10:00:00Z", TEN),
        ("2026-11-30T12:30:00+02:30", TEN),
        ("2026-11-29T23:00:00-11:00", TEN),
        ("2026-11-30T10:00:00.1239Z", "2026-11-30T10:00:00.124Z"),
        (None, None),
    ],
)
def test_a_time_is_any_instant_of_rfc_3339(said: Any, taken: Any) -> None:
    assert request(pick_up_at=said).pick_up_at == taken


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-30T10:00:00",
        "2026-11-30",
        "2026-11-30T10:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-30T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-11-30T10:00:00+25:00",
        "20261130T100000Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "NaN",
        "soon",
        "",
        1_796_032_800,
        True,
        {},
    ],
)
@pytest.mark.parametrize("kind", ["trip.request", "trip.reschedule"])
def test_what_is_no_instant_is_invalid(kind: str, said: Any) -> None:
    data = ADDRESSES | {"id": TRIP, "pick_up_at": said}
    effects = session().receive(frame(kind, data), NOW)
    assert refusal(effects)[0] == "invalid_data"
    assert b"pick_up_at must be" in effects[0].frame  # type: ignore[union-attr]


def test_the_longest_of_all_is_taken_and_longer_is_not() -> None:
    longest = {
        "note": WIDE * 500,
        "reference": WIDE * 64,
        "needs": ["n" * 31 + str(number) for number in range(8)],
    }
    made = request(**longest)
    assert (made.note, made.reference) == (WIDE * 500, WIDE * 64)
    assert made.needs == tuple(longest["needs"])
    for name, more in (
        ("note", WIDE * 501),
        ("reference", WIDE * 65),
        ("needs", [*longest["needs"], "a"]),
        ("needs", ["n" * 33]),
    ):
        data = ADDRESSES | {name: more}
        assert refused(session(), frame("trip.request", data))[0] == "invalid_data"


@pytest.mark.parametrize(
    "needs",
    [["Van"], [""], ["a b"], ["é"], ["van\n"], ["v\u0430n"], [1], "van", {"van": 1}],
)
def test_what_is_no_tag_is_no_need(needs: Any) -> None:
    data = ADDRESSES | {"needs": needs}
    assert refused(session(), frame("trip.request", data))[0] == "invalid_data"


def test_a_need_counts_once_and_null_is_none() -> None:
    assert request(needs=["van", "pet", "van"]).needs == ("van", "pet")
    assert request(needs=None).needs == request().needs == ()
    assert request(note=None, reference=None).note is None
    for name in ("note", "reference"):
        nul = frame("trip.request", ADDRESSES | {name: "a\0"})
        assert refused(session(), nul)[0] == "invalid_data"


def test_a_change_says_what_is_said_and_no_more() -> None:
    made: RescheduleTrip = command("trip.reschedule", {"id": TRIP.upper()})
    assert made.trip == TRIP
    names = ("pick_up_at", "pick_up_address", "drop_off_address", "pick_up")
    assert {getattr(made, name) for name in (*names, "drop_off", "note")} == {UNSET}
    data = {"id": TRIP, "note": None, "pick_up": None, "pick_up_at": TEN}
    made = command("trip.reschedule", data)
    assert (made.note, made.pick_up, made.pick_up_at) == (None, None, TEN)
    assert made.drop_off is UNSET


@pytest.mark.parametrize(
    "changes",
    [
        {"pick_up_at": None},
        {"pick_up_address": None},
        {"drop_off_address": ""},
        {"note": "x" * 501},
        {"pick_up": {"lat": 91, "lon": 0}},
    ],
)
def test_what_no_trip_could_be_is_no_change(changes: dict[str, Any]) -> None:
    made = session(Role.OPERATOR)
    data = {"id": TRIP} | changes
    assert refused(made, frame("trip.reschedule", data))[0] == "invalid_data"


def test_refusals_of_a_change_come_in_the_contracts_order() -> None:
    kind, driver = "trip.reschedule", session(Role.DRIVER)
    assert refused(driver, frame(kind, {"id": 1}))[0] == "invalid_data"
    bad = {"id": TRIP, "pick_up_at": "2026-02-30T10:00:00Z"}
    assert refused(driver, frame(kind, bad))[0] == "invalid_data"
    assert refused(driver, frame(kind, {"id": TRIP}))[0] == "wrong_role"
    assert refused(session(), frame(kind, {"id": "x"}))[0] == "trip_not_found"


@pytest.mark.parametrize("at", ["2026-11-01T00:00:00Z", "2027-06-01T00:00:00Z", TEN])
def test_a_time_nobody_may_book_is_told_before_who_may_not(at: str) -> None:
    driver, code = session(Role.DRIVER), "wrong_role" if at == TEN else "invalid_data"
    for kind, data in (("request", ADDRESSES), ("reschedule", {"id": TRIP})):
        asked = frame(f"trip.{kind}", data | {"pick_up_at": at})
        assert refused(driver, asked)[0] == code
    beyond = ADDRESSES | {"pick_up_at": "9999-12-31T23:00:00-09:00"}
    assert refused(driver, frame("trip.request", beyond))[0] == "invalid_data"
