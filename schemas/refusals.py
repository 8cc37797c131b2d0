"""The closed set of refusals, PROTOCOL.md section 3."""

from enum import StrEnum
from typing import Self

from msgspec import Struct


class Code(StrEnum):
    # No docstring: /asyncapi.json would tell it. Each has the status that an HTTP
    # answer of it has, unless the route says better (a taken username is 409 with
    # `invalid_data`; an unknown user or path is 404), the title of its problem details,
    # and whether asking again may help.
    http_status: int
    http_title: str
    is_retryable: bool

    def __new__(
        cls, value: str, status: int, title: str, is_retryable: bool = False
    ) -> Self:
        code = str.__new__(cls, value)
        code._value_ = value
        code.http_status, code.http_title = status, title
        code.is_retryable = is_retryable
        return code

    BAD_FRAME = "bad_frame", 400, "The request can't be read"
    UNKNOWN_TYPE = "unknown_type", 400, "There is no such thing here"
    INVALID_DATA = "invalid_data", 422, "The data doesn't fit"
    NOT_AUTHENTICATED = "not_authenticated", 401, "An access token is needed"
    BAD_CREDENTIALS = "bad_credentials", 401, "Wrong username or password"
    WRONG_ROLE = "wrong_role", 403, "Not for this role"
    NOT_A_PARTICIPANT = "not_a_participant", 403, "Not your trip"
    TRIP_NOT_FOUND = "trip_not_found", 404, "No such trip"
    TRIP_ALREADY_TAKEN = "trip_already_taken", 409, "The trip has a driver already"
    TRIP_NOT_OPEN = "trip_not_open", 409, "The trip has ended"
    DRIVER_BUSY = "driver_busy", 409, "The driver has an active trip"
    RIDER_BUSY = "rider_busy", 409, "The rider has an active trip"
    OFFER_EXPIRED = "offer_expired", 409, "The offer has expired"
    WRONG_STATUS = "wrong_status", 409, "The trip's status doesn't allow it"
    ROOM_FORBIDDEN = "room_forbidden", 403, "Not your room"
    RATE_LIMITED = "rate_limited", 429, "Too many requests", True
    OVERLOADED = "overloaded", 503, "Overloaded", True
    UNAVAILABLE = "unavailable", 503, "Unavailable", True


class Refusal(Struct, frozen=True, omit_defaults=True):
    """A command, frame or request that was not carried out, and why."""

    code: Code
    message: str
    retry_after_s: int = 0
    """When to ask again, where that is known: HTTP's Retry-After."""

    @property
    def retryable(self) -> bool:
        return self.code.is_retryable
