"""What counts as a difference between a ledger and its database."""

import pytest

from persistence.checks.comparison import Difference, Row, compare

PLACE = ("ledger", 8192)
EVENT: Row = {"version": 1, "key": "k"}


def differences(table: str, found: Row) -> list[Difference]:
    return compare(table, {PLACE: EVENT}, {PLACE: found}, buried=())


def test_a_trip_event_that_0_1_wrote_lacks_its_key_and_is_no_difference() -> None:
    assert differences("trip_events", {"version": 1, "key": None}) == []


@pytest.mark.parametrize(
    ("table", "found", "told"),
    [
        ("trip_events", {"version": 1, "key": "other"}, "key"),
        ("trip_events", {"version": 2, "key": None}, "version"),
        ("messages", {"version": 1, "key": None}, "key"),
    ],
)
def test_anything_else_is_one(table: str, found: Row, told: str) -> None:
    what = f"seq 8192 of ledger ledger: {told}"
    assert differences(table, found) == [Difference("different", table, what)]
