import itertools

import msgspec

from persistence.projected import erasing
from persistence.projected.messages import message_values
from persistence.projected.projection import event_values, read_record, trip_values
from schemas.trips import Position
from tests.support.records import event, message, record, trip

PEOPLE = {"r1", "d1", "u1"}


def rows() -> list[erasing.AnyRow]:
    first = trip(1, 0, pick_up=Position(1.0, 2.0))
    cancelled = event(trip(1, 1), by="r1", reason="my knee hurts")
    said = msgspec.structs.replace(message("hall", 1), key="k")
    payload = record(1, event(first), cancelled, event(trip(2, 1)), said)
    made, bad = read_record("LEDGER_main", 1, payload)
    assert not bad
    return made


def values(made: list[erasing.AnyRow]) -> list[dict[str, object]]:
    return [
        message_values(row)
        if isinstance(row, erasing.MessageRow)
        else event_values(row) | trip_values(row)
        for row in made
    ]


def test_everybody_in_a_batch_is_asked_about() -> None:
    assert set(erasing.people_of(rows())) == {"r1", "d1", "r2", "d2", "u1"}


def test_what_is_about_them_goes_and_all_else_stays() -> None:
    gone = values(erasing.scrubbed(rows(), PEOPLE))
    text = repr(gone)
    for secret in ("rider1", "driver1", "user1", "knee", "'hi'"):
        assert secret not in text
    assert "rider2" in text
    assert "driver2" in text
    assert gone[0]["rider_id"] == "r1"
    assert gone[0]["pick_up_address"] == erasing.TEXT
    assert gone[0]["pick_up_lat"] is None
    assert gone[2]["pick_up_address"] == "A"
    assert gone[3]["sender_id"] == "u1"
    assert (gone[3]["text"], gone[3]["key"]) == (erasing.TEXT, None)


def test_a_drivers_erasure_leaves_the_riders_places() -> None:
    gone = values(erasing.scrubbed(rows(), {"d1"}))
    assert gone[1]["pick_up_address"] == "A"
    assert "driver1" not in repr(gone)
    assert "rider1" in repr(gone)


def test_nobody_erased_changes_nothing() -> None:
    assert erasing.scrubbed(rows(), set()) == rows()
    assert erasing.scrubbed(rows(), {"someone else"}) == rows()


def test_one_after_the_other_in_any_order_and_twice_is_the_same() -> None:
    wanted = values(erasing.scrubbed(rows(), PEOPLE))
    for order in itertools.permutations([*PEOPLE, "r1"]):
        made = rows()
        for user in order:
            made = erasing.scrubbed(made, {user})
        assert values(made) == wanted


def test_ids_are_found_in_what_cant_be_read() -> None:
    assert "r1" in erasing.ids_in(b'{"rider":{"id":"r1","na\xff')
    assert erasing.ids_in(b"\x00\xff") == set()
