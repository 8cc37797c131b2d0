"""A body must be of its route's shape as a frame's `data` must be of its own."""

from typing import Any

import pytest

from schemas.trips import Role
from tests.contract.http.conftest import OPERATOR, RIDER, Site, bearer, problem

HOOK = "/api/webhooks/0192f0c4-0000-7000-8000-00000000abcd"
TAGS = f"/api/drivers/{RIDER}/tags"
NOTICES = f"/api/users/{RIDER}/notices"
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", f"{HOOK}/replay", {"since": "0"}, "since: must be a whole number"),
    ("POST", f"{HOOK}/replay", {"since": 1.5}, "since: must be a whole number"),
    ("POST", f"{HOOK}/replay", {"since": True}, "since: must be a whole number"),
    ("POST", f"{HOOK}/replay", {"since": -1}, "since: must be at least 0"),
    ("PATCH", HOOK, {"active": 0}, "active: must be true or false"),
    ("PATCH", HOOK, {"active": "true"}, "active: must be true or false"),
    ("PATCH", HOOK, {"url": None}, "url: must be text"),
    ("POST", "/api/webhooks", {"url": "x", "events": "*"}, "events: must be a list"),
    ("PUT", TAGS, {"tags": [1]}, "tags[0]: must be text"),
    ("PUT", TAGS, {"tags": {}}, "tags: must be a list"),
    ("POST", NOTICES, {"data": "{}"}, "data: must be an object"),
    ("POST", "/api/rooms/hall/messages", {"text": 5}, "text: must be text"),
    ("POST", "/api/tokens", {"username": 5, "password": "x"}, "username: must be text"),
    ("POST", "/api/tokens/refresh", {"refresh": None}, "refresh: must be text"),
]


@pytest.mark.parametrize(("method", "path", "body", "told"), WRONG)
async def test_a_body_of_another_shape_is_422_and_asks_nobody(
    site: Site, method: str, path: str, body: dict[str, Any], told: str
) -> None:
    headers = bearer(site.tokens.issue(OPERATOR, Role.OPERATOR))
    response = await site.client.request(method, path, json=body, headers=headers)
    assert problem(response, 422, "invalid_data").startswith(told)
    assert site.persistence.asked == []
    assert site.desk.commands == []


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"{", 400, "the body is not JSON: the JSON ends too early"),
        (b"a=1", 400, "the body is not JSON: invalid character (byte 0)"),
        (b'{"a":"\xff"}', 400, "the body is not JSON: it is no UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', 400, "the body is not JSON: it is no UTF-8"),
        (
            b'{"a":{"b":1e999}}',
            400,
            "the body is not JSON: the data is a number out of range",
        ),
        (b"null", 422, "the body is JSON null, not an object"),
        (b"[]", 422, "the body is a JSON list, not an object"),
        (b'"x"', 422, "the body is JSON text, not an object"),
        (b"5", 422, "the body is a number, not an object"),
        (b"true", 422, "the body is JSON true or false, not an object"),
    ],
)
async def test_what_is_no_object_is_told_in_words_for_people(
    site: Site, body: bytes, status: int, told: str
) -> None:
    code = "bad_frame" if status == 400 else "invalid_data"
    response = await site.client.post("/api/tokens", content=body)
    assert problem(response, status, code) == told
