"""The courier, clock in hand: what is sent when, and how each command ends."""

import itertools
from typing import Any

import pytest

from gateway.leader.commands import Pending
from gateway.leader.link import Courier
from gateway.limits import Limits
from schemas import codec, commands
from schemas.accounts import Result
from schemas.budget import MESSAGE_BYTES_MAX
from schemas.commands import Answer, Answers, AnyCommand, Lookup
from schemas.refusals import Code, Refusal
from schemas.rooms import MessageData
from schemas.trips import Role, User
from tests.contract.gateway_ws.leader import raw

USER = User("u1", "ada", "Ada", "L", Role.RIDER)


class Owner:
    pending = 0


class Post:
    """A courier, and everything that happened around it."""

    def __init__(self, **limits: Any) -> None:
        self.sent: list[tuple[str, list[AnyCommand]]] = []
        self.traces: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.lookups: list[tuple[Pending, Lookup]] = []
        self.connected = True
        self.waiting = 0
        self.owner = Owner()
        self.courier = Courier(
            Limits(**limits),
            self._send,
            self._look_up,
            lambda: None,
            lambda: self.waiting,
        )

    def _send(self, region: str, payload: bytes, trace: str) -> bool:
        assert len(payload) <= MESSAGE_BYTES_MAX
        if self.connected:
            batch = codec.decode(payload, list[commands.AnyCommand])
            self.sent.append((region, batch))
            self.traces.append(trace)
        return self.connected

    def _look_up(self, pending: Pending, lookup: Lookup) -> None:
        self.lookups.append((pending, lookup))

    def submit(
        self,
        command_id: str,
        now_s: float = 0,
        region: str = "main",
        traceparent: str = "",
        trip: str = "t",
        **more: Any,
    ) -> Refusal | None:
        def done(answer: Answer) -> None:
            code = answer.refused.code.value if answer.refused else "ok"
            self.ended.append((answer.id, code))

        command = commands.GetTrip(id=command_id, deadline_ms=0, by=USER, trip=trip)
        return self.courier.submit(
            region, command, self.owner, done, now_s, traceparent=traceparent, **more
        )

    def flush(self, now_s: float = 0) -> None:
        self.courier.flush(now_s)

    def answer(self, command_id: str, attempt: int = 1, now_s: float = 0) -> None:
        answer = Answer(command_id, attempt, data=raw({}))
        self.courier.answered("main", Answers(1, [answer]), now_s)

    def trace(self) -> list[list[tuple[str, int]]]:
        """The batches sent, as (id, attempt)."""
        return [[(c.id, c.attempt) for c in batch] for _, batch in self.sent]


def test_one_tick_s_commands_leave_as_one_message_a_region() -> None:
    post = Post()
    for command_id in ("a", "b"):
        assert post.submit(command_id) is None
    post.submit("c", region="other")
    assert post.sent == []
    post.flush()
    assert post.trace() == [[("a", 1), ("b", 1)], [("c", 1)]]
    assert [region for region, _ in post.sent] == ["main", "other"]


def test_a_trace_s_commands_are_a_message_of_their_own_in_their_place() -> None:
    post = Post()
    for command_id, trace in (("a", ""), ("b", ""), ("c", "x"), ("d", "y"), ("e", "")):
        post.submit(command_id, traceparent=trace)
    post.flush()
    assert post.trace() == [[("a", 1), ("b", 1)], [("c", 1)], [("d", 1)], [("e", 1)]]
    assert post.traces == ["", "x", "y", ""]


def test_a_command_that_is_sent_again_is_of_the_same_trace() -> None:
    post = Post(resend_s=1)
    post.submit("a", traceparent="x")
    post.flush()
    post.courier.tick(2)
    assert post.trace() == [[("a", 1)], [("a", 2)]]
    assert post.traces == ["x", "x"]


def test_a_batch_stays_below_its_bound() -> None:
    post = Post()
    for number in range(10):
        post.submit(str(number), trip="\x01" * 20_000)  # six bytes each in JSON
    post.flush()
    assert len(post.sent) == 3
    assert [c.id for _, batch in post.sent for c in batch] == list("0123456789")


def test_what_is_kept_for_an_answer_is_bounded_in_bytes() -> None:
    post = Post(pending_bytes_max=1000)
    assert post.submit("a", trip="t" * 500) is None
    assert post.submit("b", trip="t" * 500) is None
    refused = post.submit("c")
    assert refused is not None
    assert refused.code is Code.OVERLOADED
    post.flush()
    post.answer("a")
    post.answer("b")
    assert post.courier.bytes == 0
    assert post.submit("c") is None


def test_what_still_waits_to_leave_is_not_sent_behind_itself() -> None:
    """NATS hangs: each resend would only make the heap larger."""
    post = Post(resend_s=1)
    post.courier.tick(0)
    post.submit("a", 1)
    post.flush(1)
    post.waiting = 1000
    post.submit("b", 1.5)
    post.flush(1.5)
    for now_s in (2.5, 4, 6):
        post.courier.tick(now_s)
    assert post.trace() == [[("a", 1)], [("b", 1)]]
    post.waiting = 0
    post.courier.tick(6.5)
    assert post.trace()[2:] == [[("a", 2), ("b", 2)]]


def test_an_answer_ends_a_command_once() -> None:
    post = Post()
    post.submit("a")
    post.flush()
    assert (post.owner.pending, post.courier.count) == (1, 1)
    for _ in range(2):
        post.answer("a")
    post.answer("stranger")
    assert post.ended == [("a", "ok")]
    assert (post.owner.pending, post.courier.count) == (0, 0)


def test_a_second_without_an_answer_sends_again_and_only_the_latest_counts() -> None:
    post = Post()
    post.submit("a")
    post.flush()
    post.courier.tick(0.9)
    assert len(post.sent) == 1
    post.courier.tick(1.0)
    post.answer("a", attempt=1)
    assert post.ended == []
    post.answer("a", attempt=2)
    assert post.ended == [("a", "ok")]
    assert post.trace() == [[("a", 1)], [("a", 2)]]


def test_the_deadline_refuses_as_unavailable_exactly_once() -> None:
    post = Post(resend_s=100)
    post.submit("a", 0)
    post.submit("b", 5)
    post.flush()
    post.courier.tick(9.9)
    assert post.ended == []
    post.courier.tick(10)
    assert post.ended == [("a", "unavailable")]
    post.answer("a")
    post.courier.tick(15)
    assert post.ended == [("a", "unavailable"), ("b", "unavailable")]
    assert post.courier.count == 0


def test_no_responders_pauses_probes_with_the_oldest_and_backs_off() -> None:
    post = Post()
    post.submit("a")
    post.submit("b")
    post.flush()
    post.courier.no_responders("main", 0)
    post.submit("c")
    post.flush()
    post.courier.tick(0.04)
    assert len(post.sent) == 1
    times = [at / 100 for at in range(5, 120)]
    probed = []
    for now_s in times:
        before = len(post.sent)
        post.courier.tick(now_s)
        if len(post.sent) > before:
            probed.append(now_s)
            post.courier.no_responders("main", now_s)
    assert probed[0] == 0.05
    gaps = [after - before for before, after in itertools.pairwise(probed)]
    expected = [0.1, 0.2] + [0.25] * (len(gaps) - 2)
    assert gaps == pytest.approx(expected, abs=0.015)
    assert all([c.id for c in batch] == ["a"] for _, batch in post.sent[1:])


def test_what_was_never_sent_goes_out_as_a_first_attempt() -> None:
    """A full ledger says `overloaded` to these alone: nobody can have done them."""
    post = Post()
    post.submit("a")
    post.flush()
    post.courier.no_responders("main", 0)
    post.submit("b")
    post.flush()
    post.courier.tick(0.05)
    post.answer("a", attempt=2, now_s=0.06)
    assert post.trace() == [[("a", 1)], [("a", 2)], [("b", 1)]]


@pytest.mark.parametrize("how", ["announced", "probe answered", "NATS back"])
def test_a_leader_that_is_there_gets_everything_in_order(how: str) -> None:
    post = Post()
    post.submit("a")
    post.submit("b")
    post.flush()
    post.courier.no_responders("main", 0)
    post.submit("c")
    if how == "announced":
        post.courier.announced("main", 1, 0.01)
    elif how == "NATS back":
        post.courier.resend_all(0.01)
    else:
        post.courier.tick(0.05)
        post.answer("a", attempt=2, now_s=0.06)
    expected = ["a", "b", "c"] if how != "probe answered" else ["b", "c"]
    assert [c.id for c in post.sent[-1][1]] == expected
    post.flush()
    post.courier.tick(0.5)
    assert [c.id for c in post.sent[-1][1]] == expected


def test_the_same_leader_s_announcement_sends_nothing_again() -> None:
    post = Post()
    post.courier.announced("main", 5, 0)
    post.submit("a")
    post.flush()
    post.courier.announced("main", 5, 0.5)
    post.courier.announced("main", 4, 0.5)
    assert len(post.sent) == 1
    post.courier.announced("main", 6, 0.6)
    assert post.trace() == [[("a", 1)], [("a", 2)]]


def test_while_nats_is_away_nothing_is_sent_and_nothing_is_lost() -> None:
    post = Post()
    post.connected = False
    post.submit("a")
    post.flush()
    post.courier.tick(2)
    assert post.sent == []
    post.connected = True
    post.courier.resend_all(3)
    ((_, (command,)),) = post.sent
    post.answer("a", command.attempt)
    assert post.ended == [("a", "ok")]


def test_bounds_refuse_and_take_nothing() -> None:
    post = Post(pending_per_connection_max=3, pending_per_region_max=2, pending_max=3)
    assert post.submit("a") is None
    assert post.submit("b") is None
    refused = post.submit("c")
    assert refused is not None
    assert refused.code is Code.OVERLOADED
    assert post.submit("d", region="other") is None
    refused = post.submit("e", region="third")
    assert refused is not None
    assert refused.code is Code.RATE_LIMITED
    post.owner.pending = 0
    refused = post.submit("e", region="third")
    assert refused is not None
    assert refused.code is Code.OVERLOADED
    assert post.courier.count == 3


TRIP = {
    "id": "t",
    "region": "main",
    "status": "COMPLETED",
    "version": 4,
    "pick_up_address": "A",
    "drop_off_address": "B",
    "pick_up": None,
    "drop_off": None,
    "rider": {"id": "u", "username": "n", "first_name": "", "last_name": ""},
    "driver": None,
    "created": "c",
    "updated": "u",
}


def looking_up(post: Post) -> Pending:
    post.submit("a")
    post.flush()
    answer = Answer("a", 1, lookup=Lookup("t", 4096))
    post.courier.answered("main", Answers(1, [answer]), 0)
    ((pending, lookup),) = post.lookups
    assert lookup == Lookup("t", 4096)
    return pending


def test_a_lookup_s_trip_goes_with_the_next_attempt() -> None:
    post = Post()
    pending = looking_up(post)
    post.courier.tick(2)
    assert len(post.sent) == 1
    post.courier.looked_up(pending, Result(data=raw(TRIP)), 3)
    command = post.sent[-1][1][0]
    assert command.attempt == 2
    assert codec.encode(command.archived) == codec.encode(TRIP)  # type: ignore[union-attr]
    post.answer("a", 2)
    assert post.ended == [("a", "ok")]


def test_a_room_s_backlog_and_its_trip_go_with_the_next_attempt() -> None:
    post = Post()
    person = User("u1", "ada", "Ada", "L", Role.RIDER)
    join = commands.JoinRoom(id="a", deadline_ms=0, by=person, room="lobby")
    assert post.courier.submit("main", join, post.owner, lambda _: None, 0) is None
    post.flush()
    lookup = Lookup("t", 4096, "lobby")
    post.courier.answered("main", Answers(1, [Answer("a", 1, lookup=lookup)]), 0)
    ((pending, _),) = post.lookups
    message = MessageData("lobby", 7, "m", person.person(), "hello", "at")
    backlog = Result(data=raw([message]))
    post.courier.looked_up(pending, Result(data=raw(TRIP)), 1, backlog)
    command = post.sent[-1][1][0]
    assert isinstance(command, commands.JoinRoom)
    assert (command.attempt, command.backlog) == (2, (message,))
    assert command.archived is not None


def test_a_backlog_that_history_refuses_ends_the_command() -> None:
    post = Post()
    pending = looking_up(post)
    lagging = Result(refused=Refusal(Code.UNAVAILABLE, "not yet"))
    post.courier.looked_up(pending, None, 1, lagging)
    assert post.ended == [("a", "unavailable")]


def test_an_unreadable_answer_of_history_is_unavailable() -> None:
    post = Post()
    pending = looking_up(post)
    post.courier.looked_up(pending, Result(data=raw({"id": 1})), 1)
    assert post.ended == [("a", "unavailable")]


def test_what_history_refuses_is_refused() -> None:
    post = Post()
    pending = looking_up(post)
    gone = Result(refused=Refusal(Code.TRIP_NOT_FOUND, "no"))
    post.courier.looked_up(pending, gone, 1)
    assert post.ended == [("a", "trip_not_found")]
    assert post.courier.count == 0


def test_a_lookup_that_comes_after_the_deadline_changes_nothing() -> None:
    post = Post()
    pending = looking_up(post)
    post.courier.tick(10)
    post.courier.looked_up(pending, Result(data=raw(TRIP)), 11)
    assert post.ended == [("a", "unavailable")]
    assert len(post.sent) == 1


# ---- in a line ---------------------------------------------------------------------


def sent(post: Post) -> list[str]:
    return [command_id for batch in post.trace() for command_id, _ in batch]


def lookup(post: Post, command_id: str, attempt: int = 1) -> None:
    answer = Answer(command_id, attempt, lookup=Lookup("", 1, "lobby"))
    post.courier.answered("main", Answers(1, [answer]), 0)


def found(post: Post, number: int) -> None:
    pending, _ = post.lookups[number]
    post.courier.looked_up(pending, None, 0)


def test_what_follows_a_join_waits_for_its_answer_and_messages_for_nothing() -> None:
    post = Post()
    post.submit("join", line="lobby", alone=True)
    for name in ("one", "two"):
        post.submit(name, line="lobby")
    post.submit("leave", line="lobby", alone=True)
    post.submit("other", line="attic", alone=True)
    post.submit("trip")
    post.flush()
    assert sent(post) == ["join", "other", "trip"]
    post.answer("join")
    post.flush()
    assert sent(post)[3:] == ["one", "two"]
    post.answer("one")
    post.flush()
    assert sent(post)[5:] == []
    post.answer("two")
    post.flush()
    assert sent(post)[5:] == ["leave"]


def test_what_was_looked_up_goes_on_in_order() -> None:
    post = Post()
    for name in ("one", "two", "three"):
        post.submit(name, line="lobby")
    post.flush()
    for name in ("one", "two"):
        lookup(post, name)
    post.submit("four", line="lobby")
    post.flush()
    found(post, 1)
    assert sent(post) == ["one", "two", "three"]
    found(post, 0)
    assert sent(post)[3:] == ["one", "two", "four"]


def test_what_is_to_come_after_an_owner_s_lines_waits_for_all_of_them() -> None:
    post = Post()
    done: list[str] = []
    post.courier.after("main", post.owner, lambda: done.append("none yet"))
    post.submit("join", line="lobby", alone=True)
    post.submit("send", line="lobby")
    post.submit("get")
    post.submit("other", line="attic", alone=True)
    post.courier.after("main", post.owner, lambda: done.append("then"))
    post.flush()
    for command_id in ("other", "join", "get"):
        post.answer(command_id)
        assert done == ["none yet"]
    post.flush()
    post.courier.tick(10)  # the last one's deadline
    assert done == ["none yet", "then"]
    assert not post.courier._regions["main"].lines


def test_what_waits_in_a_line_is_not_sent_again_and_runs_into_its_deadline() -> None:
    post = Post(command_s=10, resend_s=1)
    post.submit("join", 0, line="lobby", alone=True)
    post.flush(0)
    post.submit("send", 5, line="lobby")
    post.courier.announced("main", 7, 6)
    post.courier.tick(9)
    assert set(sent(post)) == {"join"}
    post.courier.tick(10)
    post.flush(10)
    assert post.ended == [("join", "unavailable")]
    assert sent(post)[-1] == "send"
    post.courier.tick(15)
    assert post.ended[1:] == [("send", "unavailable")]
    assert not post.courier._regions["main"].lines


def test_a_line_s_end_in_history_lets_the_others_go_on() -> None:
    post = Post(command_s=10)
    post.submit("one", line="lobby")
    post.submit("two", line="lobby")
    post.flush()
    for name in ("one", "two"):
        lookup(post, name)
    found(post, 1)
    pending, _ = post.lookups[0]
    refusal = Refusal(Code.TRIP_NOT_FOUND, "no")
    post.courier.looked_up(pending, Result(refused=refusal), 0)
    post.flush()
    assert post.ended == [("one", "trip_not_found")]
    assert sent(post) == ["one", "two", "two"]


def test_a_leader_is_busy_with_much_on_its_way_and_answers_coming() -> None:
    post = Post(busy_at=2, busy_s=1)
    for name in ("a", "b", "c"):
        post.submit(name)
    assert not post.courier.is_busy("main", 0.0)  # nothing was ever answered
    post.courier.answered("main", Answers(1, []), 5)
    assert post.courier.is_busy("main", 5.9)
    assert not post.courier.is_busy("main", 6.0)
    assert not post.courier.is_busy("elsewhere", 5)
    post.courier.answered("main", Answers(1, [Answer("a", 1, data=raw({}))]), 5)
    assert not post.courier.is_busy("main", 5)
