"""A user's allowance at a gateway: over all their sessions, before anything else is
looked at.
"""

from typing import Any

import pytest

from gateway.clock import Now
from gateway.session.effects import Send, Submit, Visit
from gateway.session.machine import Session
from schemas.allowances import Rate, UserLimits
from schemas.commands import Fix
from tests.unit.gateway.session.sessions import KNOWN, NOW, TRIP, frame, refusal, shared

FEW = UserLimits(commands=Rate(1, 3), requests=Rate(0.5, 1), messages=Rate(1, 2))
LATER = Now(NOW.mono_s + 1, NOW.wall_ms + 1_000)
GET = frame("trip.get", {"id": TRIP})
SAY = frame("chat.send", {"room": "r", "text": "hi"})
ASK = {"pick_up_address": "A", "drop_off_address": "B"}


def sessions(count: int, role: str = "rider", room: str | None = None) -> list[Session]:
    """So many of one user's, on one gateway."""
    common = shared(users=FEW)
    made = [Session(common, NOW, room=room) for _ in range(count)]
    for each in made:
        each.identify(KNOWN[role])
    return made


def kinds(made: Session, payload: bytes, now: Now = NOW) -> Any:
    """The refusal's code, or what was done."""
    (action,) = made.receive(payload, now)
    return action.code if isinstance(action, Send) else type(action)


def test_commands_of_all_sessions_of_a_user_count_together() -> None:
    first, second = sessions(2)
    assert kinds(first, GET) is Submit
    assert kinds(second, GET) is Submit
    assert kinds(first, GET) is Submit
    assert refusal(second.receive(GET, NOW)) == ("rate_limited", "r")
    assert kinds(second, GET, LATER) is Submit
    assert kinds(first, GET, LATER) == "rate_limited"
    another = Session(first._shared, NOW)
    another.identify(KNOWN["driver"])
    assert kinds(another, GET, LATER) is Submit


@pytest.mark.parametrize("kind", ["trip.request", "create.trip"])
def test_requests_have_a_limit_of_their_own(kind: str) -> None:
    (made,) = sessions(1)
    assert kinds(made, frame(kind, ASK)) is Submit
    assert kinds(made, frame(kind, ASK)) == "rate_limited"
    assert kinds(made, GET) is Submit


def test_messages_have_a_limit_of_their_own_in_either_shape() -> None:
    (made,) = sessions(1, room="r")
    assert kinds(made, SAY) is Submit
    (bare,) = made.receive(b'{"message": "hi", "ref": "m"}', NOW)
    assert isinstance(bare, Submit)
    assert (bare.ref, bare.command.room) == ("m", "r")  # type: ignore[union-attr]
    assert kinds(made, b'{"message": "hi"}') == "rate_limited"
    assert kinds(made, SAY, LATER) is Submit


def test_too_much_is_said_before_what_else_is_wrong() -> None:
    (made,) = sessions(1)
    for payload in (
        frame("trip.get", {"id": 5}),
        frame("trip.accept", {"id": TRIP}),
        frame("chat.join", {"room": "no name"}),
    ):
        assert kinds(made, payload) in {"invalid_data", "wrong_role"}
    for payload in (frame("trip.get", {"id": 5}), frame("trip.accept", {"id": TRIP})):
        assert kinds(made, payload) == "rate_limited"
    assert kinds(made, b"{") == "bad_frame"
    assert kinds(made, frame("nonsense")) == "unknown_type"


def test_a_new_token_costs_a_command() -> None:
    (made,) = sessions(1)
    fresh = frame("session.refresh", {"token": "rider"})
    for _ in range(3):
        *_, answer = made.receive(fresh, NOW)
        assert isinstance(answer, Send)
        assert answer.code is None
    assert kinds(made, fresh) == "rate_limited"
    assert kinds(made, GET) == "rate_limited"


def test_positions_cost_nothing() -> None:
    (made,) = sessions(1, "driver")
    fix = frame("driver.location", {"lat": 1, "lon": 2})
    assert [kinds(made, fix) for _ in range(20)] == [Fix] * 20


def test_a_room_s_path_is_entered_by_a_command() -> None:
    made = sessions(4, room="r")
    for each in made[:3]:
        (visit,) = each.enter(NOW)
        assert isinstance(visit, Visit)
        assert visit.command.room == "r"
    assert refusal(made[3].enter(NOW)) == ("rate_limited", None)


def test_an_operator_may_ten_times_as_much() -> None:
    (made,) = sessions(1, "operator")
    assert [kinds(made, GET) for _ in range(31)] == [Submit] * 30 + ["rate_limited"]
