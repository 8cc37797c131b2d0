"""Which trips are offered, and to whom: PROTOCOL.md section 7, line by line. Places are
metres on one line; 1 km is 187 s away.
"""

from typing import Any

import pytest

from dispatcher.engine.feed import feed_entry
from schemas.commands import AssignTrip, TagDriver
from schemas.events import (
    MatchingEvent,
    OfferEvent,
    TripEvent,
)
from schemas.refusals import Code
from schemas.trips import Role, Status
from tests.unit.dispatcher.engine.town import Town, code, told, trip_of
from tests.unit.dispatcher.engine.world import DAN, DORA, OLGA, RITA, RON, user

ROSA = user(Role.RIDER, "rosa")


# ---- which trips are matched -----------------------------------------------------


def test_a_trip_with_a_place_is_offered_to_the_nearest_in_the_requests_own_record() -> (
    None
):
    town = Town()
    town.driver("dan", 2_000)
    town.driver("dora", 1_000)
    known = len(town.records)
    trip = town.request()
    (record,) = town.records[known:]
    requested, offer = record.events
    assert isinstance(requested, TripEvent)
    assert (requested.matching, requested.feed) == ("nearest", 0)
    assert isinstance(offer, OfferEvent)
    assert (offer.driver, offer.trip.id, offer.round) == (DORA.id, trip.id, 1)
    assert offer.expires_ms == town.now_ms + 15_000
    assert offer.evidence.pick_up_distance_m == 1_000
    assert offer.evidence.pick_up_eta_s == 187
    assert record.v == 2


def test_nobody_else_hears_of_a_trip_that_is_matched() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    assert town.open_trips() == []
    assert [feed_entry(event) for event in town.events] == [None] * len(town.events)
    town.accept(DORA, trip)
    town.move("cancel", RITA, trip)
    assert town.engine.feed == 0


@pytest.mark.parametrize(
    ("why", "matching", "place_m"),
    [("setting", {"policy": "broadcast"}, 0), ("no_pick_up", {}, None)],
)
def test_what_cant_be_matched_is_told_to_all(
    why: str, matching: dict[str, Any], place_m: float | None
) -> None:
    town = Town(**matching)
    town.driver("dora", 1_000)
    trip = town.request(RITA, place_m)
    event = town.events[-1]
    assert isinstance(event, TripEvent)
    assert (event.matching, event.feed) == (why, 1)
    assert town.open_trips() == [trip.id]
    assert town.records[-1].v == 1


@pytest.mark.parametrize("lacks", ["offers", "position", "online", "fresh position"])
def test_without_a_driver_to_match_with_all_are_told(lacks: str) -> None:
    town = Town()
    town.wait(6)
    town.driver("dora", None if lacks == "position" else 1_000)
    if lacks == "offers":
        town.online(DORA, offers=False)
    if lacks == "online":
        town.offline(DORA)
    if lacks == "fresh position":
        town.vanish(DORA)
        town.wait(61)
    town.request()
    assert town.events[-1].matching == "no_positions"  # type: ignore[union-attr]


def test_a_busy_driver_is_enough_for_a_trip_to_be_matched() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.accept(DORA, town.request())
    town.request(RON)
    event = town.events[-1]
    assert isinstance(event, TripEvent)
    assert event.matching == "nearest"


def test_a_new_leader_without_positions_waits_for_them_but_the_answer_doesnt() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.take_over(warm=False)
    trip = town.request()
    assert trip.status is Status.REQUESTED
    assert town.events[-1].matching == "waiting"  # type: ignore[union-attr]
    assert town.open_trips() == []
    town.wait(1, fixes=False)
    town.at(DORA, 1_000)
    assert told(town.events)[-1] == "offered to dora"


def test_it_waits_five_seconds_at_most_then_all_are_told() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.take_over(warm=False)
    trip = town.request()
    assert town.wait(4.9, fixes=False) == []
    (event,) = town.wait(0.2, fixes=False)
    assert isinstance(event, MatchingEvent)
    assert (event.matching, event.feed, event.trip.id) == ("no_positions", 1, trip.id)
    assert town.open_trips() == [trip.id]


def test_who_waits_under_a_leader_that_died_waits_under_the_next() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.take_over(warm=False)
    town.request()
    town.wait(3, fixes=False)
    town.take_over(warm=False)
    assert town.wait(4.9, fixes=False) == []
    assert told(town.wait(0.2, fixes=False)) == ["matching no_positions"]


# ---- who is asked ----------------------------------------------------------------


def test_a_driver_has_one_live_offer_and_a_trip_too() -> None:
    town = Town()
    town.driver("dora", 1_000)
    first = town.request(RITA)
    second = town.request(RON)
    assert town.live(DORA).offer == town.events[-2].offer  # type: ignore[union-attr]
    town.driver("dan", 1_500)
    assert told(town.events)[-1] == "offered to dan"
    assert town.events[-1].trip.id == second.id  # type: ignore[union-attr]
    assert first.id != second.id


def test_needs_are_met_by_tags() -> None:
    town = Town()
    town.driver("dora", 1_000)
    answer = town.tag(DORA, "xl", "child_seat", "xl")
    assert bytes(answer.data or b"") == (
        b'{"driver":"driver-dora","tags":["child_seat","xl"]}'
    )
    assert town.standby._state.offers.duties[DORA.id].tags == ("child_seat", "xl")
    town.online(DORA, offers=False)
    assert town.standby._state.offers.duties[DORA.id].tags == ("child_seat", "xl")


def test_only_operators_tag() -> None:
    town = Town()
    command = town.tag(DORA, "xl")
    assert command.refused is None
    asked = TagDriver(driver=DORA.id, tags=("xl",), **town.envelope(DORA))
    assert code(town.do(asked)) is Code.WRONG_ROLE


def test_who_asked_for_none_is_not_offered_anything() -> None:
    town = Town()
    town.driver("dora", 1_000, offers=None)
    town.driver("dan", 2_000)
    town.request()
    assert told(town.events)[-1] == "offered to dan"


def test_too_far_is_not_asked_until_the_cap_relaxes() -> None:
    town = Town()
    town.driver("dora", 4_000)  # 749 s
    town.request()
    assert told(town.wait(44.9)) == []
    assert told(town.wait(1.1)) == ["offered to dora"]


def test_a_driver_who_comes_near_is_asked() -> None:
    town = Town()
    town.driver("dora", 9_000)
    town.request()
    assert told(town.wait(1)) == []
    town.at(DORA, 1_000)
    assert told(town.events)[-1] == "offered to dora"


def test_a_driver_whose_trip_ends_is_asked() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.accept(DORA, trip)
    town.move("begin", DORA, trip)
    town.request(RON)
    town.move("complete", DORA, trip)
    assert told(town.events)[-2:] == ["trip.completed", "offered to dora"]


# ---- operators assign ------------------------------------------------------------


def test_who_is_offline_and_never_asked_can_be_assigned() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.offline(DAN)
    assert trip_of(town.assign(trip, DAN)).driver == DAN.person()
    assert trip_of(town.assign(trip, DAN)).driver == DAN.person()
    assert code(town.assign(trip, DORA)) is Code.WRONG_STATUS


def test_assigning_is_refused_in_the_contracts_order() -> None:
    town = Town()
    trip = town.request(RITA, None)
    assert code(town.assign(trip, None)) is Code.INVALID_DATA
    assert code(town.assign(trip, RON)) is Code.INVALID_DATA
    assert code(town.assign(trip, DAN, by=DORA)) is Code.WRONG_ROLE
    town.accept(DAN, trip)
    other = town.request(RON, None)
    assert code(town.assign(other, DAN)) is Code.DRIVER_BUSY
    town.move("cancel", RON, other)
    assert code(town.assign(other, DAN)) is Code.WRONG_STATUS


def test_who_is_assigned_is_looked_up_first() -> None:
    town = Town()
    trip = town.request(RITA, None)
    asked = AssignTrip(trip=trip.id, driver=DAN.id, **town.envelope(OLGA))
    answer = town.do(asked)
    assert answer.lookup is not None
    assert answer.lookup.user == DAN.id
