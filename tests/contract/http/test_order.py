"""In which order a request is refused, on every route that needs a token: who it is,
what is wrong with what was sent, who may not, which thing isn't there (PROTOCOL.md
section 3).
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import httpx

from gateway.http.app import _described
from gateway.http.requests import operators_only, signed_in
from schemas.scopes import Needs
from schemas.service_accounts import Scope
from tests.contract.http.conftest import RIDER, Site, bearer, problem
from tests.contract.http.test_service_accounts import KEY, known

FITS: dict[str, Any] = {
    "POST /api/trips": {"pick_up_address": "a", "drop_off_address": "b"},
    "POST /api/trips/{trip_id}/assign": {"driver": RIDER},
    "PUT /api/drivers/{user_id}/tags": {"tags": []},
    "POST /api/rooms/{room}/messages": {"text": "a"},
    "POST /api/users/{user_id}/notices": {"data": {}},
    "POST /api/webhooks": {"url": "https://example.com", "events": ["trip.*"]},
    "POST /api/webhooks/{webhook}/replay": {"since": 0},
}
"""Bodies that routes take; of all others, an empty object."""
LONG_AGO = {"pick_up_at": "2001-01-01T00:00:00Z"}
BEFORE_WHO_MAY = (
    (b"{", 400, "bad_frame"),
    (b"x" * (64 * 1024 + 1), 413, "bad_frame"),
    (b"[]", 422, "invalid_data"),
)


class Route(NamedTuple):
    """`name`: method and template. `needs`: as schemas/scopes.py has them."""

    name: str
    takes_body: bool
    is_operators: bool
    needs: Needs

    def path(self, thing: str = RIDER) -> str:
        path = self.name.partition(" ")[2]
        for name in ("trip_id", "user_id", "webhook", "room"):
            path = path.replace(f"{{{name}}}", thing)
        return path


def routes() -> Iterator[Route]:
    for router in _described(with_metrics=True):
        for route in router.routes:
            for handler in getattr(route, "route_handlers", ()):
                guards = handler.resolve_guards()
                (method,) = handler.http_methods
                if signed_in in guards and method != "OPTIONS":
                    path = route.path.replace(":str", "")
                    yield Route(
                        f"{method} {path}",
                        "data" in handler.parsed_fn_signature.parameters,
                        operators_only in guards,
                        handler.opt["needs"],
                    )


ROUTES = sorted(routes(), key=attrgetter("name"))
OPERATORS = [route for route in ROUTES if route.is_operators]


async def ask(
    site: Site, route: Route, who: dict[str, str], body: Any, thing: str = RIDER
) -> httpx.Response:
    method = route.name.partition(" ")[0]
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    if not route.takes_body and not isinstance(body, bytes):
        sent = {}
    return await site.client.request(method, route.path(thing), headers=who, **sent)


def test_every_route_is_tried() -> None:
    assert len(ROUTES) > 30
    assert len(OPERATORS) > 15
    assert set(FITS) <= {route.name for route in ROUTES if route.takes_body}


async def test_who_it_is_comes_first(site: Site) -> None:
    for route in ROUTES:
        for body in (FITS.get(route.name, {}), b"{", b"[]"):
            problem(await ask(site, route, {}, body), 401, "not_authenticated")
            answer = await ask(site, route, bearer("x"), body, thing="x")
            problem(answer, 401, "not_authenticated")
    assert site.persistence.asked == []


async def _asked_by_who_may_not(site: Site, route: Route, who: dict[str, str]) -> None:
    if route.takes_body:
        for body, status, code in BEFORE_WHO_MAY:
            problem(await ask(site, route, who, body), status, code)
        nul = FITS.get(route.name, {}) | {"more": "\0"}
        problem(await ask(site, route, who, nul), 422, "invalid_data")
    if route.name in {"POST /api/trips", "PATCH /api/trips/{trip_id}"}:
        booked = FITS.get(route.name, {}) | LONG_AGO
        problem(await ask(site, route, who, booked), 422, "invalid_data")
    for thing in (RIDER, "x"):
        answer = await ask(site, route, who, FITS.get(route.name, {}), thing)
        problem(answer, 403, "wrong_role")


async def test_what_is_wrong_with_it_comes_before_a_role_that_may_not(
    site: Site,
) -> None:
    for route in OPERATORS:
        await _asked_by_who_may_not(site, route, site.rider)
    refused = {name for name, _ in site.persistence.asked}
    assert refused == {"accounts.denied"}
    assert len(site.persistence.asked) == 2 * len(OPERATORS)
    assert site.desk.commands == []


async def test_what_is_wrong_with_it_comes_before_a_key_s_scopes_that_may_not(
    site: Site,
) -> None:
    for route in ROUTES:
        if route.needs is None or route.needs:
            (has, *_) = sorted(set(Scope) - (route.needs or set()))
            known(site, has)
            site.identity.service_keys._known.clear()
            await _asked_by_who_may_not(site, route, bearer(KEY))
    assert site.desk.commands == []


async def test_who_may_hears_what_is_wrong_before_that_it_isn_t_there(
    site: Site,
) -> None:
    known(site)
    operator = bearer(KEY)
    for route in ROUTES:
        if route.takes_body:
            problem(await ask(site, route, operator, b"[]", "x"), 422, "invalid_data")
        may_be_missing = "{" in route.name and "/notices" not in route.name
        if route.is_operators and may_be_missing:
            answer = await ask(site, route, operator, FITS.get(route.name, {}), "x")
            assert answer.status_code == 404, (route, answer.text)
