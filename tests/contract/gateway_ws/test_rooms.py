"""Rooms over real sockets and a real nats-server; the leader is a fake."""

from typing import Any

from runtime import bus
from schemas import commands, subjects
from schemas.codec import encode
from schemas.events import Notice
from tests.contract.gateway_ws.conftest import (
    DRIVER,
    OTHER,
    RIDER,
    World,
    member,
    texts,
)
from tests.contract.gateway_ws.engine_leader import EngineLeader
from tests.contract.gateway_ws.scripted_leader import raw
from tests.support.waiting import until

HOSTILE = ["*", ">", "a.b", "", "x" * 65, "a b", "a\tb", "a\x01b", "ä", "a/b"]


async def test_members_hear_each_other_and_others_do_not(
    world: World, rooms: EngineLeader
) -> None:
    ada, bob = await member(world), await member(world, user=OTHER)
    stranger = await member(world, "elsewhere", DRIVER)
    said = await ada.do("chat.send", {"room": "lobby", "text": "hello"})
    for client in (ada, bob):
        frame = await client.expect("chat.message")
        assert frame == {"type": "chat.message", "seq": rooms.seq, "data": said}
    joined = await ada.expect("chat.joined")
    assert joined["data"]["user"]["id"] == OTHER
    for client in (ada, bob, stranger):
        await client.quiet()
    assert not stranger.seen("chat.message")
    # Nobody is told of their own joining.
    assert [len(client.seen("chat.joined")) for client in (ada, bob)] == [1, 0]


async def test_a_join_answers_with_history_and_what_follows_comes_once(
    world: World, rooms: EngineLeader
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


async def test_seq_grows_for_who_hears_several_rooms_at_once(
    world: World, rooms: EngineLeader
) -> None:
    """One record may hold messages to all of them, in turns."""
    ada = await member(world)
    await ada.do("chat.join", {"room": "yard"})
    for number in range(10):
        for room in ("lobby", "yard"):
            rooms.say(room, f"{room} {number}")
    await ada.expect("chat.message", lambda f: f["data"]["text"] == "yard 9")
    heard = [frame["seq"] for frame in ada.seen("chat.message")]
    assert len(heard) == 20
    assert heard == sorted(heard)


async def test_since_is_answered_with_what_was_missed_alone(
    world: World, rooms: EngineLeader
) -> None:
    for number in range(5):
        rooms.say("lobby", str(number))
    client, _ = await world.user(world.tokens.issue())
    for since, missed in ((3, [4, 5]), ("3", [4, 5]), (5, [])):
        answer = await client.do("chat.join", {"room": "lobby", "since": since})
        assert [m["seq"] for m in answer["history"]] == missed
        assert answer["recovered"]
    answer = await client.do("chat.join", {"room": "lobby", "since": "soon"})
    assert not answer["recovered"]
    rooms.say("lobby", "next")
    frame = await client.expect("chat.message")
    assert (frame["data"]["seq"], frame["seq"]) == (6, rooms.seq)


async def test_who_leaves_hears_no_more(world: World, rooms: EngineLeader) -> None:
    ada, bob = await member(world), await member(world, user=OTHER)
    assert await bob.do("chat.leave", {"room": "lobby"}) == {"room": "lobby"}
    left = await ada.expect("chat.left")
    assert left["data"]["user"]["id"] == OTHER
    rooms.say("lobby", "gone")
    await ada.expect("chat.message")
    await bob.quiet()
    assert not bob.seen("chat.message")


async def test_two_tabs_both_hear_and_only_the_last_one_leaves(
    world: World, rooms: EngineLeader
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
    world: World, rooms: EngineLeader
) -> None:
    joined = await member(world)
    tab, _ = await world.user(world.tokens.issue())
    await tab.do("chat.send", {"room": "lobby", "text": "from here"})
    await joined.expect("chat.message")
    await tab.quiet()
    assert not tab.seen("chat.message")


async def test_hostile_room_names_are_refused_and_never_reach_nats(
    world: World, rooms: EngineLeader
) -> None:
    seen: list[bytes] = []
    spy = await bus.connect(world.nats.url, "spy")
    spy.subscribe_raw(">", lambda subject, _r, data, _h: seen.append(subject + data))
    await spy.flush()
    client, _ = await world.user(world.tokens.issue())
    data = {"room": "lobby", "text": "x"}
    assert await client.refusal("chat.send", data) == "room_forbidden"  # not joined
    seen.clear()
    for room in HOSTILE:
        for kind in ("chat.join", "chat.leave", "chat.send"):
            data = {"room": room, "text": "x"}
            assert await client.refusal(kind, data) == "invalid_data"
    await client.quiet()
    await spy.flush()
    await spy.close()
    assert not [what for what in seen if b"room" in what]
    assert not any(rooms.seated().values())


async def test_text_has_1_to_4000_characters(world: World, rooms: EngineLeader) -> None:
    client = await member(world)
    for text in ("", "x" * 4001, "a\0b", 5):
        data = {"room": "lobby", "text": text}
        assert await client.refusal("chat.send", data) == "invalid_data"
    longest = "\N{PILE OF POO}" * 4000
    said = await client.do("chat.send", {"room": "lobby", "text": longest})
    assert said["text"] == longest


async def test_a_notice_reaches_all_sessions_of_its_user_alone(
    world: World, rooms: EngineLeader
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
