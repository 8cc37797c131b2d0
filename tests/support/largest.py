"""A region's state as large as wanted: keyed trips of 24 h, rooms, messages, trips."""

from collections.abc import Iterator
from itertools import count

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.engine.apply import apply
from dispatcher.engine.engine import Engine, Limits
from schemas.events import Event, TripEvent
from schemas.ids import made_id
from schemas.rooms import MemberEvent, MessageData, MessageEvent
from schemas.times import rfc3339
from schemas.trips import Person, Status, Trip

LIMITS = Limits(request_ttl_ms=300_000)
KEYS_PER_RIDER = 20


class Size(Struct, frozen=True):
    """`keys`: trips with idempotency keys that have ended. `rooms`: open ones that had
    a message, in the first of which all `members` are; `messages`: with keys. `trips`:
    open ones; `rides`: those under way, of the longest words.
    """

    keys: int
    rooms: int
    messages: int
    members: int
    trips: int
    rides: int

    def times(self, factor: float) -> "Size":
        return Size(*(max(1, int(part * factor)) for part in self._parts()))

    def _parts(self) -> tuple[int, ...]:
        counts = self.keys, self.rooms, self.messages, self.members
        return *counts, self.trips, self.rides


LARGE = Size(
    keys=1_000_000,
    rooms=500_000,
    messages=100_000,
    members=2_000,
    trips=10_000,
    rides=32_000,
)
"""A snapshot of 200 MB: as many keys, rooms and messages as are held at all take 62,
the rest are trips under way, which nothing but their people bounds.
"""
WIDE = "\U0001f695"
"""Four bytes, in JSON and in memory."""


def filled(
    size: Size, *, first_seq: int, stamp_ms: int, region: str = "main"
) -> Engine:
    """An engine in that state, whose first event is numbered `first_seq`; its ring is
    empty.
    """
    engine = Engine(region, LIMITS)
    state = engine._state
    state.stamp_ms = stamp_ms
    seqs = count(first_seq)
    for event in _events(size, seqs, stamp_ms, region):
        apply(state, event)
    return engine


def _events(size: Size, seqs: "count[int]", at_ms: int, region: str) -> Iterator[Event]:
    at = rfc3339(at_ms)
    for number in range(size.keys):
        rider = person("r", number // KEYS_PER_RIDER)
        trip = _trip(f"k{number}", rider, region, at)
        key = uuid(f"key{number}")
        yield TripEvent(next(seqs), "trip.requested", at_ms, (rider.id,), trip, key=key)
        ended = _trip(f"k{number}", rider, region, at, Status.CANCELLED)
        yield TripEvent(next(seqs), "trip.cancelled", at_ms, (rider.id,), ended)
    for number in range(size.trips):
        rider = person("t", number)
        trip = _trip(f"t{number}", rider, region, at)
        yield TripEvent(next(seqs), "trip.requested", at_ms, (rider.id,), trip)
    for number in range(size.rides):
        trip = _ride(f"y{number}", number, region, at)
        people = (trip.rider.id, person("d", number).id)
        yield TripEvent(next(seqs), "trip.started", at_ms, people, trip)
    for number in range(size.members):
        yield MemberEvent(
            next(seqs), at_ms, uuid("room0"), person("m", number), joined=True
        )
    for number in range(size.rooms + size.messages):
        told = number - size.rooms
        room = uuid(f"room{number if told < 0 else told % 500}")
        n = 1 if told < 0 else 2 + told // 500
        sender = person("m", number % max(1, size.members))
        text = "x" if told < 0 else "Ich stehe vor dem Haus mit dem roten Tor. " * 4
        message = MessageData(room, n, uuid(f"w{number}"), sender, text, at)
        key = None if told < 0 else uuid(f"said{number}")
        yield MessageEvent(next(seqs), at_ms, message, key=key)


def uuid(name: str) -> str:
    return made_id(1_795_000_000_000, name)


def person(kind: str, number: int) -> Person:
    name = f"{kind}{number}"
    return Person(uuid(name), name, "Wilhelmina", "Oberreuter")


def _ride(name: str, number: int, region: str, at: str) -> Trip:
    rider, driver = (
        replace(person(kind, number), first_name=WIDE * 150, last_name=WIDE * 150)
        for kind in ("y", "d")
    )
    words = {"pick_up_address": WIDE * 255, "drop_off_address": WIDE * 255}
    trip = _trip(name, rider, region, at, Status.STARTED)
    return replace(trip, driver=driver, **words)


def _trip(
    name: str, rider: Person, region: str, at: str, status: Status = Status.REQUESTED
) -> Trip:
    return Trip(
        uuid(name),
        region,
        status,
        1 if status is Status.REQUESTED else 2,
        "14 Hauptstraße, 10827 Berlin-Schöneberg",
        "2 Bahnhofsplatz, 14467 Potsdam",
        None,
        None,
        rider,
        None,
        at,
        at,
    )
