"""What operators see of a region, as its leader tells it, and what of that is news to
whom.

Pure. One picture a region, whoever watches; a session has a `View` of it, with bounds.
Numbers are dense: after a hole nothing is taken until a whole round has come.
"""

from msgspec import Struct

from gateway.fanout.sync import IN_STEP, UNKNOWN, Seen, after
from schemas.codec import decode, encode
from schemas.watching import (
    Bounds,
    DriverRow,
    Glimpse,
    Told,
    TripHead,
    is_within,
    nothing,
)


class _Driver(Struct):
    turn: int
    """When it was news last."""
    row: DriverRow
    placed_s: float
    """Monotonic: when the position arrived."""


class _Trip(Struct, frozen=True):
    turn: int
    head: TripHead
    encoded: bytes


class View(Struct, frozen=True):
    """What a session was shown, as of a turn: a function of that and the bounds."""

    bounds: Bounds | None
    turn: int = -1
    drivers: frozenset[str] = frozenset()
    trips: frozenset[str] = frozenset()
    figures: bytes = b""


class News(Struct, frozen=True):
    told: Told
    view: View
    is_any: bool
    """Whether there is anything to tell."""


class Picture:
    """Starts out unknown."""

    def __init__(self) -> None:
        self.sync = UNKNOWN
        self.turn = 0
        """Grows with all that is taken."""
        self.round_turn = 0
        """That of the latest round's end."""
        self.figures = b""
        self._epoch = 0
        self._n = 0
        self._drivers: dict[str, _Driver] = {}
        self._trips: dict[str, _Trip] = {}
        """Both: who was news last is last."""
        self._named: tuple[set[str], set[str]] | None = None
        """Drivers and trips of the whole round that is under way."""

    @property
    def is_whole(self) -> bool:
        return self.sync is IN_STEP

    @property
    def wants_whole(self) -> bool:
        """Whether a whole round must be asked for."""
        return not self.is_whole and self._named is None

    def take(self, said: Glimpse, now_s: float) -> bool:
        """Whether a round has ended: what has changed may be shown."""
        if not self._follows(said):
            return False
        if said.begins:
            self._named = (set(), set()) if said.whole else None
        if self.wants_whole:
            return False
        self.turn += 1
        for row in said.drivers:
            self._place(row, now_s)
        for driver in said.gone:
            self._drivers.pop(driver, None)
        for trip in said.trips:
            self._keep(bytes(trip))
        for trip_id in said.ended:
            self._trips.pop(trip_id, None)
        if not said.ends:
            return False
        self._end(said)
        return self.is_whole

    def _follows(self, said: Glimpse) -> bool:
        if said.epoch < self._epoch:
            return False
        if said.epoch > self._epoch:
            self.lose()
            self._epoch, self._n = said.epoch, said.n
            return True
        if said.n <= self._n:
            return False
        if said.n != self._n + 1:
            self.lose()
        self._n = said.n
        return True

    def lose(self) -> None:
        """Something is lost."""
        self.sync = after(self.sync, Seen.LOST)
        self._named = None

    def _place(self, row: DriverRow, now_s: float) -> None:
        if self._named is not None:
            self._named[0].add(row.id)
        placed_s = now_s - (row.age_s or 0)
        known = self._drivers.get(row.id)
        if known is not None and _but_age(known.row) == _but_age(row):
            known.placed_s = placed_s
            return
        self._drivers.pop(row.id, None)
        self._drivers[row.id] = _Driver(self.turn, row, placed_s)

    def _keep(self, encoded: bytes) -> None:
        head = decode(encoded, TripHead)
        if self._named is not None:
            self._named[1].add(head.id)
        known = self._trips.get(head.id)
        if known is None or known.encoded != encoded:
            self._trips.pop(head.id, None)
            self._trips[head.id] = _Trip(self.turn, head, encoded)

    def _end(self, said: Glimpse) -> None:
        if self._named is not None:
            drivers, trips = self._named
            for driver in self._drivers.keys() - drivers:
                del self._drivers[driver]
            for trip in self._trips.keys() - trips:
                del self._trips[trip]
            self._named = None
            self.sync = after(self.sync, Seen.TOLD)
        if said.figures is not None:
            self.figures = bytes(said.figures)
        self.round_turn = self.turn

    # ---- what is shown -------------------------------------------------------

    def news(self, view: View, now_s: float) -> News:
        """What has changed for who was shown that, and what they are shown with it."""
        told = nothing()
        drivers = self._drivers_news(view, now_s, told)
        trips = self._trips_news(view, told)
        now = View(view.bounds, self.turn, drivers, trips, self.figures)
        return News(told, now, bool(told) or self.figures != view.figures)

    def _drivers_news(self, view: View, now_s: float, told: Told) -> frozenset[str]:
        shown = set(view.drivers)
        for one in reversed(self._drivers.values()):
            if one.turn <= view.turn:
                break
            row = one.row
            if is_within(view.bounds, row.lat, row.lon):
                shown.add(row.id)
                told.drivers.append(encode(_aged(one, now_s)))
            else:
                shown.discard(row.id)
        shown &= self._drivers.keys()
        told.gone.extend(map(encode, view.drivers - shown))
        return frozenset(shown)

    def _trips_news(self, view: View, told: Told) -> frozenset[str]:
        shown = set(view.trips)
        for one in reversed(self._trips.values()):
            if one.turn <= view.turn:
                break
            place = one.head.pick_up
            lat, lon = (None, None) if place is None else (place.lat, place.lon)
            if is_within(view.bounds, lat, lon):
                shown.add(one.head.id)
                told.trips.append(one.encoded)
            else:
                shown.discard(one.head.id)
        shown &= self._trips.keys()
        told.ended.extend(map(encode, view.trips - shown))
        return frozenset(shown)


def _but_age(row: DriverRow) -> tuple[object, ...]:
    return row.lat, row.lon, row.heading, row.state, row.trip


def _aged(one: _Driver, now_s: float) -> DriverRow:
    """As it is now."""
    row = one.row
    if row.age_s is None:
        return row
    age_s = max(0, round(now_s - one.placed_s))
    return DriverRow(row.id, row.lat, row.lon, row.heading, row.state, row.trip, age_s)
