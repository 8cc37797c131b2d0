"""What a session makes of each frame: every refusal, every type, random bytes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Now
from gateway.session import client_frames
from gateway.session.client_frames import parse_since
from gateway.session.effects import (
    AskLogIn,
    Hold,
    Identified,
    Shut,
    Submit,
    Visit,
    Watch,
)
from schemas import commands
from schemas.accounts import Result
from schemas.closes import Close
from schemas.frames import FRAME_BYTES_MAX
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.unit.gateway.session.sessions import (
    NOW,
    TRIP,
    frame,
    refusal,
    refused,
    session,
)


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", ("bad_frame", None)),
        (b"null", ("bad_frame", None)),
        (b'{"type":"trip.get"', ("bad_frame", None)),
        (b'{"type":null,"ref":"a"}', ("bad_frame", "a")),
        (b'{"type":"trip.get","ref":{}}', ("bad_frame", None)),
        (b'{"ref":"\xc3\xa4"}', ("bad_frame", "\xe4")),
        (b'{"type":"trip.get","data":"x"}', ("invalid_data", None)),
        (b'{"type":"trip.get","ref":null}', ("invalid_data", None)),
        (b'{"type":"trip.get","data":{"id":"\\ud800"}}', ("bad_frame", None)),
        (b"[" * 5000 + b"]" * 5000, ("bad_frame", None)),
        (
            b'{"type":"trip.get","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
            ("bad_frame", None),
        ),
    ],
)
def test_what_is_no_frame_or_no_data(
    payload: bytes, answer: tuple[str, str | None]
) -> None:
    assert refused(session(), payload) == answer


def test_nul_is_refused_wherever_it_stands_but_not_its_spelling() -> None:
    made = session()
    for data in ({"id": "\0"}, {"id": TRIP, "more": [{"deep": "\0"}]}, {"\0": 1}):
        assert refused(made, frame("trip.get", data)) == ("invalid_data", "r")
    spelt = frame("trip.get", {"id": TRIP, "more": "\\u0000"})
    assert b"\\\\u0000" in spelt
    (submit,) = made.receive(spelt, NOW)
    assert isinstance(submit, Submit)


def test_a_frame_with_nul_counts_as_its_user_s_and_waits_as_others_do() -> None:
    made = session()
    nul = frame("trip.get", {"id": "\0"})
    for _ in range(200):
        assert refused(made, nul) == ("invalid_data", "r")
    assert refused(made, nul) == ("rate_limited", "r")
    assert refused(made, frame("trip.get", {"id": "x"})) == ("rate_limited", "r")
    nobody = session(None)
    login = {"username": "a", "password": "b"}
    assert refused(nobody, frame("session.login", {**login, "\0": 1}))[0] == (
        "invalid_data"
    )
    nobody.receive(frame("session.login", login), NOW)
    assert nobody.receive(nul, NOW) == []
    no = Result(refused=Refusal(Code.BAD_CREDENTIALS, "no"))
    _, waited = nobody.logged_in(no, NOW)
    assert refusal([waited]) == ("not_authenticated", "r")


def test_text_that_is_not_utf_8_ends_the_session() -> None:
    made = session()
    assert made.receive(b'{"type":"\xff"}', NOW) == [Shut(Close.INVALID_TEXT)]
    assert made.receive(frame("trip.get", {"id": TRIP}), NOW) == []


def test_the_hundred_and_first_bad_frame_within_ten_seconds_ends_the_session() -> None:
    made = session()
    for number in range(100):
        at = Now(1000 + number / 100, NOW.wall_ms)
        assert len(made.receive(b"{", at)) == 1
    assert len(made.receive(b"{", Now(1010.0, NOW.wall_ms))) == 1
    last = made.receive(b"{", Now(1010.001, NOW.wall_ms))
    assert last[-1] == Shut(Close.PROTOCOL_ABUSE)


def test_refusals_come_in_the_contract_s_order() -> None:
    rider, nobody = session(), session(None)
    assert refused(rider, b"{")[0] == "bad_frame"
    assert refused(rider, frame("no.such"))[0] == "unknown_type"
    assert refused(nobody, frame("trip.get"))[0] == "not_authenticated"
    assert refused(rider, frame("trip.accept", {"id": 1}))[0] == "invalid_data"
    assert refused(rider, frame("trip.accept", {"id": "x"}))[0] == "wrong_role"
    assert refused(rider, frame("trip.get", {"id": "x"}))[0] == "trip_not_found"


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"type":"x"}', b"\xff"])
def test_a_frame_over_the_rate_is_not_read_and_no_more_is_until_100_are_allowed(
    text: bytes,
) -> None:
    made = session(frames_burst=200)
    for _ in range(200):
        made.receive(frame("no.such"), NOW)
    over, hold = made.receive(text, NOW)
    assert refusal([over]) == ("rate_limited", None)
    assert hold == Hold(NOW.mono_s + 0.1)
    later = Now(NOW.mono_s + 0.1, NOW.wall_ms)
    for _ in range(100):
        assert refusal(made.receive(frame("no.such"), later))[0] == "unknown_type"
    over, hold = made.receive(frame("no.such", ref="mine"), later)
    assert refusal([over]) == ("rate_limited", "mine")
    assert hold == Hold(later.mono_s + 0.1)


def test_who_may_never_send_100_at_once_waits_for_the_whole_burst() -> None:
    made = session(frames_burst=10, frames_per_s=1)
    for _ in range(10):
        made.receive(frame("no.such"), NOW)
    assert made.receive(frame("no.such"), NOW)[1] == Hold(NOW.mono_s + 10)


LOGIN = {"username": "a", "password": "b"}
NOT_IN = Shut(Close.NOT_AUTHENTICATED)
STRANGE = [b"{", b"[]", b'{"type":"x"}', frame("trip.get", {"id": TRIP})]


@pytest.mark.parametrize("text", STRANGE)
def test_the_101st_frame_before_the_log_in_ends_it(text: bytes) -> None:
    made = session(None)
    for _ in range(100):
        assert len(made.receive(text, NOW)) == 1
    assert made.receive(text, NOW) == [Shut(Close.NOT_AUTHENTICATED)]


def test_control_frames_before_the_log_in_count_as_frames() -> None:
    made = session(None)
    for _ in range(100):
        assert made.stir(NOW, is_control=True) == []
    assert made.stir(NOW, is_control=True) == [Shut(Close.NOT_AUTHENTICATED)]


def test_over_256_kib_before_the_log_in_end_it_and_after_it_do_not() -> None:
    for text in (b"{" * FRAME_BYTES_MAX, frame("session.login", LOGIN)):
        made = session(None)
        made.receive(text, NOW)  # the second is being checked
        left = 256 * 1024 - len(text)
        while left:
            size = min(left, FRAME_BYTES_MAX)
            assert made.weigh(14 + size) == []
            assert made.receive(b"{" * size, NOW)[-1:] != [NOT_IN]
            left -= size
        assert made.receive(b"", NOW) != [NOT_IN]
        assert made.receive(b"{", NOW) == [NOT_IN]
    known = session()
    assert known.weigh(1 << 30) == []


def test_what_is_no_message_yet_counts_before_the_log_in_too() -> None:
    made = session(None)
    assert made.weigh(256 * 1024 + 100 * 14) == []
    assert made.weigh(1) == [NOT_IN]


def test_the_100_before_the_log_in_are_not_taken_from_those_after_it() -> None:
    made = session(None)
    for _ in range(99):
        made.receive(frame("no.such"), NOW)
    (identified,) = made.receive(frame("session.login", {"token": "rider"}), NOW)
    assert isinstance(identified, Identified)
    for _ in range(200):
        assert refused(made, frame("no.such"))[0] == "unknown_type"


ALLOWED = {
    "trip.request": {Role.RIDER},
    "create.trip": {Role.RIDER},
    "trip.accept": {Role.DRIVER},
    "trip.decline": {Role.DRIVER},
    "trip.assign": {Role.OPERATOR},
    "trip.reschedule": {Role.RIDER, Role.OPERATOR},
    "trip.arrive": {Role.DRIVER},
    "trip.begin": {Role.DRIVER},
    "trip.complete": {Role.DRIVER, Role.OPERATOR},
    "trip.release": {Role.DRIVER},
    "trip.cancel": {Role.RIDER, Role.DRIVER, Role.OPERATOR},
    "trip.get": {Role.RIDER, Role.DRIVER, Role.OPERATOR},
    "update.trip": {Role.DRIVER},
    "driver.online": {Role.DRIVER},
    "driver.offline": {Role.DRIVER},
    "driver.location": {Role.DRIVER},
    "ops.watch": {Role.OPERATOR},
    "ops.unwatch": {Role.OPERATOR},
    "chat.join": set(Role),
    "chat.leave": set(Role),
    "chat.send": set(Role),
}
FULL = {
    "id": TRIP.upper(),
    "status": "STARTED",
    "pick_up_address": "A",
    "drop_off_address": "B",
    "lat": 1,
    "lon": 2,
    "room": "lobby",
    "text": "hello",
    "driver": "d1",
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", list(client_frames.BUILDS))
def test_each_type_is_for_its_roles(kind: str, role: Role) -> None:
    (action,) = session(role).receive(frame(kind, FULL), NOW)
    if role not in ALLOWED[kind]:
        assert refusal([action])[0] == "wrong_role"
    elif kind == "driver.location":
        assert isinstance(action, commands.Fix)
    elif kind.startswith("ops."):
        assert isinstance(action, Watch)
        assert action.wanted.is_on == (kind != "ops.unwatch")
        assert action.ref == "r"
    else:
        assert isinstance(action, Submit | Visit)
        assert action.command.by.role is role
        assert action.command.deadline_ms == NOW.wall_ms + 10_000
        assert getattr(action.command, "trip", TRIP) == TRIP


def test_an_operator_completes_by_the_older_shape_too() -> None:
    done = frame("update.trip", {"id": TRIP, "status": "COMPLETED"})
    (action,) = session(Role.OPERATOR).receive(done, NOW)
    assert isinstance(action, Submit)
    assert isinstance(action.command, commands.CompleteTrip)


@pytest.mark.parametrize(
    "change",
    [
        {"lat": 90.001},
        {"lon": -181},
        {"lat": "1"},
        {"lat": None},
        {"heading": -1},
        {"heading": 361},
        {"speed": -0.1},
        {"speed": 150.1},
        {"speed": 1e308},
        {"at": "yesterday"},
        {"at": "2026-11-21"},
        {"at": "2026-11-21T10:00:00"},
        {"at": "20261121T100000Z"},
        {"at": "2026-13-21T10:00:00Z"},
        {"at": "0001-01-01T00:00:00+23:59"},
        {"at": 5},
    ],
)
def test_a_position_out_of_its_bounds_is_invalid(change: dict[str, Any]) -> None:
    data = {"lat": 1, "lon": 2, **change}
    answer = refused(session(Role.DRIVER), frame("driver.location", data))
    assert answer == ("invalid_data", "r")


def test_a_position_without_an_instant_gets_the_gateway_s() -> None:
    (locate,) = session(Role.DRIVER).receive(
        frame("driver.location", {"lat": 1, "lon": 2}), NOW
    )
    assert locate == commands.Fix(
        "u2", 1.0, 2.0, None, None, "2026-11-21T10:00:00.000Z"
    )


@pytest.mark.parametrize(
    "at", ["2026-11-21t10:00:00z", "2026-11-21 11:00:00.0001+01:00"]
)
def test_every_spelling_of_rfc_3339_is_taken(at: str) -> None:
    data = {"lat": 1, "lon": 2, "at": at}
    (locate,) = session(Role.DRIVER).receive(frame("driver.location", data), NOW)
    assert isinstance(locate, commands.Fix)
    assert locate.at == "2026-11-21T10:00:00.000Z"


@pytest.mark.parametrize(
    "change",
    [
        {"pick_up_address": ""},
        {"drop_off_address": "x" * 256},
        {"pick_up": {"lat": 91, "lon": 0}},
        {"pick_up": {"lat": 1}},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 65},
        {"pick_up_address": None},
    ],
)
def test_a_request_out_of_its_bounds_is_invalid(change: dict[str, Any]) -> None:
    data = {"pick_up_address": "A", "drop_off_address": "B", **change}
    assert refused(session(), frame("trip.request", data)) == ("invalid_data", "r")


def test_every_command_has_an_id_of_its_own() -> None:
    made = session()
    ids = set()
    for _ in range(10):
        (submit,) = made.receive(frame("trip.get", {"id": TRIP}), NOW)
        assert isinstance(submit, Submit)
        ids.add(submit.command.id)
    assert len(ids) == 10


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ("12", 12),
        (12, 12),
        (0, 0),
        (-1, None),
        (True, None),
        (1.0, None),
        ("1" * 30, None),
        (2**63, None),
        (2**63 - 1, 2**63 - 1),
        ("\xb2", None),
        ([], None),
        (None, None),
    ],
)
def test_since_is_read_leniently(given_: object, read: int | None) -> None:
    assert parse_since(given_) == read


# ---- anything at all ---------------------------------------------------------

KIND = st.sampled_from([*client_frames.BUILDS, "session.login", "session.refresh", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FULL, "token", "username"]) | st.text(), inner
        )
    ),
    max_leaves=8,
)
FRAME = st.builds(
    lambda kind, ref, data: json.dumps({"type": kind, "ref": ref, "data": data}),
    KIND,
    JSON,
    JSON,
).map(str.encode)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.binary(max_size=200) | FRAME, max_size=20),
    st.sampled_from([None, *Role]),
)
def test_nothing_a_client_sends_raises_or_ends_the_session_but_by_the_rules(
    payloads: list[bytes], role: Role | None
) -> None:
    made = session(role)
    for payload in payloads:
        for action in made.receive(payload, NOW):
            if isinstance(action, Shut):
                assert action.code is Close.INVALID_TEXT
                with pytest.raises(UnicodeDecodeError):
                    payload.decode()
            if isinstance(action, AskLogIn):
                made.logged_in(Result(refused=Refusal(Code.UNAVAILABLE, "no")), NOW)
