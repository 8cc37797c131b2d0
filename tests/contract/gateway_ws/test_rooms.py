"""Rooms over real sockets and a real nats-server; the leader is a fake."""

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from runtime import bus
from schemas import commands, subjects
from schemas.accounts import FindBacklog, Result
from schemas.codec import decode, encode
from schemas.commands import Answer, Lookup
from schemas.events import Notice
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.leader import raw, trip, with_state
from tests.contract.gateway_ws.roomleader import RoomLeader
from tests.support.client import Client
from tests.support.waiting import until

OTHER = "0192f0c4-1111-7000-8000-000000000009"
HOSTILE = ["*", ">", "a.b", "", "x" * 65, "a b", "a\tb", "a\x01b", "ä", "a/b"]
TRIP_ROOM = f"trip_{trip(1)['id']}"


@pytest.fixture
async def rooms(world: World) -> RoomLeader:
    made = RoomLeader(world.leader)
    await made.listen()
    await world.start(presence_s=0.05)
    return made


async def member(world: World, room: str = "lobby", user: str = RIDER) -> Client:
    client, _ = await world.user(world.tokens.issue(user))
    await client.do("chat.join", {"room": room})
    return client


def texts(client: Client) -> list[str]:
    """Of all messages so far, in the order they came."""
    return [f["data"]["text"] for f in client.seen("chat.message")]


async def test_members_hear_each_other_and_others_do_not(
    world: World, rooms: RoomLeader
) -> None:
    ada, bob = await member(world), await member(world, user=OTHER)
    stranger = await member(world, "elsewhere", DRIVER)
    said = await ada.do("chat.send", {"room": "lobby", "text": "hello"})
    for client in (ada, bob):
        frame = await client.expect("chat.message")
        assert frame == {"type": "chat.message", "seq": rooms.seq, "data": said}
    joined = await ada.expect("chat.joined")
    assert joined["data"]["user"]["id"] == OTHER
    await stranger.quiet()
    assert not stranger.seen("chat.message")


async def test_a_member_is_not_told_of_their_own_joining(
    world: World, rooms: RoomLeader
) -> None:
    ada = await member(world)
    await ada.quiet()
    assert not ada.seen("chat.joined")


async def test_a_join_answers_with_history_and_what_follows_comes_once(
    world: World, rooms: RoomLeader
) -> None:
    for number in range(3):
        rooms.say("lobby", str(number))
    client, _ = await world.user(world.tokens.issue())
    await client.send({"type": "chat.join", "ref": "j", "data": {"room": "lobby"}})
    rooms.say("lobby", "meanwhile")
    answer = (await client.answer("j"))["data"]
    rooms.say("lobby", "after")
    await client.expect("chat.message", lambda f: f["data"]["text"] == "after")
    heard = [m["text"] for m in answer["history"]] + texts(client)
    assert heard == ["0", "1", "2", "meanwhile", "after"]


async def test_since_is_answered_with_what_was_missed_alone(
    world: World, rooms: RoomLeader
) -> None:
    for number in range(5):
        rooms.say("lobby", str(number))
    client, _ = await world.user(world.tokens.issue())
    for since in (3, "3"):
        answer = await client.do("chat.join", {"room": "lobby", "since": since})
        assert [m["seq"] for m in answer["history"]] == [4, 5]
        assert answer["recovered"]
    answer = await client.do("chat.join", {"room": "lobby", "since": "soon"})
    assert not answer["recovered"]
    rooms.say("lobby", "next")
    frame = await client.expect("chat.message")
    assert frame["data"]["seq"] == 6


async def test_a_session_that_is_up_to_date_hears_what_comes_next(
    world: World, rooms: RoomLeader
) -> None:
    for number in range(5):
        rooms.say("lobby", str(number))
    client, _ = await world.user(world.tokens.issue())
    await client.do("chat.join", {"room": "lobby", "since": 5})
    rooms.say("lobby", "next")
    assert (await client.expect("chat.message"))["seq"] == rooms.seq


async def test_a_lost_message_is_fetched_again_in_its_place(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    rooms.say("lobby", "1")
    await client.expect("chat.message")
    rooms.lost = 1
    rooms.say("lobby", "2")
    rooms.say("lobby", "3")
    await client.expect("chat.message", lambda f: f["data"]["text"] == "3")
    assert texts(client) == ["1", "2", "3"]


async def test_a_gap_that_reaches_back_too_far_makes_the_client_come_back(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    rooms.lost = 101
    for number in range(102):
        rooms.say("lobby", str(number))
    assert await client.closed() == 4003


async def test_an_event_published_twice_arrives_once(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    rooms.say("lobby", "1")
    rooms.seq -= 1
    message = rooms.messages["lobby"].pop()
    rooms.say("lobby", message.text)
    rooms.say("lobby", "2")
    await client.expect("chat.message", lambda f: f["data"]["text"] == "2")
    assert texts(client) == ["1", "2"]


async def test_who_leaves_hears_no_more(world: World, rooms: RoomLeader) -> None:
    ada, bob = await member(world), await member(world, user=OTHER)
    assert await bob.do("chat.leave", {"room": "lobby"}) == {"room": "lobby"}
    left = await ada.expect("chat.left")
    assert left["data"]["user"]["id"] == OTHER
    rooms.say("lobby", "gone")
    await ada.expect("chat.message")
    await bob.quiet()
    assert not bob.seen("chat.message")


async def test_two_tabs_both_hear_and_only_the_last_one_leaves(
    world: World, rooms: RoomLeader
) -> None:
    ada = await member(world)
    tabs = [await member(world, user=OTHER) for _ in range(2)]
    await ada.expect("chat.joined")
    rooms.say("lobby", "to both")
    for tab in tabs:
        await tab.expect("chat.message")
    await tabs[0].vanish()
    await until(lambda: world.leader.asked(commands.EndSession))
    rooms.say("lobby", "to one")
    await tabs[1].expect("chat.message", lambda f: f["data"]["text"] == "to one")
    await ada.quiet()
    assert not ada.seen("chat.left")
    await tabs[1].close()
    assert (await ada.expect("chat.left"))["data"]["user"]["id"] == OTHER
    assert len(ada.seen("chat.joined")) == 1


async def test_another_tab_may_send_but_hears_nothing_until_it_joins(
    world: World, rooms: RoomLeader
) -> None:
    joined = await member(world)
    tab, _ = await world.user(world.tokens.issue())
    await tab.do("chat.send", {"room": "lobby", "text": "from here"})
    await joined.expect("chat.message")
    await tab.quiet()
    assert not tab.seen("chat.message")


@pytest.mark.parametrize("room", HOSTILE)
async def test_hostile_room_names_are_refused_and_never_reach_nats(
    world: World, rooms: RoomLeader, room: str
) -> None:
    seen: list[bytes] = []
    spy = await bus.connect(world.nats.url, "spy")
    spy.subscribe_raw(">", lambda subject, _r, data, _h: seen.append(subject + data))
    await spy.flush()
    client, _ = await world.user(world.tokens.issue())
    for kind in ("chat.join", "chat.leave", "chat.send"):
        data = {"room": room, "text": "x"}
        assert await client.refusal(kind, data) == "invalid_data"
    await client.quiet()
    await spy.flush()
    await spy.close()
    assert not [what for what in seen if b"room" in what]
    assert all(not name.startswith("x") for name in rooms.sessions)


@pytest.mark.parametrize("room", ["*", ">", "a.b", "", "x" * 65, "a%20b", "a%01b"])
async def test_a_bad_room_in_the_path_is_404(
    world: World, rooms: RoomLeader, room: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await world.anyone(world.tokens.issue(), path=f"/ws/chat/{room}/")
    assert refused.value.response.status_code == 404


async def test_text_has_1_to_4000_characters(world: World, rooms: RoomLeader) -> None:
    client = await member(world)
    for text in ("", "x" * 4001, "a\0b", 5):
        data = {"room": "lobby", "text": text}
        assert await client.refusal("chat.send", data) == "invalid_data"
    longest = "\N{PILE OF POO}" * 4000
    said = await client.do("chat.send", {"room": "lobby", "text": longest})
    assert said["text"] == longest


async def test_the_chat_path_joins_and_takes_the_bare_shape(
    world: World, rooms: RoomLeader
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
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    await client.send({"message": "hi"})
    assert (await client.answer(None))["data"]["code"] == "bad_frame"


async def test_both_shapes_in_one_room_get_their_own_frame(
    world: World, rooms: RoomLeader
) -> None:
    old, _ = await world.user(world.tokens.issue(OTHER), path="/ws/chat/lobby/")
    await old.answer(None)
    new = await member(world)
    rooms.say("lobby", "hello")
    assert (await old.expect("chat.message"))["message"] == "hello"
    assert "message" not in await new.expect("chat.message")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.ROOM_FORBIDDEN, 403),
        (Code.TRIP_NOT_FOUND, 404),
        (Code.UNAVAILABLE, 503),
    ],
)
async def test_a_trips_room_in_the_path_is_judged_before_the_upgrade(
    world: World, rooms: RoomLeader, code: Code, status: int
) -> None:
    rooms.refusals[TRIP_ROOM] = Refusal(code, "no")
    with pytest.raises(InvalidStatus) as refused:
        await world.anyone(world.tokens.issue(), path=f"/ws/chat/{TRIP_ROOM}/")
    assert refused.value.response.status_code == status


async def test_a_trips_room_of_ones_own_in_the_path_is_entered(
    world: World, rooms: RoomLeader
) -> None:
    path = f"/ws/chat/{TRIP_ROOM.upper().replace('TRIP', 'trip')}/"
    client, _ = await world.user(world.tokens.issue(), path=path)
    assert (await client.answer(None))["data"]["room"] == TRIP_ROOM


async def test_a_log_in_by_frame_is_told_of_a_forbidden_room_after_welcome(
    world: World, rooms: RoomLeader
) -> None:
    rooms.refusals[TRIP_ROOM] = Refusal(Code.ROOM_FORBIDDEN, "no")
    client = await world.anyone(None, path=f"/ws/chat/{TRIP_ROOM}/")
    login = {"type": "session.login", "data": {"token": world.tokens.issue()}}
    await client.send(login)
    refused = await client.answer(None)
    assert refused["data"]["code"] == "room_forbidden"
    assert [f["type"] for f in client.frames] == ["welcome", "refused"]
    await client.quiet()


async def test_both_hear_their_trips_room_from_the_accept_on(
    world: World, rooms: RoomLeader
) -> None:
    rider, driver = await world.rider(), await world.driver()
    world.leader.push(RIDER, 200, "trip.requested", trip(1))
    for user in (RIDER, DRIVER):
        world.leader.push(user, 201, "trip.started", trip(1, 2, "STARTED"))
    for client in (rider, driver):
        await client.expect("trip.started")
    rooms.say(TRIP_ROOM, "I am at the corner")
    for client in (rider, driver):
        await client.expect("chat.message")
    for user in (RIDER, DRIVER):
        world.leader.push(user, 300, "trip.released", trip(1, 3))
    for client in (rider, driver):
        await client.expect("trip.released")
    rooms.say(TRIP_ROOM, "where are you?")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    await driver.quiet()
    assert len(driver.seen("chat.message")) == 1


async def test_a_released_driver_who_had_joined_hears_no_more(
    world: World, rooms: RoomLeader
) -> None:
    driver = await world.driver()
    world.leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    await driver.do("chat.join", {"room": TRIP_ROOM})
    world.leader.push(DRIVER, 300, "trip.released", trip(1, 3))
    await driver.expect("trip.released")
    rooms.say(TRIP_ROOM, "secret")
    await driver.quiet()
    assert not driver.seen("chat.message")


async def test_who_comes_back_to_an_active_trip_hears_its_room(
    world: World, rooms: RoomLeader
) -> None:
    with_state(world.leader, trips=raw([trip(1, 3, "ARRIVED")]))
    rooms.say(TRIP_ROOM, "before")
    rider = await world.rider()
    await rider.quiet()
    rooms.say(TRIP_ROOM, "now")
    assert (await rider.expect("chat.message"))["data"]["seq"] == 2
    world.leader.push(RIDER, 300, "trip.in_progress", trip(1, 4, "IN_PROGRESS"))
    world.leader.push(RIDER, 301, "trip.completed", trip(1, 5, "COMPLETED"))
    await rider.expect("trip.completed")
    rooms.say(TRIP_ROOM, "you left your phone")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 3)


async def test_what_the_rider_wrote_before_reaches_the_driver_too(
    world: World, rooms: RoomLeader
) -> None:
    driver = await world.driver()
    rooms.say(TRIP_ROOM, "second door")
    world.leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 1)
    rooms.say(TRIP_ROOM, "are you there?")
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 2]


async def test_a_notice_reaches_all_sessions_of_its_user_alone(
    world: World, rooms: RoomLeader
) -> None:
    mine = [await world.rider() for _ in range(2)]
    driver = await world.driver()
    notice: Any = Notice(raw({"text": "the depot is closed"}))
    world.bus.send(subjects.notice("main", RIDER), encode(notice))
    for client in mine:
        frame = await client.expect("notice")
        assert frame == {"type": "notice", "data": {"text": "the depot is closed"}}
    await driver.quiet()
    assert not driver.seen("notice")


async def test_the_gateway_tells_a_new_leader_who_is_where(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    await until(lambda: any(not p.full for p in rooms.presence), "a heartbeat")
    rooms.presence.clear()
    world.leader.announce(epoch=8)
    await until(lambda: any(p.full for p in rooms.presence), "the whole list")
    (told,) = [p for p in rooms.presence if p.full]
    (here,) = told.here
    (session,) = rooms.sessions["lobby"]
    assert (here.session, here.user.id, here.room) == (session, RIDER, "lobby")
    await client.do("chat.leave", {"room": "lobby"})
    world.leader.announce(epoch=9)
    await until(lambda: any(p.full and not p.here for p in rooms.presence))


async def test_more_sessions_than_one_message_holds_join_again(world: World) -> None:
    rooms = RoomLeader(world.leader)
    await rooms.listen()
    await world.start(attendance_max=1)
    for user in (RIDER, OTHER):
        await member(world, user=user)
    before = dict(rooms.sessions["lobby"])
    rooms.sessions.clear()
    world.leader.announce(epoch=8)
    await until(lambda: rooms.sessions.get("lobby") == before, "both sessions")


async def test_what_the_leader_forgot_of_a_room_is_fetched_from_history(
    world: World, rooms: RoomLeader
) -> None:
    message = rooms.say("lobby", "long ago")
    answers = [
        Result(refused=Refusal(Code.UNAVAILABLE, "not yet")),
        Result(data=raw([message])),
    ]
    asked: list[FindBacklog] = []

    def respond(_: bytes, reply: bytes, payload: bytes, _h: bytes) -> None:
        asked.append(decode(payload, FindBacklog))
        world.bus.send(reply.decode(), encode(answers.pop(0)))

    world.bus.subscribe_raw(subjects.history("backlog"), respond, "history")
    await world.bus.flush()

    def forgetful(command: commands.AnyCommand) -> Answer | None:
        if isinstance(command, commands.JoinRoom) and command.backlog is None:
            lookup = Lookup("", 4096, "lobby")
            return Answer(command.id, command.attempt, lookup=lookup)
        return rooms.decide(command)

    world.leader.decide = forgetful
    client, _ = await world.user(world.tokens.issue())
    await client.do("chat.join", {"room": "lobby"})
    assert asked == [FindBacklog("main", "lobby", 4096)] * 2
    assert world.leader.asked(commands.JoinRoom)[-1].backlog == (message,)


async def test_a_leader_that_thought_a_session_gone_is_put_right(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    (session,) = rooms.sessions["lobby"]
    rooms.leave("lobby", session)
    await until(lambda: session in rooms.sessions["lobby"], "the session's return")
    rooms.say("lobby", "welcome back")
    await client.expect("chat.message")


async def test_after_nats_was_away_nothing_is_missing(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    with_state(world.leader, recovered=True)
    rooms.say("lobby", "1")
    await client.expect("chat.message")
    world.nats.stop()
    before = rooms.sessions.pop("lobby")
    rooms.say("lobby", "2")
    world.nats.start()
    await client.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    rooms.say("lobby", "3")
    await client.expect("chat.message", lambda f: f["data"]["seq"] == 3)
    assert texts(client) == ["1", "2", "3"]
    assert rooms.sessions["lobby"] == before


async def test_room_frames_wait_for_a_sync_so_that_the_cursor_stays_safe(
    world: World, rooms: RoomLeader
) -> None:
    client = await member(world)
    world.leader.on_sync = lambda _: None
    world.leader.push(RIDER, 200, "trip.requested", trip(1))
    await client.expect("trip.requested")
    world.leader.push(RIDER, 202, "trip.arrived", trip(1, 3, "ARRIVED"))
    await until(lambda: len(world.leader.asked(commands.SyncUser)) == 2)
    rooms.say("lobby", "wait")
    await client.quiet()
    assert not client.seen("chat.message")
    state = with_state(
        world.leader, seq=202, recovered=True, trips=raw([trip(1, 3, "ARRIVED")])
    )
    world.leader.on_sync = lambda _: state
    await client.expect("chat.message")


async def test_a_slow_member_is_closed_and_complete_after_coming_back(
    world: World, rooms: RoomLeader
) -> None:
    slow, swift = await member(world), await member(world, user=OTHER)
    slow.socket.transport.pause_reading()
    occupants = world.edge.hub.regions["main"].rooms["lobby"].live  # type: ignore[union-attr]

    def flood() -> int:
        for _ in range(20):
            rooms.say("lobby", "x" * 4000)
        return len(occupants)

    await until(lambda: flood() == 1, "the slow one's end")
    sent = len(rooms.messages["lobby"])
    await swift.expect("chat.message", lambda f: f["data"]["seq"] == sent)
    assert [f["data"]["seq"] for f in swift.seen("chat.message")] == list(
        range(1, sent + 1)
    )
    slow.socket.transport.resume_reading()
    assert await slow.closed() == 4001
    last = slow.seen("chat.message")[-1]["data"]["seq"]
    again, _ = await world.user(world.tokens.issue(RIDER, Role.RIDER))
    back = await again.do("chat.join", {"room": "lobby", "since": last})
    heard = [message["seq"] for message in back["history"]]
    if back["recovered"]:
        assert heard == list(range(last + 1, sent + 1))
    else:
        assert heard[-1] == sent
