"""Commands and questions to a region's leader, and its answers.

A message on `cmd.<region>` is a JSON list of commands (a gateway sends what one tick
brought); one on the reply subject is an `Answers`. A command is a request, not a
fact: it may come twice (same id, next attempt) and is decided once.
"""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from schemas.codec import OptionalRaw
from schemas.events import DriverWhy, FeedEntry
from schemas.refusals import Refusal
from schemas.rooms import MessageData
from schemas.trips import Position, Trip, User

COMMAND_DEADLINE_MS = 10_000


class Command(Struct, frozen=True, omit_defaults=True, tag_field="do", kw_only=True):
    """What all of them have."""

    id: str
    """The command's own id, the same in all its attempts: a UUID's 32 hex digits."""
    attempt: int = 1
    deadline_ms: int
    """Wall clock; a leader that reads it later drops it unanswered."""
    by: User


class RequestTrip(Command, frozen=True, tag="request"):
    pick_up_address: str
    drop_off_address: str
    pick_up: Position | None = None
    drop_off: Position | None = None
    rider: User | None = None
    """Whose trip it is to be, where an operator asks for it; None: who asks. The key
    is always who asks'."""
    note: str | None = None
    reference: str | None = None
    needs: tuple[str, ...] = ()
    pick_up_at: str | None = None
    """RFC 3339 as schemas/times.py writes it; None: now."""
    key: str | None = None
    sought: bool | None = None
    """Whether history was asked what the key made: False: not yet; True: what it knows
    is in `made`. None: there is no key, or a gateway that can't ask."""
    sought_ms: int = 0
    """The leader's stamp when it wanted that asked: what a key made later, history
    may not know. 0: a gateway of 0.1 doesn't say."""
    made: Trip | None = None
    archived: Trip | None = None
    """The trip the key made, fetched from history after a `Lookup` answer."""


class TripCommand(Command, frozen=True):
    """Commands about one trip."""

    trip: str
    archived: Trip | None = None
    """The ended trip, fetched from history after a `Lookup` answer."""


class AcceptTrip(TripCommand, frozen=True, tag="accept"):
    offer: str | None = None
    """None: whichever lives."""


class DeclineTrip(TripCommand, frozen=True, tag="decline"):
    offer: str | None = None
    reason: str | None = None


class AssignTrip(TripCommand, frozen=True, kw_only=True, tag="assign"):
    driver: str
    """Whose trip it is to be: a user's id."""
    sought: bool = False
    """Whether accounts were asked who that is; then they are in `found`."""
    found: User | None = None


class ArriveTrip(TripCommand, frozen=True, tag="arrive"):
    pass


class BeginTrip(TripCommand, frozen=True, tag="begin"):
    pass


class CompleteTrip(TripCommand, frozen=True, tag="complete"):
    pass


class ReleaseTrip(TripCommand, frozen=True, tag="release"):
    pass


class CancelTrip(TripCommand, frozen=True, tag="cancel"):
    reason: str | None = None


class RescheduleTrip(TripCommand, frozen=True, tag="reschedule"):
    """What is left out stays as it is. A booked trip's fields, as `RequestTrip` has
    them.
    """

    pick_up_at: str | UnsetType = UNSET
    pick_up_address: str | UnsetType = UNSET
    drop_off_address: str | UnsetType = UNSET
    pick_up: Position | UnsetType | None = UNSET
    drop_off: Position | UnsetType | None = UNSET
    note: str | UnsetType | None = UNSET


class GetTrip(TripCommand, frozen=True, tag="get"):
    pass


class GoOnline(Command, frozen=True, tag="online"):
    offers: bool | None = None
    """Whether they want offers; None: as it is."""


class GoOffline(Command, frozen=True, tag="offline"):
    pass


class TagDriver(Command, frozen=True, kw_only=True, tag="tag"):
    """What a driver has from now on. Answered `{driver, tags}`."""

    driver: str
    """A user's id, known to be a driver's."""
    tags: tuple[str, ...]


class FindDrivers(Command, frozen=True, kw_only=True, tag="drivers"):
    """How drivers are now: `driver`'s alone, else those of who is online or on a trip,
    the nearest to `near` first. Answered with a list of `DriverNow`.
    """

    driver: str = ""
    near: Position | None = None
    limit: int = 50


class SyncUser(Command, frozen=True, tag="sync"):
    """A session starts or fears a gap: state, and the user's events after `since`."""

    since: int | None = None
    open_trips: bool = True
    """False: the gateway knows them by the feed, and is not told (`null`)."""


class SyncFeed(Command, frozen=True, tag="feed"):
    """A gateway missed feed entries after number `since`. `by` is the gateway itself,
    in an operator's shape.
    """

    since: int
    open_trips: bool = False
    """True: it asks what is open as well, since it has just begun to listen."""


class RoomCommand(Command, frozen=True):
    """Commands about one room. `session`, `gateway`: who would leave with a lost
    connection.
    """

    room: str
    session: str = ""
    gateway: str = ""
    archived: Trip | None = None
    """A trip room's ended trip, fetched from history after a `Lookup` answer."""
    backlog: tuple[MessageData, ...] | None = None
    """The room's last messages, oldest first, likewise."""
    sought_seq: int = 0
    """The `Lookup`'s `asked_seq`: what was said in the room from that event on, the
    backlog may not have. 0: a gateway or a leader of before doesn't say."""


class JoinRoom(RoomCommand, frozen=True, tag="join"):
    """Without a `session` it only looks: answered the same, nobody joins."""

    since: int | None = None
    repair: bool = False
    """The gateway's own, for what was lost on the way: no command of the user's."""
    moved_since: int | None = None
    """A gateway's own, after a gap: who came and went after that event is told too."""


class LeaveRoom(RoomCommand, frozen=True, tag="leave"):
    pass


class SendMessage(RoomCommand, frozen=True, kw_only=True, tag="send"):
    text: str
    key: str | None = None
    sought: bool | None = None
    """As in `RequestTrip`."""
    sought_ms: int = 0
    made: MessageData | None = None
    outside: bool = False
    """From the server side (HTTP, command line): nobody need have joined."""


class EndSession(Command, frozen=True, tag="end"):
    """A connection is over: its session leaves all its rooms. Answered `{}`."""

    session: str
    gateway: str


AnyCommand = (
    RequestTrip
    | AcceptTrip
    | DeclineTrip
    | AssignTrip
    | ArriveTrip
    | BeginTrip
    | CompleteTrip
    | ReleaseTrip
    | CancelTrip
    | RescheduleTrip
    | GetTrip
    | GoOnline
    | GoOffline
    | TagDriver
    | FindDrivers
    | SyncUser
    | SyncFeed
    | JoinRoom
    | LeaveRoom
    | SendMessage
    | EndSession
)


MADE: dict[type[Command], Any] = {
    RequestTrip: Trip | None,
    SendMessage: MessageData | None,
}
"""What a command's idempotency key can have made; None: nothing."""


class Lookup(Struct, frozen=True, omit_defaults=True):
    """The leader no longer holds what the command needs: ask history, which must have
    seen the ledger up to `seq`, and send the command again with it. `trip`, if set:
    that trip, as `archived`; where history knows no such trip, it is
    `trip_not_found`. `room`, if set: its last messages, as `backlog`. `key`: what the
    command's key made after `since_ms`, as `made`, and `sought`; and `asked_ms`, the
    stamp, as `sought_ms`. `asked_seq` comes back with the backlog, as `sought_seq`.
    `user`, if set: who that is, as `found`, and `sought`.
    """

    trip: str
    seq: int
    room: str = ""
    key: bool = False
    since_ms: int = 0
    asked_ms: int = 0
    user: str = ""
    asked_seq: int = 0


class Answer(Struct, frozen=True, omit_defaults=True):
    """Exactly one of `data`, `refused`, `lookup` is set."""

    id: str
    attempt: int
    data: OptionalRaw = None
    """Trip commands: a `Trip` (`OpenTrip` for a decline). Online, offline:
    `DutyData`. Tag: `TagsData`. Sync: `SyncData`. Feed: `FeedData`. Join:
    `JoinedOut`. Leave: `{"room": …}`. Send: `MessageData`."""
    refused: Refusal | None = None
    lookup: Lookup | None = None
    seq: int = 0
    """Of a join: the last event that `data` contains; 0: one of 0.1 doesn't say."""


class Answers(Struct, frozen=True):
    """All answers of one record to one gateway."""

    epoch: int
    answers: list[Answer]


class SyncData(Struct, frozen=True, omit_defaults=True):
    """State of one user at cursor `seq`, and what was missed.

    `events`: where `recovered`, the user's `TripEvent`s with since < seq ≤ `seq`, in
    order, encoded; else empty. `trips`: those that haven't ended. `open_trips`:
    `OpenTrip`s, newest first, for drivers; null where the gateway didn't ask. `online`:
    drivers only, else false; `why` they are so (a `DriverWhy`). `offers`: a driver's
    live ones, `LiveOffer`s; None also of a leader of 0.1. `ended`: the
    `OfferEndedEvent`s of a driver between, where `recovered`; None also of a leader
    that doesn't tell them. They are for a gateway that missed them, and are replayed to
    nobody.
    """

    seq: int
    feed: int
    trips: Raw
    open_trips: Raw
    recovered: bool
    events: list[Raw]
    online: bool
    offers: OptionalRaw = None
    ended: OptionalRaw = None
    why: DriverWhy = "self"


class DutyData(Struct, frozen=True):
    """What online and offline are answered with."""

    online: bool
    offers: bool


class DriverNow(Struct, frozen=True):
    """`position_age_s`: since it arrived; None where `position` isn't known."""

    driver: str
    state: str
    position: Position | None
    position_age_s: int | None
    trip: str | None
    tags: tuple[str, ...]


class TagsData(Struct, frozen=True):
    driver: str
    tags: tuple[str, ...]


class LiveOffer(Struct, frozen=True):
    """An offer that lives at the cursor. `seq`: of its `OfferEvent`."""

    seq: int
    offer: str
    trip: Raw
    """An `OpenTrip`."""
    round: int
    expires_ms: int
    expires_in_ms: int
    """From the moment of the answer, so that nobody's clock matters."""
    pick_up_distance_m: int
    pick_up_eta_s: int


class FeedData(Struct, frozen=True, omit_defaults=True):
    """Feed entries after the number asked for, up to `n`; not `complete` where the
    ring no longer reaches back that far (`entries` is then empty).

    `open_trips`: the newest open at `n`, newest first, where they were asked for; None
    also from a leader that knows no such question. `open_whole`: they are all.
    """

    n: int
    entries: list[FeedEntry]
    complete: bool
    open_trips: OptionalRaw = None
    open_whole: bool = False


class Announcement(Struct, frozen=True):
    """`leader.<region>`: the leader's, every second and at once when it takes over."""

    region: str
    epoch: int
    instance: str
    seq: int
    feed: int
    takes_parts: bool = False
    """Whether it reads `Presence.part`; one of 0.1 doesn't."""
    standbys: int = 0
    """Other dispatchers that are there and may be given the region."""
    standbys_ready: int = 0
    """Those that have followed its ledger to the end."""
    standby_behind: int | None = None
    """Ledger records that the one of them that is the least behind has yet to apply;
    None: none says so, as one of before doesn't."""


class Fix(Struct, frozen=True):
    """One driver's position; `loc.<region>` carries a list of them, one per driver and
    tick of a gateway. Degrees, degrees from north, m/s, RFC 3339.
    """

    driver: str
    lat: float
    lon: float
    heading: float | None
    speed: float | None
    at: str
