"""A user with as many rows as days of commands make, exported and erased by a process
that has the memory for a few of them: a worker that needs more would be killed, and
killed again at each start, for an erasure that was begun is ended (issue 12).
"""

import tracemalloc
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Engine, func, insert, select

from persistence import database
from persistence.erasure import erasure
from persistence.erasure.export import export
from persistence.models import (
    DeadLetterRow,
    DispatchEventRow,
    MessageRow,
    TripEventRow,
    TripRow,
    UserRow,
)
from persistence.projected.projection import TripFields, trip_columns
from schemas.codec import decode, encode
from schemas.ledger import EVENTS_BYTES_MAX
from schemas.trips import Status
from tests.sizes.conftest import size
from tests.sizes.largest import ID, NAME_CHARS, PERSON, TRIP

DRIVER = "d" * 36
LEDGER = "l" * 22
EVENTS = size(2_000, 40_000)
"""Of one trip that changed hands all day: 24 MB."""
TURNS = size(15_000, 1_000_000)
"""On duty and off again."""
MESSAGES = size(5_000, 1_000_000)
LETTERS = size(60, 2_000)
RECORD = b"x" * EVENTS_BYTES_MAX
HELD_BYTES_MAX = 12 * 1024 * 1024


def fill(engine: Engine) -> None:
    driver = replace(PERSON, id=DRIVER, username="driver")
    trip = encode(replace(TRIP, status=Status.CANCELLED, driver=driver)).decode()
    user = {"id": DRIVER, "username": "driver", "username_key": "driver"}
    user |= {"first_name": "", "last_name": "", "role": "driver", "region": "main"}
    place = {"ledger": LEDGER, "at_ms": 1}
    event = place | {"trip_id": ID, "type": "trip.started", "data": trip}
    event |= {"by": DRIVER, "reason": None, "key": None, "traceparent": None}
    turn = place | {"what": "duty", "driver_id": DRIVER, "trip_id": None}
    turn |= {"offer_id": None, "data": '{"online":true,"offers":true,"tags":["xl"]}'}
    said = {"ledger": LEDGER, "region": "main", "room": "hall", "id": ID, "key": None}
    said |= {"sender_id": DRIVER, "sender_username": "driver", "text": "here I am"}
    said |= dict.fromkeys(("sender_first_name", "sender_last_name"), "a" * NAME_CHARS)
    said |= {"sent_at_ms": 1, "traceparent": None}
    letter = {"ledger": LEDGER, "error": "", "at_ms": 1}
    letter |= {"payload": RECORD}
    with engine.begin() as connection:
        connection.execute(insert(UserRow), user | {"created_at_ms": 1})
        fields = decode(trip.encode(), TripFields)
        connection.execute(insert(TripRow), trip_columns(fields, 1, trip))
        for row, each, count in (
            (TripEventRow, event, EVENTS),
            (DispatchEventRow, turn, TURNS),
            (MessageRow, said, MESSAGES),
            (DeadLetterRow, letter, LETTERS),
        ):
            for first in range(0, count, 10_000):
                some = range(first, min(first + 10_000, count))
                connection.execute(insert(row), [each | number(n) for n in some])
        erasure.mark(connection, DRIVER, 1)


def number(n: int) -> dict[str, Any]:
    return {"seq": n, "version": n, "n": n}


async def test_who_has_very_many_rows_is_exported_in_little_memory(
    engine: Engine,
) -> None:
    fill(engine)
    written = 0

    def write(text: bytes) -> None:
        nonlocal written
        written += len(text)

    asker = database.engine(str(engine.url))
    tracemalloc.start()
    try:
        await export(asker, DRIVER, write)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await asker.dispose()
    assert peak < HELD_BYTES_MAX / 4
    assert written > (EVENTS + TURNS + MESSAGES) * 100


def test_who_has_very_many_rows_is_erased_in_little_memory(engine: Engine) -> None:
    fill(engine)
    tracemalloc.start()
    try:
        erasure.scrub(engine, DRIVER)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < HELD_BYTES_MAX
    with engine.connect() as connection:
        named = TripEventRow.data.contains(
            PERSON.last_name[:9].encode("unicode_escape")
        )
        assert not connection.scalar(select(func.count()).where(named))
        told = MessageRow.text != "(erased)"
        assert not connection.scalar(select(func.count()).where(told))
        known = DispatchEventRow.data.contains("xl")
        assert not connection.scalar(select(func.count()).where(known))
