"""What was lost is asked for: so much at once, again where nobody answers; by a real
link, clock in hand.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.clock import Now
from gateway.fanout.region import Region
from gateway.fanout.resync import Ask, CloseAll, Effect, Head, Opened, Resync
from gateway.limits import Limits
from schemas.closes import Close
from schemas.commands import Answer, AnyCommand, GetTrip
from tests.unit.gateway.fanout.seats import HELD_MAX, seat
from tests.unit.gateway.leader.post import USER, Post

RETRY_S = 1.0
REGION = Region("main", HELD_MAX)


class Asked:
    """A question whose answers mean `effects`, one after the other."""

    why = "trial"
    region = REGION

    def __init__(self, about: object, *effects: Sequence[Effect] | None) -> None:
        self.about = about
        self.effects = list(effects)
        self.is_wanted = True

    def command(self, head: Head) -> AnyCommand | None:
        if not self.is_wanted:
            return None
        return GetTrip(id=head.id, deadline_ms=head.deadline_ms, by=USER, trip="t")

    def told(self, _: Answer) -> Iterable[Effect] | None:
        return self.effects.pop(0) if self.effects else ()


class Desk:
    def __init__(self, **limits: Any) -> None:
        bounds = Limits(resync_retry_s=RETRY_S, command_s=10, **limits)
        self.post = Post(pending_max=bounds.pending_max)
        self.now_s = 100.0
        self.done: list[Effect] = []
        self.resync = Resync(
            self.post.link,
            (str(number) for number in itertools.count(1)),
            bounds,
            lambda: Now(self.now_s, int(self.now_s * 1000)),
            self.done.append,
        )

    def ask(self, *questions: Asked, at_once: bool = False) -> None:
        self.resync.carry_out([Ask(one, at_once) for one in questions])

    def sent(self) -> list[str]:
        """Ids of the commands that left since this was last asked."""
        self.post.flush()
        sent, self.post.sent = self.post.sent, []
        return [command.id for _, batch in sent for command in batch]

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.resync.tick(self.now_s)


def test_so_many_questions_are_on_their_way_at_once() -> None:
    desk = Desk(resync_inflight_max=2)
    desk.ask(Asked("a"), Asked("b"), Asked("c"), Asked("d"))
    assert desk.sent() == ["1", "2"]
    desk.post.answer("2")
    assert desk.sent() == ["3"]
    desk.post.answer("1")
    desk.post.answer("3")
    assert desk.sent() == ["4"]


def test_what_all_wait_for_is_asked_past_the_bound_and_takes_no_place() -> None:
    desk = Desk(resync_inflight_max=1)
    desk.ask(Asked("feed"), at_once=True)
    desk.ask(Asked("a"), Asked("b"))
    assert desk.sent() == ["1", "2"]
    desk.post.answer("1")
    assert desk.sent() == []
    desk.post.answer("2")
    assert desk.sent() == ["3"]


def test_a_question_is_asked_about_until_it_is_answered() -> None:
    desk = Desk(resync_inflight_max=1)
    desk.ask(Asked("a"), Asked("b"), Asked("b"))
    assert desk.resync.is_asked("a")
    assert desk.resync.is_asked("b"), "it waits for its turn"
    assert not desk.resync.is_asked("c")
    assert desk.sent() == ["1"]
    desk.post.answer("1")
    assert not desk.resync.is_asked("a")
    assert desk.sent() == ["2"]
    desk.post.answer("2")
    assert desk.resync.is_asked("b"), "it was asked twice"
    assert desk.sent() == ["3"]
    desk.post.answer("3")
    assert not desk.resync.is_asked("b")


def test_an_answer_that_tells_nothing_is_asked_for_again_after_a_pause() -> None:
    desk = Desk(resync_inflight_max=1)
    effect = Opened(REGION)
    desk.ask(Asked("a", None, [effect]))
    assert desk.sent() == ["1"]
    desk.post.answer("1")
    assert desk.resync.is_asked("a")
    desk.wait(RETRY_S / 2)
    assert desk.sent() == []
    desk.wait(RETRY_S / 2)
    assert desk.sent() == ["2"]
    desk.post.answer("2")
    assert desk.done == [effect]
    assert not desk.resync.is_asked("a")
    desk.wait(RETRY_S)
    assert desk.sent() == []


def test_one_that_there_is_no_room_for_is_asked_again_and_holds_no_other_up() -> None:
    desk = Desk(resync_inflight_max=1, pending_max=1)
    desk.post.submit("a-rider-s")
    desk.ask(Asked("a"))
    assert desk.sent() == ["a-rider-s"]
    assert desk.resync.is_asked("a")
    desk.post.answer("a-rider-s")
    desk.ask(Asked("b"))
    assert desk.sent() == ["2"], "the first has its place no more"
    desk.post.answer("2")
    desk.wait(RETRY_S)
    assert desk.sent() == ["3"]
    desk.post.answer("3")
    assert not desk.resync.is_asked("a")


def test_what_nobody_wants_to_know_any_more_is_not_asked() -> None:
    desk = Desk(resync_inflight_max=1)
    gone = Asked("b")
    desk.ask(Asked("a"), gone, Asked("c"))
    gone.is_wanted = False
    assert desk.sent() == ["1"]
    desk.post.answer("1")
    assert not desk.resync.is_asked("b")
    assert len(desk.sent()) == 1
    assert desk.resync.is_asked("c")


def test_an_answer_may_ask_again_and_close_those_who_can_t_be_told() -> None:
    desk = Desk(resync_inflight_max=1)
    made, socket = seat()
    again = Asked("a")
    desk.ask(Asked("a", [CloseAll([made]), Ask(again)]))
    assert desk.sent() == ["1"]
    desk.post.answer("1")
    assert socket.code is Close.RESYNC
    assert desk.sent() == ["2"]
    assert desk.resync.is_asked("a")
    assert desk.done == []
