"""Who a session is: log-in, refresh, and the time for both."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gateway.clock import Now
from gateway.session.effects import AskLogIn, Identified, Renewed, Shut, Submit, Visit
from gateway.session.machine import Session, State
from schemas import codec
from schemas.accounts import Result, Tokens
from schemas.closes import Close
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.unit.gateway.session.sessions import (
    KNOWN,
    NOW,
    TRIP,
    frame,
    refusal,
    refused,
    said,
    session,
    shared,
)


def test_a_token_identifies_and_its_since_is_kept() -> None:
    made = session(None)
    actions = made.receive(frame("session.login", {"token": "rider", "since": 9}), NOW)
    assert actions == [Identified(KNOWN["rider"], 9)]


def test_nobody_may_do_anything_but_log_in() -> None:
    made = session(None)
    assert refused(made, frame("trip.get", {"id": 1})) == ("not_authenticated", "r")
    assert refused(made, frame("session.refresh", {})) == ("not_authenticated", "r")
    assert refused(made, frame("no.such")) == ("unknown_type", "r")


def test_a_log_in_is_a_token_or_a_username_with_its_password() -> None:
    for data in ({}, {"username": "a"}, {"password": "b"}, {"token": 5}):
        login = frame("session.login", data)
        assert refused(session(None), login) == ("invalid_data", "r")
    garbage = frame("session.login", {"token": "garbage"})
    (answer,) = session(None).receive(garbage, NOW)
    assert said(answer)["data"]["message"] == "no token of ours"


def test_a_password_is_asked_about_and_later_frames_wait_in_order() -> None:
    made = session(None)
    login = {"username": "ada", "password": "secret", "since": 9}
    (ask,) = made.receive(frame("session.login", login), NOW)
    assert isinstance(ask, AskLogIn)
    assert (ask.request.username, ask.request.password) == ("ada", "secret")
    assert made.receive(frame("trip.get", {"id": TRIP}, "1"), NOW) == []
    assert made.receive(frame("trip.cancel", {"id": TRIP}, "2"), NOW) == []
    tokens = Tokens(KNOWN["rider"].user(), "rider", "refresh", 900)
    actions = made.logged_in(Result(data=Raw(codec.encode(tokens))), NOW)
    identified, first, second = actions
    assert identified == Identified(KNOWN["rider"], 9)
    assert isinstance(first, Submit)
    assert isinstance(second, Submit)
    assert (first.ref, second.ref) == ("1", "2")


def test_a_refused_password_refuses_the_frames_that_waited() -> None:
    made = session(None)
    made.receive(frame("session.login", {"username": "a", "password": "b"}), NOW)
    made.receive(frame("trip.get", {"id": TRIP}, "1"), NOW)
    made.receive(frame("session.login", {"token": "rider"}, "2"), NOW)
    no = Result(refused=Refusal(Code.BAD_CREDENTIALS, "no"))
    first, waited, identified = made.logged_in(no, NOW)
    assert refusal([first]) == ("bad_credentials", "r")
    assert refusal([waited]) == ("not_authenticated", "1")
    assert isinstance(identified, Identified)


def test_an_unreadable_answer_about_a_password_is_unavailable() -> None:
    made = session(None)
    made.receive(frame("session.login", {"username": "a", "password": "b"}), NOW)
    answer = made.logged_in(Result(data=Raw(b"{}")), NOW)
    assert refusal(answer) == ("unavailable", "r")


def test_frames_that_wait_for_a_password_are_bounded() -> None:
    made = session(None, early_frames_max=2)
    made.receive(frame("session.login", {"username": "a", "password": "b"}), NOW)
    made.receive(frame("trip.get", {"id": TRIP}), NOW)
    made.receive(frame("trip.get", {"id": TRIP}), NOW)
    assert refused(made, frame("trip.get", {"id": TRIP})) == ("rate_limited", "r")


def test_a_path_s_role_refuses_the_others() -> None:
    made = Session(shared(), NOW, Role.DRIVER)
    login = frame("session.login", {"token": "rider"})
    assert refused(made, login) == ("wrong_role", "r")
    assert made.receive(frame("session.login", {"token": "driver"}), NOW)
    assert made.state is State.KNOWN


def test_logging_in_twice_is_a_bad_frame() -> None:
    login = frame("session.login", {"token": "rider"})
    assert refused(session(), login) == ("bad_frame", "r")


def test_the_time_to_log_in_runs_out() -> None:
    made = session(None)
    assert made.check(Now(1009.9, NOW.wall_ms)) == []
    assert made.due_s(NOW) == 1010
    assert made.check(Now(1010, NOW.wall_ms)) == [Shut(Close.NOT_AUTHENTICATED)]
    assert made.receive(frame("session.login", {"token": "rider"}), NOW) == []


def test_a_password_checked_too_late_ends_the_session() -> None:
    made = session(None)
    made.receive(frame("session.login", {"username": "a", "password": "b"}), NOW)
    late = Now(1011, NOW.wall_ms)
    assert made.check(late) == []
    no = Result(refused=Refusal(Code.UNAVAILABLE, "no"))
    assert made.logged_in(no, late)[-1] == Shut(Close.NOT_AUTHENTICATED)


def test_no_further_password_is_tried_once_the_time_to_log_in_is_over() -> None:
    made = session(None)
    login = frame("session.login", {"username": "a", "password": "b"})
    for _ in range(3):
        made.receive(login, NOW)
    no = Result(refused=Refusal(Code.BAD_CREDENTIALS, "no"))
    _, ask = made.logged_in(no, Now(1009, NOW.wall_ms))
    assert isinstance(ask, AskLogIn)
    refusal_, end = made.logged_in(no, Now(1010, NOW.wall_ms))
    assert refusal([refusal_]) == ("bad_credentials", "r")
    assert end == Shut(Close.NOT_AUTHENTICATED)


def test_a_token_runs_out_unless_refreshed() -> None:
    made = session()
    assert made.due_s(NOW) == 1900
    later = Now(1900, NOW.wall_ms + 900_000)
    renewed, answer = made.receive(
        frame("session.refresh", {"token": "rider again"}), NOW
    )
    assert renewed == Renewed()
    told = {"type": "reply", "ref": "r", "data": {"expires_in": 2000}}
    assert said(answer) == told
    assert made.check(later) == []
    assert session().check(later) == [Shut(Close.TOKEN_EXPIRED)]


def test_another_user_s_token_refreshes_nothing() -> None:
    made = session()
    for token in ("driver", "garbage"):
        fresh = frame("session.refresh", {"token": token})
        assert refused(made, fresh) == ("not_authenticated", "r")
    assert refused(made, frame("session.refresh", {"token": 5})) == (
        "invalid_data",
        "r",
    )
    assert made.claims is KNOWN["rider"]


def test_more_control_frames_than_its_rate_end_it() -> None:
    """Nobody can be refused one."""
    made = session(frames_burst=50)
    done = [made.stir(NOW, is_control=True) for _ in range(52)]
    assert done == [[]] * 50 + [[Shut(Close.PROTOCOL_ABUSE)], []]


@pytest.mark.parametrize(
    ("kind", "data"), [("trip.get", {"id": TRIP}), ("chat.join", {"room": "lobby"})]
)
def test_what_a_frame_asks_for_carries_its_traceparent(
    kind: str, data: dict[str, Any]
) -> None:
    told = f"00-{'a' * 32}-{'b' * 16}-01"
    made = session()
    for context, carried in ((told, told), ("nonsense", ""), (None, "")):
        asked = {"type": kind, "ref": "r", "data": data, "traceparent": context}
        (action,) = made.receive(json.dumps(asked).encode(), NOW)
        assert isinstance(action, Submit | Visit)
        assert action.traceparent == carried
