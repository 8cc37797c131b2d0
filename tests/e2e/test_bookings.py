"""Booked trips, and what of a trip is whose to see, over real sockets and HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, bearer
from tests.support.client import welcomed
from tests.support.stack import Stack

LONGEST = {
    "note": "\U0001f695" * 500,
    "reference": "\x01" * 64,
    "needs": [f"{'n' * 31}{number}" for number in range(8)],
}


def ahead(**how: float) -> str:
    return (datetime.now(UTC) + timedelta(**how)).isoformat()


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_a_trip_is_booked_changed_opened_and_driven(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    passenger, person = town.rider(), town.driver()
    rider, driver = await sockets.open(passenger), await sockets.open(person)
    at = ahead(days=2)
    asked = {**ADDRESSES, **LONGEST, "pick_up_at": at, "idempotency_key": "b-1"}
    booked = await rider.do("trip.request", asked)
    trip = booked["id"]
    assert (booked["status"], booked["version"]) == ("SCHEDULED", 1)
    assert {name: booked[name] for name in LONGEST} == LONGEST
    assert ms(booked["pick_up_at"]) == ms(at)
    assert await rider.expect_trip("trip.scheduled", trip) == booked
    assert await rider.do("trip.request", asked) == booked
    assert await driver.refusal("trip.accept", {"id": trip}) == "trip_not_open"
    assert await driver.refusal("trip.get", {"id": trip}) == "not_a_participant"
    _, welcome = await sockets.welcome(passenger)
    assert welcome["trips"] == [booked]
    listed = await web.get(
        "/api/trips", params={"status": "SCHEDULED"}, headers=bearer(passenger)
    )
    assert listed.json() == [booked]

    under_way = await rider.do("trip.request", ADDRESSES)
    await rider.do("trip.cancel", {"id": under_way["id"]})
    changed = await rider.do("trip.reschedule", {"id": trip, "drop_off_address": "C"})
    assert (changed["version"], changed["drop_off_address"]) == (2, "C")
    assert await rider.expect_trip("trip.scheduled", trip) == changed
    operator = await sockets.open(town.operator)
    soon = {"id": trip, "pick_up_at": ahead(minutes=10), "note": "at the back"}
    opened = await operator.do("trip.reschedule", soon)
    assert (opened["status"], opened["version"]) == ("REQUESTED", 4)
    assert (await rider.expect_trip("trip.scheduled", trip))["version"] == 3
    assert await rider.expect_trip("trip.requested", trip) == opened
    shown = await driver.expect_trip("trip.requested", trip)
    assert (shown["note"], shown["reference"]) == ("at the back", None)
    assert shown["needs"] == LONGEST["needs"]
    again = {"id": trip, "note": "no"}
    assert await rider.refusal("trip.reschedule", again) == "wrong_status"

    taken = await driver.do("trip.accept", {"id": trip})
    assert taken["reference"] is None
    assert await driver.expect_trip("trip.started", trip) == taken
    whole = await rider.expect_trip("trip.started", trip)
    assert whole == {**taken, "reference": LONGEST["reference"]}
    for who, reference in ((passenger, LONGEST["reference"]), (person, None)):
        for path in ("/api/trips", f"/api/trips/{trip}"):
            told = (await web.get(path, headers=bearer(who))).json()
            found = told if isinstance(told, list) else [told]
            (shown,) = [one for one in found if one["id"] == trip]
            assert shown["reference"] == reference
        audit = await web.get(f"/api/trips/{trip}/events", headers=bearer(who))
        assert [row["data"]["reference"] for row in audit.json()] == [reference] * 5
    _, welcome = await sockets.welcome(person, since=1)
    told = [frame for frame in welcome["trips"] if frame["id"] == trip]
    assert told == [taken]


@pytest.mark.parametrize(
    "wrong",
    [
        {"pick_up_at": {"minutes": -1}},
        {"pick_up_at": {"days": 31}},
        {"pick_up_at": "2026-12-01T10:00:00"},
        {"pick_up_at": "tomorrow"},
        {"needs": ["van"] * 9},
        {"needs": ["Ü"]},
        {"note": "n" * 501},
        {"note": "\0"},
        {"reference": "r" * 65},
    ],
    ids=str,
)
async def test_what_no_trip_can_have_is_refused(
    town: Town, sockets: Sockets, wrong: dict[str, Any]
) -> None:
    rider = await sockets.open(town.rider())
    if isinstance(how := wrong.get("pick_up_at"), dict):
        wrong = {"pick_up_at": ahead(**how)}
    refused = await rider.refusal("trip.request", {**ADDRESSES, **wrong})
    assert refused == "invalid_data"


async def test_the_twenty_first_booking_and_anothers_are_refused(
    lifted: Stack,
) -> None:
    people = lifted.people("rider", 2)
    rider, other = [await Sockets.alone(lifted.url, person) for person in people]
    asked = {**ADDRESSES, "pick_up_at": ahead(days=30, minutes=-1)}
    booked = [(await rider.do("trip.request", asked))["id"] for _ in range(20)]
    assert await rider.refusal("trip.request", asked) == "rider_busy"
    change = {"id": booked[0], "note": "x"}
    assert await other.refusal("trip.reschedule", change) == "not_a_participant"
    assert (await rider.do("trip.request", ADDRESSES))["status"] == "REQUESTED"
    again, welcome = await welcomed(lifted.url, people[0].access)
    assert len(welcome["trips"]) == 21
    assert {trip["id"] for trip in welcome["trips"][1:]} == set(booked)
    for client in (rider, other, again):
        await client.close()
