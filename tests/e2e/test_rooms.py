"""Rooms and notices on a whole running system."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import ADDRESSES, Sockets, Town, bearer, started
from tests.support.client import Client, welcomed
from tests.support.stack import Person, Stack, cabrank, running
from tests.support.waiting import until_is

UNKNOWN_TRIP = "trip_00000000-0000-7000-8000-000000000000"


async def history(
    web: httpx.AsyncClient, person: Person, room: str, count: int
) -> list[dict[str, Any]]:
    """The room's messages, oldest first, once the database has that many."""

    async def look() -> list[dict[str, Any]]:
        path = f"/api/rooms/{room}/messages"
        answer = await web.get(path, headers=bearer(person))
        if answer.status_code == 404:
            return []  # the trip itself is not there yet
        assert answer.status_code == 200, answer.text
        messages: list[dict[str, Any]] = answer.json()
        return messages[::-1]

    return await until_is(look, lambda messages: len(messages) >= count)


async def heard(client: Client, text: str) -> dict[str, Any]:
    frame = await client.expect("chat.message", lambda f: f["data"]["text"] == text)
    data: dict[str, Any] = frame["data"]
    return data


async def test_what_is_said_reaches_the_members_and_the_history(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    ada, bob = town.rider(), town.driver()
    first, second = await sockets.open(ada), await sockets.open(bob)
    joined = await first.do("chat.join", {"room": "e2e-open"})
    assert [member["id"] for member in joined["members"]] == [ada.id]
    joined = await second.do("chat.join", {"room": "e2e-open"})
    assert {member["id"] for member in joined["members"]} == {ada.id, bob.id}
    assert (await first.expect("chat.joined"))["data"]["user"]["id"] == bob.id
    said = await first.do("chat.send", {"room": "e2e-open", "text": "hello"})
    assert said["seq"] == 1
    assert await heard(first, "hello") == await heard(second, "hello") == said
    assert await history(web, ada, "e2e-open", 1) == [said]
    await second.vanish()
    assert (await first.expect("chat.left"))["data"]["user"]["id"] == bob.id


async def test_the_same_key_says_it_once(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    ada = town.rider()
    client = await sockets.open(ada)
    await client.do("chat.join", {"room": "e2e-key"})
    data = {"room": "e2e-key", "text": "once", "idempotency_key": "k"}
    first = await client.do("chat.send", data)
    again = await client.do("chat.send", data)
    body = {"text": "once", "idempotency_key": "k"}
    path = "/api/rooms/e2e-key/messages"
    outside = await web.post(path, json=body, headers=bearer(ada))
    assert outside.status_code == 201
    assert first == again == outside.json()
    await client.do("chat.send", {"room": "e2e-key", "text": "last"})
    await heard(client, "last")
    assert len(client.seen("chat.message")) == 2
    assert len(await history(web, ada, "e2e-key", 2)) == 2


async def test_a_history_of_the_longest_messages_still_answers(
    town: Town, sockets: Sockets
) -> None:
    client = await sockets.open(town.rider())
    await client.do("chat.join", {"room": "e2e-long"})
    text = "\N{SNOWMAN WITHOUT SNOW}" * 4000
    for _ in range(100):
        await client.do("chat.send", {"room": "e2e-long", "text": text})
    joined = await client.do("chat.join", {"room": "e2e-long"})
    numbers = [message["seq"] for message in joined["history"]]
    assert numbers == list(range(101 - len(numbers), 101))
    last = await client.do("chat.join", {"room": "e2e-long", "since": 99})
    assert [message["seq"] for message in last["history"]] == [100]


async def test_a_trips_room_is_its_riders_and_drivers(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    people = town.rider(), town.driver()
    rider, driver = [await sockets.open(person) for person in people]
    stranger = town.rider()
    other = await sockets.open(stranger)
    trip = await started(rider, driver)
    room = f"trip_{trip['id']}"
    said = await rider.do("chat.send", {"room": room, "text": "at the corner"})
    assert await heard(driver, "at the corner") == said
    await heard(rider, "at the corner")
    joined = await driver.do("chat.join", {"room": room})
    assert {m["id"] for m in joined["members"]} == {person.id for person in people}
    assert joined["history"] == [said]
    for kind in ("chat.join", "chat.send"):
        refused = await other.refusal(kind, {"room": room, "text": "x"})
        assert refused == "room_forbidden"
    path = f"/api/rooms/{room}/messages"
    await history(web, people[0], room, 1)
    read = await web.get(path, headers=bearer(stranger))
    assert (read.status_code, read.json()["code"]) == (403, "room_forbidden")
    written = await web.post(path, json={"text": "x"}, headers=bearer(stranger))
    assert (written.status_code, written.json()["code"]) == (403, "room_forbidden")
    with pytest.raises(InvalidStatus) as refusal:
        await sockets.raw(stranger.access, path=f"/ws/chat/{room}/")
    assert refusal.value.response.status_code == 403
    watching = await sockets.open(town.operator)
    await watching.do("chat.join", {"room": room})
    await driver.do("trip.release", {"id": trip["id"]})
    await driver.expect("trip.released")
    assert (
        await driver.refusal("chat.send", {"room": room, "text": "x"})
        == "room_forbidden"
    )
    await rider.do("chat.send", {"room": room, "text": "where are you?"})
    await heard(watching, "where are you?")
    await driver.quiet()
    assert len(driver.seen("chat.message")) == 1


async def test_an_unknown_trip_has_no_room(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    ada = town.rider()
    client = await sockets.open(ada)
    assert await client.refusal("chat.join", {"room": UNKNOWN_TRIP}) == "trip_not_found"
    path = f"/api/rooms/{UNKNOWN_TRIP}/messages"
    for answer in (
        await web.get(path, headers=bearer(ada)),
        await web.post(path, json={"text": "x"}, headers=bearer(ada)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "trip_not_found")


async def test_notices_and_messages_come_from_a_shell(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    ada = town.rider()
    tabs = [await sockets.open(ada) for _ in range(2)]
    at = ("--data-dir", str(town.stack.data_dir))
    done = cabrank("notify", ada.user["username"], '{"text": "closed"}', *at)
    heard_by = (done.returncode, done.stdout, done.stderr)
    assert heard_by == (0, "Heard by 2 sessions.\n", "")
    away = town.rider().user["username"]
    done = cabrank("notify", away, "{}", *at)
    assert (done.returncode, done.stdout) == (0, "Sent; no session heard it.\n")
    by_id = await web.post(
        f"/api/users/{ada.id}/notices",
        json={"data": {"text": "open"}},
        headers=bearer(town.operator),
    )
    assert by_id.status_code == 202
    for tab in tabs:
        for text in ("closed", "open"):
            frame = await tab.expect("notice")
            assert frame == {"type": "notice", "data": {"text": text}}
    await tabs[0].do("chat.join", {"room": "e2e-shell"})
    done = cabrank("say", "e2e-shell", "the depot closes", *at)
    assert (done.returncode, done.stdout) == (0, "message 1 in e2e-shell\n")
    await heard(tabs[0], "the depot closes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("say", "a.b", "x"),
        ("say", "", "x"),
        ("say", "room", ""),
        ("say", "room", "x" * 4001),
        ("say", UNKNOWN_TRIP, "x"),
        ("notify", "nobody-of-that-name", "{}"),
        ("notify", "somebody", "{"),
        ("notify", "somebody", "[1]"),
    ],
)
def test_what_a_shell_gets_wrong_is_one_sentence(
    stack: Stack, arguments: tuple[str, ...]
) -> None:
    done = cabrank(*arguments, "--data-dir", str(stack.data_dir))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "status"),
    [("http://127.0.0.1:1", 2), ("nonsense", 2), ("file:///etc/hostname", 2)],
)
def test_an_address_that_does_not_answer_is_told(
    stack: Stack, url: str, status: int
) -> None:
    at = ("--data-dir", str(stack.data_dir), "--url", url)
    done = cabrank("say", "room", "x", *at)
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1


def test_saying_needs_a_system(tmp_path: Any) -> None:
    done = cabrank("say", "room", "x", "--data-dir", str(tmp_path / "none"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_small_bench_loses_nothing(stack: Stack) -> None:
    size = "--rooms 2 --members 3 --burst 4 --bursts 2 --duration 0.2 --runs 1"
    at = ("--url", stack.url, "--data-dir", str(stack.data_dir))
    done = cabrank("bench", "chat", *size.split(), *at, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["losses"], outcome["troubles"]) == (0, {})
    burst, steady = outcome["runs"]
    assert burst["deliveries"] == 2 * 4 * 2 * 3
    assert steady["deliveries"] == 40 * 3
    assert {"gateway", "dispatcher", "load"} <= set(burst["cpu_s"])


# ---- what dies ---------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("rooms") / "data"
    # The first one's port is shared by all: two with ports of their own.
    with running(directory, "--gateways", "3", "--dispatchers", "2") as stack:
        yield stack


@pytest.fixture(scope="module")
def people(fleet: Stack) -> list[Person]:
    return fleet.people("rider", 12)


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def member(
    closing: AsyncExitStack, base: str, person: Person, room: str
) -> Client:
    client, _ = await welcomed(base, person.access)
    await closing.enter_async_context(client)
    await client.do("chat.join", {"room": room})
    return client


async def test_members_over_two_gateways_are_true_also_after_one_is_killed(
    fleet: Stack, people: list[Person], closing: AsyncExitStack
) -> None:
    ada, bob, eve = people.pop(), people.pop(), people.pop()
    here = await member(closing, fleet.gateway(3), ada, "two")
    there = await member(closing, fleet.gateway(2), bob, "two")
    await member(closing, fleet.gateway(2), eve, "two")
    said = await there.do("chat.send", {"room": "two", "text": "hello"})
    assert await heard(here, "hello") == await heard(there, "hello") == said
    fleet.kill("gateway-2")
    back = await member(closing, fleet.gateway(3), eve, "two")
    left = await here.expect("chat.left")
    assert left["data"]["user"]["id"] == bob.id
    joined = await back.do("chat.join", {"room": "two"})
    assert {m["id"] for m in joined["members"]} == {ada.id, eve.id}
    assert not [f for f in here.seen("chat.left") if f["data"]["user"]["id"] == eve.id]
    await fleet.ready(2)


async def test_a_killed_leader_costs_no_member_and_no_message(
    fleet: Stack, people: list[Person], closing: AsyncExitStack
) -> None:
    clients = [
        await member(closing, fleet.gateway(number), people.pop(), "led")
        for number in (2, 3)
    ]
    sent = 0
    for victim in ("", "dispatcher-1", "dispatcher-2"):  # one of them leads
        if victim:
            fleet.kill(victim)
        for _ in range(10):
            sent += 1
            data = {"room": "led", "text": str(sent), "idempotency_key": str(sent)}
            await clients[sent % 2].do("chat.send", data)
    for client in clients:
        await heard(client, str(sent))
        numbers = [f["data"]["seq"] for f in client.seen("chat.message")]
        assert numbers == list(range(1, sent + 1))
        assert not client.seen("chat.left")
    joined = await clients[0].do("chat.join", {"room": "led"})
    assert len(joined["members"]) == 2
    assert [json.loads(m["text"]) for m in joined["history"]] == numbers


async def test_a_restarted_nats_server_costs_no_message(
    fleet: Stack, people: list[Person], closing: AsyncExitStack
) -> None:
    clients = [
        await member(closing, fleet.gateway(number), people.pop(), "away")
        for number in (2, 3)
    ]
    await clients[0].do("chat.send", {"room": "away", "text": "1"})
    fleet.kill("nats")
    for number in (2, 3):
        data = {"room": "away", "text": str(number), "idempotency_key": str(number)}

        async def insist(data: dict[str, str] = data) -> bool:
            frame = await clients[0].ask("chat.send", data)
            return frame["type"] == "reply"

        await until_is(insist, bool, 30)
    for client in clients:
        await heard(client, "3")
        numbers = [f["data"]["seq"] for f in client.seen("chat.message")]
        assert numbers == [1, 2, 3]


async def test_who_requests_alone_may_write_to_the_trip_before(
    fleet: Stack, people: list[Person], closing: AsyncExitStack
) -> None:
    rider, _ = await welcomed(fleet.gateway(3), people.pop().access)
    await closing.enter_async_context(rider)
    trip = await rider.do("trip.request", ADDRESSES)
    room = f"trip_{trip['id']}"
    await rider.do("chat.join", {"room": room})
    await rider.do("chat.send", {"room": room, "text": "second door"})
    (taker,) = fleet.people("driver", 1)
    driver, _ = await welcomed(fleet.gateway(2), taker.access)
    await closing.enter_async_context(driver)
    await driver.do("trip.accept", {"id": trip["id"]})
    await rider.expect("trip.started")
    await rider.do("chat.send", {"room": room, "text": "hurry"})
    await heard(driver, "hurry")
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 2]
