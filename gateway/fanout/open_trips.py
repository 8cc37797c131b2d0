"""The open trips of a region, as its feed tells them, at each of its latest numbers.

Pure. The leader says once which there are (`FeedData.open_trips`), the feed what comes
and goes; so a driver's welcome needs no list of its own from the leader: 37 KB each,
555 MB for 15,000 drivers who come back at once. Must not know who the drivers are.
"""

from collections import deque
from typing import Generic, TypeVar

from msgspec import Struct

from schemas import codec
from schemas.budget import as_list, in_messages
from schemas.codec import Raw
from schemas.events import FeedEntry
from schemas.frames import OPEN_TRIPS_BYTES_MAX, OPEN_TRIPS_MAX

KEPT_MAX = 2_000
"""Trips held of a region, 0.6 KB each (of the longest words: 8 KB); those that have
been open the longest are forgotten first."""
BACK_MAX = 5_000
"""Entries that can be taken back: more than a record has events (4,096), and an answer
is of the record whose entries came just before it."""
BACK_BYTES_MAX = 4 * 1024 * 1024
"""The same in bytes, where trips have long words: a record has half a MiB."""
ITEM_BYTES = 400
"""What one counts beside its JSON."""

Item = TypeVar("Item")


class _Id(Struct):
    id: str


_read_id = codec.reader(_Id)


class _Open(Struct, frozen=True):
    order: int
    """Of two, the one that has been open for less has the greater one."""
    data: Raw


class _Change(Struct, frozen=True):
    n: int
    trip: str
    before: _Open | None


class _Latest(Generic[Item]):
    """The latest items, as far as both bounds go; of each how large it is."""

    __slots__ = ("_bytes", "items")

    def __init__(self) -> None:
        self.items: deque[tuple[Item, int]] = deque()
        self._bytes = 0

    def add(self, item: Item, data: Raw | None) -> None:
        size = ITEM_BYTES + (0 if data is None else len(memoryview(data)))
        self.items.append((item, size))
        self._bytes += size
        while len(self.items) > BACK_MAX or self._bytes > BACK_BYTES_MAX:
            self._bytes -= self.items.popleft()[1]


class OpenTrips:
    """Starts out unknown."""

    __slots__ = (
        "_back",
        "_order",
        "_recent",
        "_shown",
        "_shown_at",
        "_trips",
        "_whole",
        "n",
        "unserved",
    )

    def __init__(self) -> None:
        self.unserved: int | None = None
        """The epoch of a leader that doesn't tell: one of an older version."""
        self._recent: _Latest[FeedEntry] = _Latest()
        self._forget()

    def _forget(self) -> None:
        self.n: int | None = None
        """The feed's number these are at; None: unknown."""
        self._whole = False
        """Whether no older ones are open besides."""
        self._trips: dict[str, _Open] = {}
        self._order = 0
        self._back: _Latest[_Change] = _Latest()
        self._shown: Raw | None = None
        self._shown_at: tuple[int, int] | None = None

    def begin(self, n: int, newest_first: Raw, *, whole: bool) -> None:
        """What was open at number `n` of the feed, as the leader said."""
        self._forget()
        self.n, self._whole = n, whole
        for data in reversed(codec.decode(newest_first, list[Raw])):
            self._open(codec.decode(data, _Id).id, data)
        for entry, _ in self._recent.items:
            self._take(entry)

    def take(self, entries: list[FeedEntry]) -> None:
        """The feed's next entries, in order."""
        for entry in entries:
            self._recent.add(entry, entry.data)
            self._take(entry)

    def _take(self, entry: FeedEntry) -> None:
        if self.n is None or entry.n <= self.n:
            return
        if entry.n != self.n + 1:
            self._forget()
            return
        self.n = entry.n
        trip = _read_id(entry.data).id
        before = self._trips.get(trip)
        change = _Change(entry.n, trip, before)
        self._back.add(change, None if before is None else before.data)
        if entry.type == "trip.requested":
            self._open(trip, entry.data)
        else:
            self._trips.pop(trip, None)

    def _open(self, trip: str, data: Raw) -> None:
        before = self._trips.get(trip)
        self._order += 1
        order = self._order if before is None else before.order
        self._trips[trip] = _Open(order, Raw(bytes(data)))
        if len(self._trips) > KEPT_MAX:
            del self._trips[next(iter(self._trips))]
            self._whole = False

    def at(self, n: int) -> Raw | None:
        """The newest at number `n`, as `welcome` has them; None: not known here."""
        if self.n is None or not 0 <= self.n - n <= len(self._back.items):
            return None
        if self._shown_at != (n, self.n):
            self._shown, self._shown_at = self._newest(n), (n, self.n)
        return self._shown

    def _newest(self, n: int) -> Raw | None:
        trips = self._trips
        if n != self.n:
            trips = dict(trips)
            for change, _ in reversed(self._back.items):
                if change.n <= n:
                    break
                if change.before is None:
                    trips.pop(change.trip, None)
                else:
                    trips[change.trip] = change.before
        newest = sorted(trips.values(), key=_order, reverse=True)[:OPEN_TRIPS_MAX]
        encoded = [bytes(one.data) for one in newest]
        fitting = next(in_messages(encoded, OPEN_TRIPS_BYTES_MAX), [])
        if len(fitting) == len(trips) < OPEN_TRIPS_MAX and not self._whole:
            return None  # an older one may belong to it
        return Raw(as_list(fitting))


def _order(one: _Open) -> int:
    return one.order
