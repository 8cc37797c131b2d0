from json import loads
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from persistence.projected import projection
from persistence.projected.dispatch import DispatchRow
from persistence.projected.projection import (
    EventRow,
    FutureRecord,
    Unreadable,
    read_record,
)
from schemas import codec
from schemas.events import seq_of
from schemas.trips import Position
from tests.support.records import (
    LEDGER,
    T0_MS,
    event,
    matching,
    offer,
    offer_ended,
    online,
    record,
    trip,
)

STREAM = "LEDGER_main"


def changed(payload: bytes, index: int, **fields: object) -> bytes:
    """The record with fields of one event replaced."""
    plain = msgspec.json.decode(payload)
    plain["events"][index].update(fields)
    return codec.encode(plain)


def moves(n: int, payload: bytes) -> tuple[list[EventRow], list[Unreadable]]:
    """A record of trips alone, read."""
    rows, bad = read_record(STREAM, n, payload)
    return [row for row in rows if isinstance(row, EventRow)], bad


def test_a_trip_event_becomes_a_row_with_its_place_in_the_ledger() -> None:
    at = trip(1, 1)
    rows, bad = moves(9, record(9, online("d1"), event(at, reason="x")))
    assert bad == []
    (row,) = rows
    assert (row.ledger, row.seq, row.place) == (LEDGER, seq_of(9, 1), seq_of(9, 1))
    assert (row.trip_id, row.type, row.version) == (at.id, "trip.started", 2)
    assert (row.at_ms, row.by, row.reason) == (T0_MS + 1000, "r1", "x")
    assert row.data.encode() == codec.encode(at)


def test_a_trip_row_has_all_of_the_trip() -> None:
    at = trip(3, 2, pick_up=Position(1.5, -2.25))
    ((row,), _) = moves(1, record(1, event(at)))
    assert projection.trip_values(row) == {
        "id": at.id,
        "region": "main",
        "status": "IN_PROGRESS",
        "version": 3,
        "rider_id": "r3",
        "driver_id": "d3",
        "pick_up_address": "A",
        "drop_off_address": "B",
        "pick_up_lat": 1.5,
        "pick_up_lon": -2.25,
        "drop_off_lat": None,
        "drop_off_lon": None,
        "created_at_ms": T0_MS + 3,
        "updated_at_ms": T0_MS + 2003,
        "reference": None,
        "seq": seq_of(1, 0),
        "data": codec.encode(at).decode(),
    }


def test_a_record_without_events_is_known_without_reading_it() -> None:
    assert projection.is_empty(record(1))
    assert not projection.is_empty(record(1, online("d1")))
    assert not projection.is_empty(record(1, event(trip(1))))


def test_an_unreadable_event_takes_no_neighbour_with_it() -> None:
    payload = record(5, event(trip(1)), event(trip(2)), event(trip(3)))
    rows, bad = moves(5, changed(payload, 1, type="trip.vanished"))
    assert [row.trip.rider.id for row in rows] == ["r1", "r3"]
    (letter,) = bad
    assert (letter.ledger, letter.place) == (LEDGER, seq_of(5, 1))
    assert b"trip.vanished" in letter.payload
    assert "type" in letter.error


def test_an_unreadable_record_is_a_dead_letter_of_its_stream() -> None:
    rows, (letter,) = read_record(STREAM, 7, b"\xff{")
    assert rows == []
    assert (letter.ledger, letter.place) == (STREAM, seq_of(7, 0))
    assert letter.payload == b"\xff{"


def test_a_ledger_id_that_fits_no_column_is_replaced_by_the_stream() -> None:
    plain = msgspec.json.decode(record(1, event(trip(1))))
    plain["ledger"] = "\0" * 200
    plain["events"][0]["at_ms"] = "soon"
    _, (letter,) = read_record(STREAM, 1, codec.encode(plain))
    assert letter.ledger == STREAM


def test_a_record_of_a_newer_format_is_left_alone() -> None:
    plain = msgspec.json.decode(record(1, event(trip(1))))
    plain["v"] = 99
    with pytest.raises(FutureRecord, match="format 99"):
        read_record(STREAM, 1, codec.encode(plain))


def test_the_original_of_a_row_is_the_event_byte_for_byte() -> None:
    payload = record(4, online("d"), event(trip(1)), event(trip(2)))
    rows, _ = read_record(STREAM, 4, payload)
    letter = projection.original(rows[2], "why")
    assert letter.place == seq_of(4, 2)
    assert letter.payload in payload
    assert b'"rider1"' not in letter.payload
    assert b'"rider2"' in letter.payload


@given(st.permutations([(n, move) for n in range(3) for move in range(4)]))
@settings(max_examples=50)
def test_the_newest_of_a_trip_wins_in_any_order(order: list[tuple[int, int]]) -> None:
    rows, _ = moves(1, record(1, *(event(trip(*at)) for at in order)))
    newest = projection.newest(rows)
    assert [row.version for row in newest] == [4, 4, 4]
    assert [row.trip_id for row in newest] == sorted(row.trip_id for row in newest)


def test_how_a_driver_is_found_is_a_row_an_event() -> None:
    """Also of a record in which one event is bad, and in whatever order they come."""
    at = trip(1)
    payload = record(
        1,
        online("ann", offers=True, tags=("van",)),
        event(at, matching="nearest"),
        offer(at, "ann"),
        offer_ended(at, "ann", "declined", reason="no"),
        matching(at, "too_long"),
    )
    rows, bad = read_record(STREAM, 1, payload)
    broken, _ = read_record(STREAM, 1, payload.replace(b'"version":1', b'"version":""'))
    assert not bad
    found = [row for row in rows if isinstance(row, DispatchRow)]
    assert [row.what for row in found] == ["duty", "offer", "offer_ended", "matching"]
    assert [row for row in broken if isinstance(row, DispatchRow)] == [
        structs.replace(row, record=broken[0].record) for row in found
    ]
    duty, made, ended, how = (loads(row.data or "") for row in found)
    assert duty == {"online": True, "offers": True, "tags": ["van"], "why": "self"}
    assert (made["round"], made["evidence"]["pick_up_distance_m"]) == (1, 800)
    assert ended == {"why": "declined", "reason": "no"}
    assert how == {"matching": "too_long"}
    assert {row.trip_id for row in found[1:]} == {at.id}


@pytest.mark.parametrize(
    ("move", "changes", "what"),
    [
        (0, {"matching": "nearest"}, "opened"),
        (0, {}, None),
        (1, {"offer": "o1"}, "busy"),
        (1, {}, "busy"),
        (2, {}, None),
        (3, {}, "idle"),
        (0, {"type": "trip.released", "by": "d1"}, "released"),
        (0, {"type": "trip.cancelled"}, None),
    ],
)
def test_what_a_move_says_of_its_driver(
    move: int, changes: dict[str, Any], what: str | None
) -> None:
    (row,) = read_record(STREAM, 1, record(1, event(trip(1, move), move, **changes)))[0]
    assert isinstance(row, EventRow)
    made = projection.dispatch_of_move(row)
    assert (made and made.what) == what
    if made is not None and what != "opened":
        assert made.driver_id == "d1"


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_random_bytes_are_a_dead_letter_and_never_an_error(payload: bytes) -> None:
    rows, bad = read_record(STREAM, 1, payload)
    assert rows == []
    assert len(bad) == 1


@given(st.integers(0, 600), st.binary(min_size=1, max_size=4))
@settings(max_examples=200)
def test_a_damaged_record_never_raises(at: int, damage: bytes) -> None:
    payload = record(1, event(trip(1)), event(trip(2, 1)))
    at %= len(payload)
    try:
        rows, bad = read_record(STREAM, 1, payload[:at] + damage + payload[at + 1 :])
    except FutureRecord:
        return
    assert len(rows) + len(bad) <= 2
