"""clients/python over HTTP: whatever the server has, a method does."""

import asyncio
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from cabrank_client import (
    AsyncHttpClient,
    BadCredentials,
    Client,
    HttpClient,
    InvalidData,
    NotAuthenticated,
    RiderBusy,
    TripNotFound,
    Unavailable,
    UnexpectedAnswer,
    WrongRole,
    new_key,
)

from tests.e2e.conftest import ADDRESSES, Town
from tests.support.nats import free_port
from tests.support.waiting import until_is
from tests.unit.clients.python.cabrank_client.test_contract import SAMPLE, calls_of

PASSWORD = "long enough"
PLACE = {"lat": 1.5, "lon": 2.5}


async def in_a_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def test_a_desk_that_blocks_books_assigns_and_ends_a_trip(town: Town) -> None:
    rider, driver = town.rider(), town.driver()

    def work() -> str:
        with HttpClient(town.url, token=town.operator.access) as desk:
            key = new_key()
            trip = desk.request_trip(
                **ADDRESSES, rider=rider.id, pick_up=PLACE, idempotency_key=key
            )
            assert (trip["rider"]["id"], trip["pick_up"]) == (rider.id, PLACE)
            again = desk.request_trip(**ADDRESSES, rider=rider.id, idempotency_key=key)
            assert again["id"] == trip["id"]
            with pytest.raises(RiderBusy):
                desk.request_trip(**ADDRESSES, rider=rider.id)
            with pytest.raises(InvalidData):
                desk.request_trip(**ADDRESSES, rider="nobody")
            assert desk.assign_trip(trip["id"], driver.id)["status"] == "STARTED"
            assert desk.driver(driver.id)["trip"] == trip["id"]
            assert desk.tag_driver(driver.id, ["van"])["tags"] == ["van"]
            assert desk.matching(trip["id"])["trip"] == trip["id"]
            assert desk.cancel_trip(trip["id"], "changed")["status"] == "CANCELLED"
            with pytest.raises(TripNotFound):
                desk.get_trip(SAMPLE)
            with pytest.raises(TripNotFound):
                desk.get_trip("b?c#d")
            desk.notify(rider.id, {"kind": "hello"})
            return trip["id"]

    trip = await in_a_thread(work)
    async with AsyncHttpClient(town.url, token=town.operator.access) as desk:

        async def events() -> list[str]:
            return [row["type"] for row in await desk.trip_events(trip)]

        wanted = ["trip.requested", "trip.started", "trip.cancelled"]
        assert await until_is(events, lambda seen: seen == wanted)
        assert [each["id"] async for each in desk.all_trips(rider=rider.id)] == [trip]
        assert await desk.track(trip) == []


async def test_people_move_trips_and_talk_over_http_alone(town: Town) -> None:
    async with (
        AsyncHttpClient(town.url, token=town.rider().access) as rider,
        AsyncHttpClient(town.url, token=town.driver().access) as driver,
    ):
        trip = (await rider.request_trip("Zürich HB", "Örlikon"))["id"]
        await driver.accept_trip(trip)
        key = new_key()
        said = await rider.send_message(f"trip_{trip}", "Hi", idempotency_key=key)
        again = await rider.send_message(f"trip_{trip}", "Hi", idempotency_key=key)
        assert again == said
        for move in ("arrive", "begin", "complete"):
            done = await getattr(driver, f"{move}_trip")(trip)
        assert done["status"] == "COMPLETED"
        with pytest.raises(WrongRole):
            await rider.assign_trip(trip, (await driver.me())["id"])

        async def log() -> list[str]:
            return [each["id"] for each in await driver.messages(f"trip_{trip}")]

        assert await until_is(log, lambda seen: seen == [said["id"]])


async def test_a_session_by_password_is_begun_anew_once_it_has_ended(
    town: Town,
) -> None:
    name = f"anew-{new_key()}"

    def work() -> None:
        with HttpClient(town.url) as web:
            web.sign_up(name, PASSWORD, "rider", first_name="Ann")
            with pytest.raises(NotAuthenticated):
                web.me()
        with HttpClient(town.url, username=name, password=PASSWORD) as web:
            assert web.me()["first_name"] == "Ann"
            first = web.token()
            web.log_out()
            assert web.me()["username"] == name
            assert web.token() != first

    await in_a_thread(work)


async def test_a_service_account_s_key_is_a_token_for_both(town: Town) -> None:
    name = f"desk-{new_key()}"
    words = ("user", "add", name, "--role", "operator", "--service")
    made = await in_a_thread(lambda: town.stack.command(*words, "--scope", "trips"))
    assert made.returncode == 0, made.stderr
    key, rider = made.stdout.strip(), town.rider()
    async with Client(town.url, token=key) as desk:
        assert (desk.user["username"], desk.user["role"]) == (name, "operator")
        trip = await desk.http.request_trip(**ADDRESSES, rider=rider.id)
        with pytest.raises(WrongRole):
            desk.follow(trip["id"])
        with pytest.raises(WrongRole, match="drivers"):
            await desk.http.drivers()
        assert (await desk.cancel_trip(trip["id"]))["status"] == "CANCELLED"
        token = await desk.http.exchange_key(key, ["trips"])
    async with AsyncHttpClient(town.url, token=token["access_token"]) as web:
        assert (await web.me())["username"] == name
        with pytest.raises(BadCredentials):
            await web.exchange_key("cbk_" + "A" * 43)


def by_name(templated: bool) -> set[tuple[str, str]]:
    return {
        (call.method, call.path.replace(SAMPLE, "{}") if templated else call.path)
        for call in calls_of(HttpClient).values()
    }


async def test_every_route_of_the_api_is_called_by_a_method(
    town: Town, web: httpx.AsyncClient
) -> None:
    document = (await web.get("/openapi.json")).json()
    routes = {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/")
    }
    by_itself = {("POST", "/api/tokens/refresh")}
    called = by_name(templated=True)
    assert routes - by_itself <= called
    assert len(called) > 25


class Proxy(BaseHTTPRequestHandler):
    """Somebody's, whose server is away at first, and then another's."""

    statuses = (503, 429, 404)

    def do_GET(self) -> None:
        status = self.statuses[len(self.server.asked)]
        self.server.asked.append(self.path)
        self.send_response(status)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"<p/>")

    def log_message(self, *_: object) -> None:
        pass


def test_whoever_answers_instead_of_the_server_is_told() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        HttpClient(nowhere, token="t", patience_s=0) as web,
        pytest.raises(Unavailable, match="can't be reached"),
    ):
        web.me()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.asked = []
        Thread(target=server.serve_forever).start()
        with (
            HttpClient(f"http://127.0.0.1:{server.server_port}", token="t") as web,
            pytest.raises(UnexpectedAnswer, match="404"),
        ):
            web.me()
        server.shutdown()
    assert server.asked == ["/api/me"] * 3
