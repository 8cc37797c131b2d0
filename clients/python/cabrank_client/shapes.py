"""What the server sends, as types: dictionaries with the protocol's own words.

A later server may send more fields than these; they are there, and simply not typed.
`NotRequired`: servers before had none.
"""

from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

Role = Literal["rider", "driver", "operator"]
Status = Literal[
    "SCHEDULED",
    "REQUESTED",
    "STARTED",
    "ARRIVED",
    "IN_PROGRESS",
    "COMPLETED",
    "CANCELLED",
    "EXPIRED",
]
Why = Literal["declined", "expired", "taken", "cancelled", "withdrawn"]


class Position(TypedDict):
    """WGS 84, degrees."""

    lat: float
    lon: float


class Fix(Position):
    """`heading`: degrees from north; `speed`: m/s; `at`: RFC 3339."""

    heading: NotRequired[float]
    speed: NotRequired[float]
    at: NotRequired[str]


class Person(TypedDict):
    id: str
    username: str
    first_name: str
    last_name: str


class User(Person):
    role: Role


class RiderBrief(TypedDict):
    """All that a driver who isn't the trip's learns of its rider."""

    id: str
    first_name: str


class _Trip(TypedDict):
    id: str
    region: str
    status: Status
    version: int
    pick_up_address: str
    drop_off_address: str
    pick_up: Position | None
    drop_off: Position | None
    created: str
    updated: str
    note: NotRequired[str | None]
    reference: NotRequired[str | None]
    needs: NotRequired[list[str]]
    pick_up_at: NotRequired[str | None]


class Trip(_Trip):
    """A trip as its people and operators see it. Instants are RFC 3339."""

    rider: Person
    driver: Person | None


class OpenTrip(_Trip):
    """A trip as drivers see it who aren't its own."""

    rider: RiderBrief
    driver: None


class Offer(TypedDict):
    """A trip that is one driver's to take; `expires_in_ms` from when it was sent."""

    trip: OpenTrip
    offer: str
    round: int
    expires_at: str
    expires_in_ms: int
    pick_up_distance_m: int
    pick_up_eta_s: int


class OfferEnded(TypedDict):
    """`id`: the trip's."""

    id: str
    offer: str
    why: Why


class Moved(TypedDict):
    """`driver.moved`; the last two to the pick-up, later the drop-off, or None."""

    trip: str
    lat: float
    lon: float
    heading: float | None
    at: str
    distance_m: int | None
    eta_s: int | None


class Figures(TypedDict):
    """Of a region; times in seconds, None where nothing can be said."""

    free: int
    offered: int
    busy: int
    stale: int
    requested: int
    matching: int
    broadcast: int
    started: int
    arrived: int
    in_progress: int
    scheduled: int
    oldest_unmatched_s: int
    offers_per_min: int
    accepted_share: float | None
    wait_p50_s: int | None
    wait_p95_s: int | None


DriverRow = tuple[
    str, float | None, float | None, float | None, str, str | None, int | None
]
"""Id, lat, lon, heading, state, trip, seconds since the position arrived; a list, as
JSON has it."""


class Update(TypedDict):
    """`ops.update`, and the answer to `ops.watch`."""

    drivers: list[DriverRow]
    gone: list[str]
    trips: list[Trip]
    ended: list[str]
    figures: Figures


class DriverState(TypedDict):
    online: bool
    why: Literal["self", "missed_offers", "operator"]


class Online(TypedDict):
    """Whether the driver is online, and is offered trips."""

    online: bool
    offers: bool


class Message(TypedDict):
    """`seq`: the room's own, from 1, without gaps."""

    room: str
    seq: int
    id: str
    sender: Person
    text: str
    at: str


class Joined(TypedDict):
    """`members`: the first 500; `history`: oldest first."""

    room: str
    members: list[Person]
    members_total: int
    history: list[Message]
    recovered: bool


class Welcome(TypedDict):
    """`online`, `offers`: drivers' alone."""

    user: User
    session: str
    region: str
    seq: int
    heartbeat_s: float
    trips: list[Trip]
    open_trips: list[OpenTrip]
    recovered: bool
    online: NotRequired[bool]
    offers: NotRequired[list[Offer]]


class Tokens(TypedDict):
    """`expires_in`: seconds that `access` lives."""

    user: User
    access: str
    refresh: str
    expires_in: int


class LogIn(TypedDict):
    """Somewhere a user is logged in; `renewed`: when tokens were last exchanged."""

    id: str
    begun: str
    renewed: str | None
    expires: str


class UserSeen(TypedDict):
    """A user as operators see them; `sessions`: the newest of `sessions_total`."""

    user: User
    region: str
    created: str
    sessions: list[LogIn]
    sessions_total: int


class RegionNow(TypedDict):
    """`silent_s`: since its leader was heard. `unwritten`, `unsent`: ledger records
    that history, and webhooks, don't have yet; `standby_behind`: that the standby which
    is the least behind has yet to apply. None: not known, or there are none.
    """

    region: str
    leader: str
    epoch: int
    silent_s: float
    standbys: int
    standbys_ready: int
    standby_behind: int | None
    unwritten: int | None
    unsent: int | None


class AccessToken(TypedDict):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: int


class AuditRow(TypedDict):
    """`data`: the trip as it was then."""

    seq: int
    type: str
    version: int
    at: str
    data: Trip


class Place(TypedDict):
    lat: float
    lon: float
    at: str


class DriverBrief(TypedDict):
    id: str
    username: str


class DriverNow(TypedDict):
    """How a driver is, as operators see it."""

    driver: DriverBrief
    state: Literal["free", "offered", "busy", "stale", "offline"]
    position: Position | None
    position_age_s: int | None
    trip: str | None
    tags: list[str]


class Tags(TypedDict):
    driver: str
    tags: list[str]


class Matching(TypedDict):
    """Why these drivers; what rounds and offers have is the protocol's section 7."""

    trip: str
    policy: Literal["nearest", "broadcast"]
    reason: str | None
    offers: list[dict[str, Any]]
    rounds: list[dict[str, Any]]
    driver: NotRequired[dict[str, Any] | None]


class Webhook(TypedDict):
    """`ended`: why it is active no more, where its endpoint ended it."""

    id: str
    url: str
    events: list[str]
    description: str | None
    active: bool
    ended: str | None
    created: str
    updated: str


class MadeWebhook(Webhook):
    """Its secret is told this once."""

    secret: str


class WebhookSecret(TypedDict):
    """`old_until`: the one before signs as well until then."""

    secret: str
    old_until: str


class Delivery(TypedDict):
    webhook_id: str
    type: str
    trip: str | None
    status: Literal["waiting", "taken", "dead"]
    attempts: int
    at: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """What the server said by itself. `seq`: the event's own number in its region;
    None: it has none.

    Besides the protocol's types there are two of the client's own: `welcome` (after
    each connection, `data` a `Welcome`) and `disconnected` (`{"code", "reason"}`).
    """

    type: str
    data: Any
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class TripEvent:
    """What became of a trip, and the trip after it. `trip.snapshot`: how it is,
    whatever led there.
    """

    type: str
    trip: Trip
    seq: int | None = None
