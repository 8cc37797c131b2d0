"""Every frame type of PROTOCOL.md section 2 that exists: what its `data` is, who sends
it. /asyncapi.json is made of this table; a new frame is added here.
"""

from typing import Any

from msgspec import Struct

from schemas import scopes
from schemas.commands import DutyData
from schemas.frame_shapes import Joined, Left, OfferedShape, Renewed, WelcomeShape
from schemas.frames import (
    AcceptTripData,
    AssignTripData,
    CancelTripData,
    DeclineTripData,
    DriverState,
    Empty,
    LocationData,
    Login,
    MovedData,
    OfferEnded,
    OnlineData,
    Refresh,
    RequestTripData,
    RescheduleTripData,
    TripId,
    UpdateTripData,
)
from schemas.rooms import (
    JoinRoomData,
    LeaveRoomData,
    MemberData,
    MessageData,
    SendMessageData,
)
from schemas.trips import OpenTrip, Role, Trip
from schemas.watching import Update, WatchData

RIDER = (Role.RIDER,)
DRIVER = (Role.DRIVER,)
ALL = tuple(Role)


class ClientFrameType(Struct, frozen=True):
    type: str
    data: Any
    """Shape of the frame's `data`."""
    roles: tuple[Role, ...]
    needs: scopes.Needs
    """What a service account's key must be allowed for it."""
    answer: Any
    """Shape of the reply's `data`; None: there is no reply. A refusal is always
    possible. `session.login` is answered by `welcome`."""
    summary: str
    older: bool = False
    """A shape that clients of the Channels tutorials send."""


class ServerFrameType(Struct, frozen=True):
    type: str
    data: Any
    """Shape of the frame's `data`, or a tuple of the shapes it may have."""
    to: str
    """Who gets it."""
    summary: str
    seq: bool = True
    """Whether it carries a `seq` of its own."""


_ITS_DRIVER = "only the trip's own driver"

CLIENT = (
    ClientFrameType(
        "session.login",
        Login,
        ALL,
        scopes.ANY,
        None,
        "First frame of a session without a token at the handshake: a token, or a "
        "username and password. Answered by `welcome`.",
    ),
    ClientFrameType(
        "session.refresh", Refresh, ALL, scopes.ANY, Renewed, "A newer access token."
    ),
    ClientFrameType(
        "trip.request", RequestTripData, RIDER, scopes.TRIPS, Trip, "Ask for a driver."
    ),
    ClientFrameType(
        "trip.accept",
        AcceptTripData,
        DRIVER,
        scopes.TRIPS,
        Trip,
        "Take a trip: by the offer, where it was offered.",
    ),
    ClientFrameType(
        "trip.decline",
        DeclineTripData,
        DRIVER,
        scopes.TRIPS,
        OpenTrip,
        "Leave a trip to others; its offer to this driver ends.",
    ),
    ClientFrameType(
        "trip.assign",
        AssignTripData,
        (Role.OPERATOR,),
        scopes.TRIPS,
        Trip,
        "Give an open trip to a driver, whether they are online or not.",
    ),
    ClientFrameType(
        "trip.reschedule",
        RescheduleTripData,
        (Role.RIDER, Role.OPERATOR),
        scopes.TRIPS,
        Trip,
        "Another time or place for a SCHEDULED trip; its rider or an operator. What is "
        "left out stays.",
    ),
    ClientFrameType(
        "trip.arrive",
        TripId,
        DRIVER,
        scopes.TRIPS,
        Trip,
        f"At the pick-up; {_ITS_DRIVER}.",
    ),
    ClientFrameType(
        "trip.begin",
        TripId,
        DRIVER,
        scopes.TRIPS,
        Trip,
        f"The rider is in; {_ITS_DRIVER}.",
    ),
    ClientFrameType(
        "trip.complete",
        TripId,
        (Role.DRIVER, Role.OPERATOR),
        scopes.TRIPS,
        Trip,
        "At the drop-off; the trip's own driver, or an operator.",
    ),
    ClientFrameType(
        "trip.release",
        TripId,
        DRIVER,
        scopes.TRIPS,
        Trip,
        f"Give the trip back before the pick-up; {_ITS_DRIVER}.",
    ),
    ClientFrameType(
        "trip.cancel",
        CancelTripData,
        ALL,
        scopes.TRIPS,
        Trip,
        "Its rider before IN_PROGRESS, its driver before the pick-up, or an operator.",
    ),
    ClientFrameType(
        "trip.get",
        TripId,
        ALL,
        scopes.SEE_TRIPS,
        Trip,
        "Its rider or driver, or an operator.",
    ),
    ClientFrameType(
        "driver.online",
        OnlineData,
        DRIVER,
        scopes.DRIVERS,
        DutyData,
        "Show this user open trips; with `offers`, offer them trips or no longer.",
    ),
    ClientFrameType(
        "driver.offline",
        Empty,
        DRIVER,
        scopes.DRIVERS,
        DutyData,
        "Show this user no open trips.",
    ),
    ClientFrameType(
        "driver.location",
        LocationData,
        DRIVER,
        scopes.DRIVERS,
        None,
        "Where the driver is. Not answered, or refused.",
    ),
    ClientFrameType(
        "ops.watch",
        WatchData,
        (Role.OPERATOR,),
        scopes.SEE,
        Update,
        "Show drivers and trips within `bounds` (south, west, north, east; without: "
        "all there are), and what changes of them by `ops.update`. The reply is all of "
        "it, or its first piece: the others follow as `ops.update`. Replaces what was "
        "watched; watch again after a reconnect.",
    ),
    ClientFrameType(
        "ops.unwatch",
        Empty,
        (Role.OPERATOR,),
        scopes.SEE,
        dict[str, Any],
        "Watch no more; answered `{}`.",
    ),
    ClientFrameType(
        "chat.join",
        JoinRoomData,
        ALL,
        scopes.SEE_ROOMS,
        Joined,
        "Enter a room; a trip's own room (`trip_<id>`) is its rider's and driver's. "
        "`since`: the room's `seq` of the last message that is known.",
    ),
    ClientFrameType(
        "chat.leave",
        LeaveRoomData,
        ALL,
        scopes.SEE_ROOMS,
        Left,
        "This session leaves a room.",
    ),
    ClientFrameType(
        "chat.send",
        SendMessageData,
        ALL,
        scopes.ROOMS,
        MessageData,
        "Say something in a room that this user has joined. On `/ws/chat/<room>/` also "
        'as the bare `{"message": "…"}`.',
    ),
    ClientFrameType(
        "create.trip",
        RequestTripData,
        RIDER,
        scopes.TRIPS,
        Trip,
        "Older shape of `trip.request`.",
        older=True,
    ),
    ClientFrameType(
        "update.trip",
        UpdateTripData,
        (Role.DRIVER, Role.OPERATOR),
        scopes.TRIPS,
        Trip,
        "Older shape: STARTED accepts, ARRIVED arrives, IN_PROGRESS begins, COMPLETED "
        "completes.",
        older=True,
    ),
)
"""In PROTOCOL.md's order."""
BY_TYPE = {frame.type: frame for frame in CLIENT}

_BOTH = "rider and driver of the trip"

SERVER = (
    ServerFrameType(
        "welcome", WelcomeShape, "all", "First frame after identity.", seq=False
    ),
    ServerFrameType(
        "trip.requested",
        (Trip, OpenTrip),
        "its rider; every connected driver of the region that is not offline",
        "A trip is open. Drivers learn of its rider no more than id and first name.",
    ),
    ServerFrameType(
        "trip.taken",
        TripId,
        "the drivers of the region but its own",
        "A trip is no longer up for grabs.",
    ),
    ServerFrameType(
        "trip.offered",
        OfferedShape,
        "one driver who asked for offers",
        "A trip is theirs to take until `expires_at`. Not sent again by `since`.",
    ),
    ServerFrameType(
        "trip.offer_ended",
        OfferEnded,
        "that driver",
        "The offer is over, but not accepted: `why` is `declined`, `expired`, `taken`, "
        "`cancelled` or `withdrawn`.",
    ),
    ServerFrameType(
        "trip.scheduled",
        Trip,
        "its rider",
        "A trip is booked, or was rescheduled; it opens by itself.",
    ),
    ServerFrameType(
        "driver.state",
        DriverState,
        "a driver, on all sessions",
        "They are online or offline now; `why` is `self`, `missed_offers` or "
        "`operator`.",
    ),
    ServerFrameType("trip.started", Trip, _BOTH, "A driver accepted."),
    ServerFrameType("trip.arrived", Trip, _BOTH, "The driver is at the pick-up."),
    ServerFrameType("trip.in_progress", Trip, _BOTH, "The rider is in the car."),
    ServerFrameType("trip.completed", Trip, _BOTH, "The trip has ended."),
    ServerFrameType("trip.cancelled", Trip, _BOTH, "The trip was cancelled."),
    ServerFrameType("trip.expired", Trip, _BOTH, "Nobody took the trip in time."),
    ServerFrameType(
        "trip.released", Trip, _BOTH, "The driver gave the trip back; it is open again."
    ),
    ServerFrameType(
        "trip.snapshot",
        Trip,
        _BOTH,
        "The trip as it is now, in place of events that could not be had.",
        seq=False,
    ),
    ServerFrameType(
        "driver.moved",
        MovedData,
        "the rider of the active trip",
        "The driver's latest position.",
        seq=False,
    ),
    ServerFrameType(
        "ops.update",
        Update,
        "who watches",
        "Once a second while anything changed: what is new since the one before. Who "
        "is no longer within the bounds, or there at all, is in `gone` or `ended`. "
        "That an age grows is no change.",
        seq=False,
    ),
    ServerFrameType(
        "chat.message",
        MessageData,
        "the sessions that joined the room",
        "Somebody said something; `data.seq` is the room's own and has no gaps. On "
        "`/ws/chat/<room>/` with the text as `message` beside `type`. Without a `seq` "
        "of its own where it was fetched again after a gap.",
    ),
    ServerFrameType(
        "chat.joined",
        MemberData,
        "the sessions that joined the room",
        "A user's first session joined.",
    ),
    ServerFrameType(
        "chat.left",
        MemberData,
        "the sessions that joined the room",
        "A user's last session left, or was lost.",
    ),
    ServerFrameType(
        "notice",
        dict[str, Any],
        "all live sessions of a user",
        "Whatever the server side sent to this user.",
        seq=False,
    ),
)
