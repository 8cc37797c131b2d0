"""What of the rooms is kept, and for how long."""

from typing import Any

import msgspec
import pytest

from dispatcher.engine.engine import Decided, Engine, Lookup
from schemas.refusals import Code, Refusal
from schemas.rooms import MessageData, MessageEvent
from tests.unit.dispatcher.engine.world import (
    DORA,
    LIMITS,
    RITA,
    RON,
    World,
    chat,
    joined,
    numbers,
    texts,
)

SMALL = msgspec.structs.replace(LIMITS, messages_max=10)


def told(world: World, room: str) -> tuple[MessageData, ...]:
    """What history knows of a room."""
    return tuple(
        event.message
        for event in world.events
        if isinstance(event, MessageEvent) and event.message.room == room
    )


def held(world: World, room: str) -> bool:
    """Whether a room's messages are answered without history."""
    outcome = world.join(RON, room, "")
    return not isinstance(outcome, Lookup)


# ---- forgetting ----------------------------------------------------------------


def test_the_room_longest_unused_is_forgotten_first() -> None:
    world = World(SMALL)
    for room in ("a", "b"):
        chat(world, room, 4)
    world.said(RITA, "a")
    chat(world, "c", 2)
    assert [held(world, room) for room in "abc"] == [True, False, True]


def test_rooms_with_members_are_forgotten_last() -> None:
    world = World(SMALL)
    chat(world, "a", 4)
    world.join(RON, "a")
    chat(world, "b", 4)
    chat(world, "c", 4)
    assert [held(world, room) for room in "abc"] == [True, False, True]
    world.leave(RON, "a")
    world.said(RITA, "c")
    chat(world, "d", 4)
    assert [held(world, room) for room in "acd"] == [False, True, True]


def test_a_forgotten_room_asks_history_and_its_numbers_go_on() -> None:
    world = World(SMALL)
    chat(world, "a", 4)
    forgotten_seq = world.events[-1].seq
    chat(world, "b", 8)
    asked_seq = forgotten_seq + 1
    lookup = Lookup("", forgotten_seq, "a", asked_seq=asked_seq)
    assert world.join(RON, "a") == lookup
    data = joined(world.join(RON, "a", backlog=told(world, "a")))
    assert texts(data) == ["a1", "a2", "a3", "a4"]
    assert world.said(RITA, "a", "a5").seq == 5
    assert isinstance(world.join(RON, "a", "", since=3), Lookup)
    data = world.look("a", 4)
    assert (data.recovered, numbers(data)) == (True, [5])
    data = world.look("a", 2, backlog=told(world, "a"))
    assert (data.recovered, numbers(data)) == (True, [3, 4, 5])


def test_history_behind_the_held_messages_is_never_answered_with_a_gap() -> None:
    world = World(SMALL)
    chat(world, "a", 4)
    chat(world, "b", 8)
    world.said(RITA, "a", "a5")
    data = world.look("a", 0, backlog=told(world, "a")[:2])
    assert (data.recovered, numbers(data)) == (False, [5])
    foreign = told(world, "b")
    assert numbers(world.look("a", 0, backlog=foreign)) == [5]


def test_messages_are_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.engine.rooms.BACKLOGS_BYTES_MAX", 5_000)
    world = World()
    world.said(RITA, "a", "x" * 2_000)
    world.said(RITA, "b", "x" * 2_000)
    assert held(world, "a")
    world.said(RITA, "c", "x" * 2_000)
    assert [held(world, room) for room in "abc"] == [False, True, True]
    assert world.engine.rooms == (0, 0, 2)


def test_what_a_key_made_and_memory_forgot_is_asked_for_since_just_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.engine.rooms.BACKLOGS_BYTES_MAX", 5_000)
    world = World()
    world.said(RITA, "a", "x" * 2_000, key="k", sought=True)
    said_ms = world.now_ms
    for room in "bc":
        world.now_ms += 1_000
        world.said(RITA, room, "x" * 2_000)
    assert not held(world, "a")
    asked = world.send(RITA, "a", key="k", sought=False, outside=True)
    assert isinstance(asked, Lookup)
    assert (asked.key, asked.since_ms) == (True, said_ms - 1)


def test_a_user_s_own_oldest_message_keys_are_asked_of_history() -> None:
    world = World(msgspec.structs.replace(LIMITS, message_keys_per_user_max=2))
    first, *_ = [world.said(RITA, "a", key=f"k{n}", sought=True) for n in range(3)]
    asked = world.send(RITA, "a", key="k0", sought=False, outside=True)
    assert isinstance(asked, Lookup)
    assert (asked.key, asked.room) == (True, "")
    again = world.send(RITA, "b", key="k0", sought=True, made=first, outside=True)
    assert again == Decided((), first)
    assert isinstance(world.send(RITA, "a", key="x", sought=False), Lookup)
    assert world.said(RITA, "a", key="x", sought=True).seq == 4
    assert world.said(RON, "a", key="k0", sought=False).seq == 5


def test_a_key_used_while_history_was_asked_for_it_is_asked_for_again() -> None:
    """And forgotten by then: who asked before could not know."""
    world = World(msgspec.structs.replace(LIMITS, message_keys_per_user_max=1))
    for key in ("before", "held"):
        world.said(RITA, "a", key=key, sought=True)
    world.now_ms += 1
    asked = world.send(RITA, "a", key="k", sought=False, outside=True)
    assert isinstance(asked, Lookup)
    found: dict[str, Any] = {"sought": True, "sought_ms": asked.asked_ms}
    made = world.said(RITA, "a", key="k", **found)
    world.said(RITA, "a", key="next", sought=True)
    again = world.send(RITA, "a", key="k", outside=True, **found)
    assert isinstance(again, Lookup)
    assert again.key
    found |= {"made": made}
    answer = world.send(RITA, "a", key="k", outside=True, **found)
    assert answer == Decided((), made)


def test_what_a_key_made_is_asked_of_history_once_its_room_holds_it_no_more() -> None:
    world = World(SMALL)
    first = world.said(RITA, "a", "first", key="k")
    first_seq = world.events[-1].seq
    chat(world, "b", 10)
    world.now_ms += 60_000
    chat(world, "b", 1)
    asked = world.send(RITA, "a", key="k", sought=False)
    assert isinstance(asked, Lookup)
    assert asked.key
    assert first_seq <= asked.seq <= world.events[-1].seq
    again = world.send(RITA, "a", key="k", sought=True, made=first)
    assert again == Decided((), first)
    gone = world.send(RITA, "a", key="k", sought=True)
    assert isinstance(gone, Refusal)
    assert gone.code is Code.UNAVAILABLE


def test_a_gateway_that_cannot_ask_for_a_key_is_sent_for_its_room_s_messages() -> None:
    world = World(SMALL)
    first = world.said(RITA, "a", "first", key="k")
    chat(world, "b", 10)
    asked = world.send(RITA, "x", key="k")
    assert isinstance(asked, Lookup)
    assert (asked.key, asked.room) == (False, "a")
    again = world.send(RITA, "x", key="k", backlog=told(world, "a"))
    assert again == Decided((), first)
    assert isinstance(world.send(RITA, "x", key="k", backlog=()), Refusal)


def test_open_rooms_longest_without_a_message_are_asked_of_history() -> None:
    world = World(msgspec.structs.replace(LIMITS, heads_max=2))
    for room in ("a", "b"):
        chat(world, room, 3)
    world.said(RITA, "a", "a4")
    assert world.said(RITA, "c", "c1").seq == 1
    asked = world.send(RITA, "b", outside=True)
    assert isinstance(asked, Lookup)
    assert (asked.trip, asked.room) == ("", "b")
    assert asked.seq >= max(
        event.seq
        for event in world.events
        if isinstance(event, MessageEvent) and event.message.room == "b"
    )
    assert world.said(RITA, "b", backlog=told(world, "b")).seq == 4
    assert isinstance(world.join(RON, "new"), Lookup)
    assert joined(world.join(RON, "new", backlog=())).history == []
    assert world.said(RITA, "new", backlog=()).seq == 1


def test_a_room_made_and_forgotten_while_history_is_asked_is_asked_of_again() -> None:
    world = World(msgspec.structs.replace(LIMITS, heads_max=1))
    for room in ("a", "b"):
        world.said(RITA, room, backlog=())
    asked = world.send(RITA, "new", outside=True)
    assert isinstance(asked, Lookup)
    assert world.said(RON, "new", backlog=()).seq == 1
    world.said(RON, "other", backlog=())
    stale: dict[str, Any] = {"backlog": (), "sought_seq": asked.asked_seq}
    assert isinstance(world.join(DORA, "new", "", **stale), Lookup)
    again = world.send(RITA, "new", outside=True, **stale)
    assert isinstance(again, Lookup)
    assert again.seq >= asked.asked_seq
    fresh: dict[str, Any] = {"sought_seq": again.asked_seq}
    assert world.said(RITA, "new", backlog=told(world, "new"), **fresh).seq == 2


def test_what_history_said_of_a_head_that_was_held_is_old_once_it_is_forgotten() -> (
    None
):
    limits = msgspec.structs.replace(LIMITS, heads_max=2, messages_max=3)
    world = World(limits)
    chat(world, "a", 4)
    world.said(RITA, "a", "a5")
    asked = world.join(DORA, "a", "", since=0)
    assert isinstance(asked, Lookup)
    before = told(world, "a")[:4]  # as far as history was asked
    for room in ("b", "c"):
        world.said(RON, room, backlog=())
    stale: dict[str, Any] = {"backlog": before, "sought_seq": asked.asked_seq}
    again = world.join(DORA, "a", "", since=0, **stale)
    assert isinstance(again, Lookup)
    fresh: dict[str, Any] = {"sought_seq": again.asked_seq}
    data = world.look("a", 0, backlog=told(world, "a"), **fresh)
    assert numbers(data) == [1, 2, 3, 4, 5]


def test_what_a_key_s_message_was_looked_up_for_says_nothing_newer_of_its_room() -> (
    None
):
    world = World(msgspec.structs.replace(LIMITS, heads_max=1))
    made_seq = world.said(RITA, "a", key="k", backlog=()).seq
    world.said(RON, "b", backlog=())
    asked = world.send(RITA, "a", key="k")
    assert isinstance(asked, Lookup)
    assert (asked.room, made_seq) == ("a", 1)
    assert asked.asked_seq == asked.seq + 1


def test_rooms_forgotten_since_that_were_silent_before_cost_no_second_question() -> (
    None
):
    world = World(msgspec.structs.replace(LIMITS, heads_max=3))
    for number in range(5):
        world.said(RON, f"old-{number}", backlog=())
    asked = world.send(RITA, "new", outside=True)
    assert isinstance(asked, Lookup)
    for number in range(3):  # each is forgotten for one that came later
        world.said(RON, f"later-{number}", backlog=())
    found: dict[str, Any] = {"backlog": (), "sought_seq": asked.asked_seq}
    assert world.said(RITA, "new", **found).seq == 1


def test_a_million_names_keep_nobody_from_making_a_room() -> None:
    world = World(msgspec.structs.replace(LIMITS, heads_max=3))
    for number in range(20):
        world.said(RITA, f"flood-{number}", backlog=())
    assert world.said(RON, "mine", backlog=()).seq == 1
    assert len(world.engine._state.rooms.heads) == 3
    restored = Engine.restore(world.engine.snapshot(), LIMITS)
    assert restored.snapshot() == world.engine.snapshot()
    world.engine = restored
    assert isinstance(world.send(RITA, "flood-0", outside=True), Lookup)


def test_a_ledger_that_begins_late_asks_history_before_it_gives_a_number() -> None:
    world = World()
    world.next_n = 100
    world.said(RITA, "other")
    late = Engine("main", LIMITS)
    late.apply_record(world.records[0])
    world.engine = late
    began_seq = 100 * 4096 - 1
    asked = world.send(RITA, "a", outside=True)
    assert isinstance(asked, Lookup)
    assert (asked.seq, asked.room) == (began_seq, "a")
    assert asked.asked_seq > began_seq
    before = msgspec.structs.replace(told(world, "other")[0], room="a", seq=7)
    assert world.said(RITA, "a", backlog=(before,)).seq == 8
    assert world.said(RITA, "a").seq == 9
    assert world.said(RITA, "new", backlog=()).seq == 1


def test_what_was_said_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.engine.ring.SAID_BYTES_MAX", 2_500)
    world = World()
    for _ in range(3):
        world.said(RITA, "a", "x" * 1_000)
    known = [world.engine.remembered(event.command) for event in world.events]
    assert [answer is not None for answer in known] == [False, False, True]
