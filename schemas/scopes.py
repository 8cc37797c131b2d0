"""What a service account's key must be allowed for a route or a frame (PROTOCOL.md
section 5): each names it itself. People's tokens, and keys without scopes, may all that
their role may. Pure.
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


def lacking(claims: Claims, needs: Needs) -> Refusal | None:
    """None: what needs that may be done with these claims; else why not."""
    service = claims.service
    if service is UNSET or not service.scopes:
        return None
    if needs is not None and (not needs or needs & set(service.scopes)):
        return None
    wanted = " or ".join(sorted(needs)) if needs else "no scopes at all"
    has = ", ".join(service.scopes)
    return Refusal(Code.WRONG_ROLE, f"the key needs {wanted}; it has {has}")
