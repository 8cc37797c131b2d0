"""Limits of a user on a whole system: the last that is allowed, the first that is not,
over connections and gateways (PROTOCOL.md section 2).

Nothing refills here while a test runs, so that counts are exact.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, bearer
from tests.support.client import Client, welcomed
from tests.support.stack import Person, Stack, running

NEVER = "0.000001"
UNKNOWN = {"id": "0192f0c4-0000-7000-8000-000000000000"}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "CABRANK_USER_COMMANDS_PER_S": NEVER,
        "CABRANK_USER_REQUESTS_PER_MIN": NEVER,
        "CABRANK_USER_MESSAGES_PER_S": NEVER,
        "CABRANK_USER_READS_PER_S": NEVER,
        "CABRANK_USER_SEATS_MAX": "3",
        "CABRANK_USER_ROOMS_PER_DAY": "2",
    }
    data = tmp_path_factory.mktemp("slow") / "data"
    with running(data, "--gateways", "2", settings=settings) as made:
        yield made


@pytest.fixture(scope="module")
def riders(slow: Stack) -> list[Person]:
    return slow.people("rider", 20)


@pytest.fixture
async def opened(slow: Stack) -> AsyncIterator[Any]:
    """Opens clients of a person, on gateway 1 and 2 in turns."""
    async with AsyncExitStack() as stack:

        async def open_all(person: Person, count: int) -> list[Client]:
            made = []
            for number in range(count):
                url = slow.gateway(1 + number % 2)
                client, _ = await welcomed(url, person.access)
                made.append(await stack.enter_async_context(client))
            return made

        yield open_all


def web(slow: Stack, number: int = 1) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=slow.gateway(number), trust_env=False)


async def outcomes(clients: list[Client], kind: str, data: Any, each: int) -> Counter:
    """Codes of what all clients ask at once; `reply` where it was answered."""
    asked = [client.ask(kind, data) for client in clients for _ in range(each)]
    frames = await asyncio.gather(*asked)
    return Counter(
        frame["data"]["code"] if frame["type"] == "refused" else "reply"
        for frame in frames
    )


async def test_commands_count_over_connections_and_gateways(
    slow: Stack, riders: list[Person], opened: Any
) -> None:
    clients = await opened(riders.pop(), 4)
    assert await outcomes(clients, "trip.get", UNKNOWN, 60) == {
        "trip_not_found": 200,
        "rate_limited": 40,
    }
    for client in clients:
        assert await client.refusal("chat.join", {"room": "r"}) == "rate_limited"
        frame = await client.ask("trip.get", UNKNOWN)
        assert frame["data"]["retryable"] is True


async def test_an_operator_may_ten_times_as_many_commands(
    slow: Stack, opened: Any
) -> None:
    (operator,) = slow.people("operator", 1)
    clients = await opened(operator, 10)
    assert await outcomes(clients, "trip.get", UNKNOWN, 210) == {
        "trip_not_found": 2_000,
        "rate_limited": 100,
    }


async def test_requests_count_over_gateways(riders: list[Person], opened: Any) -> None:
    first, second = await opened(riders.pop(), 2)
    for number in range(10):
        client = (first, second)[number % 2]
        trip = await client.do("trip.request", ADDRESSES)
        await client.do("trip.cancel", {"id": trip["id"]})
    for client in (first, second):
        assert await client.refusal("trip.request", ADDRESSES) == "rate_limited"
    assert await first.refusal("trip.get", UNKNOWN) == "trip_not_found"


async def test_messages_count_over_sessions_and_http_and_repeats_count_too(
    slow: Stack, riders: list[Person], opened: Any
) -> None:
    person = riders.pop()
    first, second = await opened(person, 2)
    for client in (first, second):
        await client.do("chat.join", {"room": "talk"})
    said = {"room": "talk", "text": "hi", "idempotency_key": "k"}
    assert await outcomes([first, second], "chat.send", said, 45) == {"reply": 90}
    async with web(slow) as client:
        posts = [
            await client.post(
                "/api/rooms/talk/messages", json={"text": "x"}, headers=bearer(person)
            )
            for _ in range(12)
        ]
    assert Counter(post.status_code for post in posts) == {201: 10, 429: 2}
    assert posts[-1].json()["code"] == "rate_limited"
    assert int(posts[-1].headers["retry-after"]) > 1_000
    assert await second.refusal("chat.send", said) == "rate_limited"


async def test_http_requests_count_by_gateway(
    slow: Stack, riders: list[Person]
) -> None:
    person = riders.pop()
    for number in (1, 2):
        async with web(slow, number) as client:
            got = [
                (await client.get("/api/me", headers=bearer(person))).status_code
                for _ in range(202)
            ]
        assert Counter(got) == {200: 200, 429: 2}
        assert got[-2:] == [429, 429]


async def test_places_in_rooms_count_over_sessions_and_are_free_again(
    slow: Stack, riders: list[Person], opened: Any
) -> None:
    person = riders.pop()
    first, second = await opened(person, 2)
    for client, room in ((first, "a1"), (second, "a2"), (first, "a3")):
        await client.do("chat.join", {"room": room})
    for client in (first, second):
        assert await client.refusal("chat.join", {"room": "a4"}) == "overloaded"
        assert await client.refusal("chat.join", {"room": "a4"}) == "overloaded"
    await first.do("chat.join", {"room": "a1"})
    await first.do("chat.leave", {"room": "a1"})
    await second.do("chat.join", {"room": "a4"})
    assert await first.refusal("chat.join", {"room": "a1"}) == "overloaded"


async def test_rooms_that_did_not_exist_count_by_the_day(
    slow: Stack, riders: list[Person]
) -> None:
    person, other = riders.pop(), riders.pop()
    async with web(slow) as client:

        async def say(room: str, who: Person) -> httpx.Response:
            path = f"/api/rooms/{room}/messages"
            return await client.post(path, json={"text": "x"}, headers=bearer(who))

        assert (await say("theirs", other)).status_code == 201
        for room in ("new-1", "theirs", "new-2", "new-1"):
            assert (await say(room, person)).status_code == 201
        refused = await say("new-3", person)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 1_000
        assert (await say("new-2", person)).status_code == 201
        assert (await say("new-3", other)).status_code == 201
        assert (await say("new-3", person)).status_code == 201


async def test_a_trip_s_room_needs_the_allowance_too(
    slow: Stack, riders: list[Person], opened: Any
) -> None:
    person = riders.pop()
    (client,) = await opened(person, 1)
    assert (await outcomes([client], "trip.get", UNKNOWN, 200))["rate_limited"] == 0
    path = f"/ws/chat/trip_{UNKNOWN['id']}/"
    async with web(slow) as http:
        response = await http.get(
            path,
            headers={
                **bearer(person),
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
    assert response.status_code == 429
    assert response.json()["code"] == "rate_limited"
    assert "retry-after" in response.headers


async def test_zero_turns_a_limit_off(tmp_path: Path) -> None:
    settings = {
        "CABRANK_USER_COMMANDS_PER_S": "0",
        "CABRANK_USER_MESSAGES_PER_S": "0",
        "CABRANK_USER_READS_PER_S": "0",
        "CABRANK_USER_SEATS_MAX": "0",
        "CABRANK_USER_ROOMS_PER_DAY": "0",
    }
    with running(tmp_path / "data", settings=settings) as stack:
        (rider,) = stack.people("rider", 1)
        client, _ = await welcomed(stack.url, rider.access)
        async with client, web(stack) as http:
            for _ in range(5):
                assert await outcomes([client], "trip.get", UNKNOWN, 200) == {
                    "trip_not_found": 200
                }
            await client.do("chat.join", {"room": "talk"})
            said = {"room": "talk", "text": "hi"}
            assert await outcomes([client], "chat.send", said, 250) == {"reply": 250}
            for _ in range(300):
                got = await http.get("/api/me", headers=bearer(rider))
                assert got.status_code == 200


async def test_trip_requests_and_commands_count_over_both_doors(
    slow: Stack, riders: list[Person], opened: Any
) -> None:
    rider = riders.pop()
    who = bearer(rider)
    first, second = await opened(rider, 2)
    async with web(slow) as one, web(slow, 2) as two:
        doors = ((first, one), (second, two), (first, two), (second, one), (first, one))
        for socket, door in doors:  # ten trip requests, as many as there may be at once
            trip = await socket.do("trip.request", ADDRESSES)
            path = f"/api/trips/{trip['id']}/cancel"
            assert (await door.post(path, headers=who)).status_code == 200
            made = await door.post("/api/trips", json=ADDRESSES, headers=who)
            assert made.status_code == 201, made.text
            await socket.do("trip.cancel", {"id": made.json()["id"]})
        late = await one.post("/api/trips", json=ADDRESSES, headers=who)
        assert (late.status_code, late.json()["code"]) == (429, "rate_limited")
        assert int(late.headers["Retry-After"]) >= 1
        refused = await second.ask("trip.request", ADDRESSES)
        assert refused["data"]["code"] == "rate_limited"
        left = 200 - 20 - 2  # of the burst of commands
        done = await outcomes([first], "trip.get", UNKNOWN, left)
        assert done == {"trip_not_found": left}
        path = f"/api/trips/{UNKNOWN['id']}/cancel"
        late = await two.post(path, headers=who)
        assert (late.status_code, late.json()["code"]) == (429, "rate_limited")
