"""A user's events reach them once, in order and without a gap; no sockets."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.fanout.sync import Sync
from gateway.fanout.user_stream import Passing, UserStream, missed
from schemas import codec
from schemas.events import DriverPush, Moved, OfferEndedPush, TripPush
from schemas.trips import Role
from tests.contract.gateway_ws.scripted_leader import encoded_event, raw, trip
from tests.unit.gateway.fanout.pushes import STATUS, offered, push, state


def synced(role: Role = Role.RIDER, *trips: dict[str, Any]) -> UserStream:
    stream = UserStream("u1", role)
    assert stream.start(state(100, *trips)) == []
    return stream


def test_pushes_before_the_first_sync_are_held_and_contained_ones_dropped() -> None:
    stream = UserStream("u1", Role.RIDER)
    for seq, version in ((99, 1), (101, 2), (102, 3)):
        assert stream.receive(push(seq, version)) is None
    frames = stream.start(state(100, trip(1)))
    assert [seq for seq, _ in frames] == [101, 102]
    assert stream.sync is Sync.IN_STEP


def test_repeats_are_dropped_by_seq() -> None:
    stream = synced()
    assert stream.receive(push(200, 1)) is not None
    assert stream.receive(push(200, 1)) is None
    assert stream.receive(push(100, 1, number=2)) is None
    assert stream.sync is Sync.IN_STEP


@pytest.mark.parametrize(
    ("role", "version", "gap"),
    [
        (Role.RIDER, 1, False),
        (Role.RIDER, 2, True),
        (Role.DRIVER, 2, False),
        (Role.DRIVER, 3, True),
        (Role.DRIVER, 1, True),
    ],
)
def test_how_a_trip_may_begin_for_each_role(
    role: Role, version: int, gap: bool
) -> None:
    stream = synced(role)
    frame = stream.receive(push(200, version))
    assert (frame is None) is gap
    assert (stream.sync is not Sync.IN_STEP) is gap


def test_where_a_driver_is_is_told_of_a_trip_as_it_is() -> None:
    stream = synced(Role.RIDER)
    trip_id = trip(1)["id"]

    def tells(version: int) -> bool:
        at = "2026-11-21T10:00:00.000Z"
        return stream.is_current(Moved(trip_id, 1.0, 2.0, None, at, version=version))

    assert not tells(1)
    stream.receive(push(200, 1))
    stream.receive(push(201, 2))
    # A leader of before doesn't say; an earlier version is a message of before.
    assert [tells(version) for version in (0, 1, 2, 3)] == [True, False, True, True]
    for version in (3, 4, 5):
        stream.receive(push(199 + version, version))
    assert not any(tells(version) for version in (0, 2, 5))


def test_an_ended_trip_is_forgotten() -> None:
    stream = synced(Role.RIDER, trip(1, 4, "IN_PROGRESS"))
    assert stream.receive(push(200, 5)) is not None
    assert stream.trips == {}


def test_after_a_release_the_rider_goes_on_counting_and_the_driver_does_not() -> None:
    rider = synced(Role.RIDER, trip(1, 2, "STARTED"))
    driver = synced(Role.DRIVER, trip(1, 2, "STARTED"))
    released = TripPush(200, "trip.released", raw(trip(1, 3, "REQUESTED")))
    assert rider.receive(released) is not None
    assert driver.receive(released) is not None
    assert (len(rider.trips), len(driver.trips)) == (1, 0)
    again = TripPush(210, "trip.started", raw(trip(1, 4, "STARTED")))
    assert rider.receive(again) is not None
    later = TripPush(230, "trip.started", raw(trip(1, 6, "STARTED")))
    assert driver.receive(later) is not None


def test_a_settled_gap_delivers_what_was_missed_then_feed_and_held_by_seq() -> None:
    stream = synced(Role.DRIVER, trip(1, 2, "STARTED"))
    assert stream.receive(push(204, 4)) is None
    stream.hold()
    stream.held_feed.append((203, b"feed"))
    events = [encoded_event(202, "trip.arrived", trip(1, 3, "ARRIVED"))]
    data = state(202, trip(1, 3, "ARRIVED"), recovered=True, events=events)
    settled = stream.settle(data)
    assert [seq for seq, _ in settled.frames] == [202, 203, 204]
    assert not settled.lost
    assert stream.sync is Sync.IN_STEP


@pytest.mark.parametrize("is_online", [True, False])
def test_the_feed_passes_or_waits_by_what_is_known_of_a_driver(is_online: bool) -> None:
    stream = UserStream("u1", Role.DRIVER)
    assert stream.feed is Passing.WAITS
    stream.start(state(100, online=is_online))
    assert stream.feed is (Passing.PASSES if is_online else Passing.NONE)
    stream.hold()
    assert stream.feed is (Passing.WAITS_WITH_OWN if is_online else Passing.NONE)


def test_a_new_session_is_shown_of_the_feed_what_its_sync_does_not_contain() -> None:
    stream = UserStream("u1", Role.DRIVER)
    stream.held_feed += [(99, b"a"), (100, b"b"), (101, b"c")]
    assert stream.start(state(100)) == [(101, b"c")]
    assert stream.held_feed == []


def test_a_driver_s_change_of_state_is_told_once() -> None:
    stream = synced(Role.DRIVER)
    off = stream.receive(DriverPush(200, online=False, why="missed_offers"))
    assert off is not None
    said = {"online": False, "why": "missed_offers"}
    assert off.endswith(b'"driver.state","seq":200,"data":' + codec.encode(said) + b"}")
    assert stream.receive(DriverPush(210, online=False)) is None
    assert (stream.seq, stream.online) == (210, False)


def test_an_offer_is_shown_with_what_is_left_of_it_when_it_was_decided() -> None:
    stream = synced(Role.DRIVER)
    given = replace(offered(200, "o1"), at_ms=400)
    frame = stream.receive(given)
    assert frame is not None
    assert json.loads(frame[frame.index(b"{") :])["data"] == {
        "trip": trip(1),
        "offer": "o1",
        "round": 1,
        "expires_at": "1970-01-01T00:00:01.000Z",
        "expires_in_ms": 600,
        "pick_up_distance_m": 800,
        "pick_up_eta_s": 150,
    }
    assert stream.offers == {"o1": trip(1)["id"]}
    over = OfferEndedPush(210, "o1", trip(1)["id"], "declined")
    assert stream.receive(over) is not None
    assert (stream.offers, stream.seq) == ({}, 210)
    late = stream.receive(replace(offered(220, "o2"), at_ms=2_000))
    assert late is not None
    assert b'"expires_in_ms":0,' in late


def test_the_offers_of_a_trip_that_is_theirs_live_no_more_and_others_do() -> None:
    stream = synced(Role.DRIVER)
    for number in (1, 2):
        stream.receive(offered(200 + number, f"o{number}", number))
    stream.receive(push(220, 2, kind="trip.started"))
    assert stream.offers == {"o2": trip(2)["id"]}


def test_what_is_known_to_be_passed_on_is_not_asked_for_again() -> None:
    stream = synced()
    stream.hold(250)
    assert stream.seq == 250
    stream.hold(240)
    assert stream.seq == 250


@pytest.mark.parametrize(
    ("now", "is_lost"),
    [([trip(1, 3, "ARRIVED")], False), ([trip(2)], True), ([], True)],
)
def test_trips_are_shown_as_they_are_where_their_events_are_gone(
    now: list[dict[str, Any]], is_lost: bool
) -> None:
    stream = synced(Role.RIDER, trip(1, 2, "STARTED"))
    stream.hold()
    settled = stream.settle(state(200, *now))
    assert settled.lost is is_lost
    assert [seq for seq, _ in settled.frames] == [0] * len(now)
    assert all(b'"trip.snapshot"' in frame for _, frame in settled.frames)


@pytest.mark.parametrize("why", ["self", "missed_offers"])
def test_a_driver_who_was_sent_offline_in_a_gap_hears_of_it(why: str) -> None:
    stream = synced(Role.DRIVER)
    stream.hold()
    settled = stream.settle(state(204, online=False, why=why))
    ((seq, frame),) = settled.frames
    assert seq == 0
    wanted = b'"driver.state","data":{"online":false,"why":"%b"}' % why.encode()
    assert wanted in frame
    stream.hold()
    assert stream.settle(state(205, online=False)).frames == []


def test_a_driver_of_whom_nothing_was_told_is_told_by_a_welcome_alone() -> None:
    stream = UserStream("u1", Role.DRIVER)
    stream.hold()
    assert stream.settle(state(100)).frames == []


def test_a_second_gap_among_what_was_held_is_seen() -> None:
    stream = synced(Role.RIDER, trip(1, 1))
    stream.receive(push(204, 4))
    stream.hold()
    settled = stream.settle(state(201, trip(1, 2, "STARTED"), recovered=True))
    assert settled.frames == []
    assert stream.sync is not Sync.IN_STEP
    assert stream.seq == 201


def test_a_new_session_s_sync_does_not_settle_a_gap() -> None:
    stream = synced(Role.RIDER, trip(1, 1))
    stream.receive(push(204, 4))
    stream.hold()
    assert stream.start(state(204, trip(1, 4, "IN_PROGRESS"))) == []
    assert stream.sync is not Sync.IN_STEP


def test_a_driver_who_is_offline_gets_no_feed_that_was_held() -> None:
    stream = UserStream("u1", Role.DRIVER)
    stream.held_feed.append((101, b"feed"))
    assert stream.start(state(100, online=False)) == []


def test_missed_events_are_frames_in_order() -> None:
    events = [encoded_event(7, "trip.requested", trip(1))]
    ((seq, frame),) = missed(state(100, recovered=True, events=events))
    assert seq == 7
    assert frame.endswith(b'"seq":7,"data":' + codec.encode(trip(1)) + b"}")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.booleans(),
)
def test_whatever_is_lost_or_repeated_a_session_gets_each_version_once_in_order(
    lost: list[bool], repeated: list[bool], held_by_sync: bool
) -> None:
    stream = synced()
    got: list[int] = []

    def settle(at: int) -> None:
        events = [
            encoded_event(200 + v, "trip.x", trip(1, v, STATUS[v]))
            for v in range(1, at + 1)
            if 200 + v > stream.seq
        ]
        live = [trip(1, at, STATUS[at])] if at < 5 else []
        stream.hold()
        data = state(200 + at, *live, recovered=True, events=events)
        got.extend(seq - 200 for seq, _ in stream.settle(data).frames)

    for version in range(1, 6):
        for copies in range(1 + repeated[version - 1]):
            if lost[version - 1] and not copies:
                continue
            if stream.receive(push(200 + version, version)) is not None:
                got.append(version)
            if stream.sync is not Sync.IN_STEP and not held_by_sync:
                settle(version)
    settle(5)
    assert got == [1, 2, 3, 4, 5]
