"""How fast a socket is read: no faster than its rate and its leader allow."""

import json
from typing import cast

import pytest

from gateway.sockets import strain
from gateway.sockets.heartbeat import Heartbeat
from gateway.sockets.websocket import Connection
from schemas import commands
from schemas.commands import Answer
from tests.contract.gateway_ws.conftest import OTHER, World
from tests.contract.gateway_ws.scripted_leader import raw
from tests.support.client import Client
from tests.support.rawsocket import PING, PONG, TEXT, RawSocket, frame
from tests.support.waiting import until

UNKNOWN = "00000000-0000-7000-8000-000000000000"
ADDRESSES = {"pick_up_address": "A", "drop_off_address": "B"}
QUESTION = {"type": "trip.get", "data": {"id": UNKNOWN}}


async def ask(client: Client, count: int) -> None:
    """All at once."""
    for number in range(count):
        await client.send(json.dumps({**QUESTION, "ref": f"q{number}"}))


async def test_who_asks_a_busy_leader_much_is_read_on_with_an_answer(
    world: World,
) -> None:
    await world.start(busy_at=2, pending_while_busy=2, busy_s=30, resend_s=60)
    slow = await world.rider()
    swift, _ = await world.user(world.tokens.issue(OTHER))
    mine = answered_at_once(world)
    await ask(slow, 10)
    await until(lambda: len(world.leader.asked(commands.GetTrip)) == 3)
    await swift.do("trip.request", ADDRESSES)  # is read, and answered, meanwhile
    assert mine == ["RequestTrip"]
    asked = world.leader.asked(commands.GetTrip)
    assert len(asked) == 3
    gateway = world.gateway
    assert gateway is not None
    for number in range(7):
        oldest = world.leader.asked(commands.GetTrip)[number]
        world.leader.answer_late(gateway.id, Answer(oldest.id, 1, data=raw({})))
        await until(lambda n=number: len(world.leader.asked(commands.GetTrip)) == 4 + n)  # type: ignore[misc]
    for number in range(7):
        assert (await slow.answer(f"q{number}"))["type"] == "reply"
    await slow.vanish()


def answered_at_once(world: World) -> list[str]:
    """Kinds of what was answered at once: everything but questions about trips."""
    seen: list[str] = []

    def decide(command: commands.AnyCommand) -> Answer | None:
        if isinstance(command, commands.GetTrip):
            return None
        seen.append(type(command).__name__)
        return Answer(command.id, command.attempt, data=raw({}))

    world.leader.decide = decide
    return seen


async def test_a_leader_that_says_nothing_is_not_busy_but_away(world: World) -> None:
    await world.start(
        busy_at=2, pending_while_busy=2, busy_s=0.3, pending_per_connection_max=10
    )
    client = await world.rider()
    world.leader.decide = lambda _: None
    await ask(client, 11)
    assert (await client.answer("q10"))["data"]["code"] == "rate_limited"
    await client.vanish()


async def test_no_pong_is_missed_while_a_socket_is_not_read(world: World) -> None:
    await world.start(frames_burst=10, frames_per_s=8, ping_s=0.4, pong_s=0.4)
    client = await world.rider()
    for _ in range(2):
        for _ in range(11):
            await client.send({"type": "x"})
        over = await client.expect(
            "refused", lambda f: f["data"]["code"] == "rate_limited"
        )
        assert over["data"]["retryable"] is True
    await client.ask("x")


async def test_who_only_answers_pings_is_never_over_the_rate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bool] = []
    answered = Heartbeat.answered

    def counted(heart: Heartbeat) -> bool:
        answers.append(answered(heart))
        return answers[-1]

    monkeypatch.setattr(Heartbeat, "answered", counted)
    await world.start(frames_burst=1, frames_per_s=0.01, ping_s=0.3)
    client = await world.rider()
    await until(lambda: len(answers) >= 3)
    assert all(answers)
    await client.ask("x")


async def test_what_was_sent_beyond_the_rate_is_taken_later_not_lost(
    world: World,
) -> None:
    await world.start(frames_burst=10, frames_per_s=20)
    client = await world.rider()
    for number in range(31):
        await client.send({"type": "x", "ref": str(number)})
    answers = [await client.answer(str(number)) for number in range(31)]
    codes = [answer["data"]["code"] for answer in answers]
    assert codes[:11] == ["unknown_type"] * 10 + ["rate_limited"]
    assert codes.count("rate_limited") <= 2


@pytest.mark.parametrize("junk", [frame(TEXT, b'{"type":"x"}'), frame(PING)])
async def test_who_has_much_refused_is_not_read_on_any_connection_of_the_address(
    junk: bytes, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strain, "WAIT_MAX_S", 60)
    await world.start()
    port = int(world.url.rpartition(":")[2])
    honest = await world.rider()
    assert world.gateway is not None
    sockets = world.gateway.sockets
    sockets.strain = strain.Strain(1024, 20 * 1024)

    def held() -> int:
        return sum(cast("Connection", one).is_held for one in sockets.connections)

    noisy = [await RawSocket.open(port, token=world.tokens.issue()) for _ in range(3)]
    for one in noisy:
        one.send(junk * 200)
    await until(lambda: held() == 3)
    for _ in range(30):
        await honest.quiet()  # what a leader refuses isn't counted
    assert held() == 3
    # Nor who has one frame refused, or answers a ping, now and then.
    await honest.send({"type": "x", "ref": "slip"})
    assert (await honest.answer("slip"))["data"]["code"] == "unknown_type"
    await honest.quiet()
    neighbour = await RawSocket.open(port, token=world.tokens.issue(OTHER))
    leaving = b'{"type":"chat.leave","ref":"r","data":{"room":"a"}}'
    neighbour.send(frame(PONG) + frame(TEXT, leaving))
    while (await neighbour.receive())[1].find(b'"ref":"r"') < 0:
        pass
    assert held() == 3
    for one in (*noisy, neighbour):
        one.abort()
