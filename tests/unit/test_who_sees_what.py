"""docs/TRIPS.md's table is what the code shows to each, and leaves of the erased."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from persistence.projected import erasing
from schemas.codec import decode, encode
from schemas.events import TripEvent
from schemas.seen import event_json_as, trip_as, trip_json_as
from schemas.trips import OpenTrip, Person, Role, Status, Trip
from tests.support.filled import filled

PAGE = Path(__file__).parents[2] / "docs" / "TRIPS.md"
WHOLE: Trip = filled(
    Trip,
    status=Status.STARTED,
    rider=Person("r", "rita", "Rita", "Miller"),
    driver=Person("d", "dora", "Dora", "Adler"),
)
COLUMNS = ("rider", "operator", "driver", "others", "rider erased", "driver erased")


def plain(value: Any) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(encode(value))
    return made


def erased(user: str) -> dict[str, Any]:
    return plain(msgspec.Raw(erasing.trip(encode(WHOLE).decode(), {user}).encode()))


ALL = plain(WHOLE)
SHOWN = {
    "rider": plain(trip_as(Role.RIDER, WHOLE)),
    "operator": plain(trip_as(Role.OPERATOR, WHOLE)),
    "driver": plain(trip_as(Role.DRIVER, WHOLE)),
    "others": plain(OpenTrip.of(WHOLE)),
    "rider erased": erased("r"),
    "driver erased": erased("d"),
}
NOBODY = {"username": "erased", "first_name": "", "last_name": ""}


def table() -> dict[str, tuple[str, ...]]:
    """Field → what the page says, a word for each of `COLUMNS`."""
    rows = re.findall(r"^\| (`.*?) \|$", PAGE.read_text(), re.MULTILINE)
    found = {}
    for row in rows:
        names, own, its_driver, others, *gone = row.split(" | ")
        for name in re.findall(r"`(\w+)`", names):
            found[name] = (own, own, its_driver, others, *gone)
    return found


def meant(name: str, word: str) -> Any:
    """What a field is where the page says that word of it."""
    value = ALL[name]
    if word in ("seen", "stays"):
        return value
    if word == "null":
        return None
    if word == "the id stays":
        return {"id": value["id"]} | NOBODY
    if word == "goes":
        kinds = {list: [], str: None}
        return "(erased)" if name.endswith("address") else kinds.get(type(value))
    return {key: value[key] for key in re.findall(r"`(\w+)`", word)}


def test_every_field_of_a_trip_is_in_the_table() -> None:
    assert table().keys() == ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_each_sees_what_the_table_says(name: str) -> None:
    for column, word in zip(COLUMNS, table()[name], strict=True):
        assert SHOWN[column][name] == meant(name, word), column


def test_what_is_hidden_is_so_in_json_that_is_passed_on_unread() -> None:
    event = TripEvent(1, "trip.started", 1, ("r", "d"), WHOLE)
    for role in Role:
        seen = trip_as(role, WHOLE)
        assert decode(trip_json_as(role, encode(WHOLE)), Trip) == seen
        told = decode(event_json_as(role, encode(event)), TripEvent)
        assert told == msgspec.structs.replace(event, trip=seen)


def test_no_text_of_a_client_is_taken_for_a_field() -> None:
    note = '"reference":"x","needs":'
    trip = msgspec.structs.replace(WHOLE, note=note, reference=None)
    assert trip_json_as(Role.DRIVER, encode(trip)) == encode(trip)
    shown = decode(trip_json_as(Role.DRIVER, encode(WHOLE)), Trip)
    assert shown.reference is None


def test_a_trip_from_before_is_shown_with_all_its_fields() -> None:
    new = ("note", "reference", "needs", "pick_up_at")
    before = encode({name: value for name, value in ALL.items() if name not in new})
    for role in Role:
        shown = msgspec.json.decode(trip_json_as(role, before))
        assert [shown[name] for name in new] == [None, None, [], None]
        assert shown.keys() == ALL.keys()
