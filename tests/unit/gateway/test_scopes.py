"""What service accounts' keys may: every route and every frame has its place."""

from typing import Any

import pytest
from litestar.di import Provide
from msgspec import UNSET
from msgspec.structs import replace

from gateway import scopes
from gateway.http import app
from gateway.http.docs import openapi
from gateway.session import client_frames
from schemas.claims import SERVICE_ISSUER, Service
from schemas.frame_types import CLIENT
from schemas.refusals import Code
from schemas.service_accounts import Scope
from schemas.trips import Role
from tests.unit.gateway.session.sessions import claims


def guarded() -> set[str]:
    """`METHOD /template` of all routes that need a token."""
    nobody = {
        name: Provide(lambda: None, sync_to_thread=False)
        for name in ("asker", "desk", "readiness")
    }
    document = openapi.document(app._described(with_metrics=True), nobody)
    return {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security")
    }


def test_every_route_that_needs_a_token_has_its_scopes_and_no_other_route() -> None:
    assert guarded() == scopes.ROUTES.keys()


def test_every_frame_has_its_scopes_and_no_other_frame() -> None:
    own = {"session.login", "session.refresh"}
    assert {frame.type for frame in CLIENT} - own == scopes.FRAMES.keys()
    assert client_frames.KINDS.keys() == scopes.FRAMES.keys()


def key_of(*may: Scope) -> Any:
    made = Service("k", may)
    return replace(claims(Role.OPERATOR), iss=SERVICE_ISSUER, service=made)


@pytest.mark.parametrize("what", [*scopes.FRAMES, *scopes.ROUTES])
def test_people_and_keys_without_scopes_may_all_that_operators_may(what: str) -> None:
    assert claims(Role.OPERATOR).service is UNSET
    assert scopes.lacking(claims(Role.OPERATOR), what) is None
    assert scopes.lacking(key_of(), what) is None


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        (
            Scope.TRIPS,
            {
                *("POST /api/trips", "GET /api/trips", "trip.assign", "trip.get"),
                *("GET /api/trips/{trip_id}/track", "POST /api/trips/{trip_id}/cancel"),
            },
        ),
        (
            Scope.DRIVERS,
            {"GET /api/drivers", "PUT /api/drivers/{user_id}/tags", "driver.online"},
        ),
        (
            Scope.ROOMS,
            {
                *("chat.join", "chat.send", "POST /api/rooms/{room}/messages"),
                *(
                    "GET /api/rooms/{room}/messages",
                    "POST /api/users/{user_id}/notices",
                ),
            },
        ),
        (
            Scope.READ,
            {
                *("GET /api/trips", "GET /api/drivers", "trip.get", "chat.join"),
                *("GET /api/rooms/{room}/messages", "GET /api/trips/{trip_id}/events"),
                "GET /api/webhooks",
            },
        ),
        (
            Scope.WEBHOOKS,
            {"GET /api/webhooks", "DELETE /api/webhooks/{webhook}"},
        ),
    ],
)
def test_a_scope_allows_its_own_and_nothing_else(scope: Scope, may: set[str]) -> None:
    key = key_of(scope)
    tried = {*may, "POST /api/trips", "trip.assign", "PUT /api/drivers/{user_id}/tags"}
    tried |= {"chat.send", "POST /api/users/{user_id}/revoke", "GET /api/nowhere"}
    assert {what for what in tried if scopes.lacking(key, what) is None} == may
    for what in ("GET /api/me", "DELETE /api/tokens"):
        assert scopes.lacking(key, what) is None


def test_reading_is_all_that_a_key_for_reading_may() -> None:
    key = key_of(Scope.READ)
    for what in scopes.ROUTES:
        may = scopes.lacking(key, what) is None
        assert may == what.startswith("GET ") or what == "DELETE /api/tokens", what


def test_any_of_its_scopes_is_enough_and_what_lacks_is_told() -> None:
    key = key_of(Scope.ROOMS, Scope.READ)
    assert scopes.lacking(key, "GET /api/trips") is None
    assert scopes.lacking(key, "chat.send") is None
    refusal = scopes.lacking(key, "POST /api/trips")
    assert refusal is not None
    assert refusal.code is Code.WRONG_ROLE
    assert refusal.message == "the key needs trips; it has rooms, read"
