"""Rooms when messages, leaders, NATS or readers fail: nothing lost, nothing twice."""

from collections.abc import Callable

from schemas import commands, subjects
from schemas.accounts import FindBacklog, Result
from schemas.codec import decode, encode
from schemas.commands import Answer, Lookup
from schemas.refusals import Code, Refusal
from schemas.trips import Person, Role
from tests.contract.gateway_ws.conftest import OTHER, RIDER, World, member, texts
from tests.contract.gateway_ws.engine_leader import EngineLeader
from tests.contract.gateway_ws.scripted_leader import raw, trip, with_state
from tests.support.waiting import until


def forgetful(rooms: EngineLeader) -> Callable[[commands.AnyCommand], Answer | None]:
    """A leader that asks for history before it answers a join."""

    def decide(command: commands.AnyCommand) -> Answer | None:
        if isinstance(command, commands.JoinRoom) and command.backlog is None:
            lookup = Lookup("", 4096, "lobby")
            return Answer(command.id, command.attempt, lookup=lookup)
        return rooms.decide(command)

    return decide


async def asked_of_history(world: World) -> list[str]:
    """Where it is to answer what it is asked of rooms, from now on."""
    asked: list[str] = []

    def hear(_: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        asked.append(reply.decode())

    world.bus.subscribe_raw(subjects.history("backlog"), hear, "history")
    await world.bus.flush()
    return asked


async def test_a_lost_message_is_fetched_again_in_its_place(
    world: World, rooms: EngineLeader
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
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    rooms.lost = 101
    for number in range(102):
        rooms.say("lobby", str(number))
    assert await client.closed() == 4003


async def test_an_event_published_twice_arrives_once(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    rooms.say("lobby", "1")
    assert rooms.last is not None
    rooms.publish(rooms.last)
    rooms.say("lobby", "2")
    await client.expect("chat.message", lambda f: f["data"]["text"] == "2")
    assert texts(client) == ["1", "2"]


async def test_the_gateway_tells_a_new_leader_who_is_where(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    await until(lambda: any(not p.full for p in rooms.presence), "a heartbeat")
    rooms.presence.clear()
    world.leader.announce(epoch=8)
    await until(lambda: any(p.full for p in rooms.presence), "the whole list")
    (told,) = [p for p in rooms.presence if p.full]
    (here,) = told.here
    (session,) = rooms.sessions()
    assert (here.session, here.user.id, here.room) == (session, RIDER, "lobby")
    await client.do("chat.leave", {"room": "lobby"})
    world.leader.announce(epoch=9)
    await until(lambda: any(p.full and not p.here for p in rooms.presence))


async def test_more_sessions_than_one_message_holds_join_again(world: World) -> None:
    rooms = EngineLeader(world.leader)
    await rooms.listen()
    await world.start(presence_bytes_max=1)
    for user in (RIDER, OTHER):
        await member(world, user=user)
    before = rooms.sessions()
    rooms.take_over()
    world.leader.announce(epoch=8)
    await until(lambda: rooms.sessions() == before, "both sessions")
    assert len(before) == 2


async def test_a_leader_that_takes_parts_is_told_in_parts(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    await client.do("chat.join", {"room": "attic"})
    await member(world, user=OTHER)
    before = rooms.seated()
    rooms.presence.clear()
    world.leader.announce(epoch=8, takes_parts=True)
    await until(lambda: any(p.is_last for p in rooms.presence), "the last part")
    parts = [p for p in rooms.presence if p.part]
    assert [p.part for p in parts] == list(range(1, len(parts) + 1))
    assert not any(p.full for p in rooms.presence)
    told = {s.session: set(s.rooms) for p in parts for s in p.seated}
    assert told == before
    rooms.presence.clear()
    world.leader.announce(epoch=9)  # one of 0.1 takes over
    await until(lambda: any(p.full for p in rooms.presence), "one message")


async def test_what_the_leader_forgot_of_a_room_is_fetched_from_history(
    world: World, rooms: EngineLeader
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

    world.leader.decide = forgetful(rooms)
    client, _ = await world.user(world.tokens.issue())
    await client.do("chat.join", {"room": "lobby"})
    assert asked == [FindBacklog("main", "lobby", 4096)] * 2
    assert world.leader.asked(commands.JoinRoom)[-1].backlog == (message,)


async def test_who_leaves_while_what_was_lost_is_looked_up_stays_out(
    world: World, rooms: EngineLeader
) -> None:
    """It asks for what the room lost, which all others hear by its question."""
    asked = await asked_of_history(world)
    client, other = await member(world), await member(world, user=OTHER)
    both = rooms.sessions()
    world.leader.decide = forgetful(rooms)
    rooms.lost = 1
    rooms.say("lobby", "1")
    rooms.say("lobby", "2")
    await until(lambda: bool(asked), "the question")
    await client.do("chat.leave", {"room": "lobby"})
    (stays,) = rooms.sessions()
    world.bus.send(asked[0], encode(Result(data=raw([]))))
    await other.expect("chat.message", lambda f: f["data"]["text"] == "2")
    assert texts(other) == ["1", "2"]
    assert rooms.sessions() == {stays} < both


async def test_a_leader_that_thought_a_session_gone_is_put_right(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    (session,) = rooms.sessions()
    rooms.leave("lobby", session, RIDER)
    await until(lambda: session in rooms.sessions(), "the session's return")
    rooms.say("lobby", "welcome back")
    await client.expect("chat.message")


async def test_after_nats_was_away_nothing_is_missing(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    rooms.say("lobby", "1")
    await client.expect("chat.message")
    world.nats.stop()
    before = rooms.sessions()
    rooms.take_over()
    rooms.say("lobby", "2")
    world.nats.start()
    await client.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    rooms.say("lobby", "3")
    await client.expect("chat.message", lambda f: f["data"]["seq"] == 3)
    assert texts(client) == ["1", "2", "3"]
    # What it told of itself when it was back, before the leader was, nobody heard.
    world.leader.announce(epoch=8)
    await until(lambda: rooms.sessions() == before, "the session")  # by presence


async def test_room_frames_wait_for_a_sync_so_that_the_cursor_stays_safe(
    world: World, rooms: EngineLeader
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
    world: World, rooms: EngineLeader
) -> None:
    slow, swift = await member(world), await member(world, user=OTHER)
    slow.socket.transport.pause_reading()
    (attendance,) = world.gateway.router.rooms.attendances.values()  # type: ignore[union-attr]
    occupants = attendance.rooms["lobby"].live

    sent = 0

    def flood() -> int:
        nonlocal sent
        for _ in range(20):
            sent = rooms.say("lobby", "x" * 4000).seq
        return len(occupants)

    await until(lambda: flood() == 1, "the slow one's end")
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


async def test_who_came_and_left_while_nats_was_away_is_told(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    rooms.enter("lobby", Person("old", "old", "", ""))
    await client.expect("chat.joined")
    world.nats.stop()
    rooms.enter("lobby", Person("new", "new", "", ""))
    rooms.leave("lobby", "old", "old")
    world.nats.start()
    came = await client.expect("chat.joined")
    went = await client.expect("chat.left")
    assert (came["data"]["user"]["id"], went["data"]["user"]["id"]) == ("new", "old")
    assert came["seq"] < went["seq"]
    rooms.say("lobby", "on")
    await client.expect("chat.message")
    assert len(client.seen("chat.joined")) == 2


async def test_where_it_is_not_known_who_came_and_left_the_client_comes_back(
    world: World, rooms: EngineLeader
) -> None:
    client = await member(world)
    rooms.say("lobby", "1")
    await client.expect("chat.message")
    world.nats.stop()
    rooms.restart()
    world.nats.start()
    assert await client.closed() == 4003


async def test_a_room_is_asked_about_once_however_many_are_in_it(
    world: World, rooms: EngineLeader
) -> None:
    clients = [await member(world, user=f"u{number}") for number in range(5)]
    before = len(world.leader.asked(commands.JoinRoom))
    world.nats.stop()
    rooms.say("lobby", "lost")
    world.nats.start()
    for client in clients:
        await client.expect("chat.message")
    repairs = world.leader.asked(commands.JoinRoom)[before:]
    assert len({command.id for command in repairs}) == 1


async def test_what_is_behind_a_join_waits_for_it(
    world: World, rooms: EngineLeader
) -> None:
    """The leader asks for history first: what was sent in the same breath is not yet a
    member's.
    """
    asked = await asked_of_history(world)
    world.leader.decide = forgetful(rooms)
    client, _ = await world.user(world.tokens.issue())
    frames = [
        {"type": "chat.join", "ref": "join", "data": {"room": "lobby"}},
        *(
            {"type": "chat.send", "ref": t, "data": {"room": "lobby", "text": t}}
            for t in ("one", "two")
        ),
        {"type": "chat.leave", "ref": "leave", "data": {"room": "lobby"}},
        {"type": "chat.join", "ref": "again", "data": {"room": "lobby"}},
    ]
    for frame in frames:
        await client.send(frame)
    await until(lambda: asked, "the question")
    await client.quiet()
    assert not world.leader.asked(commands.SendMessage)
    world.bus.send(asked.pop(), encode(Result(data=raw([]))))
    for ref in ("join", "one", "two", "leave"):
        assert (await client.answer(ref))["type"] == "reply"
    await until(lambda: asked, "the next question")
    world.bus.send(asked.pop(), encode(Result(data=raw([]))))
    data = (await client.answer("again"))["data"]
    assert [message["text"] for message in data["history"]] == ["one", "two"]
