"""A kind of event is one row and one handler a place; `make check` runs this, too."""

from dataclasses import fields
from typing import get_args

import pytest

from dispatcher.commit import publisher
from dispatcher.engine import answers, apply, feed, noting
from dispatcher.engine.ring import Ring
from gateway.fanout.user_stream import UserStream
from persistence.projected import projection
from schemas import events, kinds, rooms
from schemas.events import Event, UserPush
from schemas.rooms import RoomPush

ROWS = kinds.by_tag(kinds.KINDS)
PLACES = {
    "apply": apply._HANDLERS,
    "ring": Ring.HANDLERS,
    "feed": feed._HANDLERS,
    "publisher": publisher._HANDLERS,
    "answers": answers._HANDLERS,
    "the leader's memory": noting._HANDLERS,
    "format": kinds._FORMAT_OF,
    "projection": projection._HANDLERS,
}
NO_FACTS = set(events.Live.__subclasses__())
"""What comes on a user's subject besides."""


def tags(union: object) -> set[str]:
    return {one.__struct_config__.tag for one in get_args(union)}


def test_every_event_there_is_has_a_row() -> None:
    assert {row.fact for row in ROWS.values()} == set(get_args(Event))


@pytest.mark.parametrize("tag", ROWS)
def test_a_rows_name_is_its_tag_in_the_ledger_and_on_the_wire(tag: str) -> None:
    row = ROWS[tag]
    assert row.fact.__struct_config__.tag == tag
    assert row.push.__struct_config__.tag == tag


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_a_handler_of_every_kind(place: str) -> None:
    assert [one.name for one in fields(PLACES[place])] == list(ROWS)
    assert all(map(callable, kinds.by_tag(PLACES[place]).values()))


def test_gateways_read_every_kind_where_it_comes() -> None:
    to_users = {one.name for one in fields(kinds.ToUsers)}
    to_rooms = {one.name for one in fields(kinds.ToRooms)}
    assert set(kinds.by_tag(UserStream.HANDLERS)) == to_users
    besides = {one.__struct_config__.tag for one in NO_FACTS}
    assert tags(UserPush) == to_users | besides
    assert tags(RoomPush) == to_rooms
    to_drivers = {one.name for one in fields(kinds.ToDrivers)}
    assert to_users | to_rooms | to_drivers == set(ROWS)


def test_rows_are_made_of_facts_of_every_kind() -> None:
    assert tags(projection.Fact) == set(ROWS)


def test_every_event_of_the_schemas_is_one_of_them() -> None:
    defined = {
        thing
        for module in (events, rooms)
        for name, thing in vars(module).items()
        if name.endswith("Event")
    }
    assert defined - {Event} == {row.fact for row in ROWS.values()}
