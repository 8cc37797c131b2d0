"""Positions and answers as no driver should send them, over real sockets."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import Sockets, Town
from tests.e2e.fleet import FARTHER, NEARBY, PLACE, Fleet, get, requested
from tests.support.client import Client
from tests.support.stack import Person
from tests.support.waiting import until_is

EDGES = [
    ({"lat": 89.999, "lon": 0}, {"lat": 89.999, "lon": 180}, 222),
    ({"lat": -90, "lon": 12}, {"lat": -89.999, "lon": -77}, 111),
    ({"lat": -16.5, "lon": 179.999}, {"lat": -16.5, "lon": -179.999}, 213),
]
"""A driver's place, a pick-up, and the metres between."""


@pytest.fixture
async def fleet(town: Town, sockets: Sockets) -> AsyncIterator[Fleet]:
    made = Fleet(town, sockets)
    yield made
    await made.rest()


async def test_a_driver_over_the_pole_or_the_date_line_is_near(
    town: Town, sockets: Sockets, fleet: Fleet
) -> None:
    rider = await sockets.open(town.rider())
    bystander = await sockets.open(town.driver())
    for place, pick_up, metres in EDGES:
        _, driver = await fleet.driver(place)
        trip = await requested(rider, bystander, pick_up)
        offered = await of(driver, trip)
        assert offered["pick_up_distance_m"] == pytest.approx(metres, abs=2)
        await rider.do("trip.cancel", {"id": trip["id"]})


async def of(driver: Client, trip: dict[str, Any]) -> dict[str, Any]:
    """What a driver is told of their offer of it."""
    frame = await driver.expect(
        "trip.offered", lambda frame: frame["data"]["trip"]["id"] == trip["id"]
    )
    data: dict[str, Any] = frame["data"]
    return data


async def is_at(town: Town, person: Person, place: dict[str, float]) -> None:
    await until_is(
        partial(get, town, f"drivers/{person.id}"),
        lambda seen: seen["position"] == place,
    )


async def test_fixes_from_nowhere_or_another_time_cost_a_driver_nothing(
    town: Town, fleet: Fleet
) -> None:
    person, driver = await fleet.driver(NEARBY)
    now = datetime.now(UTC)

    async def say(place: dict[str, float], at: datetime | None = None) -> None:
        data: dict[str, Any] = dict(place)
        if at is not None:
            data["at"] = at.isoformat()
        await driver.send({"type": "driver.location", "data": data})

    await say({"lat": 0, "lon": 0})  # where phones are that don't know
    await say(FARTHER, now + timedelta(days=1))
    await is_at(town, person, FARTHER)
    await say(NEARBY)  # the day to come holds nobody fast
    await is_at(town, person, NEARBY)
    await say(FARTHER, now - timedelta(days=1))  # it was overtaken
    for metre in range(100):
        await say({**PLACE, "lat": PLACE["lat"] + metre / 111_195})
    await is_at(town, person, {**PLACE, "lat": PLACE["lat"] + 99 / 111_195})
    for bad in (
        {"lat": 90.1, "lon": 0},
        {"lat": 0, "lon": 180.1},
        {"lat": "1", "lon": 0},
        {**NEARBY, "speed": 151},
        {**NEARBY, "at": "now"},
    ):
        assert await driver.refusal("driver.location", bad) == "invalid_data"
    assert await fleet.state_of(person) == "free"


async def test_an_offer_is_answered_by_its_driver_and_once(
    town: Town, sockets: Sockets, fleet: Fleet
) -> None:
    rider = await sockets.open(town.rider())
    other_rider = await sockets.open(town.rider())
    bystander = await sockets.open(town.driver())
    near, first = await fleet.driver(NEARBY)
    _, second = await fleet.driver(FARTHER)
    trip = await requested(rider, bystander)
    mine = (await of(first, trip))["offer"]
    other = await requested(other_rider, bystander)
    theirs = (await of(second, other))["offer"]

    # By another's offer: of one's own trip, of theirs, and by who has none.
    wrong = [
        (first, trip, theirs, "offer_expired"),
        (first, other, mine, "trip_not_open"),
        (first, other, theirs, "trip_not_open"),
        (bystander, trip, mine, "trip_not_open"),
        (first, trip, "nonsense", "offer_expired"),
    ]
    for driver, of_trip, offer, code in wrong:
        answer = await driver.refusal(
            "trip.accept", {"id": of_trip["id"], "offer": offer}
        )
        assert answer == code
    for driver, of_trip, offer in (
        (first, trip, theirs),
        (first, other, theirs),
        (bystander, trip, mine),
    ):
        data = {"id": of_trip["id"], "offer": offer}
        assert await driver.refusal("trip.decline", data) == "wrong_status"

    # Twice: what was done once is answered again.
    accept = {"id": trip["id"], "offer": mine}
    taken = await first.do("trip.accept", accept)
    assert taken["driver"]["id"] == near.id
    for again in (accept, {"id": trip["id"]}):
        assert await first.do("trip.accept", again) == taken
    assert await second.refusal("trip.accept", accept) == "trip_already_taken"

    # Late: its rider has just gone.
    await other_rider.do("trip.cancel", {"id": other["id"]})
    decline = {"id": other["id"], "offer": theirs}
    for late in (decline, {"id": other["id"]}):
        assert (await second.do("trip.decline", late))["status"] == "CANCELLED"
    late = {"id": other["id"], "offer": theirs}
    assert await second.refusal("trip.accept", late) == "trip_not_open"
    ended = await second.expect("trip.offer_ended")
    assert (ended["data"]["offer"], ended["data"]["why"]) == (theirs, "cancelled")
    assert second.seen("trip.offer_ended") == [ended]
    await first.do("trip.cancel", {"id": trip["id"]})
