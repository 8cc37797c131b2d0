"""PROTOCOL.md to the letter: the exact keys and values of what the server sends."""

import re
from typing import Any

from tests.e2e.conftest import ADDRESSES, Sockets, Town, started

PERSON = {"id", "username", "first_name", "last_name"}
TRIP = {
    *("id", "region", "status", "version", "pick_up_address", "drop_off_address"),
    *("pick_up", "drop_off", "rider", "driver", "created", "updated"),
    *("note", "reference", "needs", "pick_up_at"),
}
WELCOME = {
    *("user", "session", "region", "seq", "heartbeat_s"),
    *("trips", "open_trips", "recovered"),
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def check_trip(trip: dict[str, Any], rider: set[str]) -> None:
    assert set(trip) == TRIP
    assert set(trip["rider"]) == rider
    assert trip["driver"] is None or set(trip["driver"]) == PERSON
    assert INSTANT.fullmatch(trip["created"])
    assert INSTANT.fullmatch(trip["updated"])


async def test_frames_have_their_keys_and_no_others(
    town: Town, sockets: Sockets
) -> None:
    rider, welcome = await sockets.welcome(town.rider())
    driver = await sockets.open(town.driver())
    assert set(rider.frames[0]) == {"type", "data"}
    assert set(welcome) == WELCOME
    assert set(welcome["user"]) == {*PERSON, "role"}
    assert welcome["heartbeat_s"] == 25
    reply = await rider.ask("trip.request", ADDRESSES)
    refused = await rider.ask("trip.request", ADDRESSES)
    event = await rider.expect("trip.requested")
    await driver.do("trip.accept", {"id": reply["data"]["id"]})
    assert set(reply) == set(refused) == {"type", "ref", "data"}
    assert set(refused["data"]) == {"code", "message", "retryable"}
    assert refused["data"]["retryable"] is False
    assert set(event) == {"type", "seq", "data"}
    assert event["data"] == reply["data"]
    check_trip(event["data"], PERSON)
    check_trip((await rider.expect("trip.started"))["data"], PERSON)


async def test_only_the_trips_own_driver_learns_the_riders_name(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    first, second = await sockets.open(town.driver()), await sockets.open(town.driver())
    trip = await rider.do("trip.request", ADDRESSES)
    seen = {"id", "first_name"}
    check_trip(await first.expect_trip("trip.requested", trip["id"]), seen)
    _, welcome = await sockets.welcome(town.driver())
    (listed,) = [one for one in welcome["open_trips"] if one["id"] == trip["id"]]
    check_trip(listed, seen)
    check_trip(await first.do("trip.decline", {"id": trip["id"]}), seen)
    check_trip(await second.do("trip.accept", {"id": trip["id"]}), PERSON)
    check_trip(await second.do("trip.release", {"id": trip["id"]}), PERSON)
    again = await first.expect("trip.requested", lambda f: f["data"]["version"] == 3)
    check_trip(again["data"], seen)


async def test_one_event_has_one_seq_for_all_who_are_told(
    town: Town, sockets: Sockets
) -> None:
    rider, driver = await sockets.open(town.rider()), await sockets.open(town.driver())
    other = await sockets.open(town.driver())
    trip = await rider.do("trip.request", ADDRESSES)
    requested = await rider.expect("trip.requested")
    mine = trip["id"]
    offered = await other.expect("trip.requested", lambda f: f["data"]["id"] == mine)
    assert offered["seq"] == requested["seq"]
    await driver.do("trip.accept", {"id": trip["id"]})
    taken = await other.expect("trip.taken", lambda f: f["data"]["id"] == mine)
    assert taken["data"] == {"id": mine}
    assert taken["seq"] == (await rider.expect("trip.started"))["seq"]
    assert taken["seq"] == (await driver.expect("trip.started"))["seq"]
    await driver.quiet()
    assert driver.seen("trip.taken", trip["id"]) == []


async def test_position_has_no_seq_and_no_answer(town: Town, sockets: Sockets) -> None:
    rider, driver = await sockets.open(town.rider()), await sockets.open(town.driver())
    trip = await started(rider, driver)
    where = {"lat": -90, "lon": 180, "heading": 360, "speed": 0}
    at = "2026-11-21T12:00:00.5+02:00"
    await driver.send(
        {"type": "driver.location", "ref": "L", "data": where | {"at": at}}
    )
    moved = await rider.expect("driver.moved")
    assert set(moved) == {"type", "data"}
    assert moved["data"] == {
        "trip": trip["id"],
        "lat": -90,
        "lon": 180,
        "heading": 360,
        "at": "2026-11-21T10:00:00.500Z",
        "distance_m": None,
        "eta_s": None,
    }
    await driver.quiet()
    assert all(frame.get("ref") != "L" for frame in driver.frames)
