"""HTTP requests begin a few a tick, and then the loop is the sessions' for longer."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from gateway.sockets.admission import (
    A_TICK_MAX,
    LATER_TIMES,
    OPENS,
    REST_MIN_S,
    REST_TIMES,
    Admission,
)


class Loop:
    """Time that passes only by what is done."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, what: Callable[[], None]) -> None:
        self._due.append((self.now_s, what))

    def call_later(self, delay_s: float, what: Callable[[], None]) -> None:
        self._due.append((self.now_s + delay_s, what))

    def turn(self) -> None:
        """One of the event loop's: what is due by now."""
        due = [each for each in self._due if each[0] <= self.now_s]
        self._due = [each for each in self._due if each[0] > self.now_s]
        for _, what in due:
            what()


class Desk:
    def __init__(self) -> None:
        self.loop = Loop()
        self.begun: list[str] = []
        self.has_sessions = True
        self.answers_at_once = True
        self.admission = Admission(
            cast("asyncio.AbstractEventLoop", self.loop),
            lambda: self.loop.now_s,
            lambda: self.has_sessions,
        )

    def ask(self, key: str, count: int, took_s: float = 0.0, most: int = 1_000) -> None:
        for _ in range(count):
            go: Any = partial(self._begin, key, took_s)
            self.admission.ask(key, go, most)

    def _begin(self, key: str, took_s: float) -> None:
        self.begun.append(key)
        self.loop.now_s += took_s
        if self.answers_at_once:
            self.admission.done(key)

    def turns(self, count: int) -> int:
        """How many more have begun after so many turns of the loop."""
        before = len(self.begun)
        for _ in range(count):
            self.loop.turn()
        return len(self.begun) - before


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_after_a_tick_the_loop_is_the_sessions_for_twice_as_long_as_it_took(
    desk: Desk,
) -> None:
    desk.ask("a", 100, took_s=0.010)
    assert desk.turns(1) == A_TICK_MAX
    assert desk.turns(10) == 0
    desk.loop.now_s += REST_TIMES * A_TICK_MAX * 0.010 - 0.001
    assert desk.turns(10) == 0
    desk.loop.now_s += 0.002
    assert desk.turns(2) == A_TICK_MAX


def test_after_what_waits_for_others_it_rests_for_twice_as_long_as_that(
    desk: Desk,
) -> None:
    desk.answers_at_once = False
    desk.ask("a", 100, took_s=0.010)
    assert desk.turns(1) == A_TICK_MAX
    assert desk.turns(10) == 0
    desk.loop.now_s += LATER_TIMES * REST_TIMES * A_TICK_MAX * 0.010 - 0.001
    assert desk.turns(10) == 0
    desk.loop.now_s += 0.002
    assert desk.turns(2) == A_TICK_MAX


def test_it_rests_where_little_waits_too(desk: Desk) -> None:
    desk.ask("a", A_TICK_MAX)
    assert desk.turns(3) == A_TICK_MAX
    desk.ask("a", 1)
    assert desk.turns(3) == 0
    desk.loop.now_s += REST_MIN_S
    assert desk.turns(3) == 1


def test_without_sessions_requests_have_the_whole_loop(desk: Desk) -> None:
    desk.has_sessions = False
    desk.ask("a", 100)
    assert desk.turns(300) == 100


def test_handshakes_are_not_rested_after(desk: Desk) -> None:
    desk.ask(f"{OPENS}192.0.2.1", 100)
    assert desk.turns(100 // A_TICK_MAX + 1) == 100


def test_what_is_asked_while_it_rests_is_begun_after(desk: Desk) -> None:
    desk.ask("a", 1)
    desk.turns(2)
    desk.ask("b", 1)
    assert desk.begun == ["a"]
    desk.loop.now_s += REST_MIN_S
    desk.turns(2)
    assert desk.begun == ["a", "b"]


def test_one_that_raises_keeps_nobody_else_from_their_turn(desk: Desk) -> None:
    def fails() -> None:
        raise LookupError

    desk.admission.ask("a", fails, 1)
    desk.ask("b", 1)
    desk.ask("c", 1)
    with pytest.raises(LookupError):
        desk.turns(1)
    desk.turns(1)
    desk.loop.now_s += REST_MIN_S
    desk.turns(2)
    assert desk.begun == ["b", "c"]
