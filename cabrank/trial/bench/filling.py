"""Fills a migrated, empty database with a region's past, as persistence writes it:
whole trips, what was said on the way, and a room in which everybody writes. For
tests/bench/history.py and the tests of plans.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Engine, insert, text

from persistence.models import MessageRow, RoomRow, TripEventRow, TripRow, UserRow
from schemas import codec
from schemas.events import seq_of
from schemas.ids import made_id
from schemas.times import rfc3339
from schemas.trips import Person, Status, Trip

LEDGER = "f" * 32
REGION = "main"
HALL = "hall"
T0_MS = 1_700_000_000_000
EVERY_MS = 30_000
"""Between two trips: a million are a year."""
CHUNK = 1_000
"""Trips of one transaction."""
EACH = 8
"""Records of a trip: five moves, three messages."""
BUSY_RIDER, BUSY_DRIVER = 100, 25
"""Every so manieth trip is one rider's, or one driver's, of years."""
FILLING_KIB = 3 * 1024 * 1024
"""SQLite's cache meanwhile, at most: a million trips have half as much in indexes."""
UNDER_WAY = 100
"""The last trips, which go on."""

_S = Status
_MOVES = (
    ("trip.requested", _S.REQUESTED),
    ("trip.started", _S.STARTED),
    ("trip.arrived", _S.ARRIVED),
    ("trip.in_progress", _S.IN_PROGRESS),
    ("trip.completed", _S.COMPLETED),
)

Rows = dict[str, list[dict[str, Any]]]
"""Table → rows."""


def rider(trip: int, trips: int) -> Person:
    return _person("rider", trip, BUSY_RIDER, trips // 50 + 20)


def driver(trip: int, trips: int) -> Person:
    return _person("driver", trip, BUSY_DRIVER, trips // 500 + 10)


def _person(kind: str, trip: int, busy: int, count: int) -> Person:
    name = f"{kind}-{trip % count if trip % busy else 0}"
    return Person(name, name, "Ada", "Löwenherz")


def last_record(trips: int) -> int:
    return trips * EACH


def trip_id(number: int) -> str:
    seq = seq_of(number * EACH + 1, 0)
    return made_id(T0_MS + number * EVERY_MS, str(number), seq)


def people(trips: int) -> Iterator[dict[str, Any]]:
    """The rows of `users`."""
    known: set[str] = set()
    for number in range(min(trips, trips // 50 + 20)):
        for who, role in ((rider, "rider"), (driver, "driver")):
            person = who(number, trips)
            if person.id not in known:
                known.add(person.id)
                yield {
                    "id": person.id,
                    "username": person.username,
                    "username_key": person.username,
                    "name_key": person.first_name.lower(),
                    "surname_key": person.last_name.lower(),
                    "first_name": person.first_name,
                    "last_name": person.last_name,
                    "password_hash": None,
                    "role": role,
                    "region": REGION,
                    "created_at_ms": T0_MS,
                }


def rows_of(number: int, trips: int) -> Rows:
    """Of one trip, its events and its messages."""
    first, start_ms = number * EACH + 1, T0_MS + number * EVERY_MS
    moves = _MOVES if number < trips - UNDER_WAY else _MOVES[: 1 + number % 4]
    who, drives = rider(number, trips), driver(number, trips)
    events = []
    for place, (kind, status) in enumerate(moves):
        at_ms = start_ms + place * 60_000
        trip = Trip(
            id=trip_id(number),
            region=REGION,
            status=status,
            version=place + 1,
            pick_up_address=f"{number} Long Acre, at the corner",
            drop_off_address="1 Main Street",
            pick_up=None,
            drop_off=None,
            rider=who,
            driver=drives if place else None,
            created=rfc3339(start_ms),
            updated=rfc3339(at_ms),
        )
        events.append(
            {
                "ledger": LEDGER,
                "seq": seq_of(first + place, 0),
                "trip_id": trip.id,
                "type": kind,
                "version": trip.version,
                "at_ms": at_ms,
                "by": drives.id if place else who.id,
                "reason": None,
                "data": codec.encode(trip).decode(),
                "traceparent": None,
            }
        )
    row = {
        "id": trip.id,
        "region": REGION,
        "status": trip.status.value,
        "version": trip.version,
        "rider_id": who.id,
        "driver_id": drives.id if len(moves) > 1 else None,
        "pick_up_address": trip.pick_up_address,
        "drop_off_address": trip.drop_off_address,
        "pick_up_lat": None,
        "pick_up_lon": None,
        "drop_off_lat": None,
        "drop_off_lon": None,
        "created_at_ms": start_ms,
        "updated_at_ms": events[-1]["at_ms"],
        "seq": events[-1]["seq"],
        "data": events[-1]["data"],
    }
    own = f"trip_{trip.id}"
    said = [
        _message(first + 5, own, 1, who, start_ms),
        _message(first + 6, own, 2, drives, start_ms),
        _message(first + 7, HALL, number + 1, who, start_ms),
    ]
    rooms = [
        {"name": own, "first_n": 1, "last_n": 2, "trip_id": trip.id},
        {"name": HALL, "first_n": 1, "last_n": trips, "trip_id": None},
    ]
    for room in rooms:
        room |= {"region": REGION, "ledger": LEDGER, "last_at_ms": start_ms}
    return {
        "trips": [row],
        "trip_events": events,
        "messages": said,
        "rooms": rooms if number == trips - 1 else rooms[:1],
    }


def _message(n: int, room: str, number: int, sender: Person, at_ms: int) -> Any:
    return {
        "ledger": LEDGER,
        "seq": seq_of(n, 0),
        "region": REGION,
        "room": room,
        "n": number,
        "id": made_id(at_ms, room, seq_of(n, 0)),
        "sender_id": sender.id,
        "sender_username": sender.username,
        "sender_first_name": sender.first_name,
        "sender_last_name": sender.last_name,
        "text": "I am at the corner, by the red door.",
        "sent_at_ms": at_ms,
        "key": f"key-{n}",
        "traceparent": None,
    }


_TABLES: dict[str, Any] = {
    model.__tablename__: model.__table__
    for model in (UserRow, TripRow, TripEventRow, MessageRow, RoomRow)
}


def fill(engine: Engine, trips: int, told: Callable[[int], object] = int) -> None:
    """Write so many trips; `told` hears how many are there."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # Ids are random: without the indexes in memory each row reads the disk.
            connection.exec_driver_sql(f"PRAGMA cache_size = -{FILLING_KIB}")
        _put(connection, {"users": list(people(trips))})
    numbers = iter(range(trips))
    while chunk := list(islice(numbers, CHUNK)):
        rows: Rows = {name: [] for name in _TABLES}
        for number in chunk:
            for name, some in rows_of(number, trips).items():
                rows[name] += some
        with engine.begin() as connection:
            _put(connection, rows)
        told(chunk[-1] + 1)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _put(connection: Any, rows: Rows) -> None:
    for name, some in rows.items():
        if not some:
            continue
        if connection.dialect.name != "postgresql":
            connection.execute(insert(_TABLES[name]), some)
            continue
        columns = list(some[0])
        listed = ", ".join(f'"{column}"' for column in columns)
        with (
            connection.connection.cursor() as cursor,
            cursor.copy(f"COPY {name} ({listed}) FROM STDIN") as copy,
        ):
            for row in some:
                copy.write_row([row[column] for column in columns])
