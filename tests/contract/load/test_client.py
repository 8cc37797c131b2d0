"""The load client against a scripted server on a real socket."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from cabrank.trial.load.client import Client
from cabrank.trial.load.users import Account
from cabrank.trial.load.watch import Watch
from schemas.codec import encode
from schemas.trips import Role, User
from tests.support.nats import free_port
from tests.support.waiting import until
from tests.unit.cabrank.trial.worlds import life

ANN = User("rider", "ann", "Ann", "Lee", Role.RIDER)
TRIP = json.loads(encode(life()[0]))
FAR = float("inf")


class Script:
    """Welcomes everybody, then does what `then` says with each connection."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.then: list[Callable[[ServerConnection], Awaitable[None]]] = []
        self.base = ""

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        number = len(self.paths)
        data = {
            "user": json.loads(encode(ANN)),
            "session": f"s{number}",
            "region": "main",
            "seq": 100,
            "heartbeat_s": 25,
            "trips": [],
            "open_trips": [],
            "recovered": number > 1,
        }
        await socket.send(json.dumps({"type": "welcome", "data": data}))
        if self.then:
            await self.then.pop(0)(socket)
        await socket.wait_closed()

    async def next_command(self, socket: ServerConnection) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await socket.recv())
        self.asked.append(frame)
        return frame

    async def reply(self, socket: ServerConnection) -> None:
        frame = await self.next_command(socket)
        await socket.send(
            json.dumps({"type": "reply", "ref": frame["ref"], "data": TRIP})
        )

    def refuse(
        self, code: str, *, then_reply: bool
    ) -> Callable[[ServerConnection], Awaitable[None]]:
        async def act(socket: ServerConnection) -> None:
            frame = await self.next_command(socket)
            data = {"code": code, "message": "no", "retryable": then_reply}
            await socket.send(
                json.dumps({"type": "refused", "ref": frame["ref"], "data": data})
            )
            if then_reply:
                await self.reply(socket)

        return act


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    made = Script()
    async with serve(made.handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made.base = f"http://127.0.0.1:{port}"
        yield made


@contextlib.asynccontextmanager
async def staying(*bases: str, user: User = ANN) -> AsyncIterator[tuple[Client, Watch]]:
    watch = Watch.new()
    account = Account(user, "token", None, FAR)
    ours = frozenset({ANN.id})
    client = Client(account, list(bases), watch, random.Random(1), ours)
    task = asyncio.create_task(client.stay())
    try:
        yield client, watch
    finally:
        client.stop()
        await task


async def test_command_whose_connection_is_lost_is_sent_again(script: Script) -> None:
    async def vanish(socket: ServerConnection) -> None:
        await script.next_command(socket)
        socket.transport.abort()

    script.then = [vanish, script.reply]
    async with staying(script.base) as (client, watch):
        data: dict[str, object] = {"idempotency_key": "k"}
        outcome = await client.ask("trip.request", data)
    assert outcome.trip == life()[0]
    assert [frame["data"] for frame in script.asked] == [data, data]
    assert watch.figures.retries == 1


async def test_client_comes_back_with_the_last_seq_it_saw(script: Script) -> None:
    async def show_and_close(socket: ServerConnection) -> None:
        event = {"type": "trip.requested", "seq": 4097, "data": TRIP}
        await socket.send(json.dumps(event))
        await socket.close(1012)

    script.then = [show_and_close]
    async with staying(script.base) as (_, watch):
        await until(lambda: len(script.paths) == 2)
    assert script.paths == ["/ws", "/ws?since=4097"]
    assert watch.figures.closes["restart"] == 1


async def test_client_without_events_comes_back_with_the_welcomes_seq(
    script: Script,
) -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.close(4001)

    script.then = [close]
    async with staying(script.base):
        await until(lambda: len(script.paths) == 2)
    assert script.paths[1] == "/ws?since=100"


async def test_unavailable_is_asked_again(script: Script) -> None:
    script.then = [script.refuse("unavailable", then_reply=True)]
    async with staying(script.base) as (client, watch):
        outcome = await client.ask("trip.request", {})
    assert outcome.trip is not None
    assert watch.figures.refusals == {"unavailable": 1}


async def test_refusal_that_stands_is_the_outcome(script: Script) -> None:
    script.then = [script.refuse("rider_busy", then_reply=False)]
    async with staying(script.base) as (client, _):
        outcome = await client.ask("trip.request", {})
    assert (outcome.trip, outcome.refused) == (None, "rider_busy")
    assert len(script.asked) == 1


async def test_client_finds_the_gateway_that_is_there(script: Script) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with staying(nobody, nobody, script.base) as (client, watch):
        await until(lambda: client.connected)
    assert watch.figures.welcomes == 1


async def test_driver_leaves_the_trips_of_other_riders_alone(script: Script) -> None:
    async def show_two(socket: ServerConnection) -> None:
        for seq, rider in ((101, "stranger"), (102, "rider")):
            data = TRIP | {"id": f"of-{rider}", "rider": {"id": rider}}
            data["rider"]["first_name"] = "Ann"
            frame = {"type": "trip.requested", "seq": seq, "data": data}
            await socket.send(json.dumps(frame))

    script.then = [show_two]
    bob = User("driver", "bob", "Bob", "Ray", Role.DRIVER)
    async with staying(script.base, user=bob) as (client, _):
        await until(lambda: client.open)
        assert list(client.open) == ["of-rider"]


async def test_what_the_client_saw_reaches_the_checker(script: Script) -> None:
    async def skip_a_version(socket: ServerConnection) -> None:
        for seq, trip in ((101, life()[0]), (103, life()[2])):
            kind = "trip.requested" if trip.version == 1 else "trip.in_progress"
            frame = {"type": kind, "seq": seq, "data": json.loads(encode(trip))}
            await socket.send(json.dumps(frame))

    script.then = [skip_a_version]
    async with staying(script.base) as (_, watch):
        await until(lambda: watch.checker.violations)
    assert watch.checker.violations[0].rule == "versions without a gap"
