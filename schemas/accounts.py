"""What a gateway asks of persistence over NATS request-reply: accounts and history.

Subjects: `accounts.<operation>` and `history.<operation>`, queue group = first token.
Every answer is a `Result`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from schemas.codec import OptionalRaw
from schemas.forms import NAME, USERNAME
from schemas.names import CHARS_MAX
from schemas.refusals import Refusal
from schemas.trips import Role, Status, User

Username = Annotated[str, Meta(min_length=1, max_length=CHARS_MAX, pattern=USERNAME)]
"""The rest of what a username may be is schemas/names.py's to say."""
Password = Annotated[str, Meta(min_length=8, max_length=128)]
Name = Annotated[str, Meta(max_length=CHARS_MAX, pattern=NAME)]


PAGE_MAX = 100
PAGE_DEFAULT = 50


class Result(Struct, frozen=True, omit_defaults=True):
    """`data`, or `refused`. `status` overrides the code's usual HTTP status."""

    data: OptionalRaw = None
    refused: Refusal | None = None
    status: int | None = None
    retry_after_s: int | None = None
    """Of `rate_limited`: when to ask again."""
    more: bool = False
    """Whether `data` is a list that goes on: it was cut by bytes."""


# ---- accounts ----------------------------------------------------------------


class SignUpBody(Struct):
    """What a new user says."""

    username: Username
    password: Password
    role: Literal["rider", "driver"]
    first_name: Name = ""
    last_name: Name = ""


class SignUp(SignUpBody):
    """`accounts.sign_up` → Tokens. A taken name: `invalid_data`, status 409;
    `rate_limited` after too many from this address.
    """

    address: str = ""
    """Whence, as far as the gateway knows; so in the others."""
    device: str = ""
    """As in `LogIn`."""


class LogInBody(Struct):
    """What a user says."""

    username: str
    password: str


class LogIn(LogInBody):
    """`accounts.log_in` → Tokens; `bad_credentials`; `rate_limited` after too many of
    these, for this user or this address, unless the device logged in before.
    """

    address: str = ""
    device: str = ""
    """What the device's cookie says, where it keeps one."""


class RefreshTokens(Struct):
    """`accounts.refresh` → Tokens, or `not_authenticated`."""

    refresh: str


class LogOut(Struct):
    """`accounts.log_out` → null. Ends one session: its refresh token and, by a
    revocation, its access tokens.
    """

    user: str
    session: str
    address: str = ""


class Revoke(Struct):
    """`accounts.revoke` → null, or 404 `invalid_data` for an unknown user. Ends all
    sessions of a user.
    """

    user: str
    by: str
    address: str = ""


SESSIONS_TOLD_MAX = 100
"""The newest of a user's: some 17 KB."""


class ListUsers(Struct):
    """`accounts.users` → list[User], at most `limit`: those whose usernames begin with
    `name` (or whose id it is), by username; then those whose first or last names do.
    """

    name: Annotated[str, Meta(max_length=CHARS_MAX)] = ""
    role: Role | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT


class SeeUser(Struct):
    """`accounts.user` → UserTold, or 404 `invalid_data` for an unknown one."""

    user: str


class SessionTold(Struct):
    """A session that can be refreshed. Instants are RFC 3339."""

    id: str
    begun: str
    renewed: str | None
    """When its tokens were last exchanged for new ones; null: not yet."""
    expires: str
    """When it ends, unused."""


class UserTold(Struct):
    """A user as operators see them; `sessions` the newest first, at most 100 of
    `sessions_total`.
    """

    user: User
    region: str
    created: str
    sessions: list[SessionTold]
    sessions_total: int


class Denied(Struct):
    """`accounts.denied` → null: a user who is no operator asked for what is theirs; for
    the audit log.
    """

    user: str
    route: str
    """Method and template; never what was typed."""
    subject: str = ""
    """Whom it was to be done to: an id; empty: that is not known."""
    address: str = ""


class Meet(Struct, frozen=True):
    """`accounts.meet` → null: a user came with a good token of an outside issuer; their
    row is made, or brought up to date. `not_authenticated`: they were erased, and their
    sessions end again.
    """

    user: User
    region: str
    issuer: str
    subject: str
    """The issuer's `sub`."""


class Erase(Struct):
    """`operations.erase` → Erasure: the user with that id or username is gone, from
    rows, from sessions, and for ever. 404 `invalid_data` for an unknown one;
    `wrong_status` while they have a trip that has not ended. May be repeated.
    """

    user: str
    by: str


class Erasure(Struct, frozen=True):
    """`erased.<user>`, in the stream ERASURES: gone since then."""

    user: str
    at_ms: int


class Tokens(Struct):
    user: User
    access: str
    refresh: str
    expires_in: int
    """Seconds the access token lives."""


class Revocation(Struct, frozen=True):
    """`revoked.<user>`: ends one session, or (None) every token issued until then."""

    user: str
    session: str | None
    at_ms: int


# ---- history -----------------------------------------------------------------


class ListTrips(Struct):
    """`history.trips` → list[Trip], newest first; operators see all. Fewer than `limit`
    where they are very long, none only where there are no more.
    An unknown `before` is `invalid_data`.
    """

    user: str
    role: Role
    status: Status | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    before: str | None = None
    region: str | None = None
    """Whose ledger the answer should be up to date with; it waits a moment for that."""
    rider: str | None = None
    driver: str | None = None
    """Users' ids, known or not: only trips of theirs, among those the asker may see."""
    reference: str | None = None
    """Only trips that were asked for with it; drivers, who don't see it, have none."""


class GetTripRow(Struct):
    """`history.trip` → Trip; `trip_not_found`, or a stranger: `not_a_participant`."""

    user: str
    role: Role
    trip: str
    region: str | None = None
    """As in `ListTrips`."""


class FindTrip(Struct):
    """`history.find` → Trip for anyone (the leader decides then); `trip_not_found`; or
    `unavailable` where persistence has not yet written the ledger up to `seq`.
    """

    region: str
    trip: str
    seq: int


class ListTripEvents(Struct, omit_defaults=True):
    """`history.trip_events` → list[AuditRow], oldest first; refused as `GetTripRow`.
    With `more`, the next page is what comes after the last row of this one.
    """

    user: str
    role: Role
    trip: str
    region: str | None = None
    """As in `ListTrips`."""
    after_version: int = 0
    after_seq: int = 0
    """Both: of the row after which to begin."""


class FindLags(Struct):
    """`history.lags` → {region: Lag} of these."""

    regions: Annotated[list[str], Meta(max_length=PAGE_MAX)]


class Lag(Struct):
    """Records of a region's ledger that rows, and webhooks, don't have yet; null: that
    can't be had, or there are no webhooks.
    """

    unwritten: int | None
    unsent: int | None


class FindNames(Struct):
    """`history.names` → {id: username} of those that are known; at most 100."""

    users: list[str]


class ExplainTrip(Struct, omit_defaults=True):
    """`history.matching` → Explanation (schemas/explanations.py), for operators;
    `trip_not_found`.
    """

    trip: str
    driver: str | None = None
    """A user's id: what was of them in each round; known or not."""
    region: str | None = None
    """As in `ListTrips`."""


class ListTrack(Struct, omit_defaults=True):
    """`history.track` → list[Place], oldest first, after `after_ms`; refused as
    `GetTripRow`. With `more`, the next page is what comes after the last of this one.
    """

    user: str
    role: Role
    trip: str
    region: str | None = None
    """As in `ListTrips`."""
    after_ms: int = -1


class Place(Struct):
    """Where a trip's driver was."""

    lat: float
    lon: float
    at: str


class AuditRow(Struct):
    seq: int
    type: str
    version: int
    at: str
    data: Raw
    """The trip as it was then."""


# ---- rooms -------------------------------------------------------------------


class ListMessages(Struct):
    """`history.messages` → list[MessageData], newest first, before the room's `seq`
    `before`. A trip room's are its rider's, driver's and operators': others get
    `room_forbidden`; no such trip: `trip_not_found`. Fewer than `limit` where they are
    very long, none only where there are no more.
    """

    user: str
    role: Role
    region: str
    room: str
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    before: int | None = None


class FindBacklog(Struct):
    """`history.backlog` → list[MessageData], the room's last 100, oldest first (the
    newest that fit 256 KiB); or `unavailable` where persistence has not yet written the
    ledger up to `seq`.
    """

    region: str
    room: str
    seq: int


class FindMade(Struct):
    """`history.made` → what that user's idempotency key made after `since_ms`, as it is
    now: a MessageData (kind `send`: the command's tag) or a Trip; null: nothing. Or
    `unavailable` where persistence has not yet written the ledger up to `seq`.
    """

    region: str
    user: str
    key: str
    kind: str
    since_ms: int
    seq: int


class FindUser(Struct):
    """`accounts.whereabouts` → Whereabouts of the user with that id or username; 404
    `invalid_data` for an unknown one.
    """

    user: str
    notice_by: str = ""
    """The operator who is about to send them a notice, for the audit log."""
    address: str = ""


class Whereabouts(Struct):
    id: str
    region: str
    user: User | None = None
    """Who that is; None: persistence of 0.1 doesn't say."""
