"""Rooms: which ones this gateway's sessions are in, and how they stay in step.

Subscribes a room while a session is in it, carries joins and leaves to the leader;
gateway/fanout/presence.py tells the leader who is where. Decides nothing about who may
be in a room. Its callbacks run in NATS's read loop: they never block and never raise.
"""

from collections.abc import Callable, Iterator

import msgspec
import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.fanout.attendance import Attendance, Hearing, TripRoom, Visitor
from gateway.fanout.membership import Occupant, Turn
from gateway.fanout.presence import Presences
from gateway.fanout.questions import NOT_HERS, OfRoom
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import Ask, Resync
from gateway.fanout.room import Joined, Push, Room
from gateway.leader.link import Link
from gateway.limits import Limits
from runtime.bus import Bus, RawCallback
from schemas import codec, subjects
from schemas.commands import (
    AcceptTrip,
    Announcement,
    Answer,
    EndSession,
    JoinRoom,
    LeaveRoom,
)
from schemas.refusals import Refusal
from schemas.rooms import MemberPush, RoomPush, of_trip, trip_of

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
        self.awake: dict[Room, None] = {}
        """Rooms with something to hand on."""

    # ---- sessions come and go ------------------------------------------------

    def begin(self, region: Region) -> None:
        """Sessions of that region may come."""
        self.attendances[region] = Attendance()

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
        if (trip := self._trip_room(seat, command.room)) is not None:
            trip.left.discard(seat)
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
        trip = self._trip_room(seat, command.room)
        if refusal is None and trip is not None:
            trip.left.add(seat)
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
            trip.left.discard(seat)
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
        self.attendances[listener.region].trips.pop(listener, None)

    def visitor(self, seat: Seat) -> Visitor:
        return self.attendances[seat.listener.region].visitors[seat]

    def _trip_room(self, seat: Seat, room: str) -> TripRoom | None:
        """That of a trip of theirs, which may bring the session back to it."""
        trip = trip_of(room)
        if trip is None:
            return None
        listener = seat.listener
        return self.attendances[listener.region].trips[listener].get(trip)

    def admit(
        self, seat: Seat, name: str, n: int | None, *, is_whole: bool = False
    ) -> None:
        """Let a session hear its trip's room from the message after `n` on; None: from
        now on. `is_whole`: all that may have been said after `n` is heard, or will be.
        """
        region = seat.listener.region
        is_new = name not in self.attendances[region].rooms
        room = self.room(region, name, n)
        occupant = room.occupant(seat)
        room.admit(occupant or Occupant(seat))
        if occupant is not None:
            return
        self.visitor(seat).rooms.add(room)
        # NATS may not have heard of the subscription when somebody wrote.
        if is_new and not is_whole:
            room.hold()
            self.check(region, room, anew=True)

    # ---- rooms ---------------------------------------------------------------

    def room(self, region: Region, name: str, n: int | None) -> Room:
        """The room, subscribed."""
        rooms = self.attendances[region].rooms
        room = rooms.get(name)
        if room is not None:
            return room
        room = Room(name, n, self._limits.held_max, region)
        self._hear(region, name)
        rooms[name] = room
        metrics.ROOMS.inc()
        return room

    def before_accept(self, region: Region, command: AcceptTrip, done: Done) -> Done:
        """A driver's accept is about to be sent. Its trip's room is subscribed first,
        so that it stands before the leader decides: who takes the trip needn't ask what
        was said since. Returns what is to be called, once, with its answer.
        """
        name = of_trip(command.trip)
        if not subjects.is_token(name):
            return done
        attendance = self.attendances[region]
        self._hear(region, name)
        attendance.accepts[command.id] = name

        def answered(answer: Answer) -> None:
            done(answer)
            attendance.accepts.pop(command.id, None)
            self._hear_no_more(region, name)

        return answered

    def was_heard_before(self, region: Region, name: str, accept: str) -> bool:
        """Whether a room was heard before that command, which is on its way, was sent,
        and without a break since.
        """
        return self.attendances[region].accepts.get(accept) == name

    def _hear(self, region: Region, name: str) -> None:
        attendance = self.attendances[region]
        hearing = attendance.hearings.get(name)
        if hearing is None:

            def pushed(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
                room = attendance.rooms.get(name)
                if room is not None:
                    self._on_push(region, room, payload)

            subject = subjects.room(region.name, name)
            subscription = self._bus.subscribe_raw(subject, self._safe(pushed))
            hearing = attendance.hearings[name] = Hearing(subscription)
        hearing.count += 1

    def _hear_no_more(self, region: Region, name: str) -> None:
        hearings = self.attendances[region].hearings
        hearing = hearings[name]
        hearing.count -= 1
        if not hearing.count:
            del hearings[name]
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
        metrics.ROOMS.dec()
        self.awake.pop(room, None)
        self._hear_no_more(region, room.name)

    # ---- what comes, what goes out -------------------------------------------

    def _on_push(self, region: Region, room: Room, payload: bytes) -> None:
        push: Push = codec.decode(payload, RoomPush)  # type: ignore[arg-type]
        if region.own or region.ready:
            region.flush()  # they were decided before: `seq` only grows
        others = self.awake and room not in self.awake
        if others and self.attendances[region].is_shared(room):
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
        self.attendances[region].accepts.clear()
        for room in self.attendances[region].rooms.values():
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
        self._resync.carry_out(self.presence.tick(now_s))
