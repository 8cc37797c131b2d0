"""What may come of a command, and how it is refused. Pure."""

from typing import Any

from msgspec import Struct

from dispatcher.engine.transitions import DRIVER, RIDER
from schemas.commands import Command, Lookup
from schemas.events import Event
from schemas.refusals import Code, Refusal
from schemas.trips import TERMINAL, Trip, User


class Decided(Struct, frozen=True):
    """`data` is what the answer's `data` encodes to: a `Trip`, an `OpenTrip`, an
    `DutyData`, a `TagsData`, a `SyncData`, a `FeedData`, or that of
    dispatcher/engine/decide_rooms.py.
    """

    events: tuple[Event, ...]
    data: Any
    attends: bool = False
    """Whether the command changes who is present: `Engine.attend` it."""


Outcome = Decided | Refusal | Lookup


def takes_part(by: User, trip: Trip) -> bool:
    if by.role is RIDER:
        return trip.rider.id == by.id
    if by.role is DRIVER:
        return trip.driver is not None and trip.driver.id == by.id
    return True


def _verb(command: Command) -> str:
    return str(command.__struct_config__.tag)


def wrong_role(command: Command) -> Refusal:
    return Refusal(
        Code.WRONG_ROLE, f"{_verb(command)} is not for the role {command.by.role}"
    )


def not_a_participant(trip: Trip) -> Refusal:
    return Refusal(Code.NOT_A_PARTICIPANT, f"trip {trip.id} is not yours")


def not_open(trip: Trip) -> Refusal:
    if trip.status in TERMINAL or trip.driver is None:
        return Refusal(Code.TRIP_NOT_OPEN, f"trip {trip.id} is {trip.status}")
    return Refusal(Code.TRIP_ALREADY_TAKEN, f"trip {trip.id} has a driver")


def wrong_status(command: Command, trip: Trip) -> Refusal:
    return Refusal(
        Code.WRONG_STATUS,
        f"trip {trip.id} is {trip.status}, not to {_verb(command)} by a "
        f"{command.by.role}",
    )
