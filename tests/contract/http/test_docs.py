import re
from typing import Any

from openapi_spec_validator import validate

from schemas.frame_types import CLIENT, SERVER
from schemas.refusals import Code
from tests.contract.http.conftest import Site

HOOK = "/api/webhooks/{webhook}"
ROUTES = {
    ("post", "/api/users"): {"201", "400", "409", "413", "422", "429", "503"},
    ("post", "/api/tokens"): {"200", "400", "401", "413", "422", "429", "503"},
    ("post", "/api/tokens/refresh"): {"200", "400", "401", "413", "422", "503"},
    ("delete", "/api/tokens"): {"204", "401", "403", "429", "503"},
    ("post", "/api/users/{user_id}/revoke"): {"204", "401", "403", "404", "429", "503"},
    ("get", "/api/users"): {"200", "401", "403", "422", "429", "503"},
    ("get", "/api/users/{user_id}"): {"200", "401", "403", "404", "429", "503"},
    ("get", "/api/regions"): {"200", "401", "403", "429"},
    ("get", "/api/me"): {"200", "401", "429"},
    ("get", "/api/trips"): {"200", "401", "422", "429", "503"},
    ("get", "/api/trips/{trip_id}"): {"200", "401", "403", "404", "429", "503"},
    ("get", "/api/trips/{trip_id}/events"): {"200", "401", "403", "404", "429", "503"},
    ("get", "/api/trips/{trip_id}/track"): {"200", "401", "403", "404", "429", "503"},
    ("get", "/api/trips/{trip_id}/matching"): {
        *("200", "401", "403", "404", "422", "429", "503"),
    },
    ("post", "/api/trips"): {
        *("201", "400", "401", "403", "409", "413", "422", "429", "503"),
    },
    **{
        ("post", f"/api/trips/{{trip_id}}/{verb}"): {
            *("200", "400", "401", "403", "404", "409", "413", "422", "429", "503"),
        }
        for verb in (
            *("accept", "decline", "arrive", "begin"),
            *("complete", "release", "cancel", "assign"),
        )
    },
    ("patch", "/api/trips/{trip_id}"): {
        *("200", "400", "401", "403", "404", "409", "413", "422", "429", "503"),
    },
    ("get", "/api/drivers"): {"200", "401", "403", "422", "429", "503"},
    ("get", "/api/drivers/{user_id}"): {"200", "401", "403", "404", "429", "503"},
    ("put", "/api/drivers/{user_id}/tags"): {
        *("200", "400", "401", "403", "404", "413", "422", "429", "503"),
    },
    ("get", "/api/rooms/{room}/messages"): {
        "200",
        "401",
        "403",
        "404",
        "422",
        "429",
        "503",
    },
    ("post", "/api/rooms/{room}/messages"): {
        *("201", "400", "401", "403", "404", "413", "422", "429", "503"),
    },
    ("post", "/api/users/{user_id}/notices"): {
        *("202", "400", "401", "403", "404", "413", "422", "429", "503"),
    },
    ("get", "/api/webhooks"): {"200", "401", "403", "429", "503"},
    ("post", "/api/webhooks"): {
        *("201", "400", "401", "403", "409", "413", "422", "429", "503"),
    },
    ("get", HOOK): {"200", "401", "403", "404", "429", "503"},
    ("patch", HOOK): {
        *("200", "400", "401", "403", "404", "413", "422", "429", "503"),
    },
    ("delete", HOOK): {"204", "401", "403", "404", "429", "503"},
    ("get", f"{HOOK}/deliveries"): {
        *("200", "401", "403", "404", "422", "429", "503"),
    },
    ("post", f"{HOOK}/replay"): {
        *("202", "400", "401", "403", "404", "413", "422", "429", "503"),
    },
    ("post", f"{HOOK}/secret"): {"201", "401", "403", "404", "429", "503"},
    ("get", "/.well-known/jwks.json"): {"200"},
    ("get", "/healthz"): {"200"},
    ("get", "/readyz"): {"200", "503"},
    ("get", "/metrics"): {"200"},
}
BOTH = {("post", "/api/users"), ("post", "/api/tokens")}
"""Public, beside another method of the same path that isn't."""
PUBLIC = {
    "/.well-known/jwks.json",
    "/api/tokens/refresh",
    "/healthz",
    "/readyz",
    "/metrics",
}


async def openapi(site: Site) -> Any:
    return (await site.client.get("/openapi.json")).json()


async def test_openapi_is_valid_and_lists_every_route_with_its_answers(
    site: Site,
) -> None:
    document = await openapi(site)
    validate(document)
    assert document["openapi"].startswith("3.1")
    listed = {
        (method, path): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert listed == ROUTES


async def test_openapi_says_which_routes_need_a_token_and_they_do(site: Site) -> None:
    for path, methods in (await openapi(site))["paths"].items():
        for method, operation in methods.items():
            real = path.replace("{trip_id}", "x").replace("{user_id}", "x")
            response = await site.client.request(method, real)
            refused = response.status_code == 401
            assert refused == (operation.get("security") == [{"bearer": []}]), path
            assert refused == (path not in PUBLIC and (method, path) not in BOTH), path


async def test_every_error_in_openapi_is_a_problem(site: Site) -> None:
    document = await openapi(site)
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["properties"]) == {"type", "title", "status", "detail", "code"}
    codes = document["components"]["schemas"]["Code"]["enum"]
    assert set(codes) == {code.value for code in Code}


async def test_openapi_has_the_shapes_of_schemas(site: Site) -> None:
    shapes = (await openapi(site))["components"]["schemas"]
    sign_up = shapes["SignUpBody"]["properties"]
    assert (sign_up["username"]["maxLength"], sign_up["password"]["minLength"]) == (
        150,
        8,
    )
    assert sign_up["role"]["enum"] == ["rider", "driver"]
    assert "\\Z" not in sign_up["username"]["pattern"]
    assert {"Trip", "Tokens", "User", "AuditRow"} <= set(shapes)


async def test_openapi_says_which_bodies_may_be_empty_and_where_a_trip_is(
    site: Site,
) -> None:
    paths = (await openapi(site))["paths"]
    needed = {
        path: operation["requestBody"]["required"]
        for path, methods in paths.items()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert needed["/api/trips"]
    assert needed["/api/trips/{trip_id}/assign"]
    for verb in ("accept", "decline", "arrive", "cancel"):
        assert not needed[f"/api/trips/{{trip_id}}/{verb}"]
    assert "Location" in paths["/api/trips"]["post"]["responses"]["201"]["headers"]
    names = {each["name"] for each in paths["/api/trips"]["post"]["parameters"]}
    assert names == {"Idempotency-Key"}


async def test_openapi_tells_how_a_notice_is_counted(site: Site) -> None:
    document = await openapi(site)
    notices = document["paths"]["/api/users/{user_id}/notices"]["post"]
    (count,) = (p for p in notices["parameters"] if p["in"] == "query")
    assert (count["name"], count["schema"]["default"]) == ("count", False)
    assert set(document["components"]["schemas"]["Heard"]["properties"]) == {"sessions"}


async def test_asyncapi_is_served(site: Site) -> None:
    document = (await site.client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["ws"]["address"] == "/ws"


async def test_the_docs_page_tells_all_routes_frames_and_refusals(site: Site) -> None:
    response = await site.client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    for _, path in ROUTES:
        assert path in response.text
    for frame in (*CLIENT, *SERVER):
        assert f"<code>{frame.type}</code>" in response.text
    for code in Code:
        assert f"id='{code.value}'" in response.text  # a problem's `type` leads here


async def test_the_docs_page_needs_nothing_from_elsewhere(site: Site) -> None:
    text = (await site.client.get("/docs")).text
    assert "<script" not in text
    links = re.findall(r"(?:href|src)=['\"]([^'\"]+)['\"]", text)
    assert links
    anchors = set(re.findall(r"id='([^']+)'", text))
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        else:
            assert link.startswith("/")
            assert (await site.client.get(link)).status_code == 200
    style = (await site.client.get("/docs/docs.css")).text
    assert "url(" not in style
    assert "@import" not in style


async def test_a_slash_at_the_end_leads_to_the_docs_too(site: Site) -> None:
    response = await site.client.get("/docs/", follow_redirects=True)
    assert response.status_code == 200
    assert response.url.path.rstrip("/") == "/docs"
