"""Trips' own rooms: users are in them by the trip itself, from the accept on.

Reads the trip's pushes and state as they pass. Leaves rooms some time after the trip's
end, a driver at once on release. Must not know what the rooms carry.
"""

from gateway.clock import Clock
from gateway.fanout.attendance import Attendance, TripRoom
from gateway.fanout.region import Listener
from gateway.fanout.rooms import Rooms
from gateway.limits import Limits
from schemas import codec, rooms
from schemas.commands import SyncData
from schemas.events import TripHead, TripPush
from schemas.trips import DRIVING, TERMINAL, Role

SWEEP_S = 5.0
"""How late a room may be left after its time."""
_NONE = b"[]"
_DRIVING = frozenset(status.value for status in DRIVING)
_ENDED = frozenset(status.value for status in TERMINAL)


class TripRooms:
    def __init__(self, rooms: Rooms, limits: Limits, now: Clock) -> None:
        self._rooms = rooms
        self._limits = limits
        self._now = now
        self._ending: set[Listener] = set()
        """Who has a room of a trip that ended."""
        self._swept_s = now().mono_s

    def _attendance(self, listener: Listener) -> Attendance:
        return self._rooms.attendances[listener.region]

    def _of(self, listener: Listener) -> dict[str, TripRoom]:
        return self._attendance(listener).trips[listener]

    def moved(self, listener: Listener, push: TripPush) -> None:
        """A trip of that user moved; repeats and old news change nothing."""
        self._read(listener, push, is_live=True)

    def _read(self, listener: Listener, push: TripPush, *, is_live: bool) -> None:
        if push.type in _TELLING:
            head = codec.decode(push.trip, TripHead)
            self._move(listener, push, head, is_live=is_live)

    def _move(
        self, listener: Listener, push: TripPush, head: TripHead, *, is_live: bool
    ) -> None:
        known = self._of(listener).get(head.id)
        if known is not None:
            if head.version <= known.version:
                return
            known.version = head.version
        if push.type == "trip.started":
            # What is told afterwards may have been said before the room was heard.
            is_whole = (
                is_live
                and push.quiet
                and self._rooms.was_heard_before(
                    listener.region, rooms.of_trip(head.id), push.command
                )
            )
            self._open(listener, head, push.seq, 0, is_whole=is_whole)
        elif known is None:
            return
        elif push.type == "trip.released":
            if listener.stream.role is Role.DRIVER:
                self._close(listener, head.id)
        elif head.status in _ENDED:
            self._end(listener, known)

    def synced(self, listener: Listener, data: SyncData) -> None:
        """The user's state as the leader has it; also a new session's."""
        for raw in data.events:
            self._read(listener, codec.decode(raw, TripPush), is_live=False)
        heads = {}
        if bytes(data.trips) != _NONE:
            heads = {h.id: h for h in codec.decode(data.trips, list[TripHead])}
        for trip, known in list(self._of(listener).items()):
            if trip in heads or known.ended_s is not None or known.seq > data.seq:
                continue
            # Ended or given back while nobody looked: only a rider is surely still in.
            if listener.stream.role is Role.DRIVER:
                self._close(listener, trip)
            else:
                self._end(listener, known)
        for head in heads.values():
            if head.status in _DRIVING:
                self._open(listener, head, data.seq, None)
        for trip in self._of(listener):
            self._admit(listener, trip, None)

    def _admit(
        self, listener: Listener, trip: str, n: int | None, *, is_whole: bool = False
    ) -> None:
        left = self._of(listener)[trip].left
        for seat in listener.seats:
            if seat not in left:
                self._rooms.admit(seat, rooms.of_trip(trip), n, is_whole=is_whole)

    def tick(self, now_s: float) -> None:
        if now_s < self._swept_s + SWEEP_S:
            return
        self._swept_s = now_s
        over_s = now_s - self._limits.trip_room_s
        for listener in list(self._ending):
            ended = [
                (trip, room.ended_s)
                for trip, room in self._of(listener).items()
                if room.ended_s is not None
            ]
            over = [trip for trip, ended_s in ended if ended_s <= over_s]
            for trip in over:
                self._close(listener, trip)
            if not listener.seats or len(over) == len(ended):
                self._ending.discard(listener)

    def _open(
        self,
        listener: Listener,
        head: TripHead,
        seq: int,
        n: int | None,
        *,
        is_whole: bool = False,
    ) -> None:
        """All their sessions hear the room. `n`: of its last message, as far as this
        gateway can know; the rider may have written there before. `is_whole`: nobody
        has, and who does from now on is heard.
        """
        if head.id not in self._of(listener):
            self._of(listener)[head.id] = TripRoom(head.version, seq)
            self._bound(listener)
        self._admit(listener, head.id, n, is_whole=is_whole)

    def _bound(self, listener: Listener) -> None:
        known = self._of(listener)
        if len(known) > self._limits.trip_rooms_max:
            ended = (trip for trip, room in known.items() if room.ended_s is not None)
            oldest = next(ended, None)
            if oldest is not None:
                self._close(listener, oldest)

    def _end(self, listener: Listener, known: TripRoom) -> None:
        known.ended_s = self._now().mono_s
        self._ending.add(listener)

    def _close(self, listener: Listener, trip: str) -> None:
        """Their sessions hear the room no longer, whether they asked to or not."""
        self._of(listener).pop(trip, None)
        room = self._attendance(listener).rooms.get(rooms.of_trip(trip))
        if room is not None:
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
