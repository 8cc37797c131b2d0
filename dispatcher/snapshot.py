"""The engine's state as bytes, and back: all but the ring, which the ledger refills.

What the ring holds (ended trips, recent answers) is therefore not here either.
"""

from msgspec import Struct

from dispatcher.errors import SnapshotError
from dispatcher.keys import KeyRow
from dispatcher.limits import Limits
from dispatcher.ring import Marks
from dispatcher.rooms import RoomRows, Rooms
from dispatcher.state import Held, State
from schemas.codec import CodecError, decode, encode
from schemas.trips import DRIVING

SNAPSHOT_VERSION = 1


class Version(Struct, frozen=True):
    v: int


class Snapshot(Struct, frozen=True):
    """Equal states give equal bytes."""

    v: int
    region: str
    stamp_ms: int
    head_seq: int
    feed: int
    trips: list[Held]
    open: list[str]
    offline: list[str]
    keys: list[KeyRow]
    ring: Marks
    rooms: RoomRows = RoomRows()


def freeze(state: State, marks: Marks) -> bytes:
    return encode(
        Snapshot(
            v=SNAPSHOT_VERSION,
            region=state.region,
            stamp_ms=state.stamp_ms,
            head_seq=state.head_seq,
            feed=state.feed,
            trips=list(state.trips.values()),
            open=list(state.open),
            offline=sorted(state.offline),
            keys=list(state.keys.rows()),
            ring=marks,
            rooms=state.rooms.rows(),
        )
    )


def thaw(payload: bytes, limits: Limits) -> tuple[State, Marks]:
    """The inverse.

    Raises:
        SnapshotError: not a snapshot, torn, or of another version.
    """
    try:
        version = decode(payload, Version).v
        if version != SNAPSHOT_VERSION:
            msg = f"snapshot is of version {version}, not {SNAPSHOT_VERSION}"
            raise SnapshotError(msg)
        snapshot = decode(payload, Snapshot)
    except CodecError as error:
        msg = f"{len(payload)} bytes are not a snapshot: {error}"
        raise SnapshotError(msg) from error
    state = State(snapshot.region, limits)
    state.stamp_ms = snapshot.stamp_ms
    state.head_seq = snapshot.head_seq
    state.feed = snapshot.feed
    for held in snapshot.trips:
        trip = held.trip
        state.trips[trip.id] = held
        state.riders[trip.rider.id] = trip.id
        if trip.driver is not None and trip.status in DRIVING:
            state.drivers[trip.driver.id] = trip.id
    for open_trip in snapshot.open:
        state.open[open_trip] = None
    state.offline.update(snapshot.offline)
    for row in snapshot.keys:
        state.keys.put(*row)
    state.rooms = Rooms.of(snapshot.rooms, limits)
    return state, snapshot.ring
