"""One room at a gateway, against a leader and a network that loses and repeats."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from gateway import framing
from gateway.fanout.room import Joined, Occupant, Push, Room
from schemas.closes import Close
from schemas.codec import encode
from tests.unit.gateway.fanout.seats import (
    HELD_MAX,
    Socket,
    answer,
    joined_at,
    member,
    message,
    seat,
)


def test_one_tick_is_one_write_for_each_session() -> None:
    room, socket = joined_at(0)
    for n in range(1, 21):
        room.receive(message(n, n))
    room.flush()
    assert socket.numbers() == list(range(1, 21))
    assert socket.writes == 1


def test_a_gap_holds_all_that_follows_until_it_is_filled() -> None:
    room, socket = joined_at(3)
    for n in (4, 6, 7):
        room.receive(message(n, n))
    room.flush()
    assert socket.numbers() == [4]
    assert room.held is not None
    assert room.fill(answer(5, 6, recovered=True))
    room.flush()
    assert room.held is None
    assert socket.numbers() == [4, 5, 6, 7]
    assert [frame.get("seq") for frame in socket.frames] == [4, None, None, 7]


def test_a_gap_that_can_not_be_filled_is_told() -> None:
    room, socket = joined_at(3)
    room.receive(message(200, 200))
    assert not room.fill(answer(101, 200))
    room.receive(message(201, 201))
    room.flush()
    assert socket.numbers() == [201]


def test_an_answer_ahead_of_what_came_shows_a_loss() -> None:
    room, first = joined_at(3)
    late, second = seat("u2")
    occupant = Occupant(late, explicit=True)
    room.begin(occupant)
    room.answered(occupant, answer(4, 5), None)
    assert room.held is not None
    room.fill(answer(4, 5, recovered=True))
    room.receive(message(6, 6))
    room.flush()
    assert first.numbers() == [4, 5, 6]
    assert second.numbers() == [6]


def test_who_comes_and_goes_is_told_but_not_what_the_answer_said() -> None:
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made, explicit=True)
    room.begin(occupant)
    room.receive(member("u2", 10, joined=True))
    room.receive(member("u1", 11, joined=True))
    room.receive(member("u3", 12, joined=True))
    room.receive(member("u2", 13, joined=False))
    room.answered(occupant, answer(1, 0, ("u1", "u2")), None)
    assert [(f["type"], f["data"]["user"]["id"]) for f in socket.frames] == [
        ("chat.joined", "u3"),
        ("chat.left", "u2"),
    ]
    room.receive(member("u2", 13, joined=False))
    room.flush()
    assert len(socket.frames) == 2


def test_an_older_client_has_the_text_beside_the_type() -> None:
    room, plain = joined_at(0)
    made, old = seat("u2", bare=True)
    room.admit(Occupant(made, explicit=False))
    room.receive(message(1, 5))
    room.receive(member("u3", 6, joined=True))
    room.flush()
    assert old.frames[0]["message"] == "text 1"
    assert {**old.frames[0], "message": 0} == {**plain.frames[0], "message": 0}
    assert old.frames[1] == plain.frames[1]


def test_frames_wait_while_the_users_own_events_do() -> None:
    room, _ = joined_at(0)
    made, socket = seat("u2")
    made.listener.seats.append(made)
    room.admit(Occupant(made, explicit=False))
    made.listener.recipient.held = []
    room.receive(message(1, 50))
    room.flush()
    assert not socket.frames
    made.listener.recipient.held = None
    frame = b'\x81\x08{"a": 1}'
    made.listener.region.give(made.listener, [(40, frame), (60, frame)])
    assert [f.get("type") for f in socket.frames] == [None, "chat.message", None]


def test_too_much_held_makes_everybody_come_back() -> None:
    room = Room("lobby", None, 5)
    made, socket = seat()
    room.begin(Occupant(made, explicit=True))
    for n in range(1, 8):
        room.receive(message(n, n))
    assert socket.code is Close.RESYNC


def test_when_the_only_join_is_refused_a_trips_participants_hear_on() -> None:
    room = Room("lobby", None, HELD_MAX)
    asking, _ = seat()
    room.begin(Occupant(asking, explicit=True))
    made, socket = seat("u2")
    room.admit(Occupant(made, explicit=False))
    room.receive(message(4, 4))
    room.remove(asking)
    room.abandon()
    room.receive(message(5, 5))
    room.flush()
    assert socket.numbers() == [4, 5]


def test_who_hears_already_is_not_told_again_what_its_join_was_answered() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    room.hold()  # as after a reconnect: what comes waits
    room.receive(message(1, 10))
    room.begin_again(occupant)
    room.receive(message(2, 20))
    room.answered(occupant, answer(1, 2), None)
    assert not socket.frames
    room.receive(message(3, 30))
    room.fill(answer(1, 3, recovered=True))
    room.flush()
    assert socket.numbers() == [3]


def test_what_was_said_while_a_join_was_asked_again_follows_its_answer() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    room.receive(message(1, 10))
    room.begin_again(occupant)
    assert socket.numbers() == [1]
    room.receive(message(2, 20))
    room.flush()
    assert socket.numbers() == [1]
    room.answered(occupant, answer(1, 1), None)
    assert socket.numbers() == [1, 2]


@pytest.mark.parametrize("explicit", [True, False])
def test_who_hears_already_and_is_refused_hears_on(explicit: bool) -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    occupant.explicit = explicit
    room.receive(message(1, 10))
    room.begin_again(occupant)
    assert occupant.explicit
    room.receive(message(2, 20))
    room.receive(member("u3", 25, joined=True))
    room.resume(occupant)
    room.receive(message(3, 30))
    room.flush()
    assert socket.numbers() == [1, 2, 3]
    assert len(socket.frames) == 4
    assert occupant.explicit is explicit


def test_of_two_joins_at_once_the_second_answer_counts() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    occupant.asked = 2
    room.begin_again(occupant)
    room.receive(message(1, 10))
    occupant.asked = 1
    room.answered(occupant, answer(1, 0), None)
    assert not socket.frames
    room.receive(message(2, 20))
    occupant.asked = 0
    room.answered(occupant, answer(1, 1), None)
    assert socket.numbers() == [2]


class Session:
    """`answers`: how much it had heard at each, and up to where the answer went."""

    def __init__(self, occupant: Occupant, socket: Socket) -> None:
        self.occupant = occupant
        self.socket = socket
        self.answers: list[tuple[int, int]] = []

    def check(self, head: int) -> None:
        """What it heard goes on where an answer, or the last it heard, ended."""
        heard = self.socket.numbers()
        assert self.socket.code is None
        last: int | None = None
        for place in range(len(heard) + 1):
            for _, covered in [one for one in self.answers if one[0] == place]:
                assert covered >= (last or 0)
                last = covered
            if place < len(heard):
                assert last is None or heard[place] == last + 1
                last = heard[place]
        assert last == head


class Game:
    """A leader that never errs, and a network that loses and repeats, in order."""

    def __init__(self) -> None:
        self.room = Room("lobby", None, HELD_MAX)
        self.head = 0
        self.wire: list[Push | tuple[Session | None, Joined | None, int | None]] = []
        self.sessions: list[Session] = []
        self.asked = False

    def say(self, *, lost: bool, again: bool) -> None:
        self.head += 1
        for _ in range(0 if lost else 1 + again):
            self.wire.append(message(self.head, 10 * self.head))

    def _enter(self, *, explicit: bool) -> Session:
        made, socket = seat(f"u{len(self.sessions)}")
        self.sessions.append(Session(Occupant(made, explicit=explicit), socket))
        return self.sessions[-1]

    def join(self, since: int | None) -> None:
        session = self._enter(explicit=True)
        self.room.begin(session.occupant)
        self.wire.append((session, self._history(since), since))

    def admit(self) -> None:
        """As gateway/fanout/rooms.py does."""
        is_new = self.room.is_empty
        self.room.admit(self._enter(explicit=False).occupant)
        if is_new:
            self.room.hold()
            self._ask()

    def join_again(self, *, refused: bool) -> None:
        """One that hears the room already."""
        for session in self.sessions:
            if session.occupant.seat in self.room.live:
                self.room.begin_again(session.occupant)
                told = None if refused else self._history(None)
                self.wire.append((session, told, None))
                return

    def _history(self, since: int | None) -> Joined:
        if since is not None and since <= self.head:
            return answer(since + 1, self.head, recovered=True)
        return answer(max(1, self.head - 4), self.head)

    def _ask(self) -> None:
        self.asked = True
        self.wire.append((None, self._history(self.room.n), self.room.n))

    def deliver(self) -> None:
        if not self.wire:
            return
        what = self.wire.pop(0)
        room = self.room
        if not isinstance(what, tuple):
            room.receive(what)
        else:
            session, data, since = what
            room.flush()
            if session is None:
                assert data is not None
                self.asked = False
                room.fill(data)
            elif data is None:
                room.resume(session.occupant)
            else:
                head = since if data.recovered and since is not None else 0
                covered = head + len(data.history) if head else self._last(data)
                session.answers.append((len(session.socket.numbers()), covered))
                room.answered(session.occupant, data, since)
        if room.held is not None and room.n is not None and not self.asked:
            self._ask()

    @staticmethod
    def _last(data: Joined) -> int:
        if not data.history:
            return 0
        last: int = json.loads(bytes(data.history[-1]))["seq"]
        return last


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(["", "", "lost", "again"])),
        st.tuples(st.just("join"), st.sampled_from([None, 0, 1, 3])),
        st.tuples(st.just("admit"), st.none()),
        st.tuples(st.just("join again"), st.booleans()),
        st.tuples(st.just("deliver"), st.none()),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_every_session_hears_every_message_once_and_in_order(steps: list[Any]) -> None:
    game = Game()
    for kind, what in steps:
        if kind == "say":
            game.say(lost=what == "lost", again=what == "again")
        elif kind == "join":
            game.join(what)
        elif kind == "admit":
            game.admit()
        elif kind == "join again":
            game.join_again(refused=what)
        elif kind == "deliver":
            game.deliver()
        else:
            game.room.flush()
    game.say(lost=False, again=False)
    while game.wire:
        game.deliver()
    game.room.flush()
    for session in game.sessions:
        session.check(game.head)


def test_what_was_fetched_again_stays_behind_what_came_before_it() -> None:
    made, socket = seat()
    listener = made.listener
    listener.add(made)
    listener.recipient.held = []  # a sync of the user is on
    for n, seq in ((1, 10), (2, 0), (3, 30)):
        frame = framing.push("chat.message", Raw(encode({"seq": n, "text": "x"})))
        made.give_in_room(seq, frame, HELD_MAX)
    listener.recipient.held = None
    listener.region.give(listener, [(20, framing.push("trip.started", Raw(b"{}")))])
    assert socket.numbers() == [1, 2, 3]
    assert [frame["type"] for frame in socket.frames][2] == "trip.started"


# ---- no `seq` behind a higher one ----------------------------------------------------


def test_what_was_held_up_has_no_seq_once_a_higher_one_went_out() -> None:
    made, socket = seat()
    region = made.listener.region
    room = Room("lobby", None, HELD_MAX, region)
    occupant = Occupant(made, explicit=True)
    room.begin(occupant)
    room.answered(occupant, answer(1, 0), None, 5)
    room.receive(message(1, 10))
    room.receive(message(3, 30))  # 2 is lost
    room.receive(member("u3", 40, joined=True))
    room.flush()
    made.listener.seats.append(made)
    region.give(made.listener, [(50, framing.event("trip.started", 50, Raw(b"{}")))])
    room.fill(answer(2, 2, recovered=True))
    room.receive(message(4, 60))
    room.flush()
    assert socket.numbers() == [1, 2, 3, 4]
    seqs = [frame["seq"] for frame in socket.frames if "seq" in frame]
    assert seqs == [10, 50, 60]


def test_what_waited_for_a_join_has_no_seq_behind_what_others_heard() -> None:
    first, _ = seat("u2")
    region = first.listener.region
    room = Room("lobby", None, HELD_MAX, region)
    here = Occupant(first, explicit=True)
    room.begin(here)
    room.answered(here, answer(1, 0), None, 5)
    late, socket = seat("u1")
    occupant = Occupant(late, explicit=True)
    room.begin(occupant)
    room.receive(message(2, 20))  # 1 is lost
    room.answered(occupant, answer(1, 2), None, 20)
    room.receive(message(3, 30))
    region.top_seq = 90
    room.fill(answer(1, 2, recovered=True))
    room.flush()
    assert socket.numbers() == [3]
    assert "seq" not in socket.frames[0]


def test_who_came_and_went_in_a_gap_is_told_once() -> None:
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made, explicit=True)
    room.begin(occupant)
    room.answered(occupant, answer(1, 0), None, 5)
    room.hold()
    room.receive(member("u3", 12, joined=True))
    moved = [member("u2", 11, joined=True), member("u3", 12, joined=True)]
    data = structs.replace(answer(1, 0, recovered=True), moved=moved)
    assert room.fill(data, 12)
    room.receive(member("u2", 13, joined=False))
    room.flush()
    told = [(f["type"], f["data"]["user"]["id"], f["seq"]) for f in socket.frames]
    assert told == [
        ("chat.joined", "u2", 11),
        ("chat.joined", "u3", 12),
        ("chat.left", "u2", 13),
    ]
