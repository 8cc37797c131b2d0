"""JSON at its edges: nested as deep as Python reads it and deeper, U+0000 in every
spelling, numbers nobody can hold. No frame and no body of it raises.
"""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.requests import DEPTH_MAX, parse_object
from gateway.problems import Refused
from gateway.session.client_frames import BUILDS, has_nul
from gateway.session.effects import Identified, Send, Submit, Visit
from gateway.session.machine import Session
from schemas import codec
from schemas.refusals import Code
from schemas.trips import Role
from tests.unit.gateway.session.sessions import (
    KNOWN,
    NOW,
    TRIP,
    refusal,
    session,
    shared,
)

NUL = rb'"\u0000"'
LEAVES = [
    b"1",
    NUL,
    rb'"\\u0000"',
    rb'"\\\u0000"',
    b'"\x00"',
    b"1e999",
    b"-1e999",
    b"1" * 400,
    b"1" * 5000,
    b"1" * 5000 + b".5",
    b"0." + b"1" * 5000,
    b"1e" + b"9" * 400,
    rb'"\ud800"',
    b'"\xff"',
    b"",
    b"NaN",
]
DEEP = [*range(900, 1010), 0, 1, 500, 30_000]
nests = st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (rb'{"\u0000":', b"}")])


def nested(depth: int, nest: tuple[bytes, bytes], leaf: bytes) -> bytes:
    return nest[0] * depth + leaf + nest[1] * depth


values = st.builds(nested, st.sampled_from(DEEP), nests, st.sampled_from(LEAVES))
kinds = st.sampled_from([*BUILDS, "session.login", "session.refresh", "no.such"])
fields = st.sampled_from(
    ["data", "ref", "traceparent", "type", "message", "other", "since", "room", "id"]
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame or nearly one: odd values in one place and another."""
    kind, value = draw(kinds), draw(values)
    inner = {
        "id": TRIP,
        "room": "lobby",
        "text": "hello",
        "token": "rider",
        "pick_up_address": "A",
        "drop_off_address": "B",
        "lat": 1,
        "lon": 2,
    }
    data = json.dumps(inner).encode()
    shape = draw(st.integers(0, 4))
    if shape == 0:
        data = data[:-1] + b',"since":%b}' % value
    elif shape == 1:
        data = data[:-1] + b',"other":%b}' % value
    elif shape == 2:
        data = data[:-1] + b',"id":%b,"lat":%b,"text":%b}' % (value, value, value)
    frame = b'{"type":"%b","ref":"r","data":%b}' % (kind.encode(), data)
    if shape == 3:
        frame = frame[:-1] + b',"%b":%b}' % (draw(fields).encode(), value)
    elif shape == 4:
        frame = b'{"message":%b}' % value
    return frame[: draw(st.sampled_from([len(frame), len(frame) - 1]))]


def at_depth(calls: int, what: Callable[[], Any]) -> Any:
    """Where the stack is so much deeper: its frames and JSON's are one limit."""
    return what() if calls == 0 else at_depth(calls - 1, what)


@settings(max_examples=400, deadline=None)
@given(frames(), st.integers(0, 40), st.sampled_from([None, *Role]), st.booleans())
def test_no_frame_raises(
    payload: bytes, calls: int, role: Role | None, in_room: bool
) -> None:
    made = Session(shared(), NOW, room="lobby" if in_room else None)
    if role is not None:
        made.identify(KNOWN[role.value])
    actions = at_depth(calls, lambda: made.receive(payload, NOW))
    assert isinstance(actions, list)


@settings(max_examples=400, deadline=None)
@given(values, st.integers(0, 40))
def test_no_body_raises_and_what_is_taken_can_be_written_again(
    value: bytes, calls: int
) -> None:
    body = b'{"data":{"kind":%b}}' % value
    with contextlib.suppress(Refused):
        said = parse_object(body)
        at_depth(calls, lambda: codec.encode(said))


@pytest.mark.parametrize("depth", range(940, 1000))
@pytest.mark.parametrize("leaf", [NUL, b'1e999,"\\u0000"', b"[1e999,%b]" % NUL])
def test_a_deep_frame_with_u0000_in_it_is_refused_and_the_session_goes_on(
    depth: int, leaf: bytes
) -> None:
    made = session()
    deep = nested(depth, (b"[", b"]"), leaf)
    frame = b'{"type":"trip.get","ref":"r","data":{"id":"%b","x":%b}}'
    code, _ = refusal(made.receive(frame % (TRIP.encode(), deep), NOW))
    assert code in {"bad_frame", "invalid_data"}
    (submit,) = made.receive(frame % (TRIP.encode(), b"1"), NOW)
    assert isinstance(submit, Submit)


@pytest.mark.parametrize(
    "value",
    [
        b"1e999",
        b"[" * 900 + b"]" * 900,
        b"1" * 5000,
        b"[" + b"1.2345678901234567890123e-300," * 800 + b"1]",
    ],
)
def test_fields_that_are_read_leniently_are_never_refused(value: bytes) -> None:
    made = session(None)
    login = b'{"type":"session.login","traceparent":%b,"data":%b}'
    data = b'{"token":"rider","since":%b}' % value
    (identified,) = made.receive(login % (value, data), NOW)
    assert identified == Identified(KNOWN["rider"], None)
    join = b'{"type":"chat.join","data":{"room":"lobby","since":%b}}' % value
    (visit,) = made.receive(join, NOW)
    assert isinstance(visit, Visit)
    assert visit.command.since is None  # type: ignore[union-attr]


def test_an_odd_message_to_a_room_is_invalid_whatever_it_is() -> None:
    made = Session(shared(), NOW, room="lobby")
    made.identify(KNOWN["rider"])
    for depth in range(900, 1000):
        odd = b'{"message":%b}' % nested(depth, (b"[", b"]"), b"1")
        (send,) = made.receive(odd, NOW)
        assert isinstance(send, Send)
        assert send.code in {Code.INVALID_DATA, Code.BAD_FRAME}


@given(st.text(max_size=20), st.booleans())
def test_u0000_is_found_in_any_text_however_it_is_spelt(text: str, plain: bool) -> None:
    spelt = json.dumps({"a": text, text: 1}, ensure_ascii=not plain).encode(
        errors="replace"
    )
    assert has_nul(spelt) == ("\0" in text)


@given(st.lists(st.sampled_from(["\\", "\0", "u0000", "x"]), max_size=8))
def test_backslashes_before_it_are_counted(parts: list[str]) -> None:
    text = "".join(parts)
    assert has_nul(json.dumps({"a": text}).encode()) == ("\0" in text)


def test_a_body_may_be_nested_so_deep_and_no_deeper() -> None:
    assert parse_object(b'{"a":%b}' % nested(DEPTH_MAX - 1, (b"[", b"]"), b"1"))
    with pytest.raises(Refused) as refused:
        parse_object(b'{"a":%b}' % nested(DEPTH_MAX, (b"[", b"]"), b"1"))
    assert refused.value.refusal.code is Code.BAD_FRAME
    wide = b'{"a":[%b]}' % b",".join([b"{}"] * 1000)
    assert parse_object(wide)
