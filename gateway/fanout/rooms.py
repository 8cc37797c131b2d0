"""Rooms: which ones this gateway's sessions are in, and how they stay in step.

Subscribes a room while a session is in it, carries joins and leaves to the leader;
gateway/fanout/presence.py tells the leader who is where. Decides nothing about who may
be in a room. Its callbacks run in NATS's read loop: they never block and never raise.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.fanout.attendance import Attendance, Hearing, Visitor
from gateway.fanout.membership import Occupant, Turn
from gateway.fanout.presence import Presences
from gateway.fanout.questions import NOT_HERS, OfRoom
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import Ask, Resync
from gateway.fanout.room import Joined, Push, Room
from gateway.leader.link import Link
from gateway.limits import Limits
from runtime.bus import Bus
from runtime.raw_subscription import RawCallback
from schemas import codec, subjects
from schemas.commands import (
    Announcement,
    Answer,
    EndSession,
    JoinRoom,
    LeaveRoom,
)
from schemas.refusals import Refusal
from schemas.rooms import MemberPush, RoomPush

log = structlog.get_logger()

Done = Callable[[Answer], None]


class Rooms:
    """`safe` guards a callback against messages that can't be read. `hand_on`: what a
    room has ready.
    """

    def __init__(
        self,
        *,
        gateway: str,
        bus: Bus,
        link: Link,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
        resync: Resync,
        wake: Callable[[], None],
        safe: Callable[[RawCallback], RawCallback],
        hand_on: Callable[[Room], None] = Room.flush,
    ) -> None:
        self._gateway = gateway
        self._bus = bus
        self._courier = link
        self._ids = ids
        self._limits = limits
        self._now = now
        self._resync = resync
        resync.before = self.flush
        self._wake = wake
        self._safe = safe
        self._hand_on = hand_on
        self.attendances: dict[Region, Attendance] = {}
        self.presence = Presences(
            gateway=gateway,
            send=bus.send,
            limits=limits,
            now=now,
            attendances=self.attendances,
        )
        self._pushed: dict[Region, RawCallback] = {}
        """What all rooms' subscriptions there call."""
        self.awake: dict[Room, None] = {}
        """Rooms with something to hand on."""

    # ---- sessions come and go ------------------------------------------------

    def begin(self, region: Region) -> None:
        """Sessions of that region may come."""
        self.attendances[region] = Attendance()

        def pushed(subject: bytes, _: bytes, payload: bytes, _h: bytes) -> None:
            self._on_push(region, subjects.room_name(subject.decode()), payload)

        self._pushed[region] = self._safe(pushed)

    def visit(
        self, seat: Seat, command: JoinRoom | LeaveRoom, done: Done, traceparent: str
    ) -> Refusal | None:
        """Carry it to the leader, or say why not; `done` writes its answer."""
        if isinstance(command, JoinRoom):
            return self._join(seat, command, done, traceparent)
        return self._leave(seat, command, done, traceparent)

    def _join(
        self, seat: Seat, command: JoinRoom, done: Done, traceparent: str
    ) -> Refusal | None:
        region = seat.listener.region
        visitor = self.visitor(seat)
        if not visitor.id:
            visitor.id = next(self._ids)
        command = msgspec.structs.replace(
            command, session=visitor.id, gateway=self._gateway
        )
        room = self.room(region, command.room, None)
        occupant = room.occupant(seat) or Occupant(seat)

        def answered(answer: Answer) -> None:
            done(answer)
            occupant.asked -= 1
            self._joined(region, room, occupant, command.since, answer)

        refusal = self._carry(seat, command, answered, traceparent)
        if refusal is not None:
            self._drop_if_empty(region, room)
            return refusal
        occupant.asked += 1
        if (trip := self._of_trip(seat, command.room)) is not None:
            trip.left -= {seat}
        room.begin(occupant)
        visitor.rooms.add(room)
        return None

    def _joined(
        self,
        region: Region,
        room: Room,
        occupant: Occupant,
        since: int | None,
        answer: Answer,
    ) -> None:
        if room.joining.get(occupant.seat) is not occupant:
            return  # it has left, or may not be here any more
        if answer.data is not None:
            data = codec.decode(answer.data, Joined)
            room.answered(occupant, data, since, answer.seq)
            self.check(region, room)
        elif answer.refused is not None and answer.refused.code in NOT_HERS:
            self.remove(occupant.seat, room)
        elif occupant.asked:
            return
        elif occupant.covered is not None:  # by another join
            room.settle_joining()
        elif occupant.turn(Turn.REFUSED) is None:
            self.remove(occupant.seat, room)
        else:
            room.resume(occupant)
            self.check(region, room)

    def _leave(
        self, seat: Seat, command: LeaveRoom, done: Done, traceparent: str
    ) -> Refusal | None:
        region = seat.listener.region
        command = msgspec.structs.replace(
            command, session=self.visitor(seat).id, gateway=self._gateway
        )
        refusal = self._carry(seat, command, done, traceparent)
        trip = self._of_trip(seat, command.room)
        if refusal is None and trip is not None:
            trip.left |= {seat}
        room = self.attendances[region].rooms.get(command.room)
        if refusal is None and room is not None:
            self.remove(seat, room)
        return refusal

    def _carry(
        self, seat: Seat, command: JoinRoom | LeaveRoom, done: Done, traceparent: str
    ) -> Refusal | None:
        region, now_s = seat.listener.region.name, self._now().mono_s
        owner = seat.connection
        return self._courier.submit(
            region,
            command,
            owner,
            done,
            now_s,
            traceparent=traceparent,
            line=command.room,
            alone=True,
        )

    def end(self, seat: Seat) -> None:
        """The connection is over."""
        listener = seat.listener
        region = listener.region
        attendance = self.attendances[region]
        visitor = self.visitor(seat)
        for room in list(visitor.rooms):
            self.remove(seat, room)
        del attendance.visitors[seat]
        for trip in attendance.trips[listener].values():
            trip.left -= {seat}
        if not visitor.id:
            return

        def answered(answer: Answer) -> None:
            if answer.data is None:
                self.presence.tell_later(region)

        def end() -> None:
            command = EndSession(
                id=next(self._ids),
                deadline_ms=self._now().deadline_ms(self._limits.command_s),
                by=listener.claims.user(),
                session=visitor.id,
                gateway=self._gateway,
            )
            now_s = self._now().mono_s
            if self._courier.submit(region.name, command, None, answered, now_s):
                self.presence.tell_later(region)

        # A join that is still on its way, decided after it by a leader who knows
        # nothing of it any more, would seat somebody who never leaves.
        self._courier.after(region.name, seat.connection, end)

    def forget(self, listener: Listener) -> None:
        """The last of their sessions is over."""
        attendance = self.attendances[listener.region]
        for hearing in attendance.trips.pop(listener, {}).values():
            hearing.listeners.remove(listener)
            self.drop_if_unheard(listener.region, hearing)

    def visitor(self, seat: Seat) -> Visitor:
        return self.attendances[seat.listener.region].visitors[seat]

    def _of_trip(self, seat: Seat, room: str) -> Hearing | None:
        """A room of a trip of theirs, which may bring the session back to it."""
        listener = seat.listener
        return self.attendances[listener.region].trips[listener].get(room)

    # ---- rooms ---------------------------------------------------------------

    def room(self, region: Region, name: str, n: int | None) -> Room:
        """The room, subscribed; a quiet one is no longer."""
        rooms = self.attendances[region].rooms
        room = rooms.get(name)
        if room is not None:
            return room
        hearing = self.hear(region, name)
        was_quiet, hearing.is_quiet = hearing.is_quiet, False
        room = Room(name, 0 if was_quiet else n, self._limits.held_max, region)
        rooms[name] = room
        if was_quiet:
            for listener in hearing.listeners:
                self.admit(room, hearing.seats(listener))
        return room

    def _stir(self, region: Region, hearing: Hearing) -> Room:
        """It is quiet no longer; kept, if anybody is in it."""
        room = self.room(region, hearing.name, None)
        self._drop_if_empty(region, room)
        return room

    def admit(self, room: Room, seats: Iterable[Seat]) -> None:
        """Let sessions hear their trip's room from now on."""
        for seat in seats:
            room.admit(room.occupant(seat) or Occupant(seat))
            self.visitor(seat).rooms.add(room)

    def hear(self, region: Region, name: str) -> Hearing:
        """The room's subscription; `drop_if_unheard` ends it."""
        hearings = self.attendances[region].hearings
        hearing = hearings.get(name)
        if hearing is None:
            subject = subjects.room(region.name, name)
            subscription = self._bus.subscribe_raw(subject, self._pushed[region])
            hearing = hearings[name] = Hearing(name, subscription)
        return hearing

    def drop_if_unheard(self, region: Region, hearing: Hearing) -> None:
        attendance = self.attendances[region]
        if hearing.listeners or hearing.accepts or hearing.name in attendance.rooms:
            return
        del attendance.hearings[hearing.name]
        hearing.subscription.cancel()

    def remove(self, seat: Seat, room: Room) -> None:
        """The session hears the room no longer."""
        region = seat.listener.region
        if seat in room.live:
            room.flush()
        room.remove(seat)
        self.visitor(seat).rooms.discard(room)
        room.abandon()
        self.check(region, room)
        self._drop_if_empty(region, room)

    def _drop_if_empty(self, region: Region, room: Room) -> None:
        attendance = self.attendances[region]
        if not room.is_empty or not attendance.has(room):
            return
        del attendance.rooms[room.name]
        self.awake.pop(room, None)
        self.drop_if_unheard(region, attendance.hearings[room.name])

    # ---- what comes, what goes out -------------------------------------------

    def _on_push(self, region: Region, name: str, payload: bytes) -> None:
        attendance = self.attendances[region]
        room = attendance.rooms.get(name)
        if room is None:
            hearing = attendance.hearings.get(name)
            if hearing is None or not hearing.is_quiet:
                return  # nobody is in it
            room = self._stir(region, hearing)
        push: Push = codec.decode(payload, RoomPush)  # type: ignore[arg-type]
        if region.own or region.ready:
            region.flush()  # they were decided before: `seq` only grows
        others = self.awake and room not in self.awake
        if others and attendance.is_shared(room):
            self.flush()  # as were these
        room.receive(push)
        self.check(region, room)
        if type(push) is MemberPush and not push.joined and room.ready:
            self._left(region, room, room.ready[-1].user)

    def _left(self, region: Region, room: Room, user: str) -> None:
        """The leader takes none of that user's sessions for present; ours are."""
        listener = region.listeners.get(user)
        for seat in listener.seats if listener is not None else ():
            occupant = room.live.get(seat)
            if occupant is not None and occupant.is_explicit:
                self.presence.tell_later(region)

    def check(self, region: Region, room: Room, *, anew: bool = False) -> None:
        """Hand on what is ready, and ask for what is lost; `anew`: it is only just
        heard.
        """
        if room.ready:
            self.awake[room] = None
            self._wake()
        # While the region is cut nobody would answer: `resync` asks.
        if not room.holds or region.is_cut or room.is_empty:
            return
        if (room.n is None and not anew) or self._resync.is_asked(room):
            return
        if not anew:
            log.warning("room gap", room=room.name, n=room.n)
        self._ask(region, room)

    def _ask(self, region: Region, room: Room) -> None:
        question = OfRoom(region, self.attendances[region], room, self._gateway)
        self._resync.carry_out([Ask(question)])

    def flush(self) -> None:
        """The tick ends, or an event of another kind is next."""
        while self.awake:
            self._hand_on(self.awake.popitem()[0])

    def hold(self, region: Region) -> None:
        """Every room may have a gap: keep what comes for `resync`."""
        attendance = self.attendances[region]
        for hearing in list(attendance.hearings.values()):
            hearing.accepts.clear()
            if hearing.is_quiet:
                self._stir(region, hearing)
            else:
                self.drop_if_unheard(region, hearing)
        for room in attendance.rooms.values():
            if room.n is not None:
                room.hold()

    def resync(self, region: Region) -> None:
        """Ask for what may be lost of everything, once a room; the leader may have
        given this gateway up, too.
        """
        self.hold(region)
        for room in list(self.attendances[region].rooms.values()):
            self._ask(region, room)
        self._resync.carry_out(self.presence.tell(region))

    def announced(self, region: Region, said: Announcement) -> None:
        self._resync.carry_out(self.presence.announced(region, said))

    def tick(self, now_s: float) -> None:
        metrics.ROOMS.set(sum(len(one.hearings) for one in self.attendances.values()))
        self._resync.carry_out(self.presence.tick(now_s))
