"""How offers end, and what follows: PROTOCOL.md section 7, line by line. Places are
metres on one line; 1 km is 187 s away.
"""

import pytest

from schemas.codec import decode
from schemas.events import (
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
)
from schemas.refusals import Code
from schemas.trips import TERMINAL, OpenTrip, Role, Status
from tests.unit.dispatcher.engine.town import TTL_MS, Town, code, told, trip_of
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    OLGA,
    RITA,
    RON,
    restart,
    user,
)

ROSA = user(Role.RIDER, "rosa")


# ---- how an offer ends -----------------------------------------------------------


def test_an_accept_ends_it_by_the_start_alone() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    known = len(town.events)
    started = trip_of(town.accept(DORA, trip, offer))
    assert started.driver == DORA.person()
    (event,) = town.events[known:]
    assert isinstance(event, TripEvent)
    assert (event.type, event.offer, event.feed) == ("trip.started", offer, 0)
    assert town.offers(DORA) == []
    assert started.version == trip.version + 1


def test_an_accept_without_an_offer_means_the_live_one() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    assert trip_of(town.accept(DORA, trip)).status is Status.STARTED
    assert town.events[-1].offer == offer  # type: ignore[union-attr]


def test_an_accept_again_is_answered_with_the_trip() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    first = trip_of(town.accept(DORA, trip, offer))
    assert trip_of(town.accept(DORA, trip, offer)) == first


def test_a_decline_leads_to_the_next_offer_at_once() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    known = len(town.records)
    answer = town.decline(DORA, trip, reason="too far")
    assert answer.refused is None
    (record,) = town.records[known:]
    assert told(record.events) == ["declined of dora", "offered to dan"]
    ended, offer = record.events
    assert isinstance(ended, OfferEndedEvent)
    assert ended.reason == "too far"
    assert isinstance(offer, OfferEvent)
    assert offer.round == 2
    assert town.offers(DORA) == []
    assert town.live(DAN).round == 2


def test_who_declined_is_not_asked_again() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.decline(DORA, trip)
    assert told(town.wait(60)) == []


def test_an_offer_lives_so_long_and_then_the_next_is_asked() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    town.request()
    assert town.wait(14.9) == []
    assert told(town.wait(0.1)) == ["expired of dora", "offered to dan"]


def test_another_driver_by_an_operators_hand_makes_it_taken() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    known = len(town.events)
    started = trip_of(town.assign(trip, DAN))
    assert started.driver == DAN.person()
    assert told(town.events[known:]) == ["trip.started", "taken of dora"]
    assert town.events[known].by == OLGA.id  # type: ignore[union-attr]


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_a_trip_that_ends_cancels_it(end: str) -> None:
    town = Town(offer_ttl_ms=2 * TTL_MS, broadcast_after_ms=0)
    town.driver("dora", 1_000)
    trip = town.request()
    known = len(town.events)
    if end == "cancel":
        town.move("cancel", RITA, trip)
    else:
        town.wait(TTL_MS / 1000)
    kind = {"cancel": "trip.cancelled", "expire": "trip.expired"}[end]
    assert told(town.events[known:])[:2] == [kind, "cancelled of dora"]
    assert town.events[known].feed == 0  # type: ignore[union-attr]
    assert code(town.accept(DORA, trip)) is Code.TRIP_NOT_OPEN


@pytest.mark.parametrize("how", ["offline", "no more offers", "another trip"])
def test_a_driver_who_goes_withdraws_it(how: str) -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    other = town.request(RON, None)
    known = len(town.records)
    if how == "offline":
        town.offline(DORA)
    elif how == "no more offers":
        town.online(DORA, offers=False)
    else:
        town.accept(DORA, other)
    (record,) = town.records[known:]
    assert told(record.events)[1:] == ["withdrawn of dora", "offered to dan"]
    # Nothing is held against them.
    town.offline(DAN)
    if how == "another trip":
        town.move("cancel", DORA, other)
    town.online(DORA, offers=True)
    assert told(town.events)[-1] == "offered to dora"
    assert town.live(DORA).round == 3
    assert trip_of(town.accept(DORA, trip)).driver == DORA.person()


def test_no_started_trip_ever_has_a_live_offer() -> None:
    """The move itself ends it, not the event that follows."""
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    for how in (lambda: town.assign(trip, DAN), lambda: town.offline(DORA)):
        how()
        assert town.standby._state.offers.live(trip.id) is None
        assert town.standby._state.offers.of_driver(DORA.id) is None


# ---- accepts that are late, or not theirs ----------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_an_accept_two_seconds_late_is_good(named: bool) -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.driver("dan", 2_000)
    trip = town.request()
    offer = town.live(DORA).offer
    town.wait(17)
    known = len(town.events)
    started = trip_of(town.accept(DORA, trip, offer if named else None))
    assert started.driver == DORA.person()
    assert town.events[known].offer == offer  # type: ignore[union-attr]
    assert told(town.events[known:]) == ["trip.started", "taken of dan"]


def test_one_that_is_later_has_expired() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    town.wait(17.1)
    assert code(town.accept(DORA, trip, offer)) is Code.OFFER_EXPIRED
    assert code(town.accept(DORA, trip)) is Code.OFFER_EXPIRED


def test_a_late_accept_is_no_miss_and_brings_back_who_went_offline_by_it() -> None:
    town = Town(missed_offers_max=1)
    town.driver("dora", 1_000)
    trip = town.request()
    assert told(town.wait(15)) == ["expired of dora", "dora offline missed_offers"]
    known = len(town.events)
    town.accept(DORA, trip)
    assert told(town.events[known:]) == ["trip.started", "dora online self"]
    assert town.sync(DORA).online
    assert town.standby._state.offers.duties[DORA.id].misses == 0


def test_who_was_never_asked_finds_it_not_open() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    for named in (None, offer, "nonsense"):
        assert code(town.accept(DAN, trip, named)) is Code.TRIP_NOT_OPEN


def test_an_offer_that_is_not_the_live_one_has_expired() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    assert code(town.accept(DORA, trip, "nonsense")) is Code.OFFER_EXPIRED
    town.decline(DORA, trip)
    assert code(town.accept(DORA, trip)) is Code.OFFER_EXPIRED
    assert trip.status is Status.REQUESTED


def test_the_status_is_looked_at_before_who_is_busy() -> None:
    town = Town()
    town.driver("dora", 1_000)
    town.accept(DORA, town.request())
    other = town.request(RON)
    assert code(town.accept(DORA, other)) is Code.TRIP_NOT_OPEN
    town.driver("dan", 1_000)
    town.accept(DAN, other)
    assert code(town.accept(DORA, other)) is Code.TRIP_ALREADY_TAKEN


def test_an_accept_that_is_good_but_for_another_trip_is_busy() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    other = town.request(RON, None)
    town.wait(15)  # of the first: expired, but good for 2 s
    town.accept(DORA, other)
    assert code(town.accept(DORA, trip)) is Code.DRIVER_BUSY


def test_a_decline_again_changes_nothing() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    town.decline(DORA, trip, offer=offer)
    known = len(town.events)
    for more in ({}, {"offer": offer}):
        assert town.decline(DORA, trip, **more).refused is None
    assert town.events[known:] == []


def test_who_has_nothing_to_decline_is_told_the_status() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    assert code(town.decline(DAN, trip)) is Code.WRONG_STATUS
    assert code(town.decline(DORA, trip, offer="nonsense")) is Code.WRONG_STATUS


@pytest.mark.parametrize("end", ["cancel", "accept", "expire"])
def test_an_offer_of_a_trip_that_has_ended_may_be_declined_in_vain(end: str) -> None:
    """The rider and the driver act at the same moment: whoever comes second is told how
    the trip is.
    """
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    offer = town.live(DORA).offer
    if end == "accept":
        town.accept(DORA, trip)
        town.move("begin", DORA, trip)
        town.move("complete", DORA, trip)
    elif end == "cancel":
        town.move("cancel", RITA, trip)
    else:
        town.wait(TTL_MS / 1000 + 1)
    known = len(town.events)
    for more in ({}, {"offer": offer}):
        answer = town.decline(DORA, trip, **more)
        assert answer.refused is None
        assert answer.data is not None
        assert decode(answer.data, OpenTrip).status in TERMINAL
    assert town.events[known:] == []
    assert code(town.decline(DORA, trip, offer="nonsense")) is Code.WRONG_STATUS
    assert code(town.decline(DAN, trip)) is Code.WRONG_STATUS
    led = restart(town.payload, town.records, town.limits)
    assert led._ring.offered(trip.id, DORA.id) == offer


def test_what_the_ring_no_longer_holds_of_an_ended_trip_can_t_be_declined() -> None:
    town = Town()
    town.driver("dora", 1_000)
    trip = town.request()
    town.move("cancel", RITA, trip)
    town.wait(town.limits.ring_ms / 1000 + 1, fixes=False)
    town.sync(DAN)
    assert town.engine._ring.offered(trip.id, DORA.id) is None


def test_a_driver_s_sync_says_why_they_are_offline() -> None:
    town = Town(missed_offers_max=1)
    town.driver("dora", 1_000)
    town.request()
    assert town.sync(DORA).why == "self"
    town.wait(15)
    assert (town.sync(DORA).online, town.sync(DORA).why) == (False, "missed_offers")
    town.online(DORA)
    town.offline(DORA)
    assert (town.sync(DORA).online, town.sync(DORA).why) == (False, "self")
