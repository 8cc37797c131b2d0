"""What is asked of the server, by name: the same over a WebSocket and over HTTP. Pure.

`repeats`: it may be sent again when nobody knows what became of it,

- with an idempotency key (`trip.request`, `chat.send`): the second is answered with
  what the first made;
- what only looks, or says how something is to be (`trip.get`, `driver.online`, joining
  and leaving): once or twice is the same.

Moves of a trip don't: a second `trip.accept` after a release would take the trip again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from cabrank_client import policy
from cabrank_client.shapes import Joined, Message, Online, Position, Trip, Update

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Command(Generic[T_co]):
    """A frame that is answered with a `T_co`."""

    type: str
    data: Mapping[str, Any]
    repeats: bool = False


class Unset:
    """Left out, where None means something."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


class TripOptions(TypedDict, total=False):
    """What a trip may be told besides its addresses. `note`: to the driver, ≤ 500
    characters; `reference`: the caller's own, ≤ 64; `needs`: ≤ 8 tags that the driver
    must have; `pick_up_at`: with a time zone, books it; `idempotency_key`: 1-64
    characters, without it one is made.
    """

    pick_up: Position | None
    drop_off: Position | None
    note: str | None
    reference: str | None
    needs: Sequence[str]
    pick_up_at: datetime | str | None
    idempotency_key: str | None


def rfc3339(at: datetime | str) -> str:
    """Raises: ValueError: it has no time zone."""
    if isinstance(at, str):
        return at
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.isoformat()


def _said(**fields: object) -> dict[str, Any]:
    """Those that are not left out."""
    at = fields.get("pick_up_at")
    if isinstance(at, datetime):
        fields["pick_up_at"] = rfc3339(at)
    return {name: value for name, value in fields.items() if value is not UNSET}


def _given(**fields: object) -> dict[str, Any]:
    """Those that are not None."""
    return _said(**{name: each for name, each in fields.items() if each is not None})


# ---- riders ------------------------------------------------------------------


def request_trip(
    pick_up_address: str, drop_off_address: str, **options: Unpack[TripOptions]
) -> Command[Trip]:
    """Ask for a driver, now or (`pick_up_at`) later. It is sent until it is answered,
    and makes one trip.
    """
    said = {"idempotency_key": None, **options}
    said["idempotency_key"] = said["idempotency_key"] or policy.new_key()
    addresses = {
        "pick_up_address": pick_up_address,
        "drop_off_address": drop_off_address,
    }
    return Command("trip.request", _given(**addresses, **said), repeats=True)


def reschedule_trip(
    trip: str,
    *,
    pick_up_at: datetime | str | Unset = UNSET,
    pick_up_address: str | Unset = UNSET,
    drop_off_address: str | Unset = UNSET,
    pick_up: Position | Unset | None = UNSET,
    drop_off: Position | Unset | None = UNSET,
    note: str | Unset | None = UNSET,
) -> Command[Trip]:
    """Another time or place for a SCHEDULED trip; what is left out stays."""
    data = _said(
        id=trip,
        pick_up_at=pick_up_at,
        pick_up_address=pick_up_address,
        drop_off_address=drop_off_address,
        pick_up=pick_up,
        drop_off=drop_off,
        note=note,
    )
    return Command("trip.reschedule", data)


def cancel_trip(trip: str, reason: str | None = None) -> Command[Trip]:
    """By its rider or driver, or an operator."""
    return Command("trip.cancel", _given(id=trip, reason=reason))


def get_trip(trip: str) -> Command[Trip]:
    """The trip as it is."""
    return Command("trip.get", {"id": trip}, repeats=True)


# ---- drivers -----------------------------------------------------------------


def accept_trip(trip: str, offer: str | None = None) -> Command[Trip]:
    """Take a trip. `offer`: that one alone; without, whichever lives."""
    return Command("trip.accept", _given(id=trip, offer=offer))


def decline_trip(
    trip: str, offer: str | None = None, reason: str | None = None
) -> Command[Trip]:
    """Let an offer go to the next driver."""
    return Command("trip.decline", _given(id=trip, offer=offer, reason=reason))


def arrive_trip(trip: str) -> Command[Trip]:
    """The driver is at the pick-up."""
    return Command("trip.arrive", {"id": trip})


def begin_trip(trip: str) -> Command[Trip]:
    """The rider is in the car."""
    return Command("trip.begin", {"id": trip})


def complete_trip(trip: str) -> Command[Trip]:
    """The trip is over; its driver, or an operator."""
    return Command("trip.complete", {"id": trip})


def release_trip(trip: str) -> Command[Trip]:
    """Give the trip back before the pick-up."""
    return Command("trip.release", {"id": trip})


def online(*, offers: bool | None = None) -> Command[Online]:
    """Take trips. `offers`: whether to be offered some; None: as it is."""
    return Command("driver.online", _given(offers=offers), repeats=True)


def offline() -> Command[Online]:
    """Take no trips."""
    return Command("driver.offline", {}, repeats=True)


# ---- operators ---------------------------------------------------------------


def assign_trip(trip: str, driver: str) -> Command[Trip]:
    """Give an open trip to a driver, by their user id."""
    return Command("trip.assign", {"id": trip, "driver": driver})


def watch(bounds: Sequence[float] | None = None) -> Command[Update]:
    """See drivers and trips within `[south, west, north, east]`, None: all there are.
    What changes comes as the event `ops.update`; after a lost connection, watch again.
    """
    return Command("ops.watch", _given(bounds=bounds), repeats=True)


def unwatch() -> Command[dict[str, Any]]:
    return Command("ops.unwatch", {}, repeats=True)


# ---- rooms -------------------------------------------------------------------


def join_room(room: str, since: int | None = None) -> Command[Joined]:
    """`since`: a message's `seq`; what came after it is in the answer's history."""
    data = _given(room=policy.room_name(room), since=since)
    return Command("chat.join", data, repeats=True)


def leave_room(room: str) -> Command[dict[str, Any]]:
    return Command("chat.leave", {"room": policy.room_name(room)}, repeats=True)


def send_message(
    room: str, text: str, *, idempotency_key: str | None = None
) -> Command[Message]:
    """Say something; over a WebSocket the room must have been joined."""
    key = idempotency_key or policy.new_key()
    data = {"room": policy.room_name(room), "text": text, "idempotency_key": key}
    return Command("chat.send", data, repeats=True)
