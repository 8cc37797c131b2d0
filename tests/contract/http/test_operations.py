import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import REGISTRY

from gateway import address
from gateway.http.app import create_app
from gateway.identity.tokens import Identity
from runtime.bus import Bus
from runtime.questions import Questions
from runtime.settings import Settings
from tests.contract.http.conftest import TRIP, FakeDesk, Site, data, problem, serving
from tests.support.tokens import Tokens

ORIGIN = "https://app.example"
GETS = ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"]


async def test_healthz_says_ok_also_when_not_ready(site: Site) -> None:
    site.missing = "NATS is away"
    response = await site.client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")


async def test_readyz_says_what_is_missing(site: Site) -> None:
    assert (await site.client.get("/readyz")).status_code == 200
    site.missing = "NATS is away"
    response = await site.client.get("/readyz")
    assert problem(response, 503, "unavailable") == "NATS is away"
    assert response.headers["retry-after"] == "1"
    site.missing = None
    assert (await site.client.get("/readyz")).status_code == 200


def requests_counted(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    name = "cabrank_gateway_http_requests_total"
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"/api/trips/{TRIP}", "/api/trips/{trip_id}", "200"),
        ("HEAD", f"/api/trips/{TRIP}", "/api/trips/{trip_id}", "200"),
        ("GET", "/api/trips/5", "/api/trips/{trip_id}", "404"),
        ("GET", "/no/such/path", "none", "404"),
        ("PROPFIND", "/healthz", "none", "405"),
    ],
)
async def test_requests_are_counted_by_route_and_never_by_path(
    site: Site, method: str, path: str, route: str, status: str
) -> None:
    site.answers("history.trip", data({}))
    label = method if method in {"GET", "HEAD"} else "other"
    before = requests_counted(route, label, status)
    await site.client.request(method, path, headers=site.rider)
    assert requests_counted(route, label, status) == before + 1
    text = (await site.client.get("/metrics")).text
    assert TRIP not in text
    assert "/no/such" not in text


async def test_metrics_are_prometheus_text(site: Site) -> None:
    await site.client.get("/healthz")
    response = await site.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert (
        'cabrank_gateway_http_request_seconds_bucket{le="0.01",route="/healthz"}'
        in (response.text)
    )


METRICS = [
    "/metrics",
    "/metrics?x=1",
    "/metrics/",
    "//metrics",
    "/%6detrics",
    "/./metrics",
]


@contextlib.asynccontextmanager
async def web(connection: Bus, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Of a gateway with these settings."""
    identity = Identity(Tokens().jwks)
    app = create_app(
        Questions(connection), identity, lambda: None, settings, FakeDesk()
    )
    async with (
        serving(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as web,
    ):
        yield web


async def test_with_an_ops_port_metrics_are_there_alone(connection: Bus) -> None:
    async with web(connection, Settings(ops_port=9000)) as outside:
        for path in METRICS:
            # Given whole: httpx takes "//metrics" for a host.
            response = await outside.get(str(outside.base_url).rstrip("/") + path)
            assert problem(response, 404, "unknown_type"), path
        assert "/metrics" not in (await outside.get("/openapi.json")).json()["paths"]
        assert (await outside.get("/readyz")).status_code == 200


async def test_what_up_hands_its_sockets_to_has_an_ops_port_as_well(
    connection: Bus,
) -> None:
    async with web(connection, Settings(ops_port=9000, listen_fds="3")) as outside:
        assert problem(await outside.get("/metrics"), 404, "unknown_type")


@pytest.mark.parametrize(
    "header",
    [
        *("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"),
        *("X-Forwarded-Port", "X-Forwarded", "X-Original-Forwarded-For"),
        *("True-Client-IP", "X-Cluster-Client-IP"),
    ],
)
async def test_metrics_are_not_for_whom_a_proxy_speaks(site: Site, header: str) -> None:
    response = await site.client.get("/metrics", headers={header: "127.0.0.1"})
    assert problem(response, 404, "unknown_type")
    assert (await site.client.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("host", "is_this_machine"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machine_s(
    host: str, *, is_this_machine: bool
) -> None:
    assert address.is_loopback(host) is is_this_machine


# ---- other sites' pages -------------------------------------------------------


async def test_a_page_of_an_allowed_origin_may_ask_first(site: Site) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    for path in ("/api/trips", "/api/me", f"/api/trips/{TRIP}", "/api/nope"):
        response = await site.client.options(path, headers=asked)
        assert response.status_code == 204, path
        assert response.headers["access-control-allow-origin"] == ORIGIN
        allowed = response.headers["access-control-allow-methods"]
        assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= {
            each.strip() for each in allowed.split(",")
        }
        names = response.headers["access-control-allow-headers"].lower()
        for name in ("authorization", "content-type", "idempotency-key"):
            assert name in names


async def test_a_page_of_an_allowed_origin_reads_answers_and_refusals(
    site: Site,
) -> None:
    for path in ("/healthz", "/api/me", "/api/nope", "//api"):
        url = str(site.client.base_url).rstrip("/") + path
        response = await site.client.get(url, headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == ORIGIN, path
        exposed = response.headers["access-control-expose-headers"].lower()
        assert "location" in exposed
        assert "retry-after" in exposed
        assert "origin" in response.headers["vary"].lower()


async def test_a_page_of_another_origin_reads_nothing(site: Site) -> None:
    for origin in ("https://evil.example", "null", ORIGIN + ".evil.example"):
        response = await site.client.get("/healthz", headers={"Origin": origin})
        assert "access-control-allow-origin" not in response.headers
        response = await site.client.options(
            "/api/me",
            headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
        )
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["capacitor://localhost", "tauri://localhost"])
async def test_an_app_s_origin_is_one_like_others(connection: Bus, origin: str) -> None:
    async with web(connection, Settings(origins=f"{origin.upper()}/")) as outside:
        response = await outside.get("/healthz", headers={"Origin": origin})
        assert response.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("path", [*GETS, "/api/me", "/api/trips"])
async def test_head_is_get_without_the_body(site: Site, path: str) -> None:
    site.answers("history.trips", data([]))
    got = await site.client.get(path, headers=site.rider)
    head = await site.client.head(path, headers=site.rider)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("path", [*GETS, "/", "/api/me", "/nope"])
async def test_every_answer_has_the_security_headers(site: Site, path: str) -> None:
    headers = (await site.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_answers_of_the_api_are_not_stored(site: Site) -> None:
    for headers in (site.rider, {}):
        response = await site.client.get("/api/me", headers=headers)
        assert response.headers["cache-control"] == "no-store"


async def test_pages_of_a_configured_origin_may_call(site: Site) -> None:
    preflight = await site.client.options(
        "/api/trips",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    for headers in (site.rider, {}):
        response = await site.client.get(
            "/api/me", headers={**headers, "Origin": ORIGIN}
        )
        assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil"])
async def test_pages_of_other_origins_may_not(site: Site, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    preflight = await site.client.options("/api/trips", headers=headers)
    assert "access-control-allow-origin" not in preflight.headers
    response = await site.client.get("/api/me", headers={**site.rider, **headers})
    assert "access-control-allow-origin" not in response.headers
