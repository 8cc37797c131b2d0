"""The engine's state as a struct of rows, and back: all but the ring, which the ledger
refills.

What the ring holds (ended trips, recent answers) is therefore not here either. Written
and read in parts (lined.py).
"""

from typing import Any

from msgspec import Struct

from dispatcher.engine.idempotency import Forgotten
from dispatcher.engine.limits import Limits
from dispatcher.engine.offers import OfferRows
from dispatcher.engine.ring import Marks
from dispatcher.engine.rooms import RoomRows
from dispatcher.engine.state import Held, State
from dispatcher.engine.timeline import Point
from dispatcher.errors import SnapshotError
from schemas.kinds import says_more
from schemas.trips import DRIVING

SNAPSHOT_VERSION = 3
"""The newest format. A snapshot says the oldest that reads all of it, as records do: 1,
which programs before offers read, where there is nothing of them in it; 2, of before
bookings.
"""

KeyRow = tuple[int, str, str, str]
"""(made at, in ms; rider; key; trip)."""


class Snapshot(Struct, frozen=True):
    """Equal states give equal bytes."""

    v: int
    region: str
    stamp_ms: int
    head_seq: int
    feed: int
    trips: list[Held] = []
    open: list[str] = []
    offline: list[str] = []
    """As State.offline has them; up to 0.1 by name."""
    keys: list[KeyRow] = []
    ring: Marks = Marks()
    rooms: RoomRows = RoomRows()
    keys_forgotten: Forgotten = Forgotten()
    timeline: list[Point] = []
    untold: list[str] = []
    offers: OfferRows = OfferRows()


def format_of(state: State) -> int:
    if any(says_more(held.trip) for held in state.trips.values()):
        return 3
    return 1 if not state.untold and state.offers.is_empty else 2


def freeze(state: State, marks: Marks) -> Snapshot:
    """To be written before the state changes."""
    keys: Any = state.keys.rows()
    return Snapshot(
        v=format_of(state),
        region=state.region,
        stamp_ms=state.stamp_ms,
        head_seq=state.head_seq,
        feed=state.feed,
        trips=list(state.trips.values()),
        open=list(state.open),
        offline=list(state.offline),
        keys=keys,
        ring=marks,
        rooms=state.rooms.rows(),
        keys_forgotten=state.keys.forgotten(),
        timeline=state.timeline.rows(),
        untold=list(state.untold),
        offers=state.offers.rows(),
    )


class Thaw:
    """The inverse, part by part: `take` each, and the last with all that isn't long."""

    def __init__(self, limits: Limits) -> None:
        self.state = State("", limits)
        self.marks = Marks()

    def take(self, part: Snapshot) -> None:
        """Raises:
        SnapshotError: it is of another version.
        """
        if not 1 <= part.v <= SNAPSHOT_VERSION:
            msg = f"snapshot is of version {part.v}, not 1 to {SNAPSHOT_VERSION}"
            raise SnapshotError(msg)
        state = self.state
        state.region = part.region
        state.stamp_ms = part.stamp_ms
        state.head_seq = part.head_seq
        state.feed = part.feed
        for held in part.trips:
            trip = held.trip
            state.hold(held)
            if trip.driver is not None and trip.status in DRIVING:
                state.drivers[trip.driver.id] = trip.id
        for open_trip in part.open:
            state.open[open_trip] = None
        state.untold.update(dict.fromkeys(part.untold))
        state.offers.add_rows(part.offers)
        for driver in part.offline:
            state.go_offline(driver)
        for row in part.keys:
            state.keys.put(*row)
        state.keys.forget(part.keys_forgotten)
        state.timeline.add_rows(part.timeline)
        state.rooms.add_rows(part.rooms)
        self.marks = part.ring
