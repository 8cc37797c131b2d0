"""Trips made and moved over HTTP: which command each route becomes, and what it never
becomes one of.
"""

from typing import Any

import pytest
from msgspec import UNSET, Raw

from gateway.http.routes import moves
from schemas import commands
from schemas.codec import encode
from schemas.commands import Answer as CommandAnswer
from schemas.commands import RequestTrip
from schemas.refusals import Code, Refusal
from schemas.trips import Role
from tests.contract.http.conftest import (
    OPERATOR,
    RIDER,
    TRIP,
    Site,
    bearer,
    data,
    problem,
    refusal,
)

ADDRESSES = {"pick_up_address": "A", "drop_off_address": "B"}
DRIVER = "0192f0c4-0000-7000-8000-00000000dddd"
MADE = CommandAnswer("c", 1, data=Raw(encode({"id": TRIP, "status": "REQUESTED"})))
COMMANDS: dict[str, Any] = {
    "accept": commands.AcceptTrip,
    "decline": commands.DeclineTrip,
    "arrive": commands.ArriveTrip,
    "begin": commands.BeginTrip,
    "complete": commands.CompleteTrip,
    "release": commands.ReleaseTrip,
    "cancel": commands.CancelTrip,
    "assign": commands.AssignTrip,
}
BODIES: dict[str, dict[str, Any]] = {
    "accept": {"offer": "o1"},
    "decline": {"offer": "o1", "reason": "too far"},
    "cancel": {"reason": "no show"},
    "assign": {"driver": DRIVER},
}


def knows(site: Site, role: Role = Role.RIDER, region: str = "main") -> None:
    """Accounts know the user that is asked about, as this."""
    user = {"id": RIDER, "username": "ada", "first_name": "A", "last_name": ""}
    found = {"id": RIDER, "region": region, "user": user | {"role": role.value}}
    site.answers("accounts.whereabouts", data(found))


def asked(site: Site) -> RequestTrip:
    """The one trip that was asked for."""
    (command,) = site.desk.commands
    assert isinstance(command, RequestTrip)
    return command


# ---- a trip is made ------------------------------------------------------------


async def test_a_rider_asks_for_a_trip_and_is_told_where_it_is(site: Site) -> None:
    site.desk.answer = MADE
    body = {**ADDRESSES, "pick_up": {"lat": 1.5, "lon": 2.5}, "unknown": 1}
    response = await site.client.post("/api/trips", json=body, headers=site.rider)
    assert response.status_code == 201
    assert response.json() == {"id": TRIP, "status": "REQUESTED"}
    assert response.headers["location"] == f"/api/trips/{TRIP}"
    command = asked(site)
    assert (command.by.id, command.rider, command.key) == (RIDER, None, None)
    assert (command.pick_up_address, command.drop_off_address) == ("A", "B")
    assert command.pick_up is not None
    assert site.persistence.asked == []


@pytest.mark.parametrize(
    ("headers", "more", "key"),
    [
        (["k1"], {}, "k1"),
        (["k1"], {"idempotency_key": "k1"}, "k1"),
        ([], {"idempotency_key": "k1"}, "k1"),
        (["k1", "k1"], {}, "k1"),
        (["x" * 64], {}, "x" * 64),
        (["\N{SNOWMAN}"], {"idempotency_key": "\N{SNOWMAN}"}, "\N{SNOWMAN}"),
    ],
)
async def test_the_key_comes_in_the_header_or_the_body(
    site: Site, headers: list[str], more: dict[str, Any], key: str
) -> None:
    site.desk.answer = MADE
    sent = [("Idempotency-Key", each.encode()) for each in headers]
    response = await site.client.post(
        "/api/trips",
        json=ADDRESSES | more,
        headers=[*((k, v.encode()) for k, v in site.rider.items()), *sent],
    )
    assert response.status_code == 201, response.text
    assert (asked(site).key, asked(site).sought) == (key, False)


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        (["k1"], {"idempotency_key": "k2"}),
        (["k1", "k2"], {}),
        (["x" * 65], {}),
        ([""], {}),
        ([], {"idempotency_key": "x" * 65}),
        ([], {"idempotency_key": ""}),
        ([], {"idempotency_key": 5}),
    ],
)
async def test_a_key_that_is_none_or_two_is_422(
    site: Site, headers: list[str], more: dict[str, Any]
) -> None:
    sent = [("Idempotency-Key", each) for each in headers]
    response = await site.client.post(
        "/api/trips", json=ADDRESSES | more, headers=[*site.rider.items(), *sent]
    )
    problem(response, 422, "invalid_data")
    assert site.desk.commands == []


async def test_an_operator_names_the_rider(site: Site) -> None:
    site.desk.answer = MADE
    knows(site)
    body = ADDRESSES | {"rider": RIDER.upper()}
    headers = site.operator | {"Idempotency-Key": "k"}
    response = await site.client.post("/api/trips", json=body, headers=headers)
    assert response.status_code == 201
    command = asked(site)
    assert command.rider is not None
    assert (command.by.id, command.rider.id, command.key) == (OPERATOR, RIDER, "k")
    question = {"user": RIDER, "notice_by": "", "address": ""}
    assert site.persistence.asked == [("accounts.whereabouts", question)]


@pytest.mark.parametrize(
    ("rider", "role", "region"),
    [
        (None, Role.RIDER, "main"),
        ("", Role.RIDER, "main"),
        ("ada", Role.RIDER, "main"),
        ("x" * 65, Role.RIDER, "main"),
        (5, Role.RIDER, "main"),
        (RIDER, Role.DRIVER, "main"),
        (RIDER, Role.OPERATOR, "main"),
        (RIDER, Role.RIDER, "oslo"),
        (DRIVER, Role.RIDER, "main"),  # who is known by another id
    ],
)
async def test_an_operator_who_names_no_rider_of_the_region_is_told_422(
    site: Site, rider: Any, role: Role, region: str
) -> None:
    knows(site, role, region)
    body = ADDRESSES | {"rider": rider}
    response = await site.client.post("/api/trips", json=body, headers=site.operator)
    problem(response, 422, "invalid_data")
    assert site.desk.commands == []


async def test_an_unknown_rider_is_422_and_silent_accounts_are_503(site: Site) -> None:
    unknown = refusal(Code.INVALID_DATA, "there is no such user", 404)
    site.answers("accounts.whereabouts", unknown)
    body = ADDRESSES | {"rider": RIDER}
    response = await site.client.post("/api/trips", json=body, headers=site.operator)
    problem(response, 422, "invalid_data")
    site.answers("accounts.whereabouts", refusal(Code.UNAVAILABLE, "away"))
    response = await site.client.post("/api/trips", json=body, headers=site.operator)
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"]
    assert site.desk.commands == []


async def test_riders_ask_for_themselves_alone_and_drivers_not_at_all(
    site: Site,
) -> None:
    site.desk.answer = MADE
    mine = ADDRESSES | {"rider": RIDER}
    response = await site.client.post("/api/trips", json=mine, headers=site.rider)
    assert response.status_code == 201
    others = ADDRESSES | {"rider": OPERATOR}
    response = await site.client.post("/api/trips", json=others, headers=site.rider)
    problem(response, 403, "wrong_role")
    driver = bearer(site.tokens.issue(DRIVER, Role.DRIVER))
    response = await site.client.post("/api/trips", json=ADDRESSES, headers=driver)
    problem(response, 403, "wrong_role")
    # What is wrong with the request is said before whose it isn't.
    for who, body in ((site.rider, others), (driver, ADDRESSES)):
        wrong = who | {"Idempotency-Key": "x" * 65}
        response = await site.client.post("/api/trips", json=body, headers=wrong)
        problem(response, 422, "invalid_data")
    assert len(site.desk.commands) == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "bad_frame"),
        (b"{", 400, "bad_frame"),
        (b"a=1&b=2", 400, "bad_frame"),
        (b"[]", 422, "invalid_data"),
        (b"{}", 422, "invalid_data"),
        (b'{"pick_up_address":"","drop_off_address":"B"}', 422, "invalid_data"),
        (b'{"pick_up_address":"a\\u0000","drop_off_address":"B"}', 422, "invalid_data"),
        (b" " * 65_537, 413, "bad_frame"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_body_that_is_no_trip_is_refused(
    site: Site, content: bytes, status: int, code: str, content_type: str
) -> None:
    headers = site.rider | {"Content-Type": content_type}
    response = await site.client.post("/api/trips", content=content, headers=headers)
    problem(response, status, code)
    assert site.desk.commands == []


# ---- a trip moves --------------------------------------------------------------


def who_may(site: Site, verb: str) -> dict[str, str]:
    role = Role.OPERATOR if verb == "assign" else Role.DRIVER
    return bearer(site.tokens.issue(DRIVER, role))


def test_every_move_is_tried_here() -> None:
    assert {*COMMANDS, "reschedule"} == {move.verb for move in moves.MOVES}


async def test_a_booked_trip_is_changed_by_patch(site: Site) -> None:
    path = f"/api/trips/{TRIP.upper()}"
    body = {"pick_up_at": "2026-12-24T18:00:00+01:00", "pick_up": None}
    response = await site.client.patch(path, json=body, headers=site.rider)
    assert (response.status_code, response.json()) == (200, {})
    (command,) = site.desk.commands
    assert isinstance(command, commands.RescheduleTrip)
    assert (command.trip, command.pick_up) == (TRIP, None)
    assert command.pick_up_at == "2026-12-24T17:00:00.000Z"
    assert command.note is UNSET
    for wrong in (
        {"pick_up_at": 1_800_000_000},
        {"pick_up_at": "tomorrow"},
        {"pick_up": {"lat": "1", "lon": 2}},
    ):
        response = await site.client.patch(path, json=wrong, headers=site.rider)
        problem(response, 422, "invalid_data")
    unknown = await site.client.patch("/api/trips/x", json={}, headers=site.rider)
    problem(unknown, 404, "trip_not_found")
    driver = bearer(site.tokens.issue(DRIVER, Role.DRIVER))
    refused = await site.client.patch(path, json=body, headers=driver)
    problem(refused, 403, "wrong_role")
    assert len(site.desk.commands) == 1


async def test_what_a_frame_would_not_take_a_body_does_not_either(site: Site) -> None:
    for wrong in (
        {"pick_up_at": 1_800_000_000},
        {"pick_up": {"lat": "1", "lon": 2}},
    ):
        body = ADDRESSES | wrong
        response = await site.client.post("/api/trips", json=body, headers=site.rider)
        problem(response, 422, "invalid_data")
    assert site.desk.commands == []


@pytest.mark.parametrize("verb", COMMANDS)
async def test_a_move_is_the_frames_command(site: Site, verb: str) -> None:
    body = BODIES.get(verb, {})
    path = f"/api/trips/{TRIP.upper()}/{verb}"
    more = {"id": OPERATOR, "unknown": 1}  # the path says which
    response = await site.client.post(
        path, json=body | more, headers=who_may(site, verb)
    )
    assert (response.status_code, response.json()) == (200, {})
    (command,) = site.desk.commands
    assert type(command) is COMMANDS[verb]
    assert getattr(command, "trip", None) == TRIP
    assert {name: getattr(command, name) for name in body} == body


@pytest.mark.parametrize("verb", sorted(COMMANDS.keys() - {"assign"}))
@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_an_empty_body_is_an_empty_object(
    site: Site, verb: str, content: bytes
) -> None:
    path = f"/api/trips/{TRIP}/{verb}"
    headers = who_may(site, verb)
    response = await site.client.post(path, content=content, headers=headers)
    assert response.status_code == 200, response.text
    assert type(site.desk.commands[0]) is COMMANDS[verb]


async def test_whom_to_assign_must_be_said(site: Site) -> None:
    path = f"/api/trips/{TRIP}/assign"
    response = await site.client.post(path, headers=site.operator)
    problem(response, 400, "bad_frame")
    response = await site.client.post(path, json={}, headers=site.operator)
    problem(response, 422, "invalid_data")
    assert site.desk.commands == []


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("trip", ["5", "%00", "x" * 3000, TRIP + "0"])
async def test_what_is_no_trip_s_id_is_404(site: Site, verb: str, trip: str) -> None:
    path = f"/api/trips/{trip}/{verb}"
    body = BODIES.get(verb, {})
    response = await site.client.post(path, json=body, headers=who_may(site, verb))
    problem(response, 404, "trip_not_found")
    assert site.desk.commands == []


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("content", [b"[]", b"{", b'{"reason":5,"offer":5,"driver":5}'])
async def test_a_body_that_is_no_move_is_refused(
    site: Site, verb: str, content: bytes
) -> None:
    path = f"/api/trips/{TRIP}/{verb}"
    headers = who_may(site, verb)
    response = await site.client.post(path, content=content, headers=headers)
    takes = verb in {"accept", "decline", "cancel", "assign"}
    if content[:2] == b'{"' and not takes:
        assert response.status_code == 200  # unknown fields are ignored
        return
    code = "bad_frame" if content == b"{" else "invalid_data"
    problem(response, 400 if content == b"{" else 422, code)
    assert site.desk.commands == []


@pytest.mark.parametrize("verb", sorted(COMMANDS.keys() - {"cancel"}))
async def test_who_may_not_send_the_frame_may_not_ask_over_http(
    site: Site, verb: str
) -> None:
    path = f"/api/trips/{TRIP}/{verb}"
    body = BODIES.get(verb, {})
    response = await site.client.post(path, json=body, headers=site.rider)
    problem(response, 403, "wrong_role")
    assert site.desk.commands == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.NOT_A_PARTICIPANT, 403),
        (Code.TRIP_NOT_FOUND, 404),
        (Code.TRIP_ALREADY_TAKEN, 409),
        (Code.TRIP_NOT_OPEN, 409),
        (Code.OFFER_EXPIRED, 409),
        (Code.WRONG_STATUS, 409),
        (Code.DRIVER_BUSY, 409),
        (Code.RIDER_BUSY, 409),
        (Code.INVALID_DATA, 422),
        (Code.RATE_LIMITED, 429),
        (Code.OVERLOADED, 503),
        (Code.UNAVAILABLE, 503),
    ],
)
async def test_what_the_leader_refuses_has_the_contract_s_status(
    site: Site, code: Code, status: int
) -> None:
    site.desk.answer = CommandAnswer("c", 1, refused=Refusal(code, "no", 7))
    path = f"/api/trips/{TRIP}/cancel"
    response = await site.client.post(path, headers=site.rider)
    assert problem(response, status, code.value) == "no"
    assert response.headers.get("retry-after") == (
        "7" if status in {429, 503} else None
    )
    response = await site.client.post("/api/trips", json=ADDRESSES, headers=site.rider)
    problem(response, status, code.value)


async def test_a_page_of_a_known_origin_may_make_trips_and_read_where(
    site: Site,
) -> None:
    origin = {"Origin": "https://app.example"}
    asks = origin | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key",
    }
    preflight = await site.client.options("/api/trips", headers=asks)
    assert preflight.status_code == 204
    for method in ("POST", "PATCH", "PUT"):
        assert method in preflight.headers["access-control-allow-methods"]
    site.desk.answer = MADE
    response = await site.client.post(
        "/api/trips", json=ADDRESSES, headers=site.rider | origin
    )
    exposed = response.headers["access-control-expose-headers"]
    assert {"Location", "Retry-After"} <= set(exposed.split(", "))
