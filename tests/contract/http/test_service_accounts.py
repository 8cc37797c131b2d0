"""Service accounts over HTTP: keys as tokens, keys for tokens, and their scopes."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from schemas.accounts import Revocation
from schemas.refusals import Code
from schemas.service_accounts import PREFIX, hash_of, id_of
from tests.contract.http.conftest import (
    OPERATOR,
    TRIP,
    Site,
    bearer,
    data,
    problem,
    refusal,
)

KEY = PREFIX + "k" * 43
KID = id_of(hash_of(KEY))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = {"grant_type": "client_credentials"}
TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 900}


def known(site: Site, *scopes: str, expires_ms: int | None = None) -> None:
    user = {"id": OPERATOR, "username": "billing", "first_name": "", "last_name": ""}
    holder = {"user": user | {"role": "operator"}, "region": "main", "key": KID}
    holder |= {"scopes": scopes, "made_ms": 1, "expires_ms": expires_ms}
    site.answers("accounts.check_key", data(holder))


def asked(site: Site, operation: str = "accounts.check_key") -> list[Any]:
    return [question for name, question in site.persistence.asked if name == operation]


# ---- a key as a token ----------------------------------------------------------


async def test_a_key_is_taken_as_a_token_and_asked_about_once(site: Site) -> None:
    known(site)
    many = [site.client.get("/api/me", headers=bearer(KEY)) for _ in range(20)]
    answers = await asyncio.gather(*many)
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json()["username"] == "billing"
    assert asked(site) == [{"key": KEY, "address": "127.0.0.1"}]


async def test_a_key_that_is_none_is_401_or_as_persistence_says(site: Site) -> None:
    for code, status in (
        (Code.NOT_AUTHENTICATED, 401),
        (Code.RATE_LIMITED, 429),
        (Code.UNAVAILABLE, 503),
    ):
        site.answers("accounts.check_key", refusal(code, "no"))
        response = await site.client.get("/api/me", headers=bearer(KEY))
        assert problem(response, status, code.value) == "no"
        if status == 401:
            challenge = response.headers["www-authenticate"]
            assert challenge == 'Bearer error="invalid_token"'
    assert len(asked(site)) == 3


@pytest.mark.parametrize("token", ["cbk_", KEY + "x", KEY[:-1], "CBK_" + "k" * 43])
async def test_what_only_looks_like_a_key_asks_nobody(site: Site, token: str) -> None:
    response = await site.client.get("/api/me", headers=bearer(token))
    problem(response, 401, "not_authenticated")
    assert site.persistence.asked == []


@pytest.mark.parametrize("session", [KID, None])
async def test_a_key_that_was_ended_is_refused_at_once(
    site: Site, session: str | None
) -> None:
    known(site)
    assert (await site.client.get("/api/me", headers=bearer(KEY))).status_code == 200
    site.identity.revoke(Revocation(OPERATOR, session, 10))
    response = await site.client.get("/api/me", headers=bearer(KEY))
    problem(response, 401, "not_authenticated")


async def test_an_expired_key_is_refused(site: Site) -> None:
    known(site, expires_ms=5)
    response = await site.client.get("/api/me", headers=bearer(KEY))
    problem(response, 401, "not_authenticated")


async def test_what_a_key_s_scopes_lack_is_403_and_in_the_audit_log(site: Site) -> None:
    known(site, "read")
    site.answers("history.trips", data([]))
    assert (await site.client.get("/api/trips", headers=bearer(KEY))).is_success
    path = f"/api/trips/{TRIP}/cancel"
    response = await site.client.post(path, headers=bearer(KEY))
    assert problem(response, 403, "wrong_role") == "the key needs trips; it has read"
    assert site.desk.commands == []
    (denied,) = asked(site, "accounts.denied")
    assert denied["route"] == "POST /api/trips/{trip_id}/cancel"
    assert denied["user"] == OPERATOR
    response = await site.client.post(
        f"/api/users/{OPERATOR}/revoke", headers=bearer(KEY)
    )
    problem(response, 403, "wrong_role")


async def test_a_key_with_its_scope_and_one_with_all_may(site: Site) -> None:
    for scopes in (("trips",), ()):
        known(site, *scopes)
        path = f"/api/trips/{TRIP}/cancel"
        response = await site.client.post(path, headers=bearer(KEY))
        assert response.status_code == 200
        site.identity.service_keys._known.clear()


async def test_a_key_is_not_logged_out(site: Site) -> None:
    known(site)
    response = await site.client.delete("/api/tokens", headers=bearer(KEY))
    problem(response, 403, "wrong_role")
    assert asked(site, "accounts.log_out") == []


# ---- a key for a token ---------------------------------------------------------


def basic(user: str, password: str) -> dict[str, str]:
    pair = f"{quote_plus(user)}:{quote_plus(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"client_secret": KEY}, {}),
        ({"client_secret": KEY, "client_id": "billing", "unknown": "1"}, {}),
        ({}, basic("billing", KEY)),
        ({}, basic("", KEY)),
        ({"client_id": "b"}, basic("b:c d", KEY)),
    ],
)
async def test_a_key_is_exchanged_by_form_or_basic(
    site: Site, fields: dict[str, str], headers: dict[str, str]
) -> None:
    site.answers("accounts.exchange", data(TOKEN))
    content = urlencode(GRANT | fields)
    response = await site.client.post(
        "/api/tokens", content=content, headers=FORM | headers
    )
    assert (response.status_code, response.json()) == (200, TOKEN)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers
    question = {"key": KEY, "address": "127.0.0.1", "scopes": []}
    assert asked(site, "accounts.exchange") == [question]


async def test_fewer_scopes_may_be_asked_for(site: Site) -> None:
    site.answers("accounts.exchange", data(TOKEN))
    fields = GRANT | {"client_secret": KEY, "scope": "trips read trips"}
    response = await site.client.post("/api/tokens", data=fields)
    assert response.status_code == 200
    (question,) = asked(site, "accounts.exchange")
    assert question["scopes"] == ["trips", "read"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        ("client_secret=x", {}, 422, "invalid_data"),
        ("grant_type=password&client_secret=x", {}, 422, "invalid_data"),
        ("grant_type=client_credentials", {}, 422, "invalid_data"),
        ("grant_type=client_credentials&client_secret=", {}, 422, "invalid_data"),
        (
            "grant_type=client_credentials&client_secret=a&client_secret=a",
            {},
            422,
            "invalid_data",
        ),
        (
            "grant_type=client_credentials&client_secret=a&scope=fly",
            {},
            422,
            "invalid_data",
        ),
        (
            "grant_type=client_credentials&client_secret=a%00",
            {},
            422,
            "invalid_data",
        ),
        (
            "grant_type=client_credentials&client_secret=a",
            basic("b", "a"),
            422,
            "invalid_data",
        ),
        (
            "grant_type=client_credentials",
            {"Authorization": "Basic !"},
            422,
            "invalid_data",
        ),
        (
            "grant_type=client_credentials",
            {"Authorization": "Basic /w=="},
            422,
            "invalid_data",
        ),
        ("%ff=%ff", {}, 400, "bad_frame"),
        ("\u00e9=1", {}, 400, "bad_frame"),
        ("&".join(f"f{n}=1" for n in range(33)), {}, 400, "bad_frame"),
        ("", {}, 400, "bad_frame"),
        ("x" * 65_537, {}, 413, "bad_frame"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_form_that_is_none_is_a_problem(
    site: Site, content: str, headers: dict[str, str], status: int, code: str
) -> None:
    response = await site.client.post(
        "/api/tokens", content=content.encode(), headers=FORM | headers
    )
    problem(response, status, code)
    assert site.persistence.asked == []


async def test_a_wrong_key_is_401_by_the_scheme_it_came_by(site: Site) -> None:
    site.answers("accounts.exchange", refusal(Code.BAD_CREDENTIALS, "no"))
    fields = GRANT | {"client_secret": "x"}
    response = await site.client.post("/api/tokens", data=fields)
    problem(response, 401, "bad_credentials")
    response = await site.client.post(
        "/api/tokens", data=GRANT, headers=basic("b", "x")
    )
    problem(response, 401, "bad_credentials")
    assert response.headers["www-authenticate"] == 'Basic realm="cabrank"'


async def test_json_at_the_same_path_is_a_password_s_log_in_as_ever(site: Site) -> None:
    site.answers("accounts.log_in", refusal(Code.BAD_CREDENTIALS, "no"))
    body = {"username": "ada", "password": "wrong", "grant_type": "client_credentials"}
    response = await site.client.post("/api/tokens", json=body)
    problem(response, 401, "bad_credentials")
    assert asked(site, "accounts.exchange") == []


async def test_openapi_tells_of_the_form_and_its_answer(site: Site) -> None:
    document = (await site.client.get("/openapi.json")).json()
    route = document["paths"]["/api/tokens"]["post"]
    form = route["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert form["schema"]["required"] == ["grant_type"]
    (either,) = route["responses"]["200"]["content"].values()
    assert [one.get("title") for one in either["schema"]["oneOf"]] == [
        None,
        "AccessToken",
    ]
