"""Who came and went in a room, as a gateway after a gap asks."""

import pytest
from msgspec import Struct

from dispatcher.engine.engine import Decided, Engine
from schemas.codec import decode, encode
from schemas.commands import JoinRoom
from schemas.rooms import MemberEvent
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    LIMITS,
    OLGA,
    RITA,
    RON,
    World,
    replay,
)


def moved(world: World, since: int) -> list[tuple[int, bool]] | None:
    """(seq, joined) of who came and went in `a`, as a gateway after a gap asks."""
    command = JoinRoom(room="a", moved_since=since, **world.envelope(OLGA))
    outcome = world.decide(command)
    assert isinstance(outcome, Decided)
    told = decode(encode(outcome.data), Moved).moved
    return None if told is None else [(e.seq, e.joined) for e in told]


class Moved(Struct):
    moved: list[MemberEvent] | None


def test_a_gateway_learns_who_came_and_went_in_its_gap() -> None:
    world = World()
    world.join(RITA, "a")
    world.join(RITA, "b")
    world.join(RON, "a")
    world.leave(RITA, "a")
    first, _, second, third = (event.seq for event in world.events)
    assert moved(world, 0) == [(first, True), (second, True), (third, False)]
    assert moved(world, second) == [(third, False)]
    assert moved(world, third) == []
    standby = replay(world.records)
    world.engine = standby
    assert moved(world, first) == [(second, True), (third, False)]
    world.engine.advance(world.now_ms + LIMITS.remember_ms)
    assert moved(world, second) is None
    assert moved(world, third) == []


def test_who_came_and_went_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.engine.ring.MOVES_BYTES_MAX", 500)
    monkeypatch.setattr("dispatcher.engine.ring.MOVED_BYTES_MAX", 250)
    world = World()
    for by in (RITA, RON, DORA, DAN):
        world.join(by, "a")
    seqs = [event.seq for event in world.events]
    assert moved(world, 0) is None
    assert moved(world, seqs[1]) is None
    assert moved(world, seqs[2]) == [(seqs[3], True)]


def test_after_a_start_from_a_snapshot_the_replay_tells_who_came_and_went() -> None:
    world = World()
    world.join(RITA, "a")
    world.join(RON, "a")
    first, second = (event.seq for event in world.events)
    engine = Engine.restore(world.engine.snapshot(), LIMITS)
    assert engine.ring_floor_seq == first
    world.engine = engine
    assert moved(world, first) is None
    for record in world.records:
        engine.refill_ring(record)
    assert moved(world, first) == [(second, True)]
