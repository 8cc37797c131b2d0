"""Tells each region's leader every second that this gateway lives, and who is where
when the leader is new or may be wrong.

A few messages a tick, each cut by bytes, so that no size of it fills the connection, or
keeps the leader busy, at once. Decides nothing about who may be in a room.
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.clock import Clock
from gateway.fanout.attendance import Attendance, Visitor
from gateway.fanout.questions import OfRoom
from gateway.fanout.region import Region, Seat
from gateway.fanout.resync import Ask
from gateway.fanout.room import Room
from gateway.limits import Limits
from schemas import rooms, subjects
from schemas.budget import as_list, in_messages
from schemas.codec import encode
from schemas.commands import Announcement
from schemas.rooms import Presence, Seated

STALL_S = 3.0
"""A pause after which a leader may take this gateway for dead (PRESENCE_SILENCE_MS)."""
PART_BYTES_MAX = 128 * 1024
"""Some thousand sessions, or 2,000 places: 10 ms of the leader's time."""
PARTS_PER_TICK = 4
"""With 20 ticks a second 10 MiB/s: the first of 4 s (PRESENCE_SILENCE_MS), in which a
new leader takes nobody for gone, are enough for 100,000 sessions."""


class Presences:
    def __init__(
        self,
        *,
        gateway: str,
        send: Callable[[str, bytes], bool],
        limits: Limits,
        now: Clock,
        attendances: Mapping[Region, Attendance],
    ) -> None:
        self._gateway = gateway
        self._send = send
        self._limits = limits
        self._attendances = attendances
        self._epochs: dict[Region, int] = {}
        self._by_parts: set[Region] = set()
        """Whose leader takes them."""
        self._untold: set[Region] = set()
        """The leader may think that sessions are here which aren't."""
        self._telling: dict[Region, Iterator[bytes]] = {}
        """What is still to be told of."""
        self._beat_s = now().mono_s

    def announced(self, region: Region, said: Announcement) -> list[Ask]:
        if self._epochs.get(region) == said.epoch:
            return []
        self._epochs[region] = said.epoch
        if said.takes_parts:
            self._by_parts.add(region)
        else:
            self._by_parts.discard(region)
        return self.tell(region)

    def tell_later(self, region: Region) -> None:
        self._untold.add(region)

    def tick(self, now_s: float) -> list[Ask]:
        asks: list[Ask] = []
        for region in list(self._telling):
            self._tell_on(region)
        since_s = now_s - self._beat_s
        if since_s < self._limits.presence_s:
            return asks
        self._beat_s = now_s
        for region, attendance in self._attendances.items():
            if since_s > STALL_S or region in self._untold:
                asks += self.tell(region)
            elif attendance.hearings:
                self._say(region, encode(Presence(self._gateway)))
        return asks

    def tell(self, region: Region) -> list[Ask]:
        """Who is where: those too whose join the leader may have decided already. What
        it can't be told is asked, by each session.
        """
        self._untold.discard(region)
        if region in self._by_parts:
            self._telling[region] = self._parts(region)
            self._tell_on(region)
            return []
        return self._tell_whole(region)

    def _tell_on(self, region: Region) -> None:
        parts = self._telling[region]
        for _ in range(PARTS_PER_TICK):
            part = next(parts, None)
            if part is None or not self._say(region, part):
                del self._telling[region]
                if part is not None:
                    self._untold.add(region)
                return

    def _parts(self, region: Region) -> Iterator[bytes]:
        """Each as it is when it is asked for: who joins meanwhile, the leader hears by
        their command, after the first part; who is over by then isn't in it.
        """
        visitors = [
            (seat, visitor)
            for seat, visitor in self._attendances[region].visitors.items()
            if visitor.id
        ]
        said = (
            encode(seated)
            for seat, visitor in visitors
            if (seated := _seated(seat, visitor)).rooms
        )
        gateway = encode(self._gateway)
        number = 0
        for number, part in enumerate(in_messages(said, PART_BYTES_MAX), 1):
            yield b'{"gateway":%b,"part":%d,"seated":%b}' % (
                gateway,
                number,
                as_list(part),
            )
        yield encode(Presence(self._gateway, part=number + 1, is_last=True))

    def _tell_whole(self, region: Region) -> list[Ask]:
        """To a leader of 0.1."""
        here: list[bytes] = []
        room_bytes = self._limits.presence_bytes_max
        attendance = self._attendances[region]
        for room in attendance.rooms.values():
            for seat in _explicit(room):
                person = seat.listener.claims.user().person()
                session = attendance.visitors[seat].id
                here.append(encode(rooms.Attendance(session, person, room.name)))
                room_bytes -= len(here[-1]) + 1
            if room_bytes < 0:
                self._say(region, encode(Presence(self._gateway)))
                return self._join_again(region, attendance)
        gateway = encode(self._gateway)
        whole = b'{"gateway":%b,"full":true,"here":%b}' % (gateway, as_list(here))
        if not self._say(region, whole):
            self._untold.add(region)
        return []

    def _join_again(self, region: Region, attendance: Attendance) -> list[Ask]:
        """Of all who asked to join."""
        return [
            Ask(OfRoom(region, attendance, room, self._gateway, seat))
            for room in list(attendance.rooms.values())
            for seat in room.joined() or (None,)
        ]

    def _say(self, region: Region, payload: bytes) -> bool:
        return self._send(subjects.presence(region.name), payload)


def _explicit(room: Room) -> Iterator[Seat]:
    """Who asked to be in the room."""
    for places in (room.live, room.joining):
        for seat, occupant in places.items():
            if occupant.is_explicit:
                yield seat


def _seated(seat: Seat, visitor: Visitor) -> Seated:
    names = (
        room.name
        for room in visitor.rooms
        if (found := room.occupant(seat)) is not None and found.is_explicit
    )
    person = seat.listener.claims.user().person()
    return Seated(visitor.id, person, tuple(sorted(names)))
