"""Commands into facts or refusals: `decide` never changes what it looks at.

The order of the checks is PROTOCOL.md section 3's. Shapes were checked by the gateway;
here any value of the right type must do.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.engine.idempotency import Keys
from dispatcher.engine.ring import Ring
from dispatcher.engine.state import Held, State
from dispatcher.engine.sync import sync_feed, sync_user
from dispatcher.engine.transitions import ENDED_BY, MOVES, Move
from schemas.commands import (
    AcceptTrip,
    AnyCommand,
    ArriveTrip,
    BeginTrip,
    CancelTrip,
    Command,
    CompleteTrip,
    DeclineTrip,
    GetTrip,
    GoOffline,
    GoOnline,
    Lookup,
    ReleaseTrip,
    RequestTrip,
    SendMessage,
    SyncFeed,
    SyncUser,
    TripCommand,
)
from schemas.events import DriverEvent, Event, TripEvent
from schemas.ids import made_id
from schemas.refusals import Code, Refusal
from schemas.trips import TERMINAL, OpenTrip, Person, Role, Status, Trip, User


class Decided(Struct, frozen=True):
    """`data` is what the answer's `data` encodes to: a `Trip`, an `OpenTrip`,
    `{"online": bool}`, a `SyncData`, a `FeedData`, or
    dispatcher/engine/decide_rooms.py's.
    """

    events: tuple[Event, ...]
    data: Any
    attends: bool = False
    """Whether the command changes who is present: `Engine.attend` it."""


Outcome = Decided | Refusal | Lookup


def decide(state: State, ring: Ring, command: AnyCommand, seq: int) -> Outcome:
    """What comes of a command at the state's stamp; its events are numbered from
    `seq`.
    """
    return _HANDLERS[type(command)](state, ring, command, seq)


def due(state: State, ttl_ms: int, seq: int, count_max: int) -> tuple[TripEvent, ...]:
    """The expiries of trips that were REQUESTED for `ttl_ms`, the oldest first."""
    events: list[TripEvent] = []
    for held in state.oldest_open():
        if held.at_ms + ttl_ms > state.stamp_ms or len(events) == count_max:
            break
        trip = held.trip
        events.append(
            TripEvent(
                seq=seq + len(events),
                type=ENDED_BY[Status.EXPIRED],
                at_ms=state.stamp_ms,
                audience=(trip.rider.id,),
                trip=_moved(trip, Status.EXPIRED, None, state.stamp_text()),
                feed=state.feed + 1 + len(events),
            )
        )
    return tuple(events)


# ---- a trip begins -----------------------------------------------------------


def _request(state: State, ring: Ring, command: RequestTrip, seq: int) -> Outcome:
    by = command.by
    if by.role is not Role.RIDER:
        return _wrong_role(command)
    if command.key is not None:
        before = _keyed(state, ring, command, command.key)
        if before is not None:
            return before
    if by.id in state.riders:
        active = state.trips[state.riders[by.id]].trip
        return Refusal(
            Code.RIDER_BUSY, f"your trip {active.id} is {active.status}, end it first"
        )
    now = state.stamp_text()
    trip = Trip(
        id=made_id(state.stamp_ms, command.id, seq),
        region=state.region,
        status=Status.REQUESTED,
        version=1,
        pick_up_address=command.pick_up_address,
        drop_off_address=command.drop_off_address,
        pick_up=command.pick_up,
        drop_off=command.drop_off,
        rider=by.person(),
        driver=None,
        created=now,
        updated=now,
    )
    event = TripEvent(
        seq=seq,
        type="trip.requested",
        at_ms=state.stamp_ms,
        audience=(by.id,),
        trip=trip,
        feed=state.feed + 1,
        command=command.id,
        by=by.id,
        key=command.key,
    )
    return Decided((event,), trip)


def _keyed(state: State, ring: Ring, command: RequestTrip, key: str) -> Outcome | None:
    """What comes of a key that was used before; None: it wasn't."""
    known = state.keys.made(command.by.id, key)
    if known is not None:
        made = known[1]
    elif command.made is not None:
        made = command.made.id
    else:
        asks = ask_for_key(state, state.keys, command)
        # What has ended since is as history knows it, too.
        return asks and replace(asks, seq=max(asks.seq, ring.gone_seq))
    held = find_trip(state, ring, made, command.archived or command.made)
    return _lookup(ring, made) if held is None else Decided((), held.trip)


# ---- a trip moves ------------------------------------------------------------


def _move(state: State, ring: Ring, command: TripCommand, seq: int) -> Outcome:
    move = MOVES[type(command)]
    by = command.by
    may_from = move.may.get(by.role)
    if may_from is None:
        return _wrong_role(command)
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return _lookup(ring, command.trip)
    trip = held.trip
    comes = move.driver == "comes"
    if not comes and not takes_part(by, trip):
        return _not_a_participant(trip)
    # Who did an archived trip's last move is forgotten: that it is as they want it is
    # answered to any participant who may do it.
    if held.type == move.event and (held.by is None or held.by == by.id):
        return Decided((), trip)
    if held.by is None or trip.status not in may_from:
        return _not_open(trip) if comes else _wrong_status(command, trip)
    if comes and by.id in state.drivers:
        active = state.trips[state.drivers[by.id]].trip
        return Refusal(
            Code.DRIVER_BUSY, f"your trip {active.id} is {active.status}, end it first"
        )
    return _moves(state, command, move, trip, seq)


def _moves(
    state: State, command: TripCommand, move: Move, trip: Trip, seq: int
) -> Decided:
    by = command.by
    driver = trip.driver
    if move.driver == "comes":
        driver = by.person()
    elif move.driver == "leaves":
        driver = None
    after = _moved(trip, move.to, driver, state.stamp_text())
    opens_or_closes = Status.REQUESTED in (trip.status, move.to)
    event = TripEvent(
        seq=seq,
        type=move.event,
        at_ms=state.stamp_ms,
        audience=(after if trip.driver is None else trip).participants(),
        trip=after,
        feed=state.feed + 1 if opens_or_closes else 0,
        command=command.id,
        by=by.id,
        reason=command.reason if isinstance(command, CancelTrip) else None,
    )
    return Decided((event,), after)


def _moved(trip: Trip, to: Status, driver: Person | None, now: str) -> Trip:
    """All that no move changes stays, whatever a trip has."""
    return replace(
        trip, status=to, version=trip.version + 1, driver=driver, updated=now
    )


# ---- a trip stays as it is ---------------------------------------------------


def _decline(state: State, ring: Ring, command: DeclineTrip, _: int) -> Outcome:
    if command.by.role is not Role.DRIVER:
        return _wrong_role(command)
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return _lookup(ring, command.trip)
    if held.by is None or held.trip.status is not Status.REQUESTED:
        return _wrong_status(command, held.trip)
    return Decided((), OpenTrip.of(held.trip))


def _get(state: State, ring: Ring, command: GetTrip, _: int) -> Outcome:
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return _lookup(ring, command.trip)
    if not takes_part(command.by, held.trip):
        return _not_a_participant(held.trip)
    return Decided((), held.trip)


# ---- drivers, sessions, gateways ---------------------------------------------


def _online(state: State, _: Ring, command: GoOnline | GoOffline, seq: int) -> Outcome:
    by = command.by
    if by.role is not Role.DRIVER:
        return _wrong_role(command)
    online = isinstance(command, GoOnline)
    events: tuple[Event, ...] = ()
    if online == (by.id in state.offline):
        events = (DriverEvent(seq, state.stamp_ms, by.id, online, command.id),)
    return Decided(events, {"online": online})


def _sync(state: State, ring: Ring, command: SyncUser, _: int) -> Outcome:
    return Decided(
        (),
        sync_user(
            state, ring, command.by, command.since, open_trips=command.open_trips
        ),
    )


def _feed(state: State, ring: Ring, command: SyncFeed, _: int) -> Outcome:
    return Decided(
        (), sync_feed(state, ring, command.since, open_trips=command.open_trips)
    )


_HANDLERS: dict[type[Command], Callable[[State, Ring, Any, int], Outcome]] = {
    RequestTrip: _request,
    AcceptTrip: _move,
    DeclineTrip: _decline,
    ArriveTrip: _move,
    BeginTrip: _move,
    CompleteTrip: _move,
    ReleaseTrip: _move,
    CancelTrip: _move,
    GetTrip: _get,
    GoOnline: _online,
    GoOffline: _online,
    SyncUser: _sync,
    SyncFeed: _feed,
}

# ---- what they share ---------------------------------------------------------


def find_trip(
    state: State, ring: Ring, trip: str, archived: Trip | None
) -> Held | None:
    """The trip as the leader holds it, else as history gave it."""
    held = state.trips.get(trip) or ring.ended(trip)
    if held is None and archived is not None and archived.id == trip:
        return Held(archived, ENDED_BY.get(archived.status, ""), None, 0)
    return held


def ask_for_key(
    state: State, keys: Keys[Any], command: RequestTrip | SendMessage
) -> Lookup | None:
    """The question what a key made that isn't held; None: nothing, or nobody can ask
    (then it counts as new, as with gateways from before there was the question).
    Asked again of what was made, and forgotten, since history was asked.
    """
    since_ms = state.keys_since_ms()
    at_ms = keys.doubt(command.by.id, since_ms)
    if command.sought is None or not at_ms:
        return None
    if command.sought and not 0 < command.sought_ms <= at_ms:
        return None
    seq, now_ms = state.seq_by(at_ms), state.stamp_ms
    return Lookup("", seq, key=True, since_ms=since_ms, asked_ms=now_ms)


def takes_part(by: User, trip: Trip) -> bool:
    if by.role is Role.RIDER:
        return trip.rider.id == by.id
    if by.role is Role.DRIVER:
        return trip.driver is not None and trip.driver.id == by.id
    return True


def _lookup(ring: Ring, trip: str) -> Lookup:
    """All that the leader may have forgotten has no greater seq than this."""
    return Lookup(trip, ring.gone_seq)


def _verb(command: Command) -> str:
    return str(command.__struct_config__.tag)


def _wrong_role(command: Command) -> Refusal:
    return Refusal(
        Code.WRONG_ROLE, f"{_verb(command)} is not for the role {command.by.role}"
    )


def _not_a_participant(trip: Trip) -> Refusal:
    return Refusal(Code.NOT_A_PARTICIPANT, f"trip {trip.id} is not yours")


def _not_open(trip: Trip) -> Refusal:
    if trip.status in TERMINAL or trip.driver is None:
        return Refusal(Code.TRIP_NOT_OPEN, f"trip {trip.id} is {trip.status}")
    return Refusal(Code.TRIP_ALREADY_TAKEN, f"trip {trip.id} has a driver")


def _wrong_status(command: Command, trip: Trip) -> Refusal:
    return Refusal(
        Code.WRONG_STATUS,
        f"trip {trip.id} is {trip.status}, not to {_verb(command)} by a "
        f"{command.by.role}",
    )
