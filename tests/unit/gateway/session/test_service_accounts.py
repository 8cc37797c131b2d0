"""Sessions of service accounts: how they begin, and what their keys' scopes allow."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.session.effects import AskKey, Identified, Renewed, Submit, Visit
from gateway.session.machine import Session, State
from schemas.accounts import Result
from schemas.claims import SERVICE_ISSUER, Claims, Service
from schemas.commands import AssignTrip, GetTrip
from schemas.refusals import Code, Refusal
from schemas.service_accounts import PREFIX, Scope
from schemas.trips import Role
from tests.unit.gateway.session.sessions import (
    KNOWN,
    NOW,
    TRIP,
    claims,
    frame,
    refusal,
    refused,
    said,
    session,
    shared,
)

KEY = PREFIX + "k" * 43
DRIVER = "0192f0c4-0000-7000-8000-0000000000dd"


def service(*scopes: Scope) -> Claims:
    made = Service("k1", scopes)
    return replace(claims(Role.OPERATOR, "u9"), iss=SERVICE_ISSUER, service=made)


@pytest.fixture
def settled() -> Iterator[dict[str, Claims]]:
    """What is known of keys; the test says when."""
    yield KNOWN
    KNOWN.pop(KEY, None)


def login(**more: Any) -> bytes:
    return frame("session.login", {"token": KEY, **more})


def test_a_key_logs_in_once_it_has_been_asked_about(settled: dict[str, Claims]) -> None:
    made = session(None)
    (ask,) = made.receive(login(since=7), NOW)
    assert isinstance(ask, AskKey)
    assert (ask.about.key, made.state) == (KEY, State.CHECKING)
    assert made.receive(frame("trip.get", {"id": TRIP}), NOW) == []  # it waits
    settled[KEY] = service()
    identified, submit = ask.then(None, NOW)
    assert identified == Identified(service(), 7)
    assert isinstance(submit, Submit)
    assert isinstance(submit.command, GetTrip)
    assert ask.then(None, NOW) == []


@pytest.mark.parametrize(
    "no",
    [
        Refusal(Code.NOT_AUTHENTICATED, "the key has expired"),
        Refusal(Code.RATE_LIMITED, "too many"),
        Refusal(Code.UNAVAILABLE, "away"),
    ],
)
def test_a_key_that_is_refused_may_be_followed_by_another_log_in(no: Refusal) -> None:
    made = session(None)
    (ask,) = made.receive(login(), NOW)
    assert isinstance(ask, AskKey)
    assert refusal(ask.then(no, NOW)) == (no.code, "r")
    assert made.state is State.ANONYMOUS
    (identified,) = made.receive(frame("session.login", {"token": "operator"}), NOW)
    assert isinstance(identified, Identified)


def test_a_key_that_is_forgotten_again_at_once_is_asked_about_no_more() -> None:
    made = session(None)
    (ask,) = made.receive(login(), NOW)
    assert isinstance(ask, AskKey)
    assert refusal(ask.then(None, NOW)) == ("unavailable", "r")


def test_another_roles_path_is_not_for_keys(settled: dict[str, Claims]) -> None:
    settled[KEY] = service()
    made = Session(shared(), NOW, Role.DRIVER)
    assert refused(made, login()) == ("wrong_role", "r")


def test_a_session_goes_on_with_a_key(settled: dict[str, Claims]) -> None:
    made = session(None)
    made.identify(replace(service(), exp=claims().exp))
    (ask,) = made.receive(frame("session.refresh", {"token": KEY}), NOW)
    assert isinstance(ask, AskKey)
    no = Refusal(Code.NOT_AUTHENTICATED, "no")
    assert refusal(ask.then(no, NOW)) == ("not_authenticated", "r")
    settled[KEY] = replace(service(Scope.READ), exp=claims(exp_s=5_000).exp)
    renewed, answer = ask.then(None, NOW)
    assert isinstance(renewed, Renewed)
    assert said(answer)["data"] == {"expires_in": 5_000}
    assert refused(made, frame("trip.assign", {"id": TRIP, "driver": DRIVER})) == (
        "wrong_role",
        "r",
    )


def of(*scopes: Scope) -> Session:
    made = session(None)
    made.identify(service(*scopes))
    return made


def test_scopes_confine_frames_as_they_confine_routes() -> None:
    assign = frame("trip.assign", {"id": TRIP, "driver": DRIVER})
    for may in ((), (Scope.TRIPS,), (Scope.TRIPS, Scope.READ)):
        (submit,) = of(*may).receive(assign, NOW)
        assert isinstance(submit, Submit)
        assert isinstance(submit.command, AssignTrip)
    for may in ((Scope.READ,), (Scope.DRIVERS, Scope.ROOMS)):
        assert refused(of(*may), assign) == ("wrong_role", "r")
    for kind in ("chat.join", "chat.leave"):
        (visit,) = of(Scope.READ).receive(frame(kind, {"room": "hall"}), NOW)
        assert isinstance(visit, Visit)
    say = frame("chat.send", {"room": "hall", "text": "hi"})
    assert refused(of(Scope.READ), say) == ("wrong_role", "r")


def test_what_is_wrong_with_the_data_is_told_first() -> None:
    key = of(Scope.READ)
    assert refused(key, frame("trip.assign", {"id": TRIP}))[0] == "invalid_data"
    assert refused(key, frame("trip.assign", {"id": "x", "driver": "y"}))[0] == (
        "wrong_role"
    )
    assert refused(key, frame("trip.accept", {"id": TRIP}))[0] == "wrong_role"


def test_a_room_s_path_is_not_for_a_key_without_rooms(
    settled: dict[str, Claims],
) -> None:
    settled[KEY] = service(Scope.TRIPS)
    made = Session(shared(), NOW, None, None, "hall")
    (identified,) = made.receive(login(), NOW)
    assert isinstance(identified, Identified)
    assert refusal(made.enter(NOW)) == ("wrong_role", None)
    result = Result(refused=Refusal(Code.UNAVAILABLE, "too late"))
    assert made.logged_in(result, NOW) == []
