"""Open rooms: joining, leaving, saying something, and what is answered."""

import pytest

from dispatcher.engine.engine import Decided, Lookup
from dispatcher.engine.limits import (
    HISTORY_BYTES_MAX,
    MEMBERS_MAX,
    ROOMS_PER_SESSION_MAX,
)
from schemas.codec import Raw, decode, encode
from schemas.commands import JoinRoom
from schemas.refusals import Code
from schemas.rooms import HISTORY_MAX, MemberEvent, MessageData, MessageEvent
from schemas.times import rfc3339
from schemas.trips import Role
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    NOON_MS,
    OLGA,
    RITA,
    RON,
    World,
    code_of,
    joined,
    numbers,
    texts,
    user,
)

DAY_MS = 86_400_000


def moves(world: World) -> list[tuple[str, str, bool]]:
    return [
        (event.room, event.user.username, event.joined)
        for event in world.events
        if isinstance(event, MemberEvent)
    ]


def messages(world: World) -> list[MessageData]:
    return [e.message for e in world.events if isinstance(e, MessageEvent)]


# ---- joining and leaving -------------------------------------------------------


def test_a_first_session_joins_the_user() -> None:
    world = World()
    data = joined(world.join(RITA, "lobby"))
    assert (data.room, data.members) == ("lobby", [RITA.person()])
    assert (data.history, data.recovered) == ([], False)
    assert moves(world) == [("lobby", "rita", True)]


def test_joining_twice_is_answered_as_the_first_time_without_an_event() -> None:
    world = World()
    world.join(RON, "lobby")
    first = joined(world.join(RITA, "lobby"))
    again = joined(world.join(RITA, "lobby"))
    assert encode(again) == encode(first)
    assert len(moves(world)) == 2


def test_a_second_session_of_a_user_makes_no_event() -> None:
    world = World()
    world.join(RITA, "lobby", "tab 1")
    world.join(RITA, "lobby", "tab 2", gateway="g2")
    assert moves(world) == [("lobby", "rita", True)]


def test_only_the_last_session_to_leave_takes_the_user_with_it() -> None:
    world = World()
    world.join(RITA, "lobby", "tab 1")
    world.join(RITA, "lobby", "tab 2", gateway="g2")
    world.leave(RITA, "lobby", "tab 1")
    assert world.members("lobby") == ["rita"]
    outcome = world.leave(RITA, "lobby", "tab 2")
    assert isinstance(outcome, Decided)
    assert outcome.data == {"room": "lobby"}
    assert world.members("lobby") == []
    assert moves(world)[-1] == ("lobby", "rita", False)


def test_leaving_a_room_one_has_not_joined_is_answered_without_an_event() -> None:
    world = World()
    world.join(RON, "lobby")
    assert world.leave(RITA, "lobby") == Decided((), {"room": "lobby"}, attends=True)
    assert world.members("lobby") == ["ron"]


def test_nobody_leaves_by_another_users_session() -> None:
    world = World()
    world.join(RITA, "lobby", "hers")
    world.leave(RON, "lobby", "hers")
    assert world.members("lobby") == ["rita"]


def test_a_lost_connection_leaves_all_its_rooms_in_one_record() -> None:
    world = World()
    for room in ("a", "b", "c"):
        world.join(RITA, room)
    world.join(RITA, "b", "another")
    world.end(RITA)
    assert [event.seq for event in world.records[-1].events] == [
        world.records[-1].n * 4096,
        world.records[-1].n * 4096 + 1,
    ]
    assert [world.members(room) for room in ("a", "b", "c")] == [[], ["rita"], []]


def test_a_join_that_comes_after_its_sessions_end_brings_nobody_back() -> None:
    world = World()
    world.join(RITA, "lobby")
    world.end(RITA)
    assert joined(world.join(RITA, "lobby")).members == []
    assert world.members("lobby") == []


def test_a_join_that_comes_again_after_its_leave_joins_nobody() -> None:
    world = World()
    join = world.join(RITA, "lobby", "s1")
    assert isinstance(join, Decided)
    command = join.events[0].command
    world.leave(RITA, "lobby", "s1")
    late = JoinRoom(room="lobby", session="s1", **world.envelope(RITA, command))
    assert world.do(late).events == ()  # type: ignore[union-attr]
    assert world.members("lobby") == []


def test_a_look_without_a_session_joins_nobody() -> None:
    world = World()
    world.said(RON, "lobby")
    data = joined(world.join(RITA, "lobby", ""))
    assert (data.members, texts(data)) == ([], ["hi"])
    assert moves(world) == []


def test_members_are_listed_in_the_order_in_which_they_joined() -> None:
    world = World()
    for someone in (RON, RITA, DORA, DAN):
        world.join(someone, "lobby")
    world.leave(RITA, "lobby")
    world.join(RITA, "lobby")
    assert world.members("lobby") == ["ron", "dora", "dan", "rita"]


@pytest.mark.parametrize("room", ["", "*", ">", "a.b", "a b", "x" * 65, "a\n", "\x00"])
def test_a_name_that_is_no_token_is_refused(room: str) -> None:
    world = World()
    assert code_of(world.join(RITA, room)) is Code.INVALID_DATA
    assert code_of(world.leave(RITA, room)) is Code.INVALID_DATA
    assert code_of(world.send(RITA, room, outside=True)) is Code.INVALID_DATA
    assert world.events == []


def test_a_room_takes_no_more_members_than_its_limit() -> None:
    world = World()
    for n in range(MEMBERS_MAX):
        world.join(user(Role.RIDER, f"u{n}"), "lobby")
    assert code_of(world.join(RITA, "lobby")) is Code.OVERLOADED
    assert isinstance(world.join(user(Role.RIDER, "u0"), "lobby", "tab 2"), Decided)


def test_a_session_is_in_no_more_rooms_than_its_limit() -> None:
    world = World()
    for n in range(ROOMS_PER_SESSION_MAX):
        world.join(RITA, f"r{n}")
    assert code_of(world.join(RITA, "one-more")) is Code.OVERLOADED
    assert isinstance(world.join(RITA, "one-more", "tab 2"), Decided)


# ---- saying something ----------------------------------------------------------


def test_a_members_message_has_the_rooms_next_number() -> None:
    world = World()
    world.join(RITA, "lobby")
    outcome = world.send(RITA, "lobby", "Where are you?")
    assert isinstance(outcome, Decided)
    message = outcome.data
    assert isinstance(message, MessageData)
    assert (message.room, message.seq, message.text) == ("lobby", 1, "Where are you?")
    assert (message.sender, message.at) == (RITA.person(), rfc3339(NOON_MS))
    assert message.id[14] == "7"
    assert world.said(RON, "lobby").seq == 2
    assert world.said(RON, "other").seq == 1
    assert len({message.id for message in messages(world)}) == 3


def test_a_stranger_to_the_room_may_not_write_but_the_server_side_may() -> None:
    world = World()
    assert code_of(world.send(RITA, "lobby")) is Code.ROOM_FORBIDDEN
    world.join(RITA, "lobby")
    world.leave(RITA, "lobby")
    assert code_of(world.send(RITA, "lobby")) is Code.ROOM_FORBIDDEN
    assert world.said(RITA, "lobby").seq == 1


def test_a_key_sent_twice_is_answered_with_the_first_message() -> None:
    world = World()
    first = world.said(RITA, "lobby", "once", key="k")
    again = world.send(RITA, "other", "twice", key="k", outside=True)
    assert again == Decided((), Raw(encode(first)))
    assert world.said(RON, "lobby", key="k").seq == 2
    assert world.said(RITA, "lobby", key="k2").seq == 3


def test_a_key_holds_for_24_h_even_when_its_message_is_no_longer_held() -> None:
    world = World()
    first = world.said(RITA, "lobby", key="k")
    for _ in range(HISTORY_MAX + 1):
        world.said(RON, "lobby")
    world.now_ms += DAY_MS - 1
    asked = world.send(RITA, "lobby", key="k", sought=False)
    assert isinstance(asked, Lookup)
    again = world.send(RITA, "lobby", key="k", sought=True, made=first)
    assert again == Decided((), first)
    world.now_ms += 1
    assert world.said(RITA, "lobby", key="k").seq == HISTORY_MAX + 3


def test_a_message_key_and_a_trip_key_are_different_things() -> None:
    world = World()
    trip = world.request(RITA, key="k")
    assert world.said(RITA, "lobby", key="k").seq == 1
    world.moves("cancel", RITA, trip)
    assert world.request(RITA, key="k").id == trip.id


# ---- history and since ---------------------------------------------------------


def test_a_join_brings_the_last_hundred_messages_oldest_first() -> None:
    world = World()
    for n in range(HISTORY_MAX + 20):
        world.said(RON, "lobby", f"m{n + 1}")
    data = joined(world.join(RITA, "lobby"))
    assert numbers(data) == list(range(21, HISTORY_MAX + 21))
    assert texts(data)[0] == "m21"
    assert not data.recovered


@pytest.mark.parametrize(
    ("since", "first", "recovered"),
    [
        (20, 21, True),
        (119, 120, True),
        (120, 121, True),
        (19, 21, False),
        (0, 21, False),
        (121, 21, False),
        (-1, 21, False),
    ],
)
def test_since_brings_all_that_came_after_or_says_that_it_does_not(
    since: int, first: int, recovered: bool
) -> None:
    world = World()
    for _ in range(HISTORY_MAX + 20):
        world.said(RON, "lobby")
    data = world.look("lobby", since)
    assert (data.recovered, numbers(data)) == (recovered, list(range(first, 121)))


def test_since_zero_of_an_empty_room_is_recovered() -> None:
    data = World().look("lobby", 0)
    assert (data.recovered, data.history) == (True, [])


def test_history_takes_no_more_bytes_than_an_answer_carries() -> None:
    world = World()
    for _ in range(50):
        world.said(RITA, "lobby", "ü" * 4_000)
    data = world.look("lobby", 0)
    assert sum(len(encode(message)) for message in data.history) <= HISTORY_BYTES_MAX
    assert numbers(data) == list(range(51 - len(data.history), 51))
    assert 0 < len(data.history) < 50
    assert not data.recovered


def test_the_events_carry_what_was_answered() -> None:
    world = World()
    message = world.said(RITA, "lobby", "ä", key="k")
    event = world.events[-1]
    assert isinstance(event, MessageEvent)
    assert (event.message, event.key, event.at_ms) == (message, "k", NOON_MS)
    assert decode(encode(event), MessageEvent) == event
    assert not isinstance(world.join(OLGA, "lobby"), Lookup)
