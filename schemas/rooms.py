"""Rooms: names, what crosses the WebSocket, facts, and who is there.

A room's own `seq` (`n` inside, where `seq` is the event's) counts its messages from 1,
densely, and is given by the region's leader: all members see one order.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from schemas import subjects
from schemas.codec import OptionalRaw
from schemas.forms import NO_NUL, ROOM_NAME
from schemas.frames import Key
from schemas.trips import Person

TEXT_CHARS_MAX = 4_000
MEMBERS_SHOWN_MAX = 500
MEMBERS_SHOWN_BYTES_MAX = 256 * 1024
"""With the history's as much again, below a NATS message and a client's budget."""
HISTORY_MAX = 100
"""Messages a join answers with; as many as the leader keeps of a room."""
PRESENCE_INTERVAL_S = 1.0
PRESENCE_SILENCE_MS = 4_000
"""A gateway that says nothing for so long is gone, and its sessions with it."""

_TRIP_ROOM = "trip_"

RoomName = Annotated[str, Meta(pattern=ROOM_NAME)]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX, pattern=NO_NUL)]


def trip_of(room: str) -> str | None:
    """The trip whose own room this is, its id in lower case; None: an open room. Any
    name that begins so is a trip's, whether or not there can be such a trip.
    """
    if not room.startswith(_TRIP_ROOM):
        return None
    return room.removeprefix(_TRIP_ROOM).lower() or None


def of_trip(trip: str) -> str:
    """The room of a trip."""
    return _TRIP_ROOM + trip


def canonical(room: str) -> str:
    """One name a room: a trip room's id in lower case.

    Raises:
        subjects.SubjectError: not 1-64 of `A-Z a-z 0-9 _ -`.
    """
    trip = trip_of(subjects.token(room))
    return room if trip is None else of_trip(trip)


# ---- client → server ---------------------------------------------------------


class JoinRoomData(Struct):
    """`chat.join`. `since`: a message's `data.seq`, read leniently as `Login.since`."""

    room: RoomName
    since: OptionalRaw = None


class LeaveRoomData(Struct):
    room: RoomName


class SendMessageData(Struct):
    room: RoomName
    text: Text
    idempotency_key: Key | None = None


# ---- server → client ---------------------------------------------------------


class MessageData(Struct, frozen=True):
    """`chat.message`. `seq`: the room's own; `id`: a UUIDv7; `at`: RFC 3339."""

    room: str
    seq: int
    id: str
    sender: Person
    text: str
    at: str


class MemberData(Struct, frozen=True):
    """`chat.joined`, `chat.left`."""

    room: str
    user: Person


class JoinedOut(Struct, frozen=True):
    """What a join is answered with. `members`: `Person`s, already encoded, the first to
    join first, as many of the first `MEMBERS_SHOWN_MAX` as `MEMBERS_SHOWN_BYTES_MAX`
    hold; `members_total`: how many there are. `history`: `MessageData`, oldest first;
    where `recovered`, all after `since`, else the latest (≤ 100).
    """

    room: str
    members: list[Raw]
    members_total: int
    history: list[Raw]
    recovered: bool


class RepairedOut(JoinedOut, frozen=True):
    """The same to a gateway that asks what it missed. `moved`: the `MemberEvent`s after
    `JoinRoom.moved_since`; None: the leader doesn't hold them all.
    """

    moved: list[Raw] | None


# ---- facts: ledger, `room.<region>.<room>` -----------------------------------


class MessageEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="message"
):
    seq: int
    at_ms: int
    message: MessageData
    command: str = ""
    key: str | None = None
    """The sender's idempotency key."""
    traceparent: str = ""


class MemberEvent(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="member"
):
    """A user's first session joined, or their last one left; for a trip room: the
    driver accepted (rider and driver join), or released (the driver leaves).
    """

    seq: int
    at_ms: int
    room: str
    user: Person
    joined: bool
    command: str = ""
    traceparent: str = ""


class MessagePush(Struct, frozen=True, tag_field="kind", tag="message"):
    """A `MessageEvent` as a gateway reads it: the message is passed on unread."""

    seq: int
    message: Raw
    at_ms: int = 0
    traceparent: str = ""


class MemberPush(Struct, frozen=True, tag_field="kind", tag="member"):
    seq: int
    room: str
    user: Raw
    joined: bool
    at_ms: int = 0
    traceparent: str = ""


RoomPush = MessagePush | MemberPush
"""What a gateway reads from `room.<region>.<room>` (one message, one push)."""


class MessageHead(Struct, frozen=True):
    """As much of a message as a gateway needs to see a gap."""

    seq: int


# ---- presence: `presence.<region>` -------------------------------------------


class Attendance(Struct, frozen=True):
    """One session in one room."""

    session: str
    user: Person
    room: str


class Seated(Struct, frozen=True):
    """One session in all its rooms."""

    session: str
    user: Person
    rooms: tuple[str, ...]


class Presence(Struct, frozen=True, omit_defaults=True):
    """A gateway's heartbeat, every second. At once after a new leader's announcement or
    the gateway's own NATS reconnect it is also told who is where, which replaces all
    that the leader knew of this gateway's sessions: in parts, to a leader whose
    announcement says that it `takes_parts`; to one of 0.1, for whom such a part is a
    heartbeat, as `here` of one message that is `full`.
    """

    gateway: str
    """Id of the gateway's incarnation: a restarted one has another."""
    full: bool = False
    here: tuple[Attendance, ...] = ()
    part: int = 0
    """From 1 on, without a gap, of one telling; 0: this is none."""
    is_last: bool = False
    """All was told: who wasn't named is not here."""
    seated: tuple[Seated, ...] = ()
    watch: Literal["", "on", "whole"] = ""
    """Whether operators here watch (schemas/watching.py): for `PRESENCE_SILENCE_MS` the
    leader then tells what changes; `whole`: first all there is."""
