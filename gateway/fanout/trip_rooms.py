"""Trips' own rooms: users are in them by the trip itself, from the accept on.

Reads the trip's pushes and state as they pass. Leaves rooms some time after the trip's
end, a driver at once on release. Must not know what the rooms carry.
"""

from math import inf

from gateway.clock import Clock
from gateway.fanout.attendance import Attendance, Hearing
from gateway.fanout.region import Listener, Region
from gateway.fanout.rooms import Done, Rooms
from gateway.limits import Limits
from schemas import codec, rooms, subjects
from schemas.commands import AcceptTrip, Answer, SyncData
from schemas.events import TripHead, TripPush
from schemas.trips import DRIVING, Role

SWEEP_S = 5.0
"""How late a room may be left after its time."""
_NONE = b"[]"
_read_head = codec.reader(TripHead)
_DRIVING = frozenset(status.value for status in DRIVING)


class TripRooms:
    def __init__(self, rooms: Rooms, limits: Limits, now: Clock) -> None:
        self._rooms = rooms
        self._limits = limits
        self._now = now
        self._ending: set[Listener] = set()
        """Who has a room of a trip that ended."""
        self._swept_s = now().mono_s

    def _attendance(self, region: Region) -> Attendance:
        return self._rooms.attendances[region]

    def _of(self, listener: Listener) -> dict[str, Hearing]:
        return self._attendance(listener.region).trips[listener]

    def before_accept(self, region: Region, command: AcceptTrip, done: Done) -> Done:
        """A driver's accept is about to be sent. Its trip's room is subscribed first,
        so that it stands before the leader decides: who takes the trip needn't ask what
        was said since. Returns what is to be called, once, with its answer.
        """
        name = rooms.of_trip(command.trip)
        if not subjects.is_token(name):
            return done
        hearing = self._rooms.hear(region, name)
        hearing.accepts.append(command.id)

        def answered(answer: Answer) -> None:
            done(answer)
            if command.id in hearing.accepts:
                hearing.accepts.remove(command.id)
                self._rooms.drop_if_unheard(region, hearing)

        return answered

    def moved(self, listener: Listener, push: TripPush) -> None:
        """A trip of that user moved; repeats and old news change nothing."""
        if push.type in _TELLING:
            self._move(listener, push, is_live=True)

    def _move(self, listener: Listener, push: TripPush, *, is_live: bool) -> None:
        name = rooms.of_trip(_read_head(push.trip).id)
        known = self._of(listener).get(name)
        if known is not None:
            if push.seq < known.seq:
                return
            known.seq = push.seq
        if push.type == "trip.started":
            known = known or self._enter(listener, name, push.seq)
            # What is told afterwards may have been said before the room was heard.
            is_whole = is_live and push.quiet and push.command in known.accepts
            self._admit(listener, known, 0, is_whole=is_whole)
        elif known is None:
            return
        elif push.type != "trip.released":
            self._end(known)
        elif listener.stream.role is Role.DRIVER:
            self._close(listener, name)

    def synced(self, listener: Listener, data: SyncData) -> None:
        """The user's state as the leader has it; also a new session's."""
        if not listener.seats:
            return  # what came of it was too much to hold: nobody is left
        for raw in data.events:
            push = codec.decode(raw, TripPush)
            if push.type in _TELLING:
                self._move(listener, push, is_live=False)
        heads = {}
        if bytes(data.trips) != _NONE:
            trips = codec.decode(data.trips, list[TripHead])
            heads = {rooms.of_trip(head.id): head for head in trips}
        mine = self._of(listener)
        for name, known in list(mine.items()):
            if name in heads or known.ended_s < inf or known.seq > data.seq:
                continue
            # Ended or given back while nobody looked: only a rider is surely still in.
            if listener.stream.role is Role.DRIVER:
                self._close(listener, name)
            else:
                self._end(known)
        for name, head in heads.items():
            if head.status in _DRIVING and name not in mine:
                self._enter(listener, name, data.seq)
        for known in mine.values():
            self._admit(listener, known, None)

    def tick(self, now_s: float) -> None:
        if now_s < self._swept_s + SWEEP_S:
            return
        self._swept_s = now_s
        over_s = now_s - self._limits.trip_room_s
        for listener in list(self._ending):
            mine = self._of(listener) if listener.seats else {}
            for name, known in list(mine.items()):
                if known.ended_s <= over_s:
                    self._close(listener, name)
            if all(known.ended_s == inf for known in mine.values()):
                self._ending.discard(listener)

    def _enter(self, listener: Listener, name: str, seq: int) -> Hearing:
        """The user takes part in that room's trip; `_admit` lets them hear it."""
        mine = self._of(listener)
        if len(mine) >= self._limits.trip_rooms_max:
            for oldest, known in mine.items():
                if known.ended_s < inf:
                    self._close(listener, oldest)
                    break
        entered = mine[name] = self._rooms.hear(listener.region, name)
        entered.listeners.append(listener)
        entered.seq = max(entered.seq, seq)
        if entered.ended_s < inf:
            self._ending.add(listener)
        return entered

    def _admit(
        self,
        listener: Listener,
        known: Hearing,
        n: int | None,
        *,
        is_whole: bool = False,
    ) -> None:
        """All their sessions hear the room. `n`: of its last message, as far as this
        gateway can know; the rider may have written there before. `is_whole`: nobody
        has, and who does from now on is heard.
        """
        room = self._attendance(listener.region).rooms.get(known.name)
        if room is None and is_whole:
            known.is_quiet = True
        seats = known.seats(listener)
        if known.is_quiet or not seats:
            return
        is_new = room is None
        room = self._rooms.room(listener.region, known.name, n)
        self._rooms.admit(room, seats)
        if is_new:
            # NATS may not have heard of the subscription when somebody wrote.
            room.hold()
            self._rooms.check(listener.region, room, anew=True)

    def _end(self, known: Hearing) -> None:
        known.ended_s = min(known.ended_s, self._now().mono_s)
        self._ending.update(known.listeners)

    def _close(self, listener: Listener, name: str) -> None:
        """Their sessions hear the room no longer, whether they asked to or not."""
        known = self._of(listener).pop(name)
        known.listeners.remove(listener)
        if known.left:
            known.left -= set(listener.seats)
        room = self._attendance(listener.region).rooms.get(name)
        if room is None:
            self._rooms.drop_if_unheard(listener.region, known)
            return
        for seat in list(listener.seats):
            self._rooms.remove(seat, room)


_TELLING = frozenset(
    {
        "trip.started",
        "trip.released",
        "trip.completed",
        "trip.cancelled",
        "trip.expired",
    }
)
