"""Every refusal of PROTOCOL.md section 3 over a real socket. (`room_forbidden` and
`offer_expired` belong to rooms and to the nearest policy; `overloaded` needs a full
ledger, which a contract test provokes; `unavailable` is in test_closes.py.)
"""

import asyncio
from typing import Any

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, started

UNKNOWN = "0192f0c4-0000-7000-8000-000000000000"
TOO_LONG = "x" * 256


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("", None),
        ("no json", None),
        ("[]", None),
        ('"text"', None),
        ("{}", None),
        ('{"ref":"r"}', "r"),
        ('{"type":7,"ref":"r"}', "r"),
        ('{"type":"trip.get","ref":7}', None),
        ('{"type":"trip.get","ref":"' + "r" * 65 + '"}', None),
        ("[" * 20_000, None),
    ],
)
async def test_bad_frame_is_refused_and_the_session_goes_on(
    text: str, ref: str | None, town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.operator)
    await rider.send(text)
    refused = await rider.answer(ref)
    assert refused["type"] == "refused"
    assert refused["data"]["code"] == "bad_frame"
    assert refused["data"]["retryable"] is False
    assert await rider.refusal("trip.get", {"id": UNKNOWN}) == "trip_not_found"


async def test_unknown_type_is_refused(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    assert await rider.refusal("trip.fly", {}) == "unknown_type"


@pytest.mark.parametrize(
    "data",
    [
        {},
        None,
        [],
        "text",
        {"pick_up_address": "", "drop_off_address": "B"},
        {"pick_up_address": TOO_LONG, "drop_off_address": "B"},
        {"pick_up_address": "A", "drop_off_address": "B\x00"},
        {"pick_up_address": 7, "drop_off_address": "B"},
        ADDRESSES | {"pick_up": {"lat": 90.5, "lon": 0}},
        ADDRESSES | {"pick_up": {"lat": 0, "lon": -180.5}},
        ADDRESSES | {"pick_up": {"lat": 0}},
        ADDRESSES | {"idempotency_key": ""},
        ADDRESSES | {"idempotency_key": "k" * 65},
    ],
)
async def test_invalid_data_is_refused(data: Any, town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    assert await rider.refusal("trip.request", data) == "invalid_data"


@pytest.mark.parametrize(
    "data",
    [
        {"lat": 91, "lon": 0},
        {"lat": 0, "lon": 181},
        {"lat": 0, "lon": 0, "heading": 361},
        {"lat": 0, "lon": 0, "speed": -1},
        {"lat": 0, "lon": 0, "at": "yesterday"},
        {},
    ],
)
async def test_impossible_position_is_invalid_data(
    data: dict[str, Any], town: Town, sockets: Sockets
) -> None:
    driver = await sockets.open(town.driver())
    assert await driver.refusal("driver.location", data) == "invalid_data"


async def test_unknown_fields_are_ignored(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    await rider.send(
        {
            "type": "trip.request",
            "ref": "r",
            "colour": "red",
            "data": ADDRESSES | {"rider": "somebody else", "status": "COMPLETED"},
        }
    )
    trip = (await rider.answer("r"))["data"]
    assert trip["status"] == "REQUESTED"
    assert trip["rider"]["id"] != "somebody else"


@pytest.mark.parametrize(
    ("role", "kind", "data"),
    [
        ("driver", "trip.request", ADDRESSES),
        ("rider", "trip.accept", {"id": UNKNOWN}),
        ("rider", "trip.decline", {"id": UNKNOWN}),
        ("rider", "trip.arrive", {"id": UNKNOWN}),
        ("rider", "driver.online", {}),
        ("rider", "driver.offline", {}),
        ("rider", "driver.location", {"lat": 0, "lon": 0}),
        ("operator", "trip.request", ADDRESSES),
        ("operator", "trip.accept", {"id": UNKNOWN}),
    ],
)
async def test_wrong_role_is_refused(
    role: str, kind: str, data: dict[str, Any], town: Town, sockets: Sockets
) -> None:
    person = {"rider": town.rider, "driver": town.driver}.get(role)
    client = await sockets.open(person() if person else town.operator)
    assert await client.refusal(kind, data) == "wrong_role"


@pytest.mark.parametrize(
    "kind",
    [
        "trip.accept",
        "trip.decline",
        "trip.arrive",
        "trip.begin",
        "trip.complete",
        "trip.release",
        "trip.cancel",
        "trip.get",
    ],
)
async def test_unknown_trip_is_not_found(
    kind: str, town: Town, sockets: Sockets
) -> None:
    driver = await sockets.open(town.driver())
    for trip in (UNKNOWN, "nonsense", "*", "a.b", ">"):
        assert await driver.refusal(kind, {"id": trip}) == "trip_not_found"


async def test_stranger_is_not_a_participant(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    stranger = await sockets.open(town.driver())
    for kind in ("trip.arrive", "trip.begin", "trip.release", "trip.cancel"):
        code = await stranger.refusal(kind, {"id": trip["id"]})
        assert code == "not_a_participant"
    assert await stranger.refusal("trip.get", {"id": trip["id"]}) == "not_a_participant"
    other = await sockets.open(town.rider())
    assert await other.refusal("trip.cancel", {"id": trip["id"]}) == "not_a_participant"


async def test_trip_that_has_a_driver_is_already_taken(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    second = await sockets.open(town.driver())
    code = await second.refusal("trip.accept", {"id": trip["id"]})
    assert code == "trip_already_taken"


async def test_trip_that_has_ended_is_not_open(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    trip = await rider.do("trip.request", ADDRESSES)
    await rider.do("trip.cancel", {"id": trip["id"]})
    driver = await sockets.open(town.driver())
    code = await driver.refusal("trip.accept", {"id": trip["id"]})
    assert code == "trip_not_open"


async def test_driver_with_a_trip_is_busy(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    await started(rider, driver)
    other = await sockets.open(town.rider())
    trip = await other.do("trip.request", ADDRESSES)
    assert await driver.refusal("trip.accept", {"id": trip["id"]}) == "driver_busy"


async def test_rider_with_a_trip_is_busy(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    await rider.do("trip.request", ADDRESSES)
    assert await rider.refusal("trip.request", ADDRESSES) == "rider_busy"


async def test_move_that_the_status_does_not_allow_is_refused(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = {"id": (await started(rider, driver))["id"]}
    assert await driver.refusal("trip.complete", trip) == "wrong_status"
    await driver.do("trip.begin", trip)
    for kind in ("trip.arrive", "trip.release", "trip.cancel"):
        assert await driver.refusal(kind, trip) == "wrong_status"
    await driver.do("trip.complete", trip)
    assert await driver.refusal("trip.begin", trip) == "wrong_status"
    assert await rider.refusal("trip.cancel", trip) == "wrong_status"


async def test_commands_before_login_are_not_authenticated(
    town: Town, sockets: Sockets
) -> None:
    nobody = await sockets.raw(None)
    assert await nobody.refusal("trip.get", {"id": UNKNOWN}) == "not_authenticated"
    code = await nobody.refusal("session.login", {"token": "forged"})
    assert code == "not_authenticated"
    login = {"username": "nobody", "password": "not the one"}
    assert await nobody.refusal("session.login", login) == "bad_credentials"
    await nobody.send({"type": "session.login", "data": {"token": town.rider().access}})
    await nobody.expect("welcome")


async def test_too_many_frames_are_rate_limited(town: Town, sockets: Sockets) -> None:
    driver = await sockets.open(town.driver())
    frame = '{"type":"driver.location","ref":"f","data":{"lat":0,"lon":0}}'
    for _ in range(6):
        await asyncio.gather(*(driver.send(frame) for _ in range(1000)))
    refused = await driver.answer("f")
    assert refused["data"]["code"] == "rate_limited"
    assert refused["data"]["retryable"] is True
