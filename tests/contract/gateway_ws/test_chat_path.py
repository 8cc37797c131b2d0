"""`/ws/chat/<room>`: who may enter by the path, and the bare shape of its frames."""

import pytest
from websockets.exceptions import InvalidStatus

from schemas.refusals import Code
from tests.contract.gateway_ws.conftest import (
    OTHER,
    TRIP_ROOM,
    World,
    member,
)
from tests.contract.gateway_ws.engine_leader import EngineLeader
from tests.contract.gateway_ws.scripted_leader import refuse


async def test_a_bad_room_in_the_path_is_404(world: World, rooms: EngineLeader) -> None:
    for room in ["*", ">", "a.b", "", "x" * 65, "a%20b", "a%01b"]:
        with pytest.raises(InvalidStatus) as refused:
            await world.anyone(world.tokens.issue(), path=f"/ws/chat/{room}/")
        assert refused.value.response.status_code == 404


async def test_the_chat_path_joins_and_takes_the_bare_shape(
    world: World, rooms: EngineLeader
) -> None:
    rooms.say("lobby", "before")
    client, _ = await world.user(world.tokens.issue(), path="/ws/chat/lobby")
    joined = await client.answer(None)
    assert joined["data"]["room"] == "lobby"
    assert [f["type"] for f in client.frames[:2]] == ["welcome", "reply"]
    await client.send({"message": 'he said "hi" \N{SNOWMAN}'})
    frame = await client.expect("chat.message")
    assert frame["message"] == frame["data"]["text"] == 'he said "hi" \N{SNOWMAN}'
    assert frame["seq"] == rooms.seq
    assert (await client.answer(None))["data"] == frame["data"]
    await client.send({"message": "x" * 4001})
    assert (await client.answer(None))["data"]["code"] == "invalid_data"
    await client.send({"massage": "x"})
    assert (await client.answer(None))["data"]["code"] == "bad_frame"


async def test_the_bare_shape_is_not_taken_elsewhere(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    await client.send({"message": "hi"})
    assert (await client.answer(None))["data"]["code"] == "bad_frame"


async def test_both_shapes_in_one_room_get_their_own_frame(
    world: World, rooms: EngineLeader
) -> None:
    old, _ = await world.user(world.tokens.issue(OTHER), path="/ws/chat/lobby/")
    await old.answer(None)
    new = await member(world)
    rooms.say("lobby", "hello")
    assert (await old.expect("chat.message"))["message"] == "hello"
    assert "message" not in await new.expect("chat.message")


async def test_a_trips_room_in_the_path_is_judged_before_the_upgrade(
    world: World, rooms: EngineLeader
) -> None:
    for code, status in [
        (Code.ROOM_FORBIDDEN, 403),
        (Code.TRIP_NOT_FOUND, 404),
        (Code.UNAVAILABLE, 503),
    ]:
        world.leader.decide = refuse(code)
        with pytest.raises(InvalidStatus) as refused:
            await world.anyone(world.tokens.issue(), path=f"/ws/chat/{TRIP_ROOM}/")
        assert refused.value.response.status_code == status


async def test_a_trips_room_of_ones_own_in_the_path_is_entered(
    world: World, rooms: EngineLeader
) -> None:
    room = rooms.request()
    path = f"/ws/chat/{room.upper().replace('TRIP', 'trip')}/"
    client, _ = await world.user(world.tokens.issue(), path=path)
    assert (await client.answer(None))["data"]["room"] == room


async def test_a_log_in_by_frame_is_told_of_a_forbidden_room_after_welcome(
    world: World, rooms: EngineLeader
) -> None:
    world.leader.decide = refuse(Code.ROOM_FORBIDDEN)
    client = await world.anyone(None, path=f"/ws/chat/{TRIP_ROOM}/")
    login = {"type": "session.login", "data": {"token": world.tokens.issue()}}
    await client.send(login)
    refused = await client.answer(None)
    assert refused["data"]["code"] == "room_forbidden"
    assert [f["type"] for f in client.frames] == ["welcome", "refused"]
    await client.quiet()
