"""PROTOCOL.md to the letter: both sides of each limit, and what refuses first."""

import time
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, started
from tests.e2e.test_http import PASSWORD, problem

UNKNOWN = "0192f0c4-0000-7000-8000-000000000000"


@pytest.mark.parametrize("character", ["a", "é", "😀"])
async def test_lengths_are_counted_in_characters(
    character: str, town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    longest = {"pick_up_address": character * 255, "drop_off_address": character}
    key = character * 64
    trip = await rider.do("trip.request", longest | {"idempotency_key": key})
    assert trip["pick_up_address"] == character * 255
    await rider.do("trip.cancel", {"id": trip["id"], "reason": character * 255})
    longer = longest | {"pick_up_address": character * 256}
    assert await rider.refusal("trip.request", longer) == "invalid_data"
    await rider.send({"type": "trip.get", "ref": key, "data": {"id": UNKNOWN}})
    assert (await rider.answer(key))["data"]["code"] == "trip_not_found"
    await rider.send({"type": "trip.get", "ref": key + character, "data": {}})
    assert (await rider.answer(None))["data"]["code"] == "bad_frame"


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "x"},
        {"username": "é名@.+-_"},
        {"password": "x" * 8},
        {"password": "é" * 128},
        {"first_name": "é" * 150, "last_name": "😀" * 150},
    ],
)
async def test_sign_up_takes_what_the_limits_allow(
    fields: dict[str, str], web: httpx.AsyncClient
) -> None:
    # A name of a test's own, as long as may be.
    own = f"{fields.get('username', 'u')}{time.time_ns()}".ljust(150, "x")
    body = {"password": PASSWORD, "role": "rider"} | fields | {"username": own}
    made = await web.post("/api/users", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["user"]["username"] == own
    given = {"username": own, "password": body["password"]}
    assert (await web.post("/api/tokens", json=given)).status_code == 200


async def test_body_of_64_kib_is_read_and_one_byte_more_is_413(
    web: httpx.AsyncClient,
) -> None:
    body = b'{"username":"nobody","password":"no password"'
    most = body + b" " * (64 * 1024 - len(body) - 1) + b"}"
    problem(await web.post("/api/tokens", content=most), 401, "bad_credentials")
    more = await web.post("/api/tokens", content=b" " + most)
    problem(more, 413, "bad_frame")


async def test_frame_that_breaks_several_rules_is_refused_by_the_first(
    town: Town, sockets: Sockets
) -> None:
    rider, driver = await sockets.open(town.rider()), await sockets.open(town.driver())
    stranger = await sockets.open(town.driver())
    trip = {"id": (await started(rider, driver))["id"]}
    # The refusals of section 3 in their order, each before its neighbour.
    await rider.send({"type": "nonsense", "ref": 7})
    assert (await rider.answer(None))["data"]["code"] == "bad_frame"
    anonymous = await sockets.raw(None)
    assert await anonymous.refusal("nonsense", []) == "unknown_type"
    assert await anonymous.refusal("trip.get", []) == "not_authenticated"
    assert await rider.refusal("trip.accept", {}) == "invalid_data"
    assert await rider.refusal("trip.accept", {"id": UNKNOWN}) == "wrong_role"
    assert await stranger.refusal("trip.arrive", {"id": UNKNOWN}) == "trip_not_found"
    await driver.do("trip.begin", trip)
    assert await stranger.refusal("trip.arrive", trip) == "not_a_participant"
    busy = await sockets.open(town.rider())
    await started(busy, stranger)
    assert await stranger.refusal("trip.accept", trip) == "trip_already_taken"
    await driver.do("trip.complete", trip)
    assert await stranger.refusal("trip.accept", trip) == "trip_not_open"


@pytest.mark.parametrize("data", [{"other": "\0"}, {"\0": 1}, {"id": ["\0"]}])
async def test_nul_is_invalid_wherever_it_is(
    data: dict[str, Any], town: Town, sockets: Sockets
) -> None:
    client = await sockets.open(town.operator)
    assert await client.refusal("trip.get", data) == "invalid_data"


async def test_key_of_an_ended_trip_still_names_it(
    town: Town, sockets: Sockets
) -> None:
    rider, other = await sockets.open(town.rider()), await sockets.open(town.rider())
    keyed = ADDRESSES | {"idempotency_key": "k" * 64}
    first = await rider.do("trip.request", keyed)
    ended = await rider.do("trip.cancel", {"id": first["id"]})
    await rider.do("trip.request", ADDRESSES)
    # Also while another trip makes the rider busy; and the key is the user's own.
    assert await rider.do("trip.request", keyed) == ended
    assert (await other.do("trip.request", keyed))["id"] != first["id"]


async def test_former_driver_is_replayed_nothing_after_the_release(
    town: Town, sockets: Sockets
) -> None:
    person = town.driver()
    rider, driver = await sockets.open(town.rider()), await sockets.open(person)
    other = await sockets.open(town.driver())
    trip = {"id": (await started(rider, driver))["id"]}
    _, welcome = await sockets.welcome(person)
    await driver.do("trip.release", trip)
    await other.do("trip.accept", trip)
    await other.do("trip.arrive", trip)
    again, back = await sockets.welcome(person, since=welcome["seq"])
    await again.quiet()
    assert back["recovered"] is True
    missed = [f["type"] for f in again.frames if f["data"].get("id") == trip["id"]]
    assert missed == ["trip.released"]


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/chat"])
async def test_head_is_get_without_the_body_and_post_is_405(
    path: str, web: httpx.AsyncClient
) -> None:
    head = await web.head(path)
    assert (head.status_code, head.content) == (200, b"")
    denied = await web.post(path)
    problem(denied, 405, "unknown_type")
    assert "GET" in denied.headers["allow"]


async def test_notice_is_refused_by_role_shape_and_user(
    town: Town, web: httpx.AsyncClient
) -> None:
    person = town.rider()
    mine = {"Authorization": f"Bearer {person.access}"}
    operators = {"Authorization": f"Bearer {town.operator.access}"}
    path = f"/api/users/{person.id}/notices"
    good: dict[str, Any] = {"data": {}}
    problem(await web.post(path, json=good), 401, "not_authenticated")
    problem(await web.post(path, json=good, headers=mine), 403, "wrong_role")
    bad: list[Any] = [{}, [], {"data": 5}, {"data": []}, {"data": None}]
    for wrong in bad:
        answer = await web.post(path, json=wrong, headers=operators)
        problem(answer, 422, "invalid_data")
    unknown = await web.post(
        f"/api/users/{UNKNOWN}/notices", json=good, headers=operators
    )
    problem(unknown, 404, "invalid_data")
    # Nobody is there to hear it: that is no error.
    assert (await web.post(path, json=good, headers=operators)).status_code == 202


@pytest.mark.parametrize("character", ["😀", "\U00010428", '"', "é"])
async def test_the_longest_names_sign_up_takes_every_route_takes(
    character: str, town: Town, web: httpx.AsyncClient, sockets: Sockets
) -> None:
    letters = character if character.isalpha() else "x"
    username = f"{letters * 130}{time.time_ns()}"
    username += letters * (150 - len(username))
    names = {"first_name": character * 150, "last_name": character * 150}
    account = {"username": username, "password": PASSWORD}
    body = account | names | {"role": "rider"}
    made = await web.post("/api/users", json=body)
    assert made.status_code == 201, made.text
    user = made.json()["user"]
    again = (await web.post("/api/tokens", json=account)).json()
    refreshed = {"refresh": again["refresh"]}
    third = (await web.post("/api/tokens/refresh", json=refreshed)).json()
    for access in (made.json()["access"], again["access"], third["access"]):
        sent = {"Authorization": f"Bearer {access}"}
        assert (await web.get("/api/me", headers=sent)).json() == user
        assert (await web.get("/api/trips", headers=sent)).json() == []
        by_frame = await sockets.raw(None)
        await by_frame.send({"type": "session.login", "data": {"token": access}})
        protocols = ["cabrank.v1", f"bearer.{access}"]
        for client in (
            await sockets.raw(access),
            await sockets.raw(None, path=f"/ws?token={access}"),
            await sockets.raw(None, subprotocols=protocols),
            await sockets.raw(None, path=f"/ws/chat/long/?token={access}"),
            by_frame,
        ):
            assert (await client.expect("welcome"))["data"]["user"] == user
            reply = await client.do("session.refresh", {"token": access})
            assert reply is not None
    trip = await client.do("trip.request", ADDRESSES)
    assert trip["rider"]["first_name"] == names["first_name"]
    said = await client.do("chat.send", {"room": "long", "text": "here"})
    assert said["sender"]["last_name"] == names["last_name"]
    await client.do("trip.cancel", {"id": trip["id"]})
    gone = await web.delete(
        "/api/tokens", headers={"Authorization": f"Bearer {access}"}
    )
    assert gone.status_code == 204
