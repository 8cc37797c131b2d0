"""Which trips' rooms a user is in, by the trips alone; clock in hand."""

import itertools
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from gateway.clock import Now
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import Resync
from gateway.fanout.rooms import Rooms
from gateway.fanout.trip_rooms import SWEEP_S, TripRooms
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas.codec import encode
from schemas.commands import AcceptTrip, Answer, SyncData
from schemas.events import TripPush
from schemas.trips import Role
from tests.unit.gateway.fanout.seats import Socket
from tests.unit.gateway.session.sessions import claims


class Line:
    """NATS as far as subscribing goes: who listens to what."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    def subscribe_raw(self, subject: str, _: Any) -> Any:
        self.subjects.append(subject)
        line = self

        class Subscription:
            def cancel(self) -> None:
                line.subjects.remove(subject)

        return Subscription()

    def send(self, *_: Any) -> bool:
        return True


class User:
    """One user with one session at one gateway."""

    def __init__(self, role: Role, **limits: Any) -> None:
        self.now_s = 100.0
        bounds = Limits(**limits)

        def now() -> Now:
            return Now(self.now_s, int(self.now_s * 1000))

        self.line = Line()
        link = Link(bounds, lambda *_: True, lambda *_: None, lambda: None)
        region = Region("main", bounds.held_max)
        bus: Any = self.line
        ids = (str(number) for number in itertools.count())
        resync = Resync(link, ids, bounds, now, lambda _: None)
        self.resync = resync
        self.hearing = rooms = Rooms(
            gateway="g",
            bus=bus,
            link=link,
            ids=ids,
            resync=resync,
            limits=bounds,
            now=now,
            wake=lambda: None,
            safe=lambda callback: callback,
        )
        rooms.begin(region)
        self.attendance = rooms.attendances[region]
        self.rooms = TripRooms(rooms, bounds, now)
        self.listener = Listener(region, claims(role))
        self._seq = 0
        self.sit()

    def sit(self) -> None:
        """One more session."""
        socket: Any = Socket()
        self.listener.seats.append(Seat(socket, self.listener))

    def moves(self, number: int, version: int, kind: str, status: str) -> None:
        self._push(number, version, kind, status)

    def _push(
        self, number: int, version: int, kind: str, status: str, **by: Any
    ) -> None:
        self._seq += 1
        moved = trip(number, version, status)
        push = TripPush(self._seq, f"trip.{kind}", moved, **by)
        self.rooms.moved(self.listener, push)

    def drives(self, number: int) -> None:
        self.moves(number, 2, "started", "STARTED")

    def accepts(self, number: int) -> Callable[[Answer], None]:
        """The command t<number>'s answer is to be given to what is returned."""
        by, trip = self.listener.claims.user(), f"t{number}"
        made = AcceptTrip(id=f"c{number}", deadline_ms=0, by=by, trip=trip)
        region = self.listener.region
        return self.hearing.before_accept(region, made, lambda _: None)

    def gets(self, number: int, *, quiet: bool = True) -> None:
        """A trip by that command."""
        by = f"c{number}"
        self._push(number, 2, "started", "STARTED", command=by, quiet=quiet)

    def asks(self, number: int) -> bool:
        """Whether it is asked what was said in the trip's room."""
        return self.resync.is_asked(self.attendance.rooms[f"trip_t{number}"])

    def ends(self, number: int) -> None:
        self.moves(number, 5, "completed", "COMPLETED")

    def syncs(self, seq: int, *trips: Raw) -> None:
        state = SyncData(seq, 0, raw(trips), raw([]), False, [], False)
        self.rooms.synced(self.listener, state)

    def heard(self) -> list[str]:
        """Ids of the trips whose rooms are listened to."""
        return [s.removeprefix("room.main.trip_") for s in self.line.subjects]


def raw(value: Any) -> Raw:
    return Raw(encode(value))


def trip(number: int, version: int, status: str) -> Raw:
    return raw({"id": f"t{number}", "version": version, "status": status})


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
    driver.now_s += 309
    driver.rooms.tick(driver.now_s)
    assert driver.heard() == ["t1", "t2"]
    driver.now_s += SWEEP_S + 1
    driver.rooms.tick(driver.now_s)
    assert driver.heard() == ["t2"]


def test_a_released_driver_leaves_and_a_repeat_brings_nobody_back() -> None:
    driver, rider = User(Role.DRIVER), User(Role.RIDER)
    for user in (driver, rider):
        user.drives(1)
        user.moves(1, 3, "released", "REQUESTED")
    assert (driver.heard(), rider.heard()) == ([], ["t1"])
    rider.drives(1)
    rider.ends(1)
    rider.moves(1, 2, "started", "STARTED")
    assert rider.attendance.trips[rider.listener]["t1"].ended_s is not None


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
    driver.now_s += 1_000
    driver.rooms.tick(driver.now_s)
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
    driver.hearing.hold(driver.listener.region)
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
    assert not driver.attendance.accepts
