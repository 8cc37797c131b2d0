"""What a client's frame asks for. The HTTP routes of trips ask for the same.

Pure: bytes in, a command, a position or a refusal out. Checks shape and role; whether
the trip exists and the move is allowed is the leader's to say.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from msgspec import Raw, Struct

from schemas import codec, commands, frames, rooms, times
from schemas.allowances import USUAL, Budget
from schemas.bookings import why_not
from schemas.claims import Claims
from schemas.frame_types import BY_TYPE
from schemas.refusals import Code, Refusal
from schemas.scopes import lacking
from schemas.trips import Role, User
from schemas.watching import Bounds, WatchData

LOGIN = "session.login"
REFRESH = "session.refresh"
SEND = "chat.send"
JOIN = "chat.join"
LOCATION = "driver.location"

_BACKSLASH = ord("\\")
"""Most frames have none, which is found out in a tenth of the time."""
_NUL_SPELT = b"\\u0000"
_NUL_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
SINCE_MAX = 2**63 - 1
"""A greater `since` is no sequence of ours; the leader need not see it."""
_DIGITS = re.compile(r"[0-9]{1,19}")
"""As many as SINCE_MAX has."""
_HEX = "[0-9a-f]"
_UUID = re.compile("-".join(_HEX * digits for digits in (8, 4, 4, 4, 12)))
_arrived = lru_cache(maxsize=1)(times.rfc3339)
"""Positions that are read together came at the same time."""
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class Asking(Struct, frozen=True):
    """Who asks and when: what every command carries."""

    id: str
    by: User
    now_ms: int
    deadline_ms: int
    claims: Claims | None = None
    """Of the token that a frame came with, whose scopes it needs. None: over HTTP the
    route was asked about."""


class Watched(Struct, frozen=True):
    """What an operator watches from now on: this gateway's to know. `bounds` None: all
    of the region.
    """

    is_on: bool
    bounds: Bounds | None = None


Request = commands.AnyCommand | commands.Fix | Watched | Refusal
"""A `Fix` is sent on with the rest of its tick."""
Build = Callable[[Any, Asking], Request]


def _not_found(trip: str) -> Refusal:
    return Refusal(Code.TRIP_NOT_FOUND, f"there is no trip {trip[:64]!r}")


def request_trip(
    data: frames.RequestTripData, ask: Asking, rider: User | None = None
) -> Request:
    """`rider`: whose trip it is to be, where an operator asks."""
    at = _instant(data.pick_up_at)
    if isinstance(at, Refusal):
        return at
    return commands.RequestTrip(
        id=ask.id,
        deadline_ms=ask.deadline_ms,
        by=ask.by,
        pick_up_address=data.pick_up_address,
        drop_off_address=data.drop_off_address,
        pick_up=data.pick_up,
        drop_off=data.drop_off,
        rider=rider,
        note=data.note,
        reference=data.reference,
        needs=tuple(dict.fromkeys(data.needs or ())),
        pick_up_at=at,
        key=data.idempotency_key,
        sought=None if data.idempotency_key is None else False,
    )


def _reschedule(data: frames.RescheduleTripData, ask: Asking) -> Request:
    at = _instant(data.pick_up_at)
    if isinstance(at, Refusal):
        return at
    more = {name: getattr(data, name) for name in frames.RESCHEDULED}
    return _move(commands.RescheduleTrip, data, ask, **more, pick_up_at=at)


def unfit(data: Any, now_ms: int) -> Refusal | None:
    """What is wrong with a time to be picked up at that nobody may book: it is said
    before who may not (PROTOCOL.md section 3). The leader says it of all others.
    """
    at = _instant(getattr(data, "pick_up_at", None))
    if isinstance(at, Refusal):
        return at
    if not isinstance(at, str):
        return None
    why = why_not(at, times.from_rfc3339(at), now_ms)
    return None if why is None else invalid(why)


def _instant(at: Any) -> Any:
    """As commands have it; what is no `datetime` stays what it is."""
    if not isinstance(at, datetime):
        return at
    try:
        return times.instant(at)
    except ValueError:
        return invalid("pick_up_at must be of the years 1 to 9999")


def _move(
    command: Callable[..., commands.AnyCommand], data: Any, ask: Asking, **more: Any
) -> Request:
    trip = data.id.lower()
    if _UUID.fullmatch(trip) is None:
        return _not_found(data.id)
    return command(id=ask.id, deadline_ms=ask.deadline_ms, by=ask.by, trip=trip, **more)


def _about_trip(command: Callable[..., commands.AnyCommand]) -> Build:
    return partial(_move, command)


def _accept(data: frames.AcceptTripData, ask: Asking) -> Request:
    return _move(commands.AcceptTrip, data, ask, offer=data.offer)


def _decline(data: frames.DeclineTripData, ask: Asking) -> Request:
    more = {"offer": data.offer, "reason": data.reason}
    return _move(commands.DeclineTrip, data, ask, **more)


def _assign(data: frames.AssignTripData, ask: Asking) -> Request:
    # As ids are stored; what is none names nobody.
    return _move(commands.AssignTrip, data, ask, driver=data.driver.lower())


def _cancel(data: frames.CancelTripData, ask: Asking) -> Request:
    return _move(commands.CancelTrip, data, ask, reason=data.reason)


_UPDATES: dict[str, Build] = {
    "STARTED": _about_trip(commands.AcceptTrip),
    "ARRIVED": _about_trip(commands.ArriveTrip),
    "IN_PROGRESS": _about_trip(commands.BeginTrip),
    "COMPLETED": _about_trip(commands.CompleteTrip),
}


def _update(data: frames.UpdateTripData, ask: Asking) -> Request:
    if ask.by.role is Role.OPERATOR and data.status != "COMPLETED":
        return wrong_role(Role.OPERATOR, "update.trip")
    return _UPDATES[data.status](data, ask)


def _online(data: frames.OnlineData, ask: Asking) -> Request:
    return commands.GoOnline(
        id=ask.id, deadline_ms=ask.deadline_ms, by=ask.by, offers=data.offers
    )


def _offline(_: frames.Empty, ask: Asking) -> Request:
    return commands.GoOffline(id=ask.id, deadline_ms=ask.deadline_ms, by=ask.by)


def _locate(data: frames.LocationData, ask: Asking) -> Request:
    return fix(data, ask.by.id, ask.now_ms)


def fix(data: frames.LocationData, driver: str, now_ms: int) -> commands.Fix | Refusal:
    at = _arrived(now_ms)
    if data.at is not None:
        if _RFC3339.fullmatch(data.at) is None:
            return invalid("at must be an RFC 3339 instant")
        try:
            at = times.rfc3339(times.from_rfc3339(data.at.upper()))
        except (ValueError, OverflowError):
            return invalid("at must be an RFC 3339 instant")
    return commands.Fix(driver, data.lat, data.lon, data.heading, data.speed, at)


def parse_since(value: object) -> int | None:
    """`since` as a client gave it, in a frame as its JSON; None where it is no sequence
    number.
    """
    if isinstance(value, Raw):
        value = codec.lenient(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= SINCE_MAX else None


def join(room: str, since: int | None, ask: Asking) -> commands.JoinRoom:
    """`room`: checked already. Which session joins is gateway/fanout/rooms.py's."""
    return commands.JoinRoom(
        id=ask.id, deadline_ms=ask.deadline_ms, by=ask.by, room=room, since=since
    )


def _join(data: rooms.JoinRoomData, ask: Asking) -> Request:
    return join(rooms.canonical(data.room), parse_since(data.since), ask)


def _leave(data: rooms.LeaveRoomData, ask: Asking) -> Request:
    return commands.LeaveRoom(
        id=ask.id,
        deadline_ms=ask.deadline_ms,
        by=ask.by,
        room=rooms.canonical(data.room),
    )


def _send(data: rooms.SendMessageData, ask: Asking) -> Request:
    return commands.SendMessage(
        id=ask.id,
        deadline_ms=ask.deadline_ms,
        by=ask.by,
        room=rooms.canonical(data.room),
        text=data.text,
        key=data.idempotency_key,
        sought=None if data.idempotency_key is None else False,
    )


def _watch(data: WatchData, _: Asking) -> Request:
    return Watched(is_on=True, bounds=data.bounds)


def _unwatch(_: frames.Empty, __: Asking) -> Request:
    return Watched(is_on=False)


BUILDS: dict[str, Build] = {
    "trip.request": request_trip,
    "trip.accept": _accept,
    "trip.decline": _decline,
    "trip.assign": _assign,
    "trip.reschedule": _reschedule,
    "trip.arrive": _about_trip(commands.ArriveTrip),
    "trip.begin": _about_trip(commands.BeginTrip),
    "trip.complete": _about_trip(commands.CompleteTrip),
    "trip.release": _about_trip(commands.ReleaseTrip),
    "trip.cancel": _cancel,
    "trip.get": _about_trip(commands.GetTrip),
    "driver.online": _online,
    "driver.offline": _offline,
    LOCATION: _locate,
    "ops.watch": _watch,
    "ops.unwatch": _unwatch,
    JOIN: _join,
    "chat.leave": _leave,
    SEND: _send,
    # The shapes older clients send, PROTOCOL.md section 2.
    "create.trip": request_trip,
    "update.trip": _update,
}
"""What each becomes; its shape and who may send it are schemas/frame_types.py's. Of
`session.login` and `session.refresh` the session makes something itself
(gateway/session/machine.py).
"""


_READS = {kind: codec.reader(BY_TYPE[kind].data) for kind in BUILDS}
_COSTS: dict[str, tuple[Budget, ...]] = {
    "trip.request": (Budget.COMMANDS, Budget.REQUESTS),
    "create.trip": (Budget.COMMANDS, Budget.REQUESTS),
    SEND: (Budget.COMMANDS, Budget.MESSAGES),
    LOCATION: (),
}


def cost_of(kind: str) -> tuple[Budget, ...]:
    """What a frame of a known type costs its user, whatever its `data` holds: that a
    limit is exceeded is said before anything else (PROTOCOL.md section 3).
    """
    return _COSTS.get(kind, USUAL)


def invalid(message: str) -> Refusal:
    return Refusal(Code.INVALID_DATA, message)


def wrong_role(role: Role, kind: str) -> Refusal:
    return Refusal(Code.WRONG_ROLE, f"{kind} is not for {role.value}s")


def read(kind: str, data: Raw, ask: Asking) -> Request:
    """A frame of a known type (a key of `BUILDS`) to what it asks for."""
    try:
        shaped = _READS[kind](data)
    except codec.CodecError as error:
        return invalid(str(error))
    return request_of(kind, shaped, ask)


def request_of(kind: str, data: Any, ask: Asking) -> Request:
    """The same, of `data` that has its shape: by this door, or over HTTP."""
    rule, claims = BY_TYPE[kind], ask.claims
    if ask.by.role not in rule.roles:
        may_not: Refusal | None = wrong_role(ask.by.role, kind)
    else:
        may_not = None if claims is None else lacking(claims, rule.needs)
    if may_not is not None:
        return unfit(data, ask.now_ms) or may_not
    return BUILDS[kind](data, ask)


def shape(data: Raw, struct: Any) -> Any:
    """`data` as `struct`, or the refusal."""
    try:
        return codec.decode(data, struct)
    except codec.CodecError as error:
        return invalid(str(error))


def has_nul(payload: bytes) -> bool:
    r"""Whether any string of this JSON text holds U+0000.

    `payload` must be JSON as far as its strings go. A raw NUL is none; what is left is
    `\u0000`, unless its backslash is one. Reads bytes, not values: what a value is may
    be too deep or too large to be read (issue 12).
    """
    return (
        _BACKSLASH in payload
        and _NUL_SPELT in payload
        and _NUL_ESCAPED.search(payload) is not None
    )
