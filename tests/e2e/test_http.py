"""Each HTTP route of PROTOCOL.md section 5 but those of rooms, notices and pages."""

import socket
import time
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, bearer, started
from tests.support.client import Client
from tests.support.stack import Stack
from tests.support.waiting import until_is

UNKNOWN = "0192f0c4-0000-7000-8000-000000000000"
PASSWORD = "correct horse"


def name() -> str:
    return f"user-{time.time_ns()}"


def problem(answer: httpx.Response, status: int, code: str) -> None:
    """RFC 9457, with a code of the closed set."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["title"]


async def completed(rider: Client, driver: Client) -> dict[str, Any]:
    trip = await started(rider, driver)
    await driver.do("trip.begin", {"id": trip["id"]})
    ended: dict[str, Any] = await driver.do("trip.complete", {"id": trip["id"]})
    return ended


async def caught_up(web: httpx.AsyncClient, path: str, person: Any, wanted: Any) -> Any:
    """History may lag the live state by moments."""

    async def look() -> Any:
        answer = await web.get(path, headers=bearer(person))
        return answer.json() if answer.status_code == 200 else None

    return await until_is(look, wanted)


# ---- accounts ------------------------------------------------------------------


async def test_sign_up_log_in_refresh_and_log_out(web: httpx.AsyncClient) -> None:
    body = {"username": name(), "password": PASSWORD}
    more = {"first_name": "Ann", "last_name": "Lee", "role": "rider"}
    made = await web.post("/api/users", json=body | more)
    assert made.status_code == 201
    assert set(made.json()) == {"user", "access", "refresh", "expires_in"}
    user = made.json()["user"]
    assert user == {"id": user["id"], "username": body["username"], **more}
    tokens = await web.post("/api/tokens", json=body)
    assert tokens.status_code == 200
    assert tokens.json()["user"] == user
    fresh = await web.post(
        "/api/tokens/refresh", json={"refresh": tokens.json()["refresh"]}
    )
    assert fresh.status_code == 200
    access = fresh.json()["access"]
    me = await web.get("/api/me", headers=bearer(access))
    assert me.json() == user
    gone = await web.delete("/api/tokens", headers=bearer(access))
    assert (gone.status_code, gone.content) == (204, b"")
    await until_is(lambda: _me_status(web, access), lambda status: status == 401)
    problem(
        await web.post(
            "/api/tokens/refresh", json={"refresh": fresh.json()["refresh"]}
        ),
        401,
        "not_authenticated",
    )


async def _me_status(web: httpx.AsyncClient, access: str) -> int:
    return (await web.get("/api/me", headers=bearer(access))).status_code


async def test_taken_username_is_409(web: httpx.AsyncClient) -> None:
    body = {"username": name(), "password": PASSWORD, "role": "rider"}
    assert (await web.post("/api/users", json=body)).status_code == 201
    problem(await web.post("/api/users", json=body), 409, "invalid_data")


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": ""},
        {"username": "a b"},
        {"username": "x" * 151},
        {"username": "nul\x00"},
        {"password": "seven77"},
        {"password": "x" * 129},
        {"role": "operator"},
        {"role": "king"},
        {"first_name": "x" * 151},
        {"username": None},
    ],
)
async def test_sign_up_that_breaks_a_limit_is_422(
    wrong: dict[str, Any], web: httpx.AsyncClient
) -> None:
    body = {"username": name(), "password": PASSWORD, "role": "rider"}
    problem(await web.post("/api/users", json=body | wrong), 422, "invalid_data")


async def test_wrong_password_is_401(web: httpx.AsyncClient) -> None:
    login = {"username": name(), "password": PASSWORD}
    problem(await web.post("/api/tokens", json=login), 401, "bad_credentials")


async def test_unreadable_body_is_400(web: httpx.AsyncClient) -> None:
    for content in (b"", b"{", b"\xff"):
        problem(await web.post("/api/users", content=content), 400, "bad_frame")


async def test_body_over_64_kib_is_413(web: httpx.AsyncClient) -> None:
    answer = await web.post("/api/users", content=b" " * 65_537)
    assert answer.status_code == 413


async def test_revoking_an_unknown_user_is_404(
    town: Town, web: httpx.AsyncClient
) -> None:
    answer = await web.post(
        f"/api/users/{UNKNOWN}/revoke", headers=bearer(town.operator)
    )
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/me"),
        ("DELETE", "/api/tokens"),
        ("GET", "/api/trips"),
        ("GET", f"/api/trips/{UNKNOWN}"),
        ("GET", f"/api/trips/{UNKNOWN}/events"),
        ("POST", f"/api/users/{UNKNOWN}/revoke"),
    ],
)
async def test_route_without_a_token_is_401(
    method: str, path: str, web: httpx.AsyncClient
) -> None:
    problem(await web.request(method, path), 401, "not_authenticated")


# ---- trips ---------------------------------------------------------------------


async def test_history_of_a_trip(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    riding, driving = town.rider(), town.driver()
    rider, driver = await sockets.open(riding), await sockets.open(driving)
    trip = await completed(rider, driver)
    path = f"/api/trips/{trip['id']}"
    for person in (riding, driving, town.operator):
        await caught_up(web, path, person, lambda found: found == trip)
        rows = await caught_up(
            web, f"{path}/events", person, lambda rows: len(rows or []) == 4
        )
    assert [row["version"] for row in rows] == [1, 2, 3, 4]
    assert [row["type"] for row in rows] == [
        "trip.requested",
        "trip.started",
        "trip.in_progress",
        "trip.completed",
    ]
    shown = {f["data"]["version"]: f for f in rider.frames if "seq" in f}
    for row in rows:
        assert set(row) == {"seq", "type", "version", "at", "data"}
        assert row["data"] == shown[row["version"]]["data"]
        assert row["seq"] == shown[row["version"]]["seq"]
    assert rows[-1]["data"] == trip


async def test_stranger_sees_no_trip_of_others(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    riding = town.rider()
    rider = await sockets.open(riding)
    trip = await rider.do("trip.request", ADDRESSES)
    path = f"/api/trips/{trip['id']}"
    await caught_up(web, path, riding, lambda found: found == trip)
    for person in (town.rider(), town.driver()):
        for route in (path, f"{path}/events"):
            answer = await web.get(route, headers=bearer(person))
            problem(answer, 403, "not_a_participant")
        assert (await web.get("/api/trips", headers=bearer(person))).json() == []


async def test_unknown_trip_is_404(town: Town, web: httpx.AsyncClient) -> None:
    for trip in (UNKNOWN, "nonsense"):
        for route in (f"/api/trips/{trip}", f"/api/trips/{trip}/events"):
            answer = await web.get(route, headers=bearer(town.operator))
            problem(answer, 404, "trip_not_found")


async def test_trips_are_listed_newest_first_in_pages(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    person = town.rider()
    rider = await sockets.open(person)
    made = []
    for _ in range(5):
        trip = await rider.do("trip.request", ADDRESSES)
        made.insert(0, trip["id"])
        await rider.do("trip.cancel", {"id": trip["id"]})
    last = await rider.do("trip.request", ADDRESSES)
    made.insert(0, last["id"])
    trips = await caught_up(
        web, "/api/trips", person, lambda found: len(found or []) == 6
    )
    assert [trip["id"] for trip in trips] == made
    first = await web.get("/api/trips?limit=2", headers=bearer(person))
    assert [trip["id"] for trip in first.json()] == made[:2]
    rest = await web.get(f"/api/trips?before={made[1]}", headers=bearer(person))
    assert [trip["id"] for trip in rest.json()] == made[2:]
    still = await web.get("/api/trips?status=REQUESTED", headers=bearer(person))
    assert [trip["id"] for trip in still.json()] == made[:1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=LOST", f"before={UNKNOWN}"]
)
async def test_impossible_page_is_422(
    query: str, town: Town, web: httpx.AsyncClient
) -> None:
    answer = await web.get(f"/api/trips?{query}", headers=bearer(town.operator))
    problem(answer, 422, "invalid_data")


# ---- the rest ------------------------------------------------------------------


async def test_operations_routes(web: httpx.AsyncClient, stack: Stack) -> None:
    assert (await web.get("/healthz")).status_code == 200
    assert (await web.get("/readyz")).status_code == 200
    assert (await web.get("/metrics")).status_code == 404
    metrics = await web.get(stack.metrics_url("gateway-1"))
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "cabrank_gateway_" in metrics.text


async def test_documents_name_what_there_is(web: httpx.AsyncClient) -> None:
    openapi = (await web.get("/openapi.json")).json()
    assert openapi["openapi"].startswith("3.")
    paths = {path.replace("{trip_id}", "{id}") for path in openapi["paths"]}
    assert {"/api/users", "/api/tokens", "/api/me", "/api/trips"} <= paths
    asyncapi = (await web.get("/asyncapi.json")).json()
    assert asyncapi["asyncapi"].startswith("3.")
    assert "trip.accept" in str(asyncapi)
    docs = await web.get("/docs", follow_redirects=True)
    assert docs.status_code == 200
    assert docs.headers["content-type"].startswith("text/html")


async def test_unknown_path_and_method_are_problems(web: httpx.AsyncClient) -> None:
    lost = await web.get("/api/nowhere")
    assert lost.status_code == 404
    assert lost.headers["content-type"].startswith("application/problem+json")
    wrong = await web.put("/api/me")
    assert wrong.status_code == 405
    assert wrong.headers["content-type"].startswith("application/problem+json")


def test_head_that_never_ends_ends_the_connection(town: Town) -> None:
    host, port = town.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as half:
        half.sendall(b"GET /api/me HTTP/1.1\r\nHost: x\r\n")
        left = half.recv(4096)
        while left:
            left = half.recv(4096)
