"""When all are told, a trip comes back, drivers miss offers, or leaders change:
PROTOCOL.md section 7, line by line.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.engine.feed import feed_entry
from schemas.codec import decode
from schemas.events import (
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.refusals import Code
from schemas.trips import Role
from tests.unit.dispatcher.engine.town import TTL_MS, Town, code, told, trip_of
from tests.unit.dispatcher.engine.world import DAN, DORA, RITA, restart, user

ROSA = user(Role.RIDER, "rosa")


# ---- all are told ----------------------------------------------------------------


def test_after_so_many_offers_all_are_told_but_the_last_runs_out_first() -> None:
    town = Town(offers_max=2, broadcast_after_ms=0)
    for name in ("dora", "dan", "dina"):
        town.driver(name, 1_000)
    trip = town.request()
    asked = town.wait(29.9)
    assert [one.split()[0] for one in told(asked)] == ["expired", "offered"]
    assert town.open_trips() == []
    known = len(town.records)
    town.wait(0.1)
    (record,) = town.records[known:]
    ended, event = record.events
    assert isinstance(ended, OfferEndedEvent)
    assert isinstance(event, MatchingEvent)
    assert (event.matching, event.feed) == ("offers_max", 1)
    assert town.open_trips() == [trip.id]
    entry = feed_entry(event)
    assert entry is not None
    assert (entry.type, entry.seq, entry.exclude) == (
        "trip.requested",
        event.seq,
        (RITA.id,),
    )


def test_after_so_long_all_are_told_but_a_live_offer_runs_out_first() -> None:
    town = Town(broadcast_after_ms=20_000)
    town.driver("dora", 1_000)
    town.request()
    town.wait(15)
    town.driver("dan", 1_000)
    assert told(town.events)[-1] == "offered to dan"
    assert town.wait(14.9) == []
    assert told(town.wait(0.1)) == ["expired of dan", "matching too_long"]


def test_who_was_found_for_a_trip_as_all_are_told_of_it_is_offered_another() -> None:
    """At once, not when they next say where they are."""
    town = Town(broadcast_after_ms=20_000)
    town.driver("dora", 5_000)
    town.request(user(Role.RIDER, "first"), 0)
    town.wait(10)
    second = town.request(user(Role.RIDER, "second"), -100)
    town.wait(9.9)
    town.now_ms += 100
    town.at(DORA, 1_000)
    town.wait(0.1)
    (offer,) = [one for one in town.events if isinstance(one, OfferEvent)]
    assert (offer.driver, offer.trip.id) == (DORA.id, second.id)


def test_it_is_told_to_all_when_nobody_is_asked() -> None:
    town = Town(broadcast_after_ms=20_000)
    town.driver("dora", 9_000)
    town.request()
    assert town.wait(19.9) == []
    assert told(town.wait(0.1)) == ["matching too_long"]


def test_never_is_never() -> None:
    town = Town(broadcast_after_ms=0, offers_max=100)
    town.driver("dora", 9_000)
    town.request()
    events = town.wait(TTL_MS / 1000 + 1)
    assert told(events) == ["trip.expired"]


def test_once_all_were_told_anybody_takes_it_and_offers_are_ignored() -> None:
    town = Town(offers_max=1)
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    town.wait(20)
    assert town.open_trips() == [trip.id]
    assert town.decline(DAN, trip).refused is None
    assert trip_of(town.accept(DORA, trip, offer)).driver == DORA.person()
    event = town.events[-1]
    assert isinstance(event, TripEvent)
    assert (event.feed, event.offer) == (2, "")
    assert town.open_trips() == []


def test_version_and_updated_stay_when_all_are_told() -> None:
    town = Town(offers_max=1)
    town.driver("dora", 1_000)
    trip = town.request()
    town.wait(16)
    shown = town.events[-1].trip  # type: ignore[union-attr]
    assert (shown.version, shown.updated) == (trip.version, trip.updated)
    assert town.sync(RITA).trips
    assert trip_of(town.accept(DAN, trip)).version == trip.version + 1


def test_a_matched_trip_expires_as_any_other() -> None:
    town = Town(broadcast_after_ms=0)
    town.driver("dora", 9_000)
    town.request()
    assert town.wait(TTL_MS / 1000 - 0.1) == []
    assert told(town.wait(0.1)) == ["trip.expired"]


# ---- a driver gives it back ------------------------------------------------------


def test_after_a_release_matching_begins_afresh_without_the_releaser() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    town.decline(DORA, trip)
    town.accept(DAN, trip)
    known = len(town.events)
    town.move("release", DAN, trip)
    assert told(town.events[known:]) == ["trip.released", "offered to dora"]
    assert town.events[known].feed == 0  # type: ignore[union-attr]
    assert code(town.accept(DAN, trip)) is Code.TRIP_NOT_OPEN
    town.accept(DORA, trip)
    town.move("release", DORA, trip)
    assert told(town.wait(60)) == []  # neither is asked again


def test_a_releaser_is_not_told_with_all_but_may_take_it_then() -> None:
    town = Town(offers_max=1)
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    town.accept(DORA, trip)
    town.move("release", DORA, trip)
    town.wait(16)
    event = town.events[-1]
    assert isinstance(event, MatchingEvent)
    assert set(event.exclude) == {RITA.id, DORA.id}
    assert trip_of(town.accept(DORA, trip)).driver == DORA.person()


def test_a_released_trip_that_cant_be_matched_is_told_to_all_as_ever() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request(RITA, None)
    town.accept(DORA, trip)
    town.move("release", DORA, trip)
    event = town.events[-1]
    assert isinstance(event, TripEvent)
    assert (event.type, event.feed, event.matching) == (
        "trip.released",
        3,
        "no_pick_up",
    )
    assert event.audience == (RITA.id, DORA.id)


# ---- misses ----------------------------------------------------------------------


def requests(town: Town, count: int) -> None:
    """One rider after the other, each for whom an offer expires."""
    for _ in range(count):
        trip = town.request()
        town.wait(15)
        town.move("cancel", RITA, trip)


def test_who_misses_three_in_a_row_goes_offline_and_is_told() -> None:
    town = Town()
    town.driver("dora", 1_000)
    requests(town, 2)
    assert town.sync(DORA).online
    requests(town, 1)
    assert "dora offline missed_offers" in told(town.events)
    assert not town.sync(DORA).online
    # Back again, the row begins anew, and offers are still wanted.
    answer = town.online(DORA)
    assert bytes(answer.data or b"") == b'{"online":true,"offers":true}'
    requests(town, 2)
    assert town.sync(DORA).online


@pytest.mark.parametrize(("end", "goes"), [("decline", False), ("cancel", True)])
def test_a_decline_begins_the_row_anew_and_other_ends_leave_it(
    end: str, goes: bool
) -> None:
    town = Town()
    town.driver("dora", 1_000)
    requests(town, 2)
    trip = town.request()
    if end == "decline":
        town.decline(DORA, trip)
    town.move("cancel", RITA, trip)
    requests(town, 1)
    assert town.sync(DORA).online is not goes


def test_who_asks_for_none_and_again_for_some_has_missed_as_many() -> None:
    town = Town()
    town.driver("dora", 1_000)
    requests(town, 2)
    town.online(DORA, offers=False)
    town.online(DORA, offers=True)
    requests(town, 1)
    assert not town.sync(DORA).online
    town.online(DORA, offers=False)  # it begins anew, and nothing is left to hold
    assert not town.engine._state.offers.duties


# ---- leaders change --------------------------------------------------------------


def test_a_live_offer_survives_a_take_over_and_has_two_seconds_then() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    town.now_ms += 20_000
    town.take_over()
    assert town.live(DORA).offer == offer
    assert town.wait(1.9) == []
    assert trip_of(town.accept(DORA, trip, offer)).driver == DORA.person()


def test_after_those_it_expires() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.request()
    town.now_ms += 20_000
    town.take_over()
    town.wait(1.9)
    assert told(town.wait(0.2)) == ["expired of dora"]


def test_one_that_has_longer_to_live_lives_as_long() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.request()
    town.wait(5)
    town.take_over()
    assert town.wait(9.9) == []
    assert told(town.wait(0.1)) == ["expired of dora"]


def test_what_a_dead_leader_left_unsaid_the_next_one_says() -> None:
    """It ended the offer by a move, and died before its record had the rest."""
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.move("cancel", RITA, trip)
    last = town.records[-1]
    assert told(last.events) == ["trip.cancelled", "cancelled of dora"]
    town.records[-1] = replace(last, events=last.events[:1])
    town.events.pop()
    town.take_over()
    assert told(town.wait(0.1)) == ["cancelled of dora"]
    town.standby = restart(town.payload, town.records, town.limits)


def test_open_trips_are_looked_at_anew_by_a_new_leader() -> None:
    town = Town()
    town.driver("dora", 9_000)
    town.request()
    town.take_over()
    town.at(DORA, 1_000)
    assert told(town.events)[-1] == "offered to dora"


# ---- what a session is told ------------------------------------------------------


def test_offers_are_not_replayed_but_told_as_they_live() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.wait(5)
    data = town.sync(DORA, since=0)
    assert data.recovered
    assert data.events == []
    one = town.live(DORA)
    assert decode_id(one.trip) == trip.id
    assert (one.expires_in_ms, one.round) == (10_000, 1)
    assert (one.pick_up_distance_m, one.pick_up_eta_s) == (1_000, 187)
    assert town.sync(RITA).offers is None


def decode_id(raw: Any) -> str:
    return str(decode(raw, dict[str, Any])["id"])


def test_a_gateway_that_missed_something_learns_how_offers_ended() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer, since = town.live(DORA).offer, town.engine.head_seq
    town.decline(DORA, trip)
    data = town.sync(DORA, since)
    assert data.ended is not None
    (ended,) = decode(data.ended, list[OfferEndedEvent])
    assert (ended.offer, ended.why) == (offer, "declined")
    assert (data.recovered, data.events) == (True, [])
    nothing = town.sync(DORA, town.engine.head_seq).ended
    assert nothing is not None
    assert decode(nothing, list[OfferEndedEvent]) == []
    assert town.sync(DORA).ended is None
    assert town.sync(RITA, since).ended is None


def test_a_driver_who_is_offered_a_trip_sees_no_more_of_its_rider_than_all_do() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.request()
    assert b"Miller" not in bytes(town.live(DORA).trip)
    assert b"Rita" in bytes(town.live(DORA).trip)
