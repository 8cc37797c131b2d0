"""Sockets that bring much take turns; who brings little doesn't wait for them."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import OPEN

from gateway.limits import Limits
from gateway.sockets.intake import (
    CLOSING_BYTES_MAX,
    DISCARD_COST,
    DISCARDED_BYTES_MAX,
    HELD_BYTES_MAX,
    READ_BYTES_MAX,
    Intake,
)
from gateway.sockets.rfc6455 import Cutter, frame_bytes
from gateway.sockets.turns import (
    FRAME_COST,
    QUANTUM,
    TURN_NEW,
    TURN_OLD,
    TURN_SINGLE,
    TURN_SURE,
    Turns,
)
from tests.conformance.echo import Echo, EchoSockets
from tests.conformance.wire import Line
from tests.support.rawsocket import frame, upgrade

SMALL = frame(1, b'{"type":"x"}')
COST = FRAME_COST + len(SMALL)


class Loop:
    """What a turn of the event loop calls when all sockets were read."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    def call_soon(self, what: Callable[[], None]) -> None:
        self._due.append(what)

    def turn(self) -> None:
        due, self._due = self._due, []
        for what in due:
            what()

    @property
    def is_idle(self) -> bool:
        return not self._due


class Socket:
    """An intake, its transport, and what was taken."""

    def __init__(self, turns: Turns) -> None:
        self.line = Line()
        self.pieces: list[bytes] = []
        self.then: Callable[[bytes], None] = lambda _: None
        self.intake = Intake(cast("Any", self.line), turns, self._take)
        self.intake.opened()

    def _take(self, piece: bytes, is_whole: bool) -> None:
        self.pieces.append(piece)
        self.then(piece)

    @property
    def taken(self) -> int:
        return len(self.pieces)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def turns(loop: Loop) -> Turns:
    return Turns(loop.call_soon)


def test_a_little_is_taken_at_once_and_the_socket_is_read_on(turns: Turns) -> None:
    one = Socket(turns)
    one.intake.read(SMALL * 3)
    assert one.pieces == [SMALL] * 3
    assert one.line.is_reading()


def test_frames_that_come_alone_need_no_turn_until_they_took_half_of_one(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)
    for _ in range(TURN_SURE // COST):
        one.intake.read(SMALL)
        assert loop.is_idle
    one.intake.read(SMALL)
    assert not loop.is_idle
    loop.turn()
    assert turns.left == TURN_NEW


def test_of_much_a_quantum_is_taken_a_turn_and_nothing_more_is_read(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)
    count = READ_BYTES_MAX // len(SMALL)
    one.intake.read(SMALL * count)
    at_once = one.taken
    assert at_once == -(-QUANTUM // COST)
    assert not one.line.is_reading()
    loop.turn()
    assert one.taken - at_once <= at_once
    while not one.line.is_reading():
        loop.turn()
    assert one.taken == count
    loop.turn()
    assert loop.is_idle


def test_one_turn_takes_so_much_of_all_that_wait_whoever_they_are(
    loop: Loop, turns: Turns
) -> None:
    sockets = [Socket(turns) for _ in range(50)]
    for each in sockets:
        each.intake.read(SMALL * (READ_BYTES_MAX // len(SMALL)))
    most = -(-(TURN_NEW + QUANTUM) // COST)
    taken = sum(each.taken for each in sockets)
    assert taken <= most
    rounds: list[int] = []
    while not all(each.line.is_reading() for each in sockets):
        loop.turn()
        now = sum(each.taken for each in sockets)
        assert now - taken <= -(-(TURN_OLD + QUANTUM) // COST)
        taken = now
        rounds.append(max(e.taken for e in sockets) - min(e.taken for e in sockets))
    assert max(rounds) <= 3 * QUANTUM // COST  # nobody is ahead by more than a turn


def test_who_brings_one_frame_does_not_wait_for_those_who_flood(
    loop: Loop, turns: Turns
) -> None:
    flooding = [Socket(turns) for _ in range(50)]
    for each in flooding:
        each.intake.read(SMALL * (READ_BYTES_MAX // len(SMALL)))
    loop.turn()
    one = Socket(turns)
    one.intake.read(SMALL)
    assert one.taken == 1
    assert one.line.is_reading()


def test_large_frames_get_no_more_than_twice_what_small_ones_get(
    loop: Loop, turns: Turns
) -> None:
    large, small = Socket(turns), Socket(turns)
    body = frame(1, b"x" * 15_000)
    large.intake.read(body)
    small.intake.read(SMALL * (READ_BYTES_MAX // len(SMALL)))
    while small.intake.waiting_bytes:
        if large.line.is_reading():
            large.intake.read(body)
        loop.turn()
    spent = small.taken * COST
    assert large.taken * (FRAME_COST + len(body)) <= 2 * spent + 2 * QUANTUM


def test_what_comes_while_it_is_held_waits_and_is_taken_in_order(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)
    one.then = lambda _: one.intake.hold() if one.taken == 1 else None
    one.intake.read(frame(1, b"a") + frame(1, b"b"))
    assert one.taken == 1
    assert not one.line.is_reading()
    one.intake.read(frame(1, b"c"))  # a transport may, though it was told to pause
    loop.turn()
    assert one.taken == 1
    one.intake.release()
    loop.turn()
    assert one.pieces == [frame(1, text) for text in (b"a", b"b", b"c")]
    assert one.line.is_reading()


def test_a_transport_that_goes_on_delivering_is_ended(turns: Turns) -> None:
    one = Socket(turns)
    one.intake.hold()
    one.intake.read(b"x" * HELD_BYTES_MAX)
    assert not one.line.is_closing()
    one.intake.read(b"x")
    assert one.line.is_closing()


def test_after_a_close_a_little_is_looked_at_and_a_bound_is_thrown_away(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)
    one.then = lambda _: one.intake.closing()
    brought = 0
    while one.line.is_reading() or not loop.is_idle:
        if one.line.is_reading():
            one.intake.read(SMALL * 500)
            brought += 500 * len(SMALL)
        loop.turn()
    assert one.taken * len(SMALL) <= CLOSING_BYTES_MAX + 2 * 500 * len(SMALL)
    assert brought <= DISCARDED_BYTES_MAX + 2 * 500 * len(SMALL)


def test_what_is_thrown_away_after_closes_is_read_in_turns_too(
    loop: Loop, turns: Turns
) -> None:
    sockets = [Socket(turns) for _ in range(50)]
    for each in sockets:
        each.then = lambda _, each=each: each.intake.closing()  # type: ignore[misc]
        each.intake.read(SMALL)
    most, brought, large = TURN_OLD // DISCARD_COST + 1, 0, frame(1, b"x" * 16_000)
    for turn in range(600):
        reads = 0
        for each in sockets:
            for _ in range(32):  # as often as libuv reads one socket in a row
                if not each.line.is_reading():
                    break
                each.intake.read(large)
                reads += 1
        # Before anything is thrown away, each socket's first 64 KiB are looked at.
        if turn > 200:
            assert reads <= most
            brought += reads
        loop.turn()
    assert brought > 300 * most / 2  # and it goes on


def test_what_waits_of_a_socket_that_is_gone_is_taken_no_more(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)
    one.intake.read(SMALL * 500)
    before = one.taken
    one.intake.end()
    while not loop.is_idle:
        loop.turn()
    assert one.taken == before


def test_a_release_within_what_is_taken_queues_nobody_twice(
    loop: Loop, turns: Turns
) -> None:
    one = Socket(turns)

    def judged_at_once(_: bytes) -> None:
        one.intake.hold()
        one.intake.release()

    one.then = judged_at_once
    one.intake.read(SMALL * 3)
    loop.turn()
    assert one.taken == 3
    assert len(turns._waiting) == 0
    assert one.line.is_reading()


def test_a_request_s_head_is_no_frame_and_what_follows_it_is(turns: Turns) -> None:
    one = Socket(turns)
    one.intake = Intake(cast("Any", one.line), turns, one._take)
    head = upgrade(1, "/ws")
    one.then = lambda _: one.intake.opened() if one.taken == 2 else None
    one.intake.read(head[:70])
    one.intake.read(head[70:] + SMALL + SMALL[:4])
    one.intake.read(SMALL[4:])
    assert one.pieces == [head[:70], head[70:], SMALL, SMALL[:4], SMALL[4:]]


def test_who_comes_when_a_turn_is_spent_is_served_before_those_who_wait(
    loop: Loop, turns: Turns
) -> None:
    flooding = [Socket(turns) for _ in range(100)]
    for each in flooding:
        each.intake.read(SMALL * (READ_BYTES_MAX // len(SMALL)))
    assert turns.left <= 0
    one = Socket(turns)
    one.intake.read(SMALL)
    assert one.taken == 0
    loop.turn()
    assert one.taken == 1
    loop.turn()
    assert one.line.is_reading()


# ---- where frames end ----------------------------------------------------------------

frames = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.one_of(st.binary(max_size=130), st.sampled_from([b"x" * 70_000, b"x" * 126])),
    fin=st.booleans(),
    mask=st.sampled_from([b"\1\2\3\4", None]),
)


@given(
    st.lists(frames, max_size=6),
    st.lists(st.integers(1, 60_000) | st.integers(1, 9), min_size=1, max_size=5),
)
def test_frames_are_found_however_they_are_cut(
    stream: list[bytes], cuts: list[int]
) -> None:
    cutter = Cutter()
    found: list[bytes] = []
    whole: list[bytes] = []
    data, at, turn, piece = b"".join(stream), 0, 0, b""
    while at < len(data):
        chunk = data[at : at + cuts[turn % len(cuts)]]
        at, turn = at + len(chunk), turn + 1
        start = 0
        while start < len(chunk):
            end = cutter.end(chunk, start)
            assert end > start
            piece += chunk[start:end]
            if cutter.is_whole:
                whole.append(chunk[start:end])
            start = end
            if frame_bytes(piece) == len(piece):
                found.append(piece)
                piece = b""
    assert found == stream
    assert all(each in stream for each in whole)
    if len(cuts) == 1 and cuts[0] > len(data):
        assert whole == stream


class Heard(Echo):
    """One that has logged in: counts its messages."""

    taken = 0

    def __init__(self, sockets: EchoSockets) -> None:
        super().__init__(sockets)
        self.connection_made(cast("Any", Line()))
        self.data_received(upgrade(1, "/ws"))
        self.runner._seat = cast("Any", object())

    def _text(self, payload: bytes) -> None:
        self.taken += 1

    def bring(self, data: bytes) -> None:
        self._sockets.read_buffer[: len(data)] = data
        self.buffer_updated(len(data))


async def in_touch(sockets: EchoSockets, count: int) -> list[Heard]:
    """So many whose handshakes, which take turns too, are over."""
    made = [Heard(sockets) for _ in range(count)]
    while not all(each._intake.is_free and each._ws.state is OPEN for each in made):
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return made


async def test_a_room_that_writes_at_once_is_one_turn_s_work() -> None:
    sockets = EchoSockets(Limits())
    room = await in_touch(sockets, 400)
    for each in room:
        each.bring(SMALL)
    assert [each.taken for each in room] == [1] * 400


async def test_single_frames_wait_for_the_next_turn_beyond_a_bound() -> None:
    sockets = EchoSockets(Limits())
    crowd = await in_touch(sockets, 600)
    for each in crowd:
        each.bring(SMALL)
    at_once = sum(each.taken for each in crowd)
    assert at_once == -(-TURN_SINGLE // COST)
    await asyncio.sleep(0)
    assert sum(each.taken for each in crowd) > at_once
