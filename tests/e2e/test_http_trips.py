"""Trips made and moved over HTTP on a whole system, beside sessions that hear of it."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, bearer
from tests.e2e.test_http import UNKNOWN, problem
from tests.support.stack import Person


class Doors:
    """HTTP, as somebody."""

    def __init__(self, web: httpx.AsyncClient) -> None:
        self._web = web

    async def ask(
        self, who: Person, body: dict[str, Any] | None = None, key: str = ""
    ) -> httpx.Response:
        headers = bearer(who) | ({"Idempotency-Key": key} if key else {})
        return await self._web.post(
            "/api/trips", json=ADDRESSES | (body or {}), headers=headers
        )

    async def made(self, who: Person, **more: Any) -> dict[str, Any]:
        answer = await self.ask(who, **more)
        assert answer.status_code == 201, answer.text
        trip: dict[str, Any] = answer.json()
        assert answer.headers["Location"] == f"/api/trips/{trip['id']}"
        return trip

    async def move(
        self, who: Person, trip: str, verb: str, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        path = f"/api/trips/{trip}/{verb}"
        if body is None:
            return await self._web.post(path, headers=bearer(who))
        return await self._web.post(path, json=body, headers=bearer(who))

    async def change(
        self, who: Person, trip: str, body: dict[str, Any]
    ) -> httpx.Response:
        path = f"/api/trips/{trip}"
        return await self._web.patch(path, json=body, headers=bearer(who))

    async def moved(
        self, who: Person, trip: str, verb: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = await self.move(who, trip, verb, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def doors(web: httpx.AsyncClient) -> Doors:
    return Doors(web)


async def test_a_trip_from_its_request_to_its_end_without_a_socket(
    town: Town, sockets: Sockets, doors: Doors, web: httpx.AsyncClient
) -> None:
    riding, driving, other = town.rider(), town.driver(), town.driver()
    rider = await sockets.open(riding)
    trip = await doors.made(riding)
    assert (trip["status"], trip["rider"]["id"]) == ("REQUESTED", riding.id)
    found = (await web.get(f"/api/trips/{trip['id']}", headers=bearer(riding))).json()
    assert found == trip
    shown = await doors.moved(other, trip["id"], "decline", {"reason": "no"})
    assert set(shown["rider"]) == {"id", "first_name"}
    seen = ["trip.requested"]
    for verb, status, event in (
        ("accept", "STARTED", "trip.started"),
        ("release", "REQUESTED", "trip.released"),
        ("accept", "STARTED", "trip.started"),
        ("arrive", "ARRIVED", "trip.arrived"),
        ("begin", "IN_PROGRESS", "trip.in_progress"),
        ("complete", "COMPLETED", "trip.completed"),
    ):
        told = await doors.moved(driving, trip["id"], verb)
        assert told["status"] == status
        seen.append(event)
        assert await rider.expect_trip(event, trip["id"]) == told
        again = await doors.move(driving, trip["id"], verb)  # who repeats it
        if verb == "release":
            problem(again, 403, "not_a_participant")
        else:
            assert (again.status_code, again.json()) == (200, told)
    path = f"/api/trips/{trip['id']}/events"
    rows = (await web.get(path, headers=bearer(riding))).json()
    assert [row["type"] for row in rows] == seen


async def test_the_same_key_is_answered_by_either_door_with_what_it_made(
    town: Town, sockets: Sockets, doors: Doors
) -> None:
    riding, driving = town.rider(), town.driver()
    rider = await sockets.open(riding)
    key = f"k-{time.time_ns()}"
    answers = await asyncio.gather(*(doors.made(riding, key=key) for _ in range(5)))
    assert len({trip["id"] for trip in answers}) == 1
    trip = answers[0]
    started = await doors.moved(driving, trip["id"], "accept")
    other = {"pick_up_address": "elsewhere", "idempotency_key": key}
    assert await doors.made(riding, body=other) == started
    by_socket = ADDRESSES | {"idempotency_key": key}
    assert await rider.do("trip.request", by_socket) == started
    ended = await doors.moved(riding, trip["id"], "cancel", {"reason": "late"})
    assert await doors.made(riding, key=key) == ended
    assert (await doors.made(riding, key=f"{key}2"))["id"] != trip["id"]


async def test_an_operator_asks_for_a_rider_assigns_and_ends(
    town: Town, sockets: Sockets, doors: Doors, web: httpx.AsyncClient
) -> None:
    riding, driving, olga = town.rider(), town.driver(), town.operator
    rider, driver = await sockets.open(riding), await sockets.open(driving)
    key = f"desk-{time.time_ns()}"
    trip = await doors.made(olga, body={"rider": riding.id}, key=key)
    assert trip["rider"]["id"] == riding.id
    assert await rider.expect_trip("trip.requested", trip["id"]) == trip
    await driver.expect_trip("trip.requested", trip["id"])
    other = {"rider": town.rider().id}
    assert await doors.made(olga, body=other, key=key) == trip  # the operator's key
    problem(await doors.ask(riding, key=key), 409, "rider_busy")
    problem(await doors.ask(olga, {"rider": riding.id}), 409, "rider_busy")
    unknown = await doors.move(olga, trip["id"], "assign", {"driver": UNKNOWN})
    problem(unknown, 422, "invalid_data")
    body = {"driver": driving.id}
    started = await doors.moved(olga, trip["id"], "assign", body)
    assert started["driver"]["id"] == driving.id
    assert await driver.expect_trip("trip.started", trip["id"]) == started
    problem(await doors.move(olga, trip["id"], "release"), 403, "wrong_role")
    ended = await doors.moved(olga, trip["id"], "cancel", {"reason": "rain"})
    assert await rider.expect_trip("trip.cancelled", trip["id"]) == ended
    listed = await web.get(
        f"/api/trips?rider={riding.id}&driver={driving.id}", headers=bearer(olga)
    )
    assert listed.json() == [ended]
    acts = await asyncio.to_thread(
        town.stack.command, "audit", "--user", olga.id, "--limit", "50"
    )
    told = [line for line in acts.stdout.splitlines() if trip["id"] in line]
    assert [("trip_request" in told[0]), ("trip_assign" in told[1])] == [True, True]
    assert "trip_cancel" in told[2]


async def test_what_does_not_fit_is_told_as_the_contract_says(
    town: Town, doors: Doors
) -> None:
    riding, driving, other = town.rider(), town.driver(), town.driver()
    trip = (await doors.made(riding))["id"]
    for verb in ("arrive", "begin", "complete", "release"):
        answer = await doors.move(driving, trip, verb)
        problem(answer, 403, "not_a_participant")
    problem(await doors.move(town.rider(), trip, "cancel"), 403, "not_a_participant")
    problem(await doors.move(town.operator, trip, "complete"), 409, "wrong_status")
    await doors.moved(driving, trip, "accept")
    problem(await doors.move(other, trip, "accept"), 409, "trip_already_taken")
    problem(await doors.move(other, trip, "begin"), 403, "not_a_participant")
    busy = (await doors.made(town.rider()))["id"]
    problem(await doors.move(driving, busy, "accept"), 409, "driver_busy")
    answer = await doors.move(town.operator, trip, "assign", {"driver": other.id})
    problem(answer, 409, "wrong_status")
    await doors.moved(riding, trip, "cancel")
    problem(await doors.move(other, trip, "accept"), 409, "trip_not_open")
    problem(await doors.move(driving, trip, "begin"), 409, "wrong_status")
    for verb in ("accept", "cancel"):
        for unknown in (UNKNOWN, "nonsense"):
            answer = await doors.move(driving, unknown, verb)
            problem(answer, 404, "trip_not_found")
    for rider in (UNKNOWN, driving.id, town.operator.id, "nonsense"):
        answer = await doors.ask(town.operator, {"rider": rider})
        problem(answer, 422, "invalid_data")
    problem(await doors.ask(driving), 403, "wrong_role")
    past = {"pick_up_at": "2020-01-01T00:00:00Z"}
    problem(await doors.ask(driving, past), 422, "invalid_data")
    problem(await doors.ask(riding, past | {"rider": other.id}), 422, "invalid_data")
    problem(await doors.ask(riding, {"rider": other.id}), 403, "wrong_role")
    problem(await doors.change(driving, trip, past), 422, "invalid_data")
    problem(await doors.change(driving, trip, {"note": "x"}), 403, "wrong_role")
