"""`since`: every missed event, or none and the whole state; never a part."""

import msgspec
import pytest

from dispatcher.engine.batch import ANSWER_BYTES_MAX
from dispatcher.engine.engine import Limits
from dispatcher.engine.limits import MISSED_BYTES_MAX
from schemas.codec import Raw, decode, encode
from schemas.commands import SyncData
from schemas.events import TripEvent, seq_of
from schemas.frames import OPEN_TRIPS_MAX
from schemas.trips import OpenTrip, Role, Trip
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    World,
    replay,
    user,
)


def missed(data: SyncData) -> list[TripEvent]:
    return [decode(raw, TripEvent) for raw in data.events]


def trips(data: SyncData) -> list[Trip]:
    return decode(data.trips, list[Trip])


def open_trips(data: SyncData) -> list[OpenTrip]:
    return decode(data.open_trips, list[OpenTrip])


# ---- state ---------------------------------------------------------------------


def test_a_fresh_region_has_nothing() -> None:
    empty = Raw(b"[]")
    expected = SyncData(0, 0, empty, empty, recovered=False, events=[], online=False)
    assert World().sync(RITA) == expected


def test_both_sides_of_a_trip_see_it_and_others_do_not() -> None:
    world = World()
    trip = world.driving("accept")
    assert trips(world.sync(RITA)) == trips(world.sync(DORA)) == [trip]
    assert trips(world.sync(RON)) == trips(world.sync(DAN)) == []
    assert world.sync(RITA).seq == world.last.seq
    assert world.sync(RITA).feed == 2


def test_an_ended_trip_is_not_active() -> None:
    world = World()
    world.driving("accept", "begin", "complete")
    assert trips(world.sync(RITA)) == trips(world.sync(DORA)) == []


def test_only_drivers_get_the_open_trips_newest_first() -> None:
    world = World()
    made = [world.request(user(Role.RIDER, f"r{n}")) for n in range(3)]
    expected = [OpenTrip.of(trip) for trip in reversed(made)]
    assert open_trips(world.sync(DORA)) == expected
    assert open_trips(world.sync(RITA)) == open_trips(world.sync(OLGA)) == []


def test_a_taken_trip_leaves_the_open_ones_and_a_released_one_is_newest() -> None:
    world = World()
    first, second = world.request(RITA), world.request(RON)
    assert len(open_trips(world.sync(DAN))) == 2
    world.moves("accept", DORA, first)
    assert [t.id for t in open_trips(world.sync(DAN))] == [second.id]
    world.moves("release", DORA, first)
    assert [t.id for t in open_trips(world.sync(DAN))] == [first.id, second.id]


def test_at_most_a_hundred_open_trips_are_shown() -> None:
    world = World()
    made = [world.request(user(Role.RIDER, f"r{n}")) for n in range(102)]
    shown = open_trips(world.sync(DORA))
    assert len(shown) == OPEN_TRIPS_MAX == 100
    assert shown[0].id == made[-1].id


def test_a_gateway_that_knows_what_is_open_is_not_told_it_again() -> None:
    world = World()
    world.request()
    for person in (DORA, RITA):
        known = world.sync(person, open_trips=False)
        told = world.sync(person)
        rest = msgspec.structs.replace(known, open_trips=told.open_trips)
        assert rest == told
    assert world.sync(DORA, open_trips=False).open_trips == Raw(b"null")


def test_a_gateway_that_begins_to_listen_is_told_what_is_open() -> None:
    world = World()
    assert world.sync_feed(0).open_trips is None
    world.request()
    world.request(RON)
    told = world.sync_feed(2**62, open_trips=True)
    assert told.open_trips == world.sync(DORA).open_trips
    assert told.open_whole
    assert (told.n, told.entries) == (2, [])


def test_of_more_open_trips_than_a_message_holds_the_newest_are_told() -> None:
    """The longest there are: no fewer than a welcome shows."""
    world = World()
    longest = {"pick_up_address": "\x01" * 255, "drop_off_address": "\x01" * 255}
    for number in range(OPEN_TRIPS_MAX + 50):
        plain = user(Role.RIDER, f"r{number}")
        rider = msgspec.structs.replace(plain, first_name="\x01" * 150)
        world.request(rider, **longest)
    told = world.sync_feed(2**62, open_trips=True)
    assert not told.open_whole
    assert len(encode(told)) < ANSWER_BYTES_MAX
    shown = decode(world.sync(DORA).open_trips, list[Raw])
    assert decode(told.open_trips, list[Raw])[: len(shown)] == shown


# ---- what was missed -------------------------------------------------------------


def test_who_comes_back_gets_the_events_after_the_cursor() -> None:
    world = World()
    world.request()
    cursor = world.sync(RITA).seq
    trip = world.engine.driving(DORA.id)
    assert trip is None
    world.moves("accept", DORA, trips(world.sync(RITA))[0])
    world.request(RON)
    data = world.sync(RITA, cursor)
    assert data.recovered
    assert [e.type for e in missed(data)] == ["trip.started"]
    assert bytes(data.events[0]) == encode(world.events[1])
    assert data.seq == world.last.seq


def test_trips_that_ended_meanwhile_are_among_the_events() -> None:
    world = World()
    cursor = world.sync(DORA).seq
    world.driving("accept", "begin", "complete")
    types = [e.type for e in missed(world.sync(DORA, cursor))]
    assert types == ["trip.started", "trip.in_progress", "trip.completed"]


def test_a_released_driver_learns_of_the_release_and_no_more() -> None:
    world = World()
    trip = world.driving("accept", "release")
    world.moves("accept", DAN, trip)
    data = world.sync(DORA, world.events[1].seq)
    assert [e.type for e in missed(data)] == ["trip.released"]


def test_who_missed_nothing_is_recovered_with_no_events() -> None:
    world = World()
    world.request()
    data = world.sync(RITA, world.last.seq)
    assert (data.recovered, data.events) == (True, [])


def test_a_fresh_ledger_covers_everything() -> None:
    world = World()
    assert world.sync(RITA, 0).recovered
    world.request()
    assert [e.type for e in missed(world.sync(RITA, 0))] == ["trip.requested"]


@pytest.mark.parametrize("since", [None, -1, 10**18])
def test_no_cursor_or_an_impossible_one_is_not_recovered(since: int | None) -> None:
    world = World()
    world.request()
    data = world.sync(RITA, since)
    assert (data.recovered, data.events) == (False, [])
    assert len(trips(data)) == 1


def test_a_cursor_of_the_future_is_not_recovered() -> None:
    world = World()
    world.request()
    assert not world.sync(RITA, world.last.seq + 1).recovered


def test_a_cursor_is_covered_until_an_event_after_it_is_evicted() -> None:
    world = World(Limits(request_ttl_ms=TTL_MS, ring_events_max=3))
    world.driving("accept", "arrive")
    seqs = [event.seq for event in world.events]
    assert world.sync(RITA, 0).recovered
    world.request(RON)
    assert not world.sync(RITA, seqs[0] - 1).recovered
    data = world.sync(RITA, seqs[0])
    assert [e.type for e in missed(data)] == ["trip.started", "trip.arrived"]


def test_the_ring_forgets_by_age_even_when_nothing_happens() -> None:
    world = World(Limits(request_ttl_ms=TTL_MS, ring_ms=1_000))
    world.request()
    world.now_ms += 999
    assert world.sync(RITA, 0).recovered
    world.now_ms += 1
    assert not world.sync(RITA, 0).recovered
    assert world.sync(RITA, world.last.seq).recovered


def test_the_feed_is_covered_until_an_entry_after_it_is_evicted() -> None:
    world = World(Limits(request_ttl_ms=TTL_MS, ring_events_max=3))
    world.driving("accept", "arrive")
    assert world.sync_feed(0).complete
    world.driving("accept", rider=RON, driver=DAN)
    assert not world.sync_feed(1).complete
    data = world.sync_feed(2)
    assert (data.complete, [entry.n for entry in data.entries]) == (True, [3, 4])


def test_who_missed_more_than_a_message_holds_gets_the_state_instead() -> None:
    world = World()
    address = "x" * 255
    cursors = []
    for _ in range(200):
        cursors.append(world.engine.head_seq)
        trip = world.request(pick_up_address=address, drop_off_address=address)
        world.moves("cancel", RITA, trip)
    sizes = [len(encode(event)) for event in world.events]
    assert sum(sizes) > MISSED_BYTES_MAX
    assert not world.sync(RITA, 0).recovered
    assert not world.sync_feed(0).complete
    fitting = MISSED_BYTES_MAX // (2 * max(sizes))
    data = world.sync(RITA, cursors[-fitting])
    assert (data.recovered, len(data.events)) == (True, 2 * fitting)


def test_a_ledger_that_begins_late_covers_nothing_before_its_beginning() -> None:
    world = World(first_record=1_000)
    world.expire()
    world.request()
    engine = replay(world.records)
    world.engine = engine
    assert not world.sync(RITA, 4096).recovered
    assert world.sync(RITA, seq_of(1_000, 0) - 1).recovered


def test_a_users_long_list_is_evicted_in_order() -> None:
    world = World(Limits(request_ttl_ms=TTL_MS, ring_events_max=70))
    for _ in range(60):
        world.moves("cancel", RITA, world.request())
    seqs = [event.seq for event in world.events][-70:]
    data = world.sync(RITA, seqs[0] - 1)
    assert [event.seq for event in missed(data)] == seqs
    for n in range(70):
        world.request(user(Role.RIDER, f"r{n}"))
    data = world.sync(RITA, seqs[-1])
    assert (data.recovered, data.events) == (True, [])


def test_whom_a_driver_drives_is_known() -> None:
    world = World()
    trip = world.driving("accept")
    assert world.engine.driving(DORA.id) == trip
    assert world.engine.driving(DAN.id) is None
    assert world.engine.active_trips == 1


def test_sync_data_is_encodable_as_an_answer() -> None:
    world = World()
    world.driving("accept")
    data = msgspec.json.decode(encode(world.sync(DORA, 0)))
    assert data["trips"][0]["status"] == "STARTED"
    assert data["events"][0]["type"] == "trip.started"
