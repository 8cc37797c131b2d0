"""What a service account's key must be allowed for each route and each frame: one table
(PROTOCOL.md section 5). People's tokens, and keys without scopes, may all that their
role may. Pure.
"""

from msgspec import UNSET

from schemas.claims import Claims
from schemas.refusals import Code, Refusal
from schemas.service_accounts import Scope

Needs = frozenset[Scope] | None
"""Any one of these; empty: none is needed; None: only a key without scopes may."""

ANY: Needs = frozenset()
ALL: Needs = None
TRIPS: Needs = frozenset({Scope.TRIPS})
DRIVERS: Needs = frozenset({Scope.DRIVERS})
ROOMS: Needs = frozenset({Scope.ROOMS})
WEBHOOKS: Needs = frozenset({Scope.WEBHOOKS})
SEE_WEBHOOKS: Needs = frozenset({Scope.WEBHOOKS, Scope.READ})
SEE: Needs = frozenset({Scope.READ})
SEE_TRIPS: Needs = frozenset({Scope.TRIPS, Scope.READ})
SEE_DRIVERS: Needs = frozenset({Scope.DRIVERS, Scope.READ})
SEE_ROOMS: Needs = frozenset({Scope.ROOMS, Scope.READ})

FRAMES: dict[str, Needs] = {
    "trip.request": TRIPS,
    "trip.accept": TRIPS,
    "trip.decline": TRIPS,
    "trip.assign": TRIPS,
    "trip.reschedule": TRIPS,
    "trip.arrive": TRIPS,
    "trip.begin": TRIPS,
    "trip.complete": TRIPS,
    "trip.release": TRIPS,
    "trip.cancel": TRIPS,
    "trip.get": SEE_TRIPS,
    "driver.online": DRIVERS,
    "driver.offline": DRIVERS,
    "driver.location": DRIVERS,
    "ops.watch": SEE,
    "ops.unwatch": SEE,
    "chat.join": SEE_ROOMS,
    "chat.leave": SEE_ROOMS,
    "chat.send": ROOMS,
    "create.trip": TRIPS,
    "update.trip": TRIPS,
}
"""`session.…` is how one comes to have a token, and needs nothing."""

_TRIP = "/api/trips/{trip_id}"
_HOOK = "/api/webhooks/{webhook}"
ROUTES: dict[str, Needs] = {
    "GET /api/me": ANY,
    "DELETE /api/tokens": ANY,
    "GET /api/users": SEE,
    "GET /api/users/{user_id}": SEE,
    "POST /api/users/{user_id}/revoke": ALL,
    "GET /api/regions": SEE,
    "GET /api/trips": SEE_TRIPS,
    "POST /api/trips": TRIPS,
    f"GET {_TRIP}": SEE_TRIPS,
    f"PATCH {_TRIP}": TRIPS,
    f"GET {_TRIP}/events": SEE_TRIPS,
    f"GET {_TRIP}/matching": SEE_TRIPS,
    f"GET {_TRIP}/track": SEE_TRIPS,
    f"POST {_TRIP}/accept": TRIPS,
    f"POST {_TRIP}/decline": TRIPS,
    f"POST {_TRIP}/arrive": TRIPS,
    f"POST {_TRIP}/begin": TRIPS,
    f"POST {_TRIP}/complete": TRIPS,
    f"POST {_TRIP}/release": TRIPS,
    f"POST {_TRIP}/cancel": TRIPS,
    f"POST {_TRIP}/assign": TRIPS,
    "GET /api/drivers": SEE_DRIVERS,
    "GET /api/drivers/{user_id}": SEE_DRIVERS,
    "PUT /api/drivers/{user_id}/tags": DRIVERS,
    "GET /api/rooms/{room}/messages": SEE_ROOMS,
    "POST /api/rooms/{room}/messages": ROOMS,
    "POST /api/users/{user_id}/notices": ROOMS,
    "GET /api/webhooks": SEE_WEBHOOKS,
    "POST /api/webhooks": WEBHOOKS,
    f"GET {_HOOK}": SEE_WEBHOOKS,
    f"PATCH {_HOOK}": WEBHOOKS,
    f"DELETE {_HOOK}": WEBHOOKS,
    f"GET {_HOOK}/deliveries": SEE_WEBHOOKS,
    f"POST {_HOOK}/replay": WEBHOOKS,
    f"POST {_HOOK}/secret": WEBHOOKS,
}
"""By method and template, those that need a token at all."""

_NEEDS = FRAMES | ROUTES


def lacking(claims: Claims, what: str) -> Refusal | None:
    """None: a frame's type or a route may be used with these claims; else why not. What
    the table doesn't name, no key with scopes may.
    """
    service = claims.service
    if service is UNSET or not service.scopes:
        return None
    needs = _NEEDS.get(what, ALL)
    if needs is not None and (not needs or needs & set(service.scopes)):
        return None
    wanted = " or ".join(sorted(needs)) if needs else "no scopes at all"
    has = ", ".join(service.scopes)
    return Refusal(Code.WRONG_ROLE, f"the key needs {wanted}; it has {has}")
