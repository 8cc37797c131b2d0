"""Frames as a client reads and writes them. Pure: bytes in, facts out."""

from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from schemas.codec import decoder, encode
from schemas.frames import RefusedData
from schemas.rooms import MessageData
from schemas.trips import OpenTrip, Trip, User


class Frame(Struct):
    """Any frame from the server; `data` is read when its type is known."""

    type: str
    ref: str | None = None
    seq: int | None = None
    data: Raw = Raw(b"null")


class Welcome(Struct):
    user: User
    session: str
    region: str
    seq: int
    heartbeat_s: float
    trips: list[Trip]
    open_trips: list[OpenTrip]
    recovered: bool
    online: bool | None = None
    offers: list["Offered"] = []


class Offered(Struct):
    """`trip.offered`, and in a welcome."""

    trip: OpenTrip
    offer: str
    round: int
    expires_at: str
    expires_in_ms: int
    pick_up_distance_m: int
    pick_up_eta_s: int


class OfferEnded(Struct):
    """`id`: the trip's."""

    id: str
    offer: str
    why: str


class DriverState(Struct):
    online: bool
    why: str


class Online(Struct):
    """The answer to `driver.online` and `driver.offline`."""

    online: bool
    offers: bool = False


class Moved(Struct):
    """As much of `driver.moved` as is looked at."""

    trip: str


class TripRef(Struct):
    """As much as every frame about a trip says."""

    id: str


class Joined(Struct):
    """A join's answer, as much of it as the checks need."""

    room: str
    history: list[MessageData]
    recovered: bool


class Command(Struct):
    type: str
    ref: str
    data: dict[str, object]


read_frame = decoder(Frame).decode
read_welcome = decoder(Welcome).decode
read_trip = decoder(Trip).decode
read_open_trip = decoder(OpenTrip).decode
read_trip_ref = decoder(TripRef).decode
read_message = decoder(MessageData).decode
read_joined = decoder(Joined).decode
read_refused = decoder(RefusedData).decode
read_offered = decoder(Offered).decode
read_offer_ended = decoder(OfferEnded).decode
read_driver_state = decoder(DriverState).decode
read_online = decoder(Online).decode
read_moved = decoder(Moved).decode


def is_participant_frame(data: Raw) -> bool:
    """Whether a `trip.requested` frame is the participant's: drivers who aren't the
    trip's learn the rider's id and first name only (PROTOCOL.md section 2).
    """
    try:
        read_trip(data)
    except msgspec.ValidationError:
        return False
    return True


def command(kind: str, ref: str, data: dict[str, object]) -> bytes:
    return encode(Command(kind, ref, data))


def socket_url(base: str, since: int | None = None) -> str:
    """`http://host:port` → `ws://host:port/ws`, with `?since=` where there is one."""
    query = "" if since is None else "?" + urlencode({"since": since})
    return "ws" + base.removeprefix("http") + "/ws" + query
