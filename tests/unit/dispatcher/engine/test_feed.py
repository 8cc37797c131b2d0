"""What all drivers of the region learn, and its dense numbers."""

import msgspec

from dispatcher.engine.engine import feed_entry
from schemas.codec import Raw, encode
from schemas.commands import DutyData, FeedData, GoOffline, GoOnline
from schemas.events import DriverEvent, FeedEntry, TripEvent
from schemas.trips import OpenTrip
from tests.unit.dispatcher.engine.world import DAN, DORA, RITA, RON, TTL_MS, World


def entries(world: World) -> list[FeedEntry]:
    found = [feed_entry(event) for event in world.events]
    return [entry for entry in found if entry is not None]


def taken(n: int, event: TripEvent) -> FeedEntry:
    data = Raw(encode({"id": event.trip.id}))
    return FeedEntry(n, event.seq, "trip.taken", event.audience, data, event.at_ms)


def test_a_request_is_shown_to_all_drivers_without_the_riders_names() -> None:
    world = World()
    trip = world.request()
    (entry,) = entries(world)
    assert (entry.n, entry.seq) == (1, world.last.seq)
    assert (entry.type, entry.exclude) == ("trip.requested", (RITA.id,))
    assert bytes(entry.data) == encode(OpenTrip.of(trip))
    shown = msgspec.json.decode(entry.data)
    assert shown["rider"] == {"id": RITA.id, "first_name": RITA.first_name}
    assert shown["driver"] is None


def test_a_trip_is_taken_once_a_driver_has_accepted_it() -> None:
    world = World()
    world.driving("accept")
    assert entries(world)[1:] == [taken(2, world.last)]
    assert world.last.audience == (RITA.id, DORA.id)


def test_moves_of_a_taken_trip_are_not_on_the_feed() -> None:
    world = World()
    world.driving("accept", "arrive", "begin", "complete")
    assert len(entries(world)) == 2
    assert world.engine.feed == 2


def test_a_cancelled_open_trip_is_taken_off_the_feed() -> None:
    world = World()
    world.moves("cancel", RITA, world.request())
    assert entries(world)[1:] == [taken(2, world.last)]


def test_a_cancelled_taken_trip_is_not_on_the_feed_again() -> None:
    world = World()
    world.moves("cancel", RITA, world.driving("accept"))
    assert len(entries(world)) == 2


def test_an_expired_trip_is_taken_off_the_feed() -> None:
    world = World()
    world.request()
    world.now_ms += TTL_MS
    world.expire()
    assert entries(world)[1:] == [taken(2, world.last)]


def test_a_released_trip_is_offered_again_to_all_but_its_two() -> None:
    world = World()
    trip = world.driving("accept")
    released = world.moves("release", DORA, trip)
    assert world.last.audience == (RITA.id, DORA.id)
    entry = entries(world)[2]
    assert (entry.n, entry.seq, entry.type) == (3, world.last.seq, "trip.requested")
    assert entry.exclude == (RITA.id, DORA.id)
    assert bytes(entry.data) == encode(OpenTrip.of(released))


def test_a_released_trip_can_be_accepted_by_another_driver() -> None:
    world = World()
    trip = world.driving("accept", "arrive", "release")
    assert trip.driver is None
    again = world.moves("accept", DAN, trip)
    assert again.driver == DAN.person()
    assert world.last.audience == (RITA.id, DAN.id)
    other = world.driving("accept", rider=RON)
    assert other.driver == DORA.person()


def test_drivers_coming_and_going_are_not_on_the_feed() -> None:
    world = World()
    world.do(GoOffline(**world.envelope(DORA)))
    assert entries(world) == []
    assert world.engine.feed == 0


# ---- driver states -------------------------------------------------------------


def test_a_new_driver_is_online() -> None:
    assert World().sync(DORA).online is True


def test_a_driver_goes_offline_and_online_again() -> None:
    world = World()
    outcome = world.do(GoOffline(**world.envelope(DORA)))
    event = world.events[-1]
    assert event == DriverEvent(
        event.seq, world.now_ms, DORA.id, online=False, command=f"{1:032x}"
    )
    assert outcome.data == DutyData(online=False, offers=False)  # type: ignore[union-attr]
    assert world.sync(DORA).online is False
    assert world.sync(DAN).online is True
    outcome = world.do(GoOnline(**world.envelope(DORA)))
    assert outcome.data == DutyData(online=True, offers=False)  # type: ignore[union-attr]
    assert world.sync(DORA).online is True


def test_what_changes_nothing_makes_no_event() -> None:
    world = World()
    world.do(GoOnline(**world.envelope(DORA)))
    assert world.events == []
    world.do(GoOffline(**world.envelope(DORA)))
    world.do(GoOffline(**world.envelope(DORA)))
    assert len(world.events) == 1


# ---- gateways that saw a gap ----------------------------------------------------


def test_a_gateway_gets_the_entries_it_missed() -> None:
    world = World()
    world.driving("accept", "arrive")
    world.request(RON)
    assert world.sync_feed(1) == FeedData(3, entries(world)[1:], complete=True)
    assert world.sync_feed(0) == FeedData(3, entries(world), complete=True)
    assert world.sync_feed(3) == FeedData(3, [], complete=True)


def test_a_feed_number_of_the_future_is_not_complete() -> None:
    world = World()
    world.request()
    assert world.sync_feed(2) == FeedData(1, [], complete=False)
