"""A trip's room: who hears it, from when on and until when."""

from typing import Any

import pytest

from schemas.commands import (
    AcceptTrip,
    Answer,
    AnyCommand,
    ArriveTrip,
    BeginTrip,
    CompleteTrip,
    JoinRoom,
)
from schemas.trips import Role
from tests.contract.gateway_ws.conftest import World
from tests.contract.gateway_ws.engine_leader import EngineLeader, user


async def test_both_hear_their_trips_room_from_the_accept_on(
    world: World, rooms: EngineLeader
) -> None:
    rider, driver = await world.rider(), await world.driver()
    room = rooms.request()
    rooms.accept()
    for client in (rider, driver):
        await client.expect("trip.started")
    rooms.say(room, "I am at the corner")
    for client in (rider, driver):
        await client.expect("chat.message")
    rooms.release()
    for client in (rider, driver):
        await client.expect("trip.released")
    rooms.say(room, "where are you?")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    await driver.quiet()
    assert len(driver.seen("chat.message")) == 1


async def test_a_released_driver_who_had_joined_hears_no_more(
    world: World, rooms: EngineLeader
) -> None:
    driver = await world.driver()
    room = rooms.request()
    rooms.accept()
    await driver.do("chat.join", {"room": room})
    rooms.release()
    await driver.expect("trip.released")
    rooms.say(room, "secret")
    await driver.quiet()
    assert not driver.seen("chat.message")


async def test_who_comes_back_to_an_active_trip_hears_its_room(
    world: World, rooms: EngineLeader
) -> None:
    room = rooms.request()
    rooms.drive(AcceptTrip, ArriveTrip)
    rooms.say(room, "before")
    rider = await world.rider()
    await rider.quiet()
    rooms.say(room, "now")
    assert (await rider.expect("chat.message"))["data"]["seq"] == 2
    rooms.drive(BeginTrip, CompleteTrip)
    await rider.expect("trip.completed")
    rooms.say(room, "you left your phone")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 3)


async def test_what_the_rider_wrote_before_reaches_the_driver_too(
    world: World, rooms: EngineLeader
) -> None:
    driver = await world.driver()
    room = rooms.request()
    rooms.say(room, "second door")
    rooms.accept()
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 1)
    rooms.say(room, "are you there?")
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 2]


async def test_what_a_join_was_answered_is_not_told_again_to_who_hears_already(
    world: World, rooms: EngineLeader
) -> None:
    driver = await world.driver()
    room = rooms.request()
    rooms.accept()
    await driver.expect("trip.started")
    rooms.say(room, "I am at the corner")
    await driver.expect("chat.message")

    def but_looks(command: AnyCommand) -> Answer | None:
        looks = isinstance(command, JoinRoom) and not command.session
        return None if looks else rooms.decide(command)

    world.leader.decide = but_looks
    rooms.lost = 1
    rooms.say(room, "this is lost")
    rooms.say(room, "and this shows it, and waits")
    reply = await driver.do("chat.join", {"room": room})
    assert [message["seq"] for message in reply["history"]] == [1, 2, 3]
    world.leader.decide = rooms.decide
    rooms.say(room, "now")
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 4)
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 4]


async def test_a_session_that_left_its_trips_room_is_not_brought_back_by_another(
    world: World, rooms: EngineLeader
) -> None:
    room = rooms.request()
    rooms.drive(AcceptTrip, ArriveTrip)
    first = await world.rider()
    await first.do("chat.join", {"room": room})
    await first.do("chat.leave", {"room": room})
    second = await world.rider()
    await second.quiet()
    rooms.say(room, "only to one")
    await second.expect("chat.message")
    await first.quiet()
    assert not first.seen("chat.message")
    await first.do("chat.join", {"room": room})
    third = await world.rider()
    await third.quiet()
    rooms.say(room, "to all")
    for client in (first, second, third):
        await client.expect("chat.message", lambda f: f["data"]["text"] == "to all")


def said_at_once(rooms: EngineLeader, room: str) -> Any:
    """Decides as the leader; an accept is followed by a message in the same breath."""

    def decide(command: AnyCommand) -> Answer:
        answer = rooms.decide(command)
        if isinstance(command, AcceptTrip):
            rooms.say(room, "at once")
        return answer

    return decide


async def test_who_takes_a_trip_here_misses_nothing_and_need_not_ask(
    world: World, rooms: EngineLeader
) -> None:
    rider, driver = await world.rider(), await world.driver()
    room = rooms.request()
    world.leader.decide = said_at_once(rooms, room)
    await driver.do("trip.accept", {"id": room.removeprefix("trip_")})
    for client in (rider, driver):
        await client.expect("chat.message", lambda f: f["data"]["seq"] == 1)
        await client.quiet()
        assert len(client.seen("chat.message")) == 1
    assert not world.leader.asked(JoinRoom)


@pytest.mark.parametrize("why", ["written in", "joined", "of a leader of before"])
async def test_a_room_that_was_perhaps_not_quiet_is_asked_about(
    world: World, rooms: EngineLeader, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    driver = await world.driver()
    room = rooms.request()
    sent = rooms.leader.bus.send
    if why == "written in":
        rooms.say(room, "second door")
    elif why == "joined":
        rooms.enter(room, user("olga", Role.OPERATOR).person(), Role.OPERATOR)
    else:
        unsaid = b',"quiet":true'
        monkeypatch.setattr(
            rooms.leader.bus, "send", lambda s, p: sent(s, p.replace(unsaid, b""))
        )
    world.leader.decide = said_at_once(rooms, room)
    await driver.do("trip.accept", {"id": room.removeprefix("trip_")})
    last = 2 if why == "written in" else 1
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == last)
    await driver.quiet()
    seen = [f["data"]["seq"] for f in driver.seen("chat.message")]
    assert seen == list(range(1, last + 1))
    assert len(world.leader.asked(JoinRoom)) == 1
