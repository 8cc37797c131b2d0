"""The closed set of refusals, PROTOCOL.md section 3."""

from enum import StrEnum

from msgspec import Struct


class Code(StrEnum):
    BAD_FRAME = "bad_frame"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_DATA = "invalid_data"
    NOT_AUTHENTICATED = "not_authenticated"
    BAD_CREDENTIALS = "bad_credentials"
    WRONG_ROLE = "wrong_role"
    NOT_A_PARTICIPANT = "not_a_participant"
    TRIP_NOT_FOUND = "trip_not_found"
    TRIP_ALREADY_TAKEN = "trip_already_taken"
    TRIP_NOT_OPEN = "trip_not_open"
    DRIVER_BUSY = "driver_busy"
    RIDER_BUSY = "rider_busy"
    OFFER_EXPIRED = "offer_expired"
    WRONG_STATUS = "wrong_status"
    ROOM_FORBIDDEN = "room_forbidden"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"


RETRYABLE = frozenset({Code.RATE_LIMITED, Code.OVERLOADED, Code.UNAVAILABLE})

HTTP_STATUS: dict[Code, int] = {
    Code.BAD_FRAME: 400,
    Code.UNKNOWN_TYPE: 400,
    Code.INVALID_DATA: 422,
    Code.NOT_AUTHENTICATED: 401,
    Code.BAD_CREDENTIALS: 401,
    Code.WRONG_ROLE: 403,
    Code.NOT_A_PARTICIPANT: 403,
    Code.ROOM_FORBIDDEN: 403,
    Code.TRIP_NOT_FOUND: 404,
    Code.TRIP_ALREADY_TAKEN: 409,
    Code.TRIP_NOT_OPEN: 409,
    Code.DRIVER_BUSY: 409,
    Code.RIDER_BUSY: 409,
    Code.OFFER_EXPIRED: 409,
    Code.WRONG_STATUS: 409,
    Code.RATE_LIMITED: 429,
    Code.OVERLOADED: 503,
    Code.UNAVAILABLE: 503,
}
"""The status an HTTP answer of that code has, unless the route says better (a taken
username is 409 with `invalid_data`; an unknown user or path is 404)."""


class Refusal(Struct, frozen=True, omit_defaults=True):
    """A command, frame or request that was not carried out, and why."""

    code: Code
    message: str
    retry_after_s: int = 0
    """When to ask again, where that is known: HTTP's Retry-After."""

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE
