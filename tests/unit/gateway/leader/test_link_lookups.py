"""What commands wait for: a look-up in history, and those of their line."""

import pytest

from gateway.leader.commands import Pending
from schemas import codec, commands
from schemas.accounts import Result
from schemas.commands import Answer, Answers, Lookup
from schemas.refusals import Code, Refusal
from schemas.rooms import MessageData
from schemas.trips import Role, User
from tests.contract.gateway_ws.scripted_leader import raw
from tests.unit.gateway.leader.post import USER, Post

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
    "note": None,
    "reference": None,
    "needs": [],
    "pick_up_at": None,
}


def looking_up(post: Post) -> Pending:
    post.submit("a")
    post.flush()
    answer = Answer("a", 1, lookup=Lookup("t", 4096))
    post.link.answered("main", Answers(1, [answer]), 0)
    ((pending, lookup),) = post.lookups
    assert lookup == Lookup("t", 4096)
    return pending


def test_a_lookup_s_trip_goes_with_the_next_attempt() -> None:
    post = Post()
    pending = looking_up(post)
    post.link.tick(2)
    assert len(post.sent) == 1
    post.link.looked_up(pending, Result(data=raw(TRIP)), 3)
    command = post.sent[-1][1][0]
    assert command.attempt == 2
    assert codec.encode(command.archived) == codec.encode(TRIP)  # type: ignore[union-attr]
    post.answer("a", 2)
    assert post.ended == [("a", "ok")]


def test_a_room_s_backlog_and_its_trip_go_with_the_next_attempt() -> None:
    post = Post()
    person = User("u1", "ada", "Ada", "L", Role.RIDER)
    join = commands.JoinRoom(id="a", deadline_ms=0, by=person, room="lobby")
    assert post.link.submit("main", join, post.owner, lambda _: None, 0) is None
    post.flush()
    lookup = Lookup("t", 4096, "lobby")
    post.link.answered("main", Answers(1, [Answer("a", 1, lookup=lookup)]), 0)
    ((pending, _),) = post.lookups
    message = MessageData("lobby", 7, "m", person.person(), "hello", "at")
    backlog = Result(data=raw([message]))
    post.link.looked_up(pending, Result(data=raw(TRIP)), 1, backlog, asked_seq=4097)
    command = post.sent[-1][1][0]
    assert isinstance(command, commands.JoinRoom)
    assert (command.attempt, command.backlog) == (2, (message,))
    assert command.sought_seq == 4097
    assert command.archived is not None


def test_a_backlog_that_history_refuses_ends_the_command() -> None:
    post = Post()
    pending = looking_up(post)
    lagging = Result(refused=Refusal(Code.UNAVAILABLE, "not yet"))
    post.link.looked_up(pending, None, 1, lagging)
    assert post.ended == [("a", "unavailable")]


def test_an_unreadable_answer_of_history_is_unavailable() -> None:
    post = Post()
    pending = looking_up(post)
    post.link.looked_up(pending, Result(data=raw({"id": 1})), 1)
    assert post.ended == [("a", "unavailable")]


def test_what_history_refuses_is_refused() -> None:
    post = Post()
    pending = looking_up(post)
    gone = Result(refused=Refusal(Code.TRIP_NOT_FOUND, "no"))
    post.link.looked_up(pending, gone, 1)
    assert post.ended == [("a", "trip_not_found")]
    assert post.link.count == 0


def test_a_lookup_that_comes_after_the_deadline_changes_nothing() -> None:
    post = Post()
    pending = looking_up(post)
    post.link.tick(10)
    post.link.looked_up(pending, Result(data=raw(TRIP)), 11)
    assert post.ended == [("a", "unavailable")]
    assert len(post.sent) == 1


# ---- in a line ---------------------------------------------------------------------


def sent(post: Post) -> list[str]:
    return [command_id for batch in post.trace() for command_id, _ in batch]


def lookup(post: Post, command_id: str, attempt: int = 1) -> None:
    answer = Answer(command_id, attempt, lookup=Lookup("", 1, "lobby"))
    post.link.answered("main", Answers(1, [answer]), 0)


def found(post: Post, number: int) -> None:
    pending, _ = post.lookups[number]
    post.link.looked_up(pending, None, 0)


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
    post.link.after("main", post.owner, lambda: done.append("none yet"))
    post.submit("join", line="lobby", alone=True)
    post.submit("send", line="lobby")
    post.submit("get")
    post.submit("other", line="attic", alone=True)
    post.link.after("main", post.owner, lambda: done.append("then"))
    post.flush()
    for command_id in ("other", "join", "get"):
        post.answer(command_id)
        assert done == ["none yet"]
    post.flush()
    post.link.tick(10)  # the last one's deadline
    assert done == ["none yet", "then"]
    assert not post.link._regions["main"].lines


def test_what_waits_in_a_line_is_not_sent_again_and_runs_into_its_deadline() -> None:
    post = Post(command_s=10, resend_s=1)
    post.submit("join", 0, line="lobby", alone=True)
    post.flush(0)
    post.submit("send", 5, line="lobby")
    post.link.announced("main", 7, 6)
    post.link.tick(9)
    assert set(sent(post)) == {"join"}
    post.link.tick(10)
    post.flush(10)
    assert post.ended == [("join", "unavailable")]
    assert sent(post)[-1] == "send"
    post.link.tick(15)
    assert post.ended[1:] == [("send", "unavailable")]
    assert not post.link._regions["main"].lines


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
    post.link.looked_up(pending, Result(refused=refusal), 0)
    post.flush()
    assert post.ended == [("one", "trip_not_found")]
    assert sent(post) == ["one", "two", "two"]


# ---- on trips ----------------------------------------------------------------------


def asked(post: Post, command_id: str, **what: object) -> None:
    about = Lookup("", 1, **what)  # type: ignore[arg-type]
    post.link.answered("main", Answers(1, [Answer(command_id, 1, lookup=about)]), 0)


def test_requests_whose_keys_were_looked_up_go_on_in_order() -> None:
    post = Post()
    for name in ("one", "two"):
        post.submit(name)
    post.flush()
    for name in ("one", "two"):
        asked(post, name, key=True)
    found(post, 1)
    assert sent(post) == ["one", "two"]
    found(post, 0)
    assert sent(post)[2:] == ["one", "two"]
    for name in ("one", "two"):
        post.answer(name, 2)
    assert not post.link._regions["main"].lines


def test_what_its_leader_sent_back_goes_on_behind_what_it_was_sent_back_for() -> None:
    post = Post()
    post.submit("assign")
    post.flush()
    asked(post, "assign", user="dora")
    post.submit("cancel")
    post.flush()
    asked(post, "cancel")
    found(post, 1)
    assert sent(post) == ["assign", "cancel"]
    found(post, 0)
    assert sent(post)[2:] == ["assign", "cancel"]


def test_who_asks_of_a_trip_that_is_forgotten_holds_nobody_up() -> None:
    post = Post()
    for name in ("old", "request"):
        post.submit(name)
    post.flush()
    looked = Answer("old", 1, lookup=Lookup("t", 1))
    post.link.answered("main", Answers(1, [looked]), 0)
    asked(post, "request", key=True)
    found(post, 1)
    assert sent(post)[2:] == ["request"]


def test_what_no_session_sent_goes_on_by_itself() -> None:
    post = Post()
    for name in ("one", "two"):
        command = commands.GetTrip(id=name, deadline_ms=0, by=USER, trip="t")
        post.link.submit("main", command, None, lambda _: None, 0)
    post.flush()
    for name in ("one", "two"):
        asked(post, name, key=True)
    found(post, 1)
    assert sent(post)[2:] == ["two"]


@pytest.mark.parametrize("line", ["", "lobby"])
def test_a_new_leader_is_not_told_what_would_overtake_one_that_waits(line: str) -> None:
    post = Post()
    post.submit("one", line=line)
    post.submit("two", line=line)
    post.submit("other", line="attic")
    post.flush()
    asked(post, "one", key=True)
    post.link.announced("main", 7, 1)
    assert sent(post)[3:] == ["other"]
    found(post, 0)
    assert sent(post)[4:] == ["one", "two"]
    for name in ("one", "two", "other"):
        post.answer(name, 2)
    assert post.ended == [("one", "ok"), ("two", "ok"), ("other", "ok")]
    assert not post.link._regions["main"].lines
