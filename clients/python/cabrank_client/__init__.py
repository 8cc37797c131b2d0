"""Ride, drive, talk and operate on a cabrank server.

`Client` is a session over a WebSocket, `HttpClient` and `AsyncHttpClient` are the HTTP
API; errors.py has what goes wrong, by name.
"""

from cabrank_client.buffer import Subscription
from cabrank_client.client import Client
from cabrank_client.commands import UNSET, Command
from cabrank_client.drive import Shift
from cabrank_client.errors import (
    BadCredentials,
    BadFrame,
    CabrankError,
    Closed,
    DriverBusy,
    InvalidData,
    NotAParticipant,
    NotAuthenticated,
    OfferExpired,
    Overloaded,
    RateLimited,
    Refused,
    RiderBusy,
    RoomForbidden,
    SlowReader,
    TripAlreadyTaken,
    TripNotFound,
    TripNotOpen,
    Unavailable,
    UnexpectedAnswer,
    UnknownType,
    WrongRole,
    WrongStatus,
)
from cabrank_client.follow import Follow
from cabrank_client.httpclient import AsyncHttpClient, HttpClient
from cabrank_client.login import TokenSource
from cabrank_client.policy import new_key
from cabrank_client.room import Room
from cabrank_client.shapes import Event, Message, Offer, Position, Trip, TripEvent, User

__all__ = [
    "UNSET",
    "AsyncHttpClient",
    "BadCredentials",
    "BadFrame",
    "CabrankError",
    "Client",
    "Closed",
    "Command",
    "DriverBusy",
    "Event",
    "Follow",
    "HttpClient",
    "InvalidData",
    "Message",
    "NotAParticipant",
    "NotAuthenticated",
    "Offer",
    "OfferExpired",
    "Overloaded",
    "Position",
    "RateLimited",
    "Refused",
    "RiderBusy",
    "Room",
    "RoomForbidden",
    "Shift",
    "SlowReader",
    "Subscription",
    "TokenSource",
    "Trip",
    "TripAlreadyTaken",
    "TripEvent",
    "TripNotFound",
    "TripNotOpen",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownType",
    "User",
    "WrongRole",
    "WrongStatus",
    "new_key",
]
