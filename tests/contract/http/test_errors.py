"""What every route has in common: who may call, what is too much or no request."""

import asyncio
import json

import httpx
import pytest
from litestar.utils import normalize_path

from gateway import problems
from gateway.http.app import create_app
from gateway.http.outer import PATH_CHARS_MAX
from gateway.identity.tokens import Identity
from runtime import bus, questions
from runtime.settings import Settings
from schemas.accounts import Revocation
from schemas.refusals import Code
from schemas.trips import Role
from tests.contract.http.conftest import (
    RIDER,
    TRIP,
    FakeDesk,
    Site,
    bearer,
    data,
    problem,
    refusal,
    serving,
)
from tests.support import nats
from tests.support.tokens import Tokens

LOG_IN = {"username": "ada", "password": "correct horse"}
NEED_A_TOKEN = [
    ("GET", "/api/me"),
    ("GET", "/api/trips"),
    ("GET", f"/api/trips/{TRIP}"),
    ("GET", f"/api/trips/{TRIP}/events"),
    ("DELETE", "/api/tokens"),
    ("POST", f"/api/users/{RIDER}/revoke"),
]


# ---- who ---------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), NEED_A_TOKEN)
async def test_without_a_token_it_is_401(site: Site, method: str, path: str) -> None:
    response = await site.client.request(method, path)
    problem(response, 401, "not_authenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert site.persistence.asked == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic YTpi",
        "Bearer a b",
        "Bearer {token} x",
        "{token}",
    ],
)
async def test_an_authorization_that_is_no_bearer_token_is_401(
    site: Site, header: str
) -> None:
    value = header.replace("{token}", site.tokens.issue())
    response = await site.client.get("/api/me", headers={"Authorization": value})
    problem(response, 401, "not_authenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(site: Site, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {site.tokens.issue()}"}
    response = await site.client.get("/api/me", headers=headers)
    assert response.status_code == 200


async def test_forged_and_expired_tokens_are_401_and_say_so(site: Site) -> None:
    for token in (
        Tokens().issue(),
        site.tokens.issue(ttl_s=-1),
        "eyJhbGciOiJub25lIn0.e30.",
        "é",
        "x" * 10_000,
    ):
        headers = {b"Authorization": b"Bearer " + token.encode()}
        response = await site.client.get("/api/me", headers=headers)  # type: ignore[arg-type]
        problem(response, 401, "not_authenticated")
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_revoked_token_is_401(site: Site) -> None:
    headers = bearer(site.tokens.issue())
    assert (await site.client.get("/api/me", headers=headers)).status_code == 200
    site.identity.revoke(Revocation(RIDER, "5e55", 0))
    response = await site.client.get("/api/me", headers=headers)
    problem(response, 401, "not_authenticated")


async def test_a_token_in_the_query_is_not_taken(site: Site) -> None:
    query = {"token": site.tokens.issue()}
    response = await site.client.get("/api/me", params=query)
    problem(response, 401, "not_authenticated")


async def test_who_it_is_comes_before_what_is_wrong(site: Site) -> None:
    response = await site.client.get("/api/trips?limit=0")
    problem(response, 401, "not_authenticated")


# ---- bodies ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"{'a': 1}",
        b'{"username": "ada"} x',
        b'"\xff\xfe"',
        b'{"username": "\\ud800"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"username=ada&password=correct",
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
async def test_a_body_that_is_no_json_is_400(site: Site, body: bytes) -> None:
    response = await site.client.post("/api/tokens", content=body)
    problem(response, 400, "bad_frame")
    assert site.persistence.asked == []


@pytest.mark.parametrize("body", ["null", "[]", "5", '"text"', "true", "[{}]"])
async def test_a_body_that_is_no_object_is_422(site: Site, body: str) -> None:
    response = await site.client.post("/api/tokens", content=body)
    problem(response, 422, "invalid_data")


@pytest.mark.parametrize("field", ["username", "password", "unknown"])
async def test_a_nul_anywhere_is_422_naming_where(site: Site, field: str) -> None:
    body = {**LOG_IN, field: {"deep": ["a\0"]} if field == "unknown" else "a\0"}
    response = await site.client.post("/api/tokens", json=body)
    assert problem(response, 422, "invalid_data").startswith(field)
    assert site.persistence.asked == []


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "?",
    ],
)
async def test_any_content_type_is_read_as_json(
    site: Site, content_type: str | None
) -> None:
    site.answers("accounts.log_in", refusal(Code.BAD_CREDENTIALS, "no"))
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await site.client.post(
        "/api/tokens", content=json.dumps({**LOG_IN, "more": 1}), headers=headers
    )
    problem(response, 401, "bad_credentials")
    ((operation, asked),) = site.persistence.asked
    assert asked.pop("device")  # a new one for each log-in without a cookie
    assert (operation, asked) == (
        "accounts.log_in",
        LOG_IN | {"address": "127.0.0.1"},
    )


def padded(size: int) -> bytes:
    body = json.dumps(LOG_IN).encode()
    return body + b" " * (size - len(body))


async def test_a_body_of_64_kib_is_taken(site: Site) -> None:
    site.answers("accounts.log_in", data({}))
    response = await site.client.post("/api/tokens", content=padded(64 * 1024))
    assert response.status_code == 200


@pytest.mark.parametrize("size", [64 * 1024 + 1, 8 * 1024 * 1024])
async def test_a_larger_body_is_413(site: Site, size: int) -> None:
    response = await site.client.post("/api/tokens", content=padded(size))
    problem(response, 413, "bad_frame")
    again = await site.client.get("/healthz")
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/tokens"), ("POST", "/api/users"), ("DELETE", "/api/tokens")],
)
async def test_a_larger_body_in_chunks_is_413(
    site: Site, method: str, path: str
) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield padded(16 * 1024)

    response = await site.client.request(
        method, path, content=chunks(), headers=site.rider
    )
    problem(response, 413, "bad_frame")
    assert site.persistence.asked == []


async def test_a_client_that_leaves_in_its_body_harms_nobody(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
    writer.write(head)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await site.client.get("/healthz")).status_code == 200


# ---- paths and methods -------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/trips/a/b/c",
        "/api/tokens",
        "/../etc/passwd",
        "/docs/../../x",
        "/%00",
        "/%ff",
        "/schema",
        "/" + "x" * 30_000,
    ],
    ids=lambda path: path[:20],
)
async def test_an_unknown_path_is_404_or_405(site: Site, path: str) -> None:
    response = await site.client.get(path)
    problem(response, 405 if path == "/api/tokens" else 404, "unknown_type")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/me", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/docs", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/tokens", {"POST", "DELETE", "OPTIONS"}),
        ("HEAD", "/api/tokens", {"POST", "DELETE", "OPTIONS"}),
        ("PROPFIND", "/api/tokens/refresh", {"POST", "OPTIONS"}),
    ],
)
async def test_another_method_is_405_with_allow(
    site: Site, method: str, path: str, allowed: set[str]
) -> None:
    response = await site.client.request(method, path)
    assert set(response.headers["allow"].split(", ")) == allowed
    if method != "HEAD":
        problem(response, 405, "unknown_type")


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/trips?limit=%ff%fe&\xff HTTP/1.1",
        b"GET /api/trips?" + b"a&" * 20_000 + b" HTTP/1.1",
        b"GET /%c0%ae%c0%ae/ HTTP/1.1",
        b"GET //////api////me// HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ],
    ids=lambda line: line[:24].decode("latin-1"),
)
async def test_strange_requests_are_refused_and_not_5xx(
    site: Site, request_line: bytes
) -> None:
    answer = await site.raw(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]


@pytest.mark.parametrize("long", ["a" * 50_000, "%61" * 20_000])
async def test_of_what_is_too_long_to_name_anything_little_is_kept(
    long: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The framework keeps the last 1,024 paths that routes take."""
    kept: list[str] = []

    def noted(path: str) -> str:
        kept.append(path)
        return normalize_path(path)

    monkeypatch.setattr("litestar._asgi.asgi_router.normalize_path", noted)
    answer = await site.client.get(f"/api/trips/{long}", headers=site.rider)
    problem(answer, 404, "trip_not_found")
    problem(await site.client.get(f"/api/trips/{long}"), 401, "not_authenticated")
    answer = await site.client.get("/a" * 20_000, headers=site.rider)
    problem(answer, 404, "unknown_type")
    assert len(kept) == 2
    assert max(map(len, kept)) < PATH_CHARS_MAX


async def test_a_bad_host_is_400(site: Site) -> None:
    response = await site.client.get("/healthz", headers={"Host": "a b<>"})
    problem(response, 400, "bad_frame")


# ---- persistence away --------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), NEED_A_TOKEN[1:])
async def test_without_persistence_it_is_503_with_retry_after(
    connection: bus.Bus, method: str, path: str
) -> None:
    tokens = Tokens()
    app = create_app(
        questions.Questions(connection),
        Identity(tokens.jwks),
        lambda: None,
        Settings(),
        FakeDesk(),
    )
    operator = bearer(tokens.issue(role=Role.OPERATOR))
    async with serving(app) as port:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base) as client:
            response = await client.request(method, path, headers=operator)
    assert problem(response, 503, "unavailable") == questions.NOBODY.refused.message  # type: ignore[union-attr]
    assert response.headers["retry-after"] == str(problems.RETRY_AFTER_S)


async def test_while_nats_is_away_it_is_503_and_afterwards_as_before(
    site: Site, nats_server: nats.NatsServer, connection: bus.Bus
) -> None:
    site.answers("history.trips", data([]))
    nats_server.kill()
    response = await site.client.get("/api/trips", headers=site.rider)
    problem(response, 503, "unavailable")
    nats_server.start()
    for _ in range(20):
        response = await site.client.get("/api/trips", headers=site.rider)
        if response.status_code == 200:
            break
    assert response.status_code == 200


async def test_an_overloaded_persistence_is_503_with_retry_after(site: Site) -> None:
    site.answers("accounts.log_in", refusal(Code.OVERLOADED, "too many log-ins"))
    response = await site.client.post("/api/tokens", json=LOG_IN)
    assert problem(response, 503, "overloaded") == "too many log-ins"
    assert response.headers["retry-after"] == "1"


async def test_a_rate_limit_is_429_with_retry_after(site: Site) -> None:
    site.answers("accounts.log_in", refusal(Code.RATE_LIMITED, "too many log-ins"))
    response = await site.client.post("/api/tokens", json=LOG_IN)
    problem(response, 429, "rate_limited")
    assert response.headers["retry-after"] == "1"


async def test_a_bug_of_ours_is_a_problem_without_a_traceback(
    connection: bus.Bus,
) -> None:
    def readiness() -> str | None:
        msg = "secret"
        raise RuntimeError(msg)

    tokens = Tokens()
    app = create_app(
        questions.Questions(connection),
        Identity(tokens.jwks),
        readiness,
        Settings(),
        FakeDesk(),
    )
    async with serving(app) as port:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base) as client:
            response = await client.get("/readyz")
    assert problem(response, 500, "unavailable") == "internal error"
