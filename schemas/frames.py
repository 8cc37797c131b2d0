"""What crosses the WebSocket, PROTOCOL.md section 2.

Client frames are read in two steps: the envelope, then `data` by `type`, so that a
frame with a good envelope and bad data is refused with its own `ref`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from schemas.codec import OptionalRaw
from schemas.refusals import Code
from schemas.trips import (
    Address,
    Latitude,
    Longitude,
    Needs,
    Note,
    Position,
    Reference,
    User,
)

FRAME_BYTES_MAX = 64 * 1024
REF_CHARS_MAX = 64
OPEN_TRIPS_MAX = 100
"""PROTOCOL.md section 2: `welcome.data.open_trips`."""
OPEN_TRIPS_BYTES_MAX = 256 * 1024
"""Their size: 100 with the longest ASCII addresses and notes have 170 KB; of six bytes
a character some 35 fit."""

Ref = Annotated[str, Meta(max_length=REF_CHARS_MAX)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
"""An idempotency key: the user's own."""

PickUpAt = Annotated[datetime, Meta(tz=True)]
"""RFC 3339. What is too far from now, the leader says."""
Reason = Annotated[str, Meta(max_length=255)]
OfferId = Annotated[str, Meta(max_length=64)]

# ---- client → server ---------------------------------------------------------


class ClientFrame(Struct):
    type: str
    ref: Ref | None = None
    data: Raw = Raw(b"{}")
    traceparent: OptionalRaw = None
    """W3C Trace Context; what is malformed counts as none, and is never refused."""


class Login(Struct):
    """`session.login`: a token, or a username and password. `since` is read leniently:
    an invalid one gives `recovered` false, never a refusal.
    """

    token: str | None = None
    username: str | None = None
    password: str | None = None
    since: OptionalRaw = None


class Refresh(Struct):
    token: str


class RequestTripData(Struct):
    pick_up_address: Address
    drop_off_address: Address
    pick_up: Position | None = None
    drop_off: Position | None = None
    idempotency_key: Key | None = None
    note: Note | None = None
    reference: Reference | None = None
    needs: Needs | None = None
    pick_up_at: PickUpAt | None = None


class RescheduleTripData(Struct):
    """What is left out stays; null takes away what a trip may be without."""

    id: str
    pick_up_at: PickUpAt | UnsetType = UNSET
    pick_up_address: Address | UnsetType = UNSET
    drop_off_address: Address | UnsetType = UNSET
    pick_up: Position | UnsetType | None = UNSET
    drop_off: Position | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET


RESCHEDULED = ("pick_up_address", "drop_off_address", "pick_up", "drop_off", "note")
"""What else than its time."""


class TripId(Struct):
    id: str


class AcceptTripData(Struct):
    id: str
    offer: OfferId | None = None


class DeclineTripData(Struct):
    id: str
    offer: OfferId | None = None
    reason: Reason | None = None


class AssignTripData(Struct):
    id: str
    driver: Annotated[str, Meta(min_length=1, max_length=64)]


class OnlineData(Struct):
    """`offers`: whether to be offered trips; None: as it is."""

    offers: bool | None = None


class CancelTripData(Struct):
    id: str
    reason: Reason | None = None


class UpdateTripData(Struct):
    """The older shape `update.trip`."""

    id: str
    status: Literal["STARTED", "ARRIVED", "IN_PROGRESS", "COMPLETED"]


class Empty(Struct):
    pass


SPEED_MAX = 150
"""m/s: a racing car's, so a fix in km/h or by mistake is told."""


class LocationData(Struct):
    """`driver.location`; heading in degrees from north, speed in m/s, `at` RFC 3339."""

    lat: Latitude
    lon: Longitude
    heading: Annotated[float, Meta(ge=0, le=360)] | None = None
    speed: Annotated[float, Meta(ge=0, le=SPEED_MAX)] | None = None
    at: str | None = None


# ---- server → client ---------------------------------------------------------


class RefusedData(Struct):
    code: Code
    message: str
    retryable: bool


class WelcomeData(Struct):
    """`seq` is the cursor to come back with; `open_trips` is empty but for drivers.
    `online`, `offers` (as `Offered`): drivers' alone.
    """

    user: User
    session: str
    region: str
    seq: int
    heartbeat_s: float
    trips: Any
    open_trips: Any
    recovered: bool
    online: bool | UnsetType = UNSET
    offers: Any = UNSET


class Welcome(Struct, tag_field="type", tag="welcome"):
    data: WelcomeData


class Offered(Struct):
    """`trip.offered`, and in `welcome.data.offers`. `trip`: an `OpenTrip`;
    `expires_in_ms`: from when the frame was made, so that no clock matters.
    """

    trip: Any
    offer: str
    round: int
    expires_at: str
    expires_in_ms: int
    pick_up_distance_m: int
    pick_up_eta_s: int


class OfferEnded(Struct):
    """`trip.offer_ended`; `id`: the trip's."""

    id: str
    offer: str
    why: str


class DriverState(Struct):
    """`driver.state`."""

    online: bool
    why: str


class MovedData(Struct):
    """`driver.moved`: the latest position of the driver of the rider's active trip."""

    trip: str
    lat: float
    lon: float
    heading: float | None
    at: str
    distance_m: int | None
    eta_s: int | None
