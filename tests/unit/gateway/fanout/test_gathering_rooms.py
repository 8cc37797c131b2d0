"""When a room's messages go out while more of them wait for their answers: real
writers on sockets that count, a clock in hand.
"""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.protocol import OPEN

from gateway import framing
from gateway.clock import Now
from gateway.fanout.gathering import ROOM_HOLD_S, Gathering
from gateway.fanout.membership import Occupant
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.room import Room
from gateway.fanout.sync import Sync
from gateway.leader.link import Link
from gateway.limits import Limits
from gateway.ports import Flushed
from gateway.sockets.writer import Writer
from schemas import commands
from schemas.closes import Close
from schemas.codec import encode
from schemas.commands import Answer, Answers
from schemas.trips import Role, User
from tests.contract.gateway_ws.scripted_leader import raw
from tests.unit.gateway.fanout.seats import HELD_MAX, Socket, message
from tests.unit.gateway.session.sessions import claims


class Member:
    """A session: gateway/ports.py: Connection, and its socket."""

    pending = 0
    bare = False

    def __init__(self, tick: "Gateway", name: str) -> None:
        self.name = name
        self.line = Socket()
        ws: Any = SimpleNamespace(state=OPEN)
        budget_bytes = Limits().output_bytes_max
        self.writer = Writer(ws, tick, budget_bytes, lambda _: None)
        self.writer.transport = cast("Any", self)

    def write(self, data: bytes) -> None:
        self.line.write(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self, code: Close) -> None:
        raise AssertionError(code)

    @property
    def heard(self) -> list[int | str]:
        """Messages by their number, answers by their command, in order."""
        return [
            frame["ref"] if frame["type"] == "reply" else frame["data"]["seq"]
            for frame in self.line.frames
        ]


class Gateway:
    """Rooms, who is in them, and who waits for answers; gateway/ports.py: Tick."""

    writes = bytes_out = 0

    def __init__(self, members: int, rooms: tuple[str, ...] = ("lobby",)) -> None:
        self.now_s = 0.0
        self.link = Link(Limits(), lambda *_: True, lambda *_: None, lambda: None)
        self.timers: list[tuple[float, Any]] = []
        self.gathering = Gathering(
            self.link,
            lambda: Now(self.now_s, 0),
            lambda: None,
            lambda after_s, look: self.timers.append((self.now_s + after_s, look)),
        )
        self.region = Region("main", HELD_MAX)
        self.rooms = {name: Room(name, 0, HELD_MAX, self.region) for name in rooms}
        self.members = [Member(self, f"u{number}") for number in range(members)]
        self.seats = [self._seat(member) for member in self.members]
        for room in self.rooms.values():
            for seat in self.seats:
                room.admit(Occupant(seat))
        self._dirty: list[Flushed] = []
        self._seq = 0

    def _seat(self, member: Member) -> Seat:
        listener = Listener(self.region, claims(sub=member.name))
        listener.stream.sync = Sync.IN_STEP
        seat = Seat(cast("Any", member), listener)
        seat.held = None
        return seat

    def dirty(self, writer: Flushed) -> None:
        self._dirty.append(writer)

    def say(self, command: str, who: int = 0, room: str = "lobby") -> None:
        by = User(f"u{who}", "", "", "", Role.RIDER)
        said = commands.SendMessage(
            id=command, deadline_ms=0, by=by, room=room, text="hi"
        )

        def done(answer: Answer) -> None:
            self.seats[who].give(0, framing.reply(answer.id, encode({})), HELD_MAX)

        owner = self.members[who]
        self.link.submit("main", said, owner, done, self.now_s, line=room)

    def store(self, *answered: str, room: str = "lobby") -> None:
        """A record came: its message, and the answers that stood on it."""
        self.push(room)
        self.answer(*answered)
        self.end_tick()

    def push(self, room: str = "lobby") -> None:
        self._seq += 1
        there = self.rooms[room]
        there.receive(message((there.n or 0) + 1, self._seq))

    def answer(self, *ids: str) -> None:
        """As gateway/fanout/router.py does it."""
        self.hand_on()
        answers = Answers(1, [Answer(one, 1, data=raw({})) for one in ids])
        self.link.answered("main", answers, self.now_s)
        self.gathering.after(self.region)

    def hand_on(self) -> None:
        for room in self.rooms.values():
            if room.ready:
                self.gathering.hand_on(room)

    def end_tick(self) -> None:
        self.hand_on()
        self.gathering.flush()
        dirty, self._dirty = self._dirty, []
        for writer in dirty:
            writer.flush()

    def wait(self, after_s: float) -> None:
        """Time passes; timers fire when they are due."""
        self.now_s += after_s
        due = [timer for timer in self.timers if timer[0] <= self.now_s]
        self.timers = [timer for timer in self.timers if timer[0] > self.now_s]
        for _, look in due:
            look()
        self.end_tick()


def test_a_message_that_is_alone_goes_out_with_its_answer_and_waits_for_nothing() -> (
    None
):
    gateway = Gateway(2)
    gateway.say("a")
    gateway.store("a")
    assert [member.heard for member in gateway.members] == [[1, "a"], [1]]
    assert [member.line.writes for member in gateway.members] == [1, 1]
    assert not gateway.timers


def test_a_message_that_is_alone_waits_not_even_for_its_answer() -> None:
    gateway = Gateway(2)
    gateway.say("a")
    gateway.store()
    assert [member.heard for member in gateway.members] == [[1], [1]]
    gateway.store("a")
    assert [member.heard for member in gateway.members] == [[1, 2, "a"], [1, 2]]


def test_a_burst_of_several_commits_is_one_write_for_who_only_hears() -> None:
    gateway = Gateway(4)
    for who, command in enumerate("abc"):
        gateway.say(command, who)
    for command in "abc":
        assert not gateway.members[3].heard
        gateway.store(command)
    assert gateway.members[3].heard == [1, 2, 3]
    assert gateway.members[3].line.writes == 1


def test_who_is_answered_has_it_at_once_behind_all_that_was_said_before() -> None:
    gateway = Gateway(2)
    gateway.say("a")
    gateway.say("b", 1)
    gateway.store()
    gateway.store("b")
    assert [member.heard for member in gateway.members] == [[], [1, 2, "b"]]
    assert gateway.members[1].line.writes == 1
    gateway.store("a")
    assert [m.heard for m in gateway.members] == [[1, 2, 3, "a"], [1, 2, "b", 3]]


def test_nothing_waits_for_longer_than_it_may() -> None:
    gateway = Gateway(2)
    gateway.say("never answered")
    gateway.say("nor is this", 1)
    gateway.store()
    gateway.wait(ROOM_HOLD_S / 2)
    gateway.store()
    assert not gateway.members[1].heard
    gateway.wait(ROOM_HOLD_S / 2)
    assert gateway.members[1].heard == [1, 2]
    gateway.store()
    gateway.wait(ROOM_HOLD_S)
    assert gateway.members[1].heard == [1, 2, 3]
    assert not gateway.timers


def test_whatever_else_is_written_takes_along_what_waits_before_it() -> None:
    gateway = Gateway(2)
    gateway.say("a")
    gateway.say("b")
    gateway.store()
    gateway.seats[1].give(0, framing.reply("other", encode({})), HELD_MAX)
    gateway.end_tick()
    assert [member.heard for member in gateway.members] == [[], [1, "other"]]
    assert gateway.members[1].line.writes == 1


@pytest.mark.parametrize("room", ["elsewhere", ""])
def test_a_room_in_which_nobody_here_speaks_waits_for_no_other(room: str) -> None:
    gateway = Gateway(2, ("lobby", "elsewhere"))
    if room:
        gateway.say("never answered", room=room)
        gateway.say("nor is this", room=room)
    gateway.store()
    assert [member.heard for member in gateway.members] == [[1], [1]]


STEPS = ("say", "store", "push", "answer", "other", "tick", "pass", "wait")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=60))
def test_however_it_is_held_everybody_hears_all_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    gateway = Gateway(3)
    expected: list[list[int | str]] = [[], [], []]
    asked: list[tuple[str, int]] = []
    said = others = 0
    for step, who in steps:
        if step == "say":
            asked.append((f"c{said}", who))
            gateway.say(*asked[-1])
            said += 1
        if step in {"push", "store"}:
            gateway.push()
            for heard in expected:
                heard.append(gateway.rooms["lobby"].n or 0)
        if step in {"answer", "store"} and asked:
            command, speaker = asked.pop(0)
            gateway.answer(command)
            expected[speaker].append(command)
        if step == "other":
            gateway.hand_on()
            others += 1
            frame = framing.reply(f"o{others}", encode({}))
            gateway.seats[who].give(0, frame, HELD_MAX)
            expected[who].append(f"o{others}")
        if step in {"tick", "store"}:
            gateway.end_tick()
        if step in {"pass", "wait"}:
            gateway.wait(ROOM_HOLD_S / (3 if step == "pass" else 1))
    gateway.end_tick()
    gateway.wait(ROOM_HOLD_S)
    assert [member.heard for member in gateway.members] == expected
