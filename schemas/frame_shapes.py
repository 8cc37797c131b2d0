"""What frames carry, as a reader sees it, where what we write carries parts that are
encoded already, and the small answers that no service reads.
"""

from msgspec import UNSET, Struct, UnsetType

from schemas.rooms import MessageData
from schemas.trips import OpenTrip, Person, Trip, User


class OfferedShape(Struct):
    """`frames.Offered` with the shape of the trip it carries already encoded."""

    trip: OpenTrip
    offer: str
    round: int
    expires_at: str
    expires_in_ms: int
    pick_up_distance_m: int
    pick_up_eta_s: int


class Renewed(Struct):
    """What `session.refresh` is answered with: seconds the new token still lives."""

    expires_in: int


class Joined(Struct):
    """`rooms.JoinedOut` with the shape of what it carries already encoded."""

    room: str
    members: list[Person]
    members_total: int
    history: list[MessageData]
    recovered: bool


class Left(Struct):
    """What `chat.leave` is answered with."""

    room: str


class WelcomeShape(Struct):
    """`frames.WelcomeData` with the shapes of what it carries already encoded."""

    user: User
    session: str
    region: str
    seq: int
    heartbeat_s: float
    trips: list[Trip]
    open_trips: list[OpenTrip]
    recovered: bool
    online: bool | UnsetType = UNSET
    offers: list[OfferedShape] | UnsetType = UNSET
