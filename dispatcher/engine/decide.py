"""Commands into facts or refusals: `decide` never changes what it looks at.

The order of the checks is PROTOCOL.md section 3's. Shapes were checked by the gateway;
here any value of the right type must do.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dispatcher.engine import bookings, drivers
from dispatcher.engine import decide_offers as offers
from dispatcher.engine.lookups import ask_for_key, find_trip, look_up
from dispatcher.engine.outcomes import (
    Decided,
    Outcome,
    not_a_participant,
    not_open,
    takes_part,
    wrong_role,
    wrong_status,
)
from dispatcher.engine.regional import Regional
from dispatcher.engine.ring import Ring
from dispatcher.engine.state import State
from dispatcher.engine.sync import sync_feed, sync_user
from dispatcher.engine.transitions import (
    DRIVER,
    MOVES,
    OPERATOR,
    REQUESTED,
    RIDER,
    SCHEDULED,
    Move,
    moved,
)
from schemas.commands import (
    AcceptTrip,
    AnyCommand,
    ArriveTrip,
    AssignTrip,
    BeginTrip,
    CancelTrip,
    Command,
    CompleteTrip,
    DeclineTrip,
    DutyData,
    FindDrivers,
    GetTrip,
    GoOffline,
    GoOnline,
    Lookup,
    ReleaseTrip,
    RequestTrip,
    RescheduleTrip,
    SyncFeed,
    SyncUser,
    TagDriver,
    TagsData,
    TripCommand,
)
from schemas.events import Event, Matching, TripEvent
from schemas.ids import made_id
from schemas.refusals import Code, Refusal
from schemas.seen import trip_as
from schemas.trips import OpenTrip, Person, Trip, User


def decide(region: Regional, command: AnyCommand, seq: int) -> Outcome:
    """What comes of a command at the state's stamp; its events are numbered from
    `seq`.
    """
    outcome = _HANDLERS[type(command)](region, command, seq)
    if type(outcome) is Decided and type(outcome.data) is Trip:
        shown = trip_as(command.by.role, outcome.data)
        return outcome if shown is outcome.data else replace(outcome, data=shown)
    return outcome


# ---- a trip begins -----------------------------------------------------------


def _request(region: Regional, command: RequestTrip, seq: int) -> Outcome:
    state, ring, by = region.state, region.ring, command.by
    is_own = command.rider is None
    if by.role is not (RIDER if is_own else OPERATOR):
        return bookings.unfit(state, command) or wrong_role(command)
    rider = command.rider or by
    if rider.role is not RIDER:
        return Refusal(Code.INVALID_DATA, "rider: there is no such rider")
    if command.key is not None:
        before = _keyed(state, ring, command, command.key)
        if before is not None:
            return before
    if command.pick_up_at is not None:
        missed = bookings.misses(state, command.pick_up_at)
        if missed is not None:
            return missed
    trip = _made(state, command, rider, seq)
    more = {"seq": seq, "command": command.id, "by": by.id, "key": command.key}
    if bookings.is_early(state, trip):
        booked = replace(trip, status=SCHEDULED)
        full = bookings.too_many(state, rider.id)
        event = full or bookings.booked(state, booked, more)
    else:
        event = _busy(state, by, rider) or bookings.opened(region, trip, more)
    return event if isinstance(event, Refusal) else Decided((event,), event.trip)


def _busy(state: State, by: User, rider: User) -> Refusal | None:
    if rider.id not in state.riders:
        return None
    active = state.trips[state.riders[rider.id]].trip
    whose = "your" if rider.id == by.id else "the rider's"
    return Refusal(
        Code.RIDER_BUSY, f"{whose} trip {active.id} is {active.status}, end it first"
    )


def _made(state: State, command: RequestTrip, rider: User, seq: int) -> Trip:
    """The trip that a request makes, if it opens at once."""
    now = state.stamp_text()
    return Trip(
        id=made_id(state.stamp_ms, command.id, seq),
        region=state.region,
        status=REQUESTED,
        version=1,
        pick_up_address=command.pick_up_address,
        drop_off_address=command.drop_off_address,
        pick_up=command.pick_up,
        drop_off=command.drop_off,
        rider=rider.person(),
        driver=None,
        created=now,
        updated=now,
        note=command.note,
        reference=command.reference,
        needs=command.needs,
        pick_up_at=command.pick_up_at,
    )


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
    return look_up(ring, made) if held is None else Decided((), held.trip)


# ---- a trip moves ------------------------------------------------------------


def _move(region: Regional, command: TripCommand, seq: int) -> Outcome:
    state, ring, by = region.state, region.ring, command.by
    move = MOVES[type(command)]
    may_from = move.may.get(by.role)
    if may_from is None:
        return wrong_role(command)
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return look_up(ring, command.trip)
    trip = held.trip
    comes = move.driver == "comes"
    if not comes and not takes_part(by, trip):
        return not_a_participant(trip)
    # Who did an archived trip's last move is forgotten: that it is as they want it is
    # answered to any participant who may do it.
    if held.type == move.event and (held.by is None or held.by == by.id):
        return Decided((), trip)
    if held.by is None or trip.status not in may_from:
        if isinstance(command, AcceptTrip):
            return not_open(trip)
        return wrong_status(command, trip)
    if not comes:
        driver = None if move.driver == "leaves" else trip.driver
        return _moves(region, command, move, trip, seq, driver=driver)
    return _takes(region, command, move, trip, seq)


def _takes(
    region: Regional, command: TripCommand, move: Move, trip: Trip, seq: int
) -> Outcome:
    """An open trip gets a driver."""
    state, offer = region.state, ""
    if isinstance(command, AcceptTrip):
        found = offers.accepted(state, command)
        if isinstance(found, Refusal):
            return found
        offer = found
    driver = _comes(command)
    if driver.id in state.drivers:
        active = state.trips[state.drivers[driver.id]].trip
        return Refusal(
            Code.DRIVER_BUSY, f"trip {active.id} is {active.status}, end it first"
        )
    return _moves(region, command, move, trip, seq, driver=driver, offer=offer)


def _comes(command: TripCommand) -> Person:
    """Whose trip it will be."""
    if isinstance(command, AssignTrip):
        assert command.found is not None, "nobody was looked up"
        return command.found.person()
    return command.by.person()


def _assign(region: Regional, command: AssignTrip, seq: int) -> Outcome:
    if command.by.role is not OPERATOR:
        return wrong_role(command)
    if not command.sought:
        return Lookup("", 0, user=command.driver)
    found = command.found
    if found is None or found.role is not DRIVER:
        return Refusal(Code.INVALID_DATA, "driver: there is no such driver")
    held = find_trip(region.state, region.ring, command.trip, command.archived)
    if held is not None and held.trip.driver is not None:
        is_theirs = held.trip.driver.id == found.id
        if held.type == "trip.started" and not is_theirs:
            return wrong_status(command, held.trip)
    return _move(region, command, seq)


def _moves(
    region: Regional,
    command: TripCommand,
    move: Move,
    trip: Trip,
    seq: int,
    *,
    driver: Person | None,
    offer: str = "",
) -> Decided:
    """`driver`: whom the trip has from now on."""
    state, by = region.state, command.by
    how, feed = _HAS_ONE, 0
    after = moved(trip, move.to, driver, state.stamp_text())
    if move.to is REQUESTED:
        how = region.market.how(state, after)
        feed = bookings.feed_of(state, how)
    elif state.is_told(trip.id):
        feed = state.feed + 1
    event = TripEvent(
        seq=seq,
        type=move.event,
        at_ms=state.stamp_ms,
        audience=(after if trip.driver is None else trip).participants(),
        trip=after,
        feed=feed,
        command=command.id,
        by=by.id,
        reason=command.reason if isinstance(command, CancelTrip) else None,
        matching=how,
        offer=offer,
        quiet=move.driver == "comes" and state.rooms.is_quiet(after),
    )
    return Decided((event,), after)


_HAS_ONE: Matching = ""
"""Of a trip that no driver is found for, since it has one or has ended."""


# ---- a trip stays as it is ---------------------------------------------------


def _decline(region: Regional, command: DeclineTrip, seq: int) -> Outcome:
    state, ring = region.state, region.ring
    if command.by.role is not DRIVER:
        return wrong_role(command)
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return look_up(ring, command.trip)
    met = offers.declined(region, command, held.trip)
    if held.by is None or met is None:
        return wrong_status(command, held.trip)
    events: tuple[Event, ...] = ()
    if met.live is not None:
        events = (offers.decline(state, command, met.live, seq),)
    return Decided(events, OpenTrip.of(held.trip))


def _get(region: Regional, command: GetTrip, _: int) -> Outcome:
    state, ring = region.state, region.ring
    held = find_trip(state, ring, command.trip, command.archived)
    if held is None:
        return look_up(ring, command.trip)
    if not takes_part(command.by, held.trip):
        return not_a_participant(held.trip)
    return Decided((), held.trip)


# ---- drivers, sessions, gateways ---------------------------------------------


def _online(region: Regional, command: GoOnline | GoOffline, seq: int) -> Outcome:
    if command.by.role is not DRIVER:
        return wrong_role(command)
    events, wants = offers.stands(region.state, command, seq)
    online = isinstance(command, GoOnline)
    return Decided(events, DutyData(online, wants))


def _tag(region: Regional, command: TagDriver, seq: int) -> Outcome:
    if command.by.role is not OPERATOR:
        return wrong_role(command)
    events = offers.tagged(region.state, command, seq)
    return Decided(events, TagsData(command.driver, tuple(sorted(set(command.tags)))))


def _find_drivers(region: Regional, command: FindDrivers, _: int) -> Outcome:
    if command.by.role is not OPERATOR:
        return wrong_role(command)
    return Decided((), drivers.find(region, command))


def _sync(region: Regional, command: SyncUser, _: int) -> Outcome:
    state, ring = region.state, region.ring
    return Decided(
        (),
        sync_user(
            state, ring, command.by, command.since, open_trips=command.open_trips
        ),
    )


def _feed(region: Regional, command: SyncFeed, _: int) -> Outcome:
    state, ring = region.state, region.ring
    return Decided(
        (), sync_feed(state, ring, command.since, open_trips=command.open_trips)
    )


_HANDLERS: dict[type[Command], Callable[[Regional, Any, int], Outcome]] = {
    RequestTrip: _request,
    AcceptTrip: _move,
    DeclineTrip: _decline,
    AssignTrip: _assign,
    ArriveTrip: _move,
    BeginTrip: _move,
    CompleteTrip: _move,
    ReleaseTrip: _move,
    CancelTrip: _move,
    RescheduleTrip: bookings.reschedule,
    GetTrip: _get,
    GoOnline: _online,
    GoOffline: _online,
    TagDriver: _tag,
    FindDrivers: _find_drivers,
    SyncUser: _sync,
    SyncFeed: _feed,
}
