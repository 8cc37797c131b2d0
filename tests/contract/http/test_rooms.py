"""Rooms' messages and notices over HTTP; leader and persistence are fakes."""

import msgspec
import pytest

from schemas.codec import encode
from schemas.commands import Answer
from schemas.refusals import Code, Refusal
from tests.contract.http.conftest import OPERATOR, RIDER, Site, data, problem, refusal

MESSAGE = {
    "room": "lobby",
    "seq": 7,
    "id": "0192f0c4-0000-7000-8000-00000000bbbb",
    "sender": {"id": RIDER, "username": "ada", "first_name": "", "last_name": ""},
    "text": "hello",
    "at": "2026-11-21T10:00:00.000Z",
}
BY = {"notice_by": OPERATOR, "address": "127.0.0.1"}
HOSTILE = ["*", "%3E", "a.b", "x" * 65, "a%20b", "a%01b", "a%00b", "%C3%A4"]


async def test_messages_come_as_history_has_them(site: Site) -> None:
    site.answers("history.messages", data([MESSAGE]))
    path = "/api/rooms/lobby/messages?limit=3&before=9"
    response = await site.client.get(path, headers=site.rider)
    assert (response.status_code, response.json()) == (200, [MESSAGE])
    ((_, asked),) = site.persistence.asked
    assert asked == {
        "user": RIDER,
        "role": "rider",
        "region": "main",
        "room": "lobby",
        "limit": 3,
        "before": 9,
    }


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=-1", "before=x", "before=1e30"]
)
async def test_a_bad_page_is_invalid_data(site: Site, query: str) -> None:
    path = f"/api/rooms/lobby/messages?{query}"
    problem(await site.client.get(path, headers=site.rider), 422, "invalid_data")


@pytest.mark.parametrize(
    ("code", "status"), [(Code.ROOM_FORBIDDEN, 403), (Code.TRIP_NOT_FOUND, 404)]
)
async def test_a_trips_room_is_refused_as_history_says(
    site: Site, code: Code, status: int
) -> None:
    site.answers("history.messages", refusal(code, "no"))
    path = f"/api/rooms/trip_{RIDER}/messages"
    problem(await site.client.get(path, headers=site.rider), status, code.value)


async def test_a_message_is_sent_as_the_caller_without_joining(site: Site) -> None:
    site.desk.answer = Answer("c", 1, data=msgspec.Raw(encode(MESSAGE)))
    body = {"text": "hello", "idempotency_key": "k"}
    path = f"/api/rooms/trip_{RIDER.upper()}/messages"
    response = await site.client.post(path, json=body, headers=site.rider)
    assert (response.status_code, response.json()) == (201, MESSAGE)
    ((claims, room, text, key),) = site.desk.sent
    assert (claims.sub, room, text, key) == (RIDER, f"trip_{RIDER}", "hello", "k")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.ROOM_FORBIDDEN, 403),
        (Code.TRIP_NOT_FOUND, 404),
        (Code.UNAVAILABLE, 503),
        (Code.OVERLOADED, 503),
    ],
)
async def test_a_refused_message_is_a_problem(
    site: Site, code: Code, status: int
) -> None:
    site.desk.answer = Answer("c", 1, refused=Refusal(code, "no"))
    path = "/api/rooms/lobby/messages"
    response = await site.client.post(path, json={"text": "x"}, headers=site.rider)
    problem(response, status, code.value)
    assert ("retry-after" in response.headers) == (status == 503)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "x" * 4001},
        {"text": "a\0b"},
        {"text": 1},
        {"text": "x", "idempotency_key": ""},
        {"text": "x", "idempotency_key": "k" * 65},
        [],
    ],
)
async def test_a_bad_message_is_invalid_data(site: Site, body: object) -> None:
    path = "/api/rooms/lobby/messages"
    response = await site.client.post(path, json=body, headers=site.rider)
    problem(response, 422, "invalid_data")
    assert not site.desk.sent


@pytest.mark.parametrize("room", HOSTILE)
async def test_hostile_room_names_are_refused_before_anybody_is_asked(
    site: Site, room: str
) -> None:
    path = f"/api/rooms/{room}/messages"
    got = await site.client.get(path, headers=site.rider)
    problem(got, 422, "invalid_data")
    sent = await site.client.post(path, json={"text": "x"}, headers=site.rider)
    problem(sent, 422, "invalid_data")
    assert not site.persistence.asked
    assert not site.desk.sent


@pytest.mark.parametrize("room", ["", "a%2Fb", "a/b"])
async def test_what_is_not_one_name_is_no_path(site: Site, room: str) -> None:
    path = f"/api/rooms/{room}/messages"
    problem(await site.client.get(path, headers=site.rider), 404, "unknown_type")


async def test_a_notice_goes_to_the_region_its_user_is_of(site: Site) -> None:
    site.answers("accounts.whereabouts", data({"id": RIDER, "region": "north"}))
    path = f"/api/users/{RIDER.upper()}/notices"
    body = {"data": {"text": "\N{SNOWMAN}", "n": [1, 2.5, None]}}
    response = await site.client.post(path, json=body, headers=site.operator)
    assert (response.status_code, response.content) == (202, b"")
    ((region, user, told),) = site.desk.told
    assert (region, user) == ("north", RIDER)
    assert msgspec.json.decode(told) == body["data"]
    asked = {"user": RIDER} | BY
    assert site.persistence.asked == [("accounts.whereabouts", asked)]


async def test_a_notice_that_is_counted_says_how_many_sessions_heard_it(
    site: Site,
) -> None:
    site.answers("accounts.whereabouts", data({"id": RIDER, "region": "north"}))
    path = f"/api/users/{RIDER}/notices?count=true"
    for site.desk.heard_by in (0, 3):
        response = await site.client.post(
            path, json={"data": {}}, headers=site.operator
        )
        sessions = {"sessions": site.desk.heard_by}
        assert (response.status_code, response.json()) == (202, sessions)
        assert response.headers["content-type"] == "application/json"
    assert site.desk.told == [("north", RIDER, b"{}")] * 2


async def test_what_is_no_yes_or_no_is_no_count(site: Site) -> None:
    path = f"/api/users/{RIDER}/notices?count=maybe"
    response = await site.client.post(path, json={"data": {}}, headers=site.operator)
    problem(response, 422, "invalid_data")
    assert not site.desk.told


async def test_a_notice_may_name_its_user(site: Site) -> None:
    site.answers("accounts.whereabouts", data({"id": RIDER, "region": "main"}))
    path = "/api/users/ada@example.com/notices"
    response = await site.client.post(path, json={"data": {}}, headers=site.operator)
    assert response.status_code == 202
    assert site.persistence.asked[0][1] == {"user": "ada@example.com"} | BY


async def test_notices_are_the_operators(site: Site) -> None:
    path = f"/api/users/{OPERATOR}/notices"
    response = await site.client.post(path, json={"data": {}}, headers=site.rider)
    problem(response, 403, "wrong_role")
    (asked,) = site.persistence.asked
    assert asked[0] == "accounts.denied"
    assert asked[1]["route"] == "POST /api/users/{user_id}/notices"


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"data": [1]}, {"data": None}])
async def test_a_notice_is_an_object(site: Site, body: object) -> None:
    path = f"/api/users/{RIDER}/notices"
    response = await site.client.post(path, json=body, headers=site.operator)
    problem(response, 422, "invalid_data")


@pytest.mark.parametrize("user", ["a%00b", "x" * 151, "nobody"])
async def test_a_notice_to_nobody_is_404(site: Site, user: str) -> None:
    unknown = refusal(Code.INVALID_DATA, "no such user", 404)
    site.answers("accounts.whereabouts", unknown)
    path = f"/api/users/{user}/notices"
    response = await site.client.post(path, json={"data": {}}, headers=site.operator)
    problem(response, 404, "invalid_data")


async def test_a_notice_without_nats_is_unavailable(site: Site) -> None:
    site.answers("accounts.whereabouts", data({"id": RIDER, "region": "main"}))
    site.desk.is_connected = False
    for query in ("", "?count=true"):
        path = f"/api/users/{RIDER}/notices{query}"
        response = await site.client.post(
            path, json={"data": {}}, headers=site.operator
        )
        problem(response, 503, "unavailable")
