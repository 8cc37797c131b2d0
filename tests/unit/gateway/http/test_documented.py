"""What holds frames and answers to their documents, in all of tests/e2e, can fail."""

import json
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from litestar.di import Provide

from gateway.http.app import _described
from gateway.http.docs import openapi
from tests.support.documented import Frames, Routes

LEFT = {"type": "chat.left", "seq": 1, "data": {"room": "r", "user": {}}}


def told() -> Routes:
    given = {
        name: Provide(lambda: None, sync_to_thread=False)
        for name in ("asker", "desk", "readiness")
    }
    document = openapi.document(_described(with_metrics=True), given)
    return Routes(json.loads(json.dumps(document)))


def answer(status: int, body: bytes, kind: str = "application/json") -> Any:
    return SimpleNamespace(
        status_code=status, content=body, headers={"content-type": kind}
    )


def test_a_frame_with_a_field_more_or_less_or_of_no_known_type_is_a_fault() -> None:
    frames = Frames()
    user = {"id": "u", "username": "u", "first_name": "", "last_name": ""}
    good = LEFT | {"data": {"room": "r", "user": user}}
    assert frames.faults("chat.left", good) == []
    assert frames.faults("chat.left", LEFT)
    assert frames.faults("chat.left", good | {"more": 1})
    assert frames.faults("chat.left", good | {"data": good["data"] | {"more": 1}})  # type: ignore[operator]
    assert frames.faults("chat.lost", good)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"id": "u"}', "application/json"),
        (200, b"{}", "text/plain"),
        (200, b"", "application/json"),
        (HTTPStatus.IM_A_TEAPOT, b"{}", "application/json"),
    ],
)
def test_an_answer_that_isn_t_documented_is_a_fault(
    status: int, body: bytes, kind: str
) -> None:
    user = b'{"id":"u","username":"u","first_name":"","last_name":"","role":"rider"}'
    told().check("GET", "/api/me", answer(200, user))
    with pytest.raises(AssertionError):
        told().check("GET", "/api/me", answer(status, body, kind))
    with pytest.raises(AssertionError):
        told().check("GET", "/api/me", answer(200, user[:-1] + b',"more":1}'))
