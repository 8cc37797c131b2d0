"""Which trips' rooms a user is in, by the trips alone; clock in hand."""

from math import inf

import pytest

from gateway.fanout.trip_rooms import SWEEP_S
from schemas.commands import Answer, SyncData
from schemas.events import TripPush
from schemas.trips import Role
from tests.unit.gateway.fanout.trips import Gateway, User, raw, trip


def test_a_busy_drivers_rooms_are_bounded_the_oldest_go_first() -> None:
    driver = User(Role.DRIVER, trip_rooms_max=3)
    for number in range(6):
        driver.drives(number)
        driver.ends(number)
    assert driver.heard() == ["t3", "t4", "t5"]


def test_an_ended_trips_room_is_left_after_its_time_an_active_ones_is_not() -> None:
    driver = User(Role.DRIVER, trip_room_s=310)
    driver.drives(1)
    driver.ends(1)
    driver.drives(2)
    driver.waits(309)
    assert driver.heard() == ["t1", "t2"]
    driver.waits(SWEEP_S + 1)
    assert driver.heard() == ["t2"]


def test_a_released_driver_leaves_and_a_repeat_brings_nobody_back() -> None:
    driver, rider = User(Role.DRIVER), User(Role.RIDER)
    for user in (driver, rider):
        user.drives(1)
        user.moves(1, 3, "released", "REQUESTED")
    assert (driver.heard(), rider.heard()) == ([], ["t1"])
    started = TripPush(3, "trip.started", trip(1, 4, "STARTED"))
    rider.hears(started)
    rider.hears(TripPush(5, "trip.completed", trip(1, 5, "COMPLETED")))
    rider.hears(started)
    assert rider.attendance.trips[rider.listener]["trip_t1"].ended_s < inf


def test_a_trip_that_was_never_driven_has_no_room_here() -> None:
    rider = User(Role.RIDER)
    rider.moves(1, 1, "requested", "REQUESTED")
    rider.moves(1, 2, "cancelled", "CANCELLED")
    assert rider.heard() == []


def test_a_new_session_hears_the_rooms_of_all_trips_of_its_user() -> None:
    rider = User(Role.RIDER)
    rider.drives(1)
    rider.ends(1)
    rider.sit()
    rider.syncs(9, trip(2, 3, "ARRIVED"))
    assert rider.heard() == ["t1", "t2"]
    for room in rider.attendance.rooms.values():
        assert set(room.live) == set(rider.listener.seats)


def test_what_a_sync_no_longer_knows_is_left_but_not_what_is_newer() -> None:
    driver = User(Role.DRIVER)
    driver.drives(1)
    driver.drives(2)
    driver.syncs(1)
    assert driver.heard() == ["t2"]


def test_a_sync_of_a_user_whose_last_session_it_ended_brings_no_room() -> None:
    """What it handed on was too much to hold."""
    rider = User(Role.RIDER)
    rider.goes(rider.listener.seats[0])
    rider.syncs(9, trip(1, 3, "ARRIVED"))
    assert rider.heard() == []
    assert rider.listener not in rider.attendance.trips


def test_who_takes_a_quiet_trip_here_hears_its_room_and_asks_nothing() -> None:
    driver = User(Role.DRIVER)
    done = driver.accepts(1)
    assert driver.heard() == ["t1"]
    driver.gets(1)
    assert driver.heard() == ["t1"]
    assert not driver.asks(1)
    done(Answer("c1", 1))
    assert driver.heard() == ["t1"]
    driver.ends(1)
    driver.waits(1_000)
    assert driver.heard() == []


def test_a_room_that_may_not_have_been_quiet_or_heard_in_time_is_asked_about() -> None:
    driver = User(Role.DRIVER)
    driver.accepts(1)
    driver.gets(1, quiet=False)
    driver.gets(2)
    assert driver.asks(1)
    assert driver.asks(2)


def test_a_room_is_asked_about_if_the_line_broke_after_the_accept_was_sent() -> None:
    driver = User(Role.DRIVER)
    driver.accepts(1)
    driver.gateway.hearing.hold(driver.listener.region)
    driver.gets(1)
    assert driver.asks(1)


def test_a_room_is_asked_about_if_only_a_sync_tells_that_the_trip_started() -> None:
    driver = User(Role.DRIVER)
    driver.accepts(1)
    moved = TripPush(3, "trip.started", trip(1, 2, "STARTED"), command="c1", quiet=True)
    trips = raw([trip(1, 2, "STARTED")])
    state = SyncData(3, 0, trips, raw([]), True, [raw(moved)], False)
    driver.rooms.synced(driver.listener, state)
    assert driver.asks(1)


def test_nothing_is_heard_any_more_of_a_trip_that_others_took() -> None:
    driver = User(Role.DRIVER)
    first, second = driver.accepts(1), driver.accepts(1)
    first(Answer("c1", 1))
    assert driver.heard() == ["t1"]
    second(Answer("c1", 1))
    assert driver.heard() == []
    assert not driver.attendance.hearings


# ---- a quiet one's, and what becomes of it -----------------------------------


def quiet_trip() -> tuple[User, User]:
    """A rider and the driver who took their trip t1, both at one gateway."""
    rider = User(Role.RIDER, Gateway(trip_room_s=310))
    driver = User(Role.DRIVER, rider.gateway)
    done = driver.accepts(1)
    rider.gets(1)
    driver.gets(1)
    done(Answer("c1", 1))
    return rider, driver


def numbers(*users: User) -> list[list[int]]:
    """Of what each session of those heard."""
    return [socket.numbers() for user in users for socket in user.sockets]


def test_a_trips_room_is_no_more_than_heard_until_something_is_said() -> None:
    rider, driver = quiet_trip()
    assert rider.gateway.room(1) is None
    assert rider.heard() == ["t1"]
    rider.sit()
    rider.gateway.says(1, 1)
    rider.gateway.says(1, 2)
    assert numbers(rider, driver) == [[1, 2]] * 3
    assert not rider.asks(1)


def test_what_is_lost_of_a_quiet_room_shows_with_the_next_message() -> None:
    rider, driver = quiet_trip()
    rider.gateway.says(1, 2)
    assert rider.asks(1)
    assert numbers(rider, driver) == [[], []]


def test_quiet_rooms_are_asked_about_after_a_break_of_the_line() -> None:
    rider, _ = quiet_trip()
    rider.gateway.hearing.hold(rider.gateway.region)
    rider.gateway.says(1, 1)
    rider.gateway.hearing.resync(rider.gateway.region)
    assert rider.asks(1)
    assert numbers(rider) == [[]]


def test_a_session_that_left_a_quiet_room_hears_nothing_said_in_it() -> None:
    rider, driver = quiet_trip()
    other = rider.sit()
    rider.visits(other, 1, joins=False)
    rider.gateway.says(1, 1)
    assert numbers(rider, driver) == [[1], [], [1]]


def test_a_quiet_room_that_all_have_left_is_none() -> None:
    rider, driver = quiet_trip()
    for user in (rider, driver):
        user.visits(user.listener.seats[0], 1, joins=False)
    rider.gateway.says(1, 1)
    assert rider.gateway.room(1) is None
    assert numbers(rider, driver) == [[], []]
    back = driver.sit()
    driver.syncs(9, trip(1, 2, "STARTED"))
    assert rider.asks(1)
    room = rider.gateway.room(1)
    assert room is not None
    assert set(room.live) == {back}


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_quiet_room_that_an_accept_alone_holds_is_none(*, is_cut: bool) -> None:
    rider, driver = quiet_trip()
    answered = driver.accepts(1)
    driver.moves(1, 3, "released", "REQUESTED")
    rider.goes(rider.listener.seats[0])
    if is_cut:
        rider.gateway.hearing.hold(rider.gateway.region)
    else:
        rider.gateway.says(1, 1)
    assert rider.heard() == ([] if is_cut else ["t1"])
    answered(Answer("c1", 1))
    assert rider.heard() == []
    assert not rider.attendance.rooms


def test_who_joins_a_quiet_room_waits_alone_for_the_answer() -> None:
    rider, driver = quiet_trip()
    rider.visits(rider.listener.seats[0], 1, joins=True)
    rider.gateway.says(1, 1)
    assert numbers(rider, driver) == [[], [1]]


def test_a_quiet_room_is_heard_while_a_session_of_either_is_here() -> None:
    rider, driver = quiet_trip()
    rider.goes(rider.listener.seats[0])
    rider.gateway.says(1, 1)
    assert numbers(rider, driver) == [[], [1]]
    driver.goes(driver.listener.seats[0])
    assert driver.heard() == []
    assert not driver.attendance.rooms
    assert not driver.attendance.trips


def test_a_quiet_room_is_left_by_both_some_time_after_the_end() -> None:
    rider, driver = quiet_trip()
    for user in (rider, driver):
        user.ends(1)
    rider.waits(300)
    assert rider.heard() == ["t1"]
    rider.waits(SWEEP_S + 10)
    assert rider.heard() == []


def test_who_hears_only_afterwards_of_a_trip_that_ended_leaves_with_the_others() -> (
    None
):
    rider = User(Role.RIDER)
    driver = User(Role.DRIVER, rider.gateway)
    rider.drives(1)
    rider.ends(1)
    driver.drives(1)
    rider.waits(1_000)
    assert rider.heard() == []


def test_nothing_is_kept_of_a_user_who_went_before_their_rooms_time() -> None:
    rider, driver = quiet_trip()
    rider.ends(1)
    rider.goes(rider.listener.seats[0])
    driver.goes(driver.listener.seats[0])
    rider.waits(SWEEP_S + 1)
    assert not rider.attendance.trips
