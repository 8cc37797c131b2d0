"""What goes wrong, by name.

CabrankError
 ├─ Refused            what was asked was not done; one class a code of the protocol
 │   ├─ BadFrame, UnknownType, InvalidData
 │   ├─ NotAuthenticated, BadCredentials, WrongRole
 │   ├─ NotAParticipant, TripNotFound, TripAlreadyTaken, TripNotOpen, WrongStatus
 │   ├─ DriverBusy, RiderBusy, OfferExpired, RoomForbidden
 │   ├─ RateLimited, Overloaded       asking again later may help
 │   └─ Unavailable                   the outcome is unknown: look before asking again
 ├─ Closed             the session has ended for good
 ├─ SlowReader         somebody who reads events was too far behind
 └─ UnexpectedAnswer   what answered is no cabrank server
"""

from typing import ClassVar


class CabrankError(Exception):
    """Root of all that this package raises for what came from outside."""


class Refused(CabrankError):
    """The server did not do what was asked.

    `code` is of the protocol's closed set (section 3); a code of a later server's comes
    as this class itself. `message` is fit to show to a user. `retryable`: asking again
    may help, not before `retry_after_s` seconds where that is told.
    """

    CODE: ClassVar[str] = ""
    RETRYABLE: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.CODE if code is None else code
        self.retryable = self.RETRYABLE if retryable is None else retryable
        self.retry_after_s = retry_after_s


class BadFrame(Refused):
    CODE = "bad_frame"


class UnknownType(Refused):
    """There is no such frame, path or method."""

    CODE = "unknown_type"


class InvalidData(Refused):
    CODE = "invalid_data"


class NotAuthenticated(Refused):
    """No token, or none that is good (any more)."""

    CODE = "not_authenticated"


class BadCredentials(Refused):
    CODE = "bad_credentials"


class WrongRole(Refused):
    """The role, or the service account's scopes, don't allow it."""

    CODE = "wrong_role"


class NotAParticipant(Refused):
    CODE = "not_a_participant"


class TripNotFound(Refused):
    CODE = "trip_not_found"


class TripAlreadyTaken(Refused):
    CODE = "trip_already_taken"


class TripNotOpen(Refused):
    CODE = "trip_not_open"


class DriverBusy(Refused):
    CODE = "driver_busy"


class RiderBusy(Refused):
    CODE = "rider_busy"


class OfferExpired(Refused):
    CODE = "offer_expired"


class WrongStatus(Refused):
    CODE = "wrong_status"


class RoomForbidden(Refused):
    CODE = "room_forbidden"


class RateLimited(Refused):
    CODE = "rate_limited"
    RETRYABLE = True


class Overloaded(Refused):
    CODE = "overloaded"
    RETRYABLE = True


class Unavailable(Refused):
    """It may have been done or not: the server said so, or the connection was lost
    before the answer, or there is none.
    """

    CODE = "unavailable"
    RETRYABLE = True


class Closed(CabrankError):
    """The session has ended, and isn't come back from.

    `code`: the WebSocket's close code (4500-4999), or None where it ended before one
    came: nobody is logged in, or the address leads nowhere.
    """

    def __init__(self, code: int | None, reason: str) -> None:
        known = "" if code is None else f" ({code})"
        super().__init__(f"the session is closed{known}: {reason}")
        self.code = code
        self.reason = reason


class SlowReader(CabrankError):
    """More came than a reader's buffer holds; what was in it has been handed out."""


class UnexpectedAnswer(CabrankError):
    """An answer that a cabrank server doesn't give."""


BY_CODE: dict[str, type[Refused]] = {
    refused.CODE: refused for refused in Refused.__subclasses__()
}


def refusal(
    code: str,
    message: str,
    *,
    retryable: bool | None = None,
    retry_after_s: float | None = None,
) -> Refused:
    """The error of that code."""
    kind = BY_CODE.get(code, Refused)
    return kind(message, code=code, retryable=retryable, retry_after_s=retry_after_s)
