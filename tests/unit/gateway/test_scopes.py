"""What service accounts' keys may: every route and every frame has its place."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.http import app
from gateway.http.requests import signed_in
from gateway.session import client_frames
from schemas import scopes
from schemas.claims import SERVICE_ISSUER, Claims, Service
from schemas.frame_types import CLIENT
from schemas.refusals import Code, Refusal
from schemas.service_accounts import Scope
from schemas.trips import Role
from tests.unit.gateway.session.sessions import claims


def handlers() -> Iterator[tuple[str, Any]]:
    """`METHOD /template` of all routes, and what answers it."""
    for router in app._described(with_metrics=True):
        for route in router.routes:
            for handler in getattr(route, "route_handlers", ()):
                path = re.sub(r":\w+}", "}", route.path)
                yield from (
                    (f"{method} {path}", handler) for method in handler.http_methods
                )


HANDLERS = {name: one for name, one in handlers() if not name.startswith("OPTIONS")}
ROUTES = {
    name: one.opt["needs"] for name, one in HANDLERS.items() if "needs" in one.opt
}
NEEDS = ROUTES | {frame.type: frame.needs for frame in CLIENT}


def test_every_route_that_needs_a_token_has_its_scopes_and_no_other_route() -> None:
    guarded = {
        name for name, one in HANDLERS.items() if signed_in in one.resolve_guards()
    }
    assert len(guarded) > 30
    assert guarded == ROUTES.keys()


def test_every_frame_that_there_is_becomes_something() -> None:
    own = {"session.login", "session.refresh"}
    assert {frame.type for frame in CLIENT} - own == client_frames.BUILDS.keys()


def lacking(claims: Claims, what: str) -> Refusal | None:
    return scopes.lacking(claims, NEEDS.get(what, scopes.ALL))


def key_of(*may: Scope) -> Any:
    made = Service("k", may)
    return replace(claims(Role.OPERATOR), iss=SERVICE_ISSUER, service=made)


@pytest.mark.parametrize("what", sorted(NEEDS))
def test_people_and_keys_without_scopes_may_all_that_operators_may(what: str) -> None:
    assert claims(Role.OPERATOR).service is UNSET
    assert lacking(claims(Role.OPERATOR), what) is None
    assert lacking(key_of(), what) is None


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
    assert {what for what in tried if lacking(key, what) is None} == may
    for what in ("GET /api/me", "DELETE /api/tokens"):
        assert lacking(key, what) is None


def test_reading_is_all_that_a_key_for_reading_may() -> None:
    key = key_of(Scope.READ)
    for what in ROUTES:
        may = lacking(key, what) is None
        assert may == what.startswith("GET ") or what == "DELETE /api/tokens", what


def test_any_of_its_scopes_is_enough_and_what_lacks_is_told() -> None:
    key = key_of(Scope.ROOMS, Scope.READ)
    assert lacking(key, "GET /api/trips") is None
    assert lacking(key, "chat.send") is None
    refusal = lacking(key, "POST /api/trips")
    assert refusal is not None
    assert refusal.code is Code.WRONG_ROLE
    assert refusal.message == "the key needs trips; it has rooms, read"
