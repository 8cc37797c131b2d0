"""Users at one gateway, and what moves their trips; no network."""

import itertools
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from gateway.clock import Now
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import Resync
from gateway.fanout.room import Room
from gateway.fanout.rooms import Rooms
from gateway.fanout.sync import Sync
from gateway.fanout.trip_rooms import TripRooms
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas.codec import encode
from schemas.commands import AcceptTrip, Answer, JoinRoom, LeaveRoom, SyncData
from schemas.events import TripPush
from schemas.trips import Role
from tests.unit.gateway.fanout.seats import Socket, message
from tests.unit.gateway.session.sessions import claims


class Line:
    """NATS as far as subscribing goes: who listens to what."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.callback: Any = None

    def subscribe_raw(self, subject: str, callback: Any) -> Any:
        self.subjects.append(subject)
        self.callback = callback
        line = self

        class Subscription:
            def cancel(self) -> None:
                line.subjects.remove(subject)

        return Subscription()

    def send(self, *_: Any) -> bool:
        return True


class Gateway:
    def __init__(self, **limits: Any) -> None:
        self.now_s = 100.0
        bounds = Limits(**limits)

        def now() -> Now:
            return Now(self.now_s, int(self.now_s * 1000))

        self.line = Line()
        link = Link(bounds, lambda *_: True, lambda *_: None, lambda: None)
        self.region = Region("main", bounds.held_max)
        bus: Any = self.line
        ids = (str(number) for number in itertools.count())
        self.resync = Resync(link, ids, bounds, now, lambda _: None)
        self.hearing = Rooms(
            gateway="g",
            bus=bus,
            link=link,
            ids=ids,
            resync=self.resync,
            limits=bounds,
            now=now,
            wake=lambda: None,
            safe=lambda callback: callback,
        )
        self.hearing.begin(self.region)
        self.attendance = self.hearing.attendances[self.region]
        self.rooms = TripRooms(self.hearing, bounds, now)

    def says(self, number: int, n: int) -> None:
        """Message `n` comes of t<number>'s room."""
        subject = f"room.main.trip_t{number}".encode()
        said = encode(message(n, 100 + n))
        self.line.callback(subject, b"", said, b"")
        self.hearing.flush()

    def room(self, number: int) -> Room | None:
        return self.attendance.rooms.get(f"trip_t{number}")

    def asks(self, number: int) -> bool:
        """Whether it is asked what was said in the trip's room."""
        room = self.room(number)
        return room is not None and self.resync.is_asked(room)

    def heard(self) -> list[str]:
        """Ids of the trips whose rooms are listened to."""
        return [s.removeprefix("room.main.trip_") for s in self.line.subjects]

    def waits(self, seconds: float) -> None:
        self.now_s += seconds
        self.rooms.tick(self.now_s)


class User:
    """One user with one session, alone at a gateway if none is given."""

    def __init__(self, role: Role, at: Gateway | None = None, **limits: Any) -> None:
        self.gateway = Gateway(**limits) if at is None else at
        self.rooms = self.gateway.rooms
        self.attendance = self.gateway.attendance
        self.asks, self.heard = self.gateway.asks, self.gateway.heard
        self.waits = self.gateway.waits
        self.listener = Listener(self.gateway.region, claims(role, sub=role.value))
        self.listener.stream.sync = Sync.IN_STEP
        self.sockets: list[Socket] = []
        self._seq = 0
        self.sit()

    def sit(self) -> Seat:
        """One more session."""
        self.sockets.append(Socket())
        socket: Any = self.sockets[-1]
        seat = Seat(socket, self.listener)
        seat.held = None
        self.listener.seats.append(seat)
        return seat

    def goes(self, seat: Seat) -> None:
        """A session is over."""
        self.gateway.hearing.end(seat)
        self.listener.seats.remove(seat)
        if not self.listener.seats:
            self.gateway.hearing.forget(self.listener)

    def visits(self, seat: Seat, number: int, *, joins: bool) -> None:
        kind = JoinRoom if joins else LeaveRoom
        by, room = self.listener.claims.user(), f"trip_t{number}"
        command = kind(id=f"v{number}", deadline_ms=0, by=by, room=room)
        self.gateway.hearing.visit(seat, command, lambda _: None, "")

    def moves(self, number: int, version: int, kind: str, status: str) -> None:
        self._push(number, version, kind, status)

    def _push(
        self, number: int, version: int, kind: str, status: str, **by: Any
    ) -> None:
        self._seq += 1
        moved = trip(number, version, status)
        self.hears(TripPush(self._seq, f"trip.{kind}", moved, **by))

    def hears(self, push: TripPush) -> None:
        self.rooms.moved(self.listener, push)

    def drives(self, number: int) -> None:
        self.moves(number, 2, "started", "STARTED")

    def accepts(self, number: int) -> Callable[[Answer], None]:
        """The command t<number>'s answer is to be given to what is returned."""
        by, trip = self.listener.claims.user(), f"t{number}"
        made = AcceptTrip(id=f"c{number}", deadline_ms=0, by=by, trip=trip)
        region = self.listener.region
        return self.rooms.before_accept(region, made, lambda _: None)

    def gets(self, number: int, *, quiet: bool = True) -> None:
        """A trip by that command."""
        by = f"c{number}"
        self._push(number, 2, "started", "STARTED", command=by, quiet=quiet)

    def ends(self, number: int) -> None:
        self.moves(number, 5, "completed", "COMPLETED")

    def syncs(self, seq: int, *trips: Raw) -> None:
        state = SyncData(seq, 0, raw(trips), raw([]), False, [], False)
        self.rooms.synced(self.listener, state)


def raw(value: Any) -> Raw:
    return Raw(encode(value))


def trip(number: int, version: int, status: str) -> Raw:
    return raw({"id": f"t{number}", "version": version, "status": status})
