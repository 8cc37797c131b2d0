"""What a region's leader holds of the present: active trips and who is in them,
and rooms.

Changed by dispatcher/engine/apply.py alone.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from dispatcher.engine.idempotency import Keys
from dispatcher.engine.limits import ALL_OPEN_TRIPS_MAX, OPEN_BYTES_MAX, Limits
from dispatcher.engine.rooms import Rooms
from dispatcher.engine.timeline import Timeline
from schemas.budget import as_list, in_messages
from schemas.codec import Raw, encode
from schemas.frames import OPEN_TRIPS_BYTES_MAX, OPEN_TRIPS_MAX
from schemas.times import rfc3339
from schemas.trips import OpenTrip, Trip


class Held(Struct, frozen=True):
    """A trip and its latest event's type, doer and stamp.

    `by` is empty for an expiry, and None for a trip that came from history, which
    doesn't tell; such a trip never moves.
    """

    trip: Trip
    type: str
    by: str | None
    at_ms: int


class State:
    """Active trips only; those that ended are the ring's."""

    __slots__ = (
        "_open_encoded",
        "_text",
        "_text_of",
        "drivers",
        "feed",
        "head_seq",
        "keys",
        "limits",
        "offline",
        "open",
        "region",
        "riders",
        "rooms",
        "stamp_ms",
        "timeline",
        "trips",
    )

    def __init__(self, region: str, limits: Limits) -> None:
        self.region = region
        self.limits = limits
        self.stamp_ms = 0
        self.head_seq = 0
        self.feed = 0
        self.trips: dict[str, Held] = {}
        self.open: OrderedDict[str, None] = OrderedDict()
        """REQUESTED trips in the order in which they became so: stamps never fall and
        the TTL is one for all, so they expire in this order too."""
        self.riders: dict[str, str] = {}
        """Rider → their active trip."""
        self.drivers: dict[str, str] = {}
        """Driver → their active trip."""
        self.offline: OrderedDict[str, None] = OrderedDict()
        """Drivers, who has been so for the longest first; who isn't in it is online."""
        self.timeline = Timeline()
        self.keys: Keys[str] = Keys(limits.keys_per_user_max, limits.keys_bytes_max)
        """What a rider's key made: a trip."""
        self.rooms = Rooms(limits)
        self._text_of = -1
        self._text = ""
        self._open_encoded: Raw | None = None

    def keys_since_ms(self) -> int:
        """The stamp up to which keys no longer hold."""
        return self.stamp_ms - self.limits.key_ms

    def seq_by(self, at_ms: int) -> int:
        """No event at `at_ms` or before has a greater number."""
        known = self.timeline.covers(at_ms)
        return self.head_seq if known is None else known

    def stamp_text(self) -> str:
        """The stamp in RFC 3339."""
        if self._text_of != self.stamp_ms:
            self._text = rfc3339(self.stamp_ms)
            self._text_of = self.stamp_ms
        return self._text

    def trips_of(self, user: str) -> list[Trip]:
        """Active trips the user rides or drives."""
        found = (self.riders.get(user), self.drivers.get(user))
        return [self.trips[trip].trip for trip in found if trip is not None]

    def go_offline(self, driver: str) -> None:
        """Beyond the limit whoever has been offline for the longest is forgotten: they
        are online again, as a driver who is new is.
        """
        self.offline[driver] = None
        self.offline.move_to_end(driver)
        if len(self.offline) > self.limits.offline_max:
            self.offline.popitem(last=False)

    def go_online(self, driver: str) -> None:
        self.offline.pop(driver, None)

    def open_trips(self) -> Raw:
        """The newest REQUESTED trips as a JSON list of `OpenTrip`, as many as fit; kept
        until the next change, since after a failure thousands of drivers ask for it at
        once.
        """
        if self._open_encoded is None:
            newest = islice(reversed(self.open), OPEN_TRIPS_MAX)
            shown = (encode(OpenTrip.of(self.trips[trip].trip)) for trip in newest)
            fitting = next(in_messages(shown, OPEN_TRIPS_BYTES_MAX), [])
            self._open_encoded = Raw(as_list(fitting))
        return self._open_encoded

    def all_open_trips(self) -> tuple[Raw, bool]:
        """The same, but as many of the newest as a message has room for, and whether
        that is all of them: for gateways, once each.
        """
        newest = islice(reversed(self.open), ALL_OPEN_TRIPS_MAX)
        shown = (encode(OpenTrip.of(self.trips[trip].trip)) for trip in newest)
        fitting = next(in_messages(shown, OPEN_BYTES_MAX), [])
        return Raw(as_list(fitting)), len(fitting) == len(self.open)

    def open_changed(self) -> None:
        self._open_encoded = None

    def oldest_open(self) -> Iterator[Held]:
        """REQUESTED trips, the first to expire first."""
        for trip in self.open:
            yield self.trips[trip]
