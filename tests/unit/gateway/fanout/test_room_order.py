"""One room at a gateway, against a leader and a network that loses and repeats."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fanout.membership import Occupant, Turn
from gateway.fanout.room import Joined, Push, Room
from tests.unit.gateway.fanout.seats import (
    HELD_MAX,
    Socket,
    answer,
    message,
    seat,
)


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

    def _enter(self) -> Session:
        made, socket = seat(f"u{len(self.sessions)}")
        self.sessions.append(Session(Occupant(made), socket))
        return self.sessions[-1]

    def join(self, since: int | None) -> None:
        session = self._enter()
        self.room.begin(session.occupant)
        self.wire.append((session, self._history(since), since))

    def admit(self) -> None:
        """As gateway/fanout/rooms.py does."""
        is_new = self.room.is_empty
        self.room.admit(self._enter().occupant)
        if is_new:
            self.room.hold()
            self._ask()

    def join_again(self, *, refused: bool) -> None:
        """One that hears the room already."""
        for session in self.sessions:
            if session.occupant.seat in self.room.live:
                self.room.begin(session.occupant)
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
                session.occupant.turn(Turn.REFUSED)
                room.resume(session.occupant)
            else:
                head = since if data.recovered and since is not None else 0
                covered = head + len(data.history) if head else self._last(data)
                session.answers.append((len(session.socket.numbers()), covered))
                room.answered(session.occupant, data, since)
        if room.holds and room.n is not None and not self.asked:
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
