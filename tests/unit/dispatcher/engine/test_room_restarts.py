"""What is known of rooms outlives its leader: replay, snapshot, take-over."""

import msgspec
import pytest

from dispatcher.engine.engine import Engine, Limits, Lookup
from schemas.codec import decode, encode
from schemas.rooms import MemberEvent, MessageData
from schemas.trips import Trip
from tests.unit.dispatcher.engine.world import (
    DORA,
    LIMITS,
    NOON_MS,
    RITA,
    RON,
    World,
    chat,
    replay,
    restart,
    shows,
)

SMALL = msgspec.structs.replace(LIMITS, messages_max=10)


def busy(limits: Limits = LIMITS) -> tuple[World, Trip]:
    world = World(limits)
    trip = world.driving("accept")
    world.said(RITA, f"trip_{trip.id}", "here", key="here")
    for room in "abc":
        world.join(RON, room)
        chat(world, room, 4)
    world.leave(RON, "b")
    world.said(RITA, "a", "old", key="old")
    world.now_ms += 120_000
    world.join(DORA, "c")
    world.said(DORA, "c", "new", key="new")
    return world, trip


@pytest.mark.parametrize("limits", [LIMITS, SMALL, Limits(300_000, ring_events_max=1)])
def test_replay_snapshot_and_tail_all_show_the_same(limits: Limits) -> None:
    world, trip = busy(limits)
    payload = world.engine.snapshot()
    world.now_ms += 1_000
    world.end(RON)
    chat(world, "b", 2)
    world.moves("arrive", DORA, trip)
    expected = shows(world.engine, world.records)
    assert shows(replay(world.records, limits), world.records) == expected
    assert shows(restart(payload, world.records, limits), world.records) == expected


def test_a_restored_engine_gives_the_same_snapshot_with_each_message_once() -> None:
    world, _ = busy()
    payload = world.engine.snapshot()
    assert Engine.restore(payload, LIMITS).snapshot() == payload
    assert payload.count(b'"text":"new"') == 1


def test_a_snapshot_from_before_there_were_rooms_is_taken() -> None:
    world = World()
    world.request()
    plain = msgspec.json.decode(world.engine.snapshot())
    del plain["rooms"]
    restored = Engine.restore(encode(plain), LIMITS)
    assert restored.snapshot() == world.engine.snapshot()


def test_a_key_whose_message_left_the_backlog_survives_a_restart() -> None:
    world = World(SMALL)
    first = world.said(RITA, "a", "first", key="k")
    chat(world, "b", 10)
    payload = world.engine.snapshot()
    world.engine = restart(payload, world.records, SMALL)
    assert world.engine.snapshot() == payload
    assert isinstance(world.send(RITA, "a", key="k", sought=False), Lookup)
    again = world.send(RITA, "a", "again", key="k", sought=True, made=first)
    assert encode(again.data) == encode(first)  # type: ignore[union-attr]


def test_members_and_numbers_survive_a_take_over() -> None:
    world, _ = busy()
    world.engine = replay(world.records)
    world.engine.lead(0)
    assert world.members("a") == ["ron"]
    assert world.members("c") == ["ron", "dora"]
    assert world.said(RITA, "a").seq == 6


@pytest.mark.parametrize("by", ["replay", "restart"])
def test_a_message_command_is_remembered_by_whoever_leads_next(by: str) -> None:
    world = World()
    world.said(RITA, "a", "x")
    said = world.said(RON, "a", "y")
    command = world.events[-1].command
    world.engine = (
        replay(world.records)
        if by == "replay"
        else restart(world.engine.snapshot(), world.records)
    )
    answer = world.engine.remembered(command)
    assert answer is not None
    assert answer.data is not None
    assert decode(answer.data, MessageData) == said
    world.engine.advance(NOON_MS + LIMITS.remember_ms)
    assert world.engine.remembered(command) is None
    assert world.engine.ring_floor_seq == 0


def test_joins_and_leaves_are_decided_again_and_one_of_0_1_is_remembered() -> None:
    """A leave made an event of its own then."""
    world = World()
    world.join(RITA, "a")
    world.leave(RITA, "a")
    for event in world.events:
        assert isinstance(event, MemberEvent)
        assert not event.command or world.engine.remembered(event.command) is None
    event = MemberEvent(8 * 4096, NOON_MS, "a", RITA.person(), False, "of 0.1")
    world.engine.apply(event, encode(event))
    answer = world.engine.remembered("of 0.1")
    assert answer is not None
    assert encode(answer.data) == encode({"room": "a"})


def test_room_events_take_no_place_of_trips_in_the_ring() -> None:
    limits = Limits(300_000, ring_events_max=2)
    world = World(limits)
    world.driving("accept")
    chat(world, "a", 10)
    assert world.sync(RITA, 0).recovered
    assert len(world.sync(RITA, 0).events) == 2
