"""The link, clock in hand: what is sent when, and how each command ends."""

import itertools

import pytest

from gateway.limits import Limits
from schemas.commands import Answer, Answers
from schemas.refusals import Code
from tests.contract.gateway_ws.scripted_leader import raw
from tests.unit.gateway.leader.post import Post


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
    post.link.tick(2)
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
    assert post.link.bytes == 0
    assert post.submit("c") is None


def test_what_still_waits_to_leave_is_not_sent_behind_itself() -> None:
    """NATS hangs: each resend would only make the heap larger."""
    post = Post(resend_s=1)
    post.link.tick(0)
    post.submit("a", 1)
    post.flush(1)
    post.waiting = 1000
    post.submit("b", 1.5)
    post.flush(1.5)
    for now_s in (2.5, 4, 6):
        post.link.tick(now_s)
    assert post.trace() == [[("a", 1)], [("b", 1)]]
    post.waiting = 0
    post.link.tick(6.5)
    assert post.trace()[2:] == [[("a", 2), ("b", 2)]]


def test_an_answer_ends_a_command_once() -> None:
    post = Post()
    post.submit("a")
    post.flush()
    assert (post.owner.pending, post.link.count) == (1, 1)
    for _ in range(2):
        post.answer("a")
    post.answer("stranger")
    assert post.ended == [("a", "ok")]
    assert (post.owner.pending, post.link.count) == (0, 0)


def test_a_second_without_an_answer_sends_again_and_only_the_latest_counts() -> None:
    post = Post()
    post.submit("a")
    post.flush()
    post.link.tick(0.9)
    assert len(post.sent) == 1
    post.link.tick(1.0)
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
    post.link.tick(9.9)
    assert post.ended == []
    post.link.tick(10)
    assert post.ended == [("a", "unavailable")]
    post.answer("a")
    post.link.tick(15)
    assert post.ended == [("a", "unavailable"), ("b", "unavailable")]
    assert post.link.count == 0


def test_no_responders_pauses_probes_with_the_oldest_and_backs_off() -> None:
    post = Post()
    post.submit("a")
    post.submit("b")
    post.flush()
    post.link.no_responders("main", 0)
    post.submit("c")
    post.flush()
    post.link.tick(0.04)
    assert len(post.sent) == 1
    times = [at / 100 for at in range(5, 120)]
    probed = []
    for now_s in times:
        before = len(post.sent)
        post.link.tick(now_s)
        if len(post.sent) > before:
            probed.append(now_s)
            post.link.no_responders("main", now_s)
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
    post.link.no_responders("main", 0)
    post.submit("b")
    post.flush()
    post.link.tick(0.05)
    post.answer("a", attempt=2, now_s=0.06)
    assert post.trace() == [[("a", 1)], [("a", 2)], [("b", 1)]]


@pytest.mark.parametrize("how", ["announced", "probe answered", "NATS back"])
def test_a_leader_that_is_there_gets_everything_in_order(how: str) -> None:
    post = Post()
    post.submit("a")
    post.submit("b")
    post.flush()
    post.link.no_responders("main", 0)
    post.submit("c")
    if how == "announced":
        post.link.announced("main", 1, 0.01)
    elif how == "NATS back":
        post.link.resend_all(0.01)
    else:
        post.link.tick(0.05)
        post.answer("a", attempt=2, now_s=0.06)
    expected = ["a", "b", "c"] if how != "probe answered" else ["b", "c"]
    assert [c.id for c in post.sent[-1][1]] == expected
    post.flush()
    post.link.tick(0.5)
    assert [c.id for c in post.sent[-1][1]] == expected


def test_the_same_leader_s_announcement_sends_nothing_again() -> None:
    post = Post()
    post.link.announced("main", 5, 0)
    post.submit("a")
    post.flush()
    post.link.announced("main", 5, 0.5)
    post.link.announced("main", 4, 0.5)
    assert len(post.sent) == 1
    post.link.announced("main", 6, 0.6)
    assert post.trace() == [[("a", 1)], [("a", 2)]]


def test_while_nats_is_away_nothing_is_sent_and_nothing_is_lost() -> None:
    post = Post()
    post.connected = False
    post.submit("a")
    post.flush()
    post.link.tick(2)
    assert post.sent == []
    post.connected = True
    post.link.resend_all(3)
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
    assert post.link.count == 3


def test_a_leader_is_busy_with_much_on_its_way_and_answers_coming() -> None:
    post = Post(busy_at=2, busy_s=1)
    for name in ("a", "b", "c"):
        post.submit(name)
    assert not post.link.is_busy("main", 0.0)  # nothing was ever answered
    post.link.answered("main", Answers(1, []), 5)
    assert post.link.is_busy("main", 5.9)
    assert not post.link.is_busy("main", 6.0)
    assert not post.link.is_busy("elsewhere", 5)
    post.link.answered("main", Answers(1, [Answer("a", 1, data=raw({}))]), 5)
    assert not post.link.is_busy("main", 5)


def test_messages_to_a_room_count_as_talk_until_they_are_answered() -> None:
    post = Post()
    post.submit("a", line="lobby")
    post.submit("b", line="lobby")
    post.submit("join", line="elsewhere", alone=True)
    post.submit("trip")
    talk = post.link.talk
    assert talk("main", "lobby") == 2
    assert talk("other", "lobby") == talk("main", "elsewhere") == 0
    post.flush()
    post.answer("trip")
    post.answer("join")
    assert talk("main", "lobby") == 2
    post.answer("a")
    assert talk("main", "lobby") == 1
    post.link.tick(Limits().command_s)
    assert post.ended[-1] == ("b", Code.UNAVAILABLE)
    assert talk("main", "lobby") == 0
