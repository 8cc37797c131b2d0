"""What was lost between the leader and a room of this gateway, asked for again.

By `JoinRoom` since what the room has, a few hundred at once, again after a pause where
no leader answers. gateway/fanout/room.py sees the gaps and puts the answers in order;
this carries the questions. Decides nothing about who may be in a room.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.fanout.attendance import Attendance
from gateway.fanout.region import Region, Seat
from gateway.fanout.room import Joined, Room
from gateway.leader.link import Courier
from gateway.limits import Limits
from schemas import codec
from schemas.closes import Close
from schemas.commands import Answer, JoinRoom
from schemas.refusals import Code, Refusal

log = structlog.get_logger()

NOT_HERS = frozenset({Code.ROOM_FORBIDDEN, Code.TRIP_NOT_FOUND})
"""Refusals that say that the session has no place in the room."""

_Ask = tuple[Region, Room, Seat | None]
"""By whom; None: by whoever is in the room then."""


class RoomGaps:
    """`settled` takes a room whose question is over, `remove` who may not hear it."""

    def __init__(
        self,
        *,
        gateway: str,
        courier: Courier,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
        attendances: Mapping[Region, Attendance],
        settled: Callable[[Region, Room], None],
        remove: Callable[[Seat, Room], None],
    ) -> None:
        self._gateway = gateway
        self._courier = courier
        self._ids = ids
        self._limits = limits
        self._now = now
        self._attendances = attendances
        self._settled = settled
        self._remove = remove
        self._asks: deque[_Ask] = deque()
        self._asking = 0
        self._retry: list[tuple[float, _Ask]] = []

    def check(self, region: Region, room: Room, *, anew: bool = False) -> None:
        """Ask, if messages are held and nobody has asked yet; `anew`: the room is only
        just heard.
        """
        if room.held is None or room.asking or room.is_empty:
            return
        if room.n is not None or anew:
            if not anew:
                log.warning("room gap", room=room.name, n=room.n)
            self._ask(region, room)

    def _ask(self, region: Region, room: Room, seat: Seat | None = None) -> None:
        room.asking = True
        self._asks.append((region, room, seat))
        self._ask_on()

    def _ask_on(self) -> None:
        while self._asks and self._asking < self._limits.resync_inflight_max:
            self._send_ask(self._asks.popleft())

    def _send_ask(self, ask: _Ask) -> None:
        """Join once more, as who has joined, or only look (schemas: no session)."""
        region, room, seat = ask
        if not self._attendances[region].has(room):
            return
        by = seat or room.speaker()
        occupant = None
        if by is not None:
            occupant = room.live.get(by) or room.joining.get(by)
        if by is None or occupant is None:
            room.asking = False
            return
        joined = occupant.explicit
        command = JoinRoom(
            id=next(self._ids),
            deadline_ms=self._now().deadline_ms(self._limits.command_s),
            by=by.listener.claims.user(),
            room=room.name,
            session=self._attendances[region].visitors[by].id if joined else "",
            gateway=self._gateway if joined else "",
            since=room.n,
            repair=True,
            moved_since=room.seq,
        )
        self._asking += 1
        metrics.SYNCS.labels("room").inc()

        def answered(answer: Answer) -> None:
            self._asking -= 1
            self._told(ask, by, answer)
            self._ask_on()

        now_s = self._now().mono_s
        if self._courier.submit(region.name, command, None, answered, now_s):
            self._asking -= 1
            self._later(ask)

    def _told(self, ask: _Ask, by: Seat, answer: Answer) -> None:
        region, room, _ = ask
        if not self._attendances[region].has(room):
            return
        if answer.data is None:
            self._not_told(ask, by, answer.refused)
            return
        room.asking = False
        was_whole = room.fill(codec.decode(answer.data, Joined), answer.seq)
        if not was_whole:
            log.warning("room gap too old", room=room.name)
            for each, occupant in list(room.live.items()):
                if occupant.explicit:
                    each.connection.close(Close.RESYNC)
        self._settled(region, room)

    def _not_told(self, ask: _Ask, by: Seat, refused: Refusal | None) -> None:
        region, room, _ = ask
        if refused is None or refused.code not in NOT_HERS:
            self._later(ask)
            return
        occupant = room.live.get(by)
        if occupant is not None and occupant.explicit:
            by.connection.close(Close.RESYNC)
        elif occupant is not None:
            self._remove(by, room)
        room.asking = False  # the next one, if the gap is still open
        if self._attendances[region].has(room):
            self._settled(region, room)

    def _later(self, ask: _Ask) -> None:
        self._retry.append((self._now().mono_s + self._limits.resync_retry_s, ask))

    def hold(self, region: Region) -> None:
        """Every room may have a gap: keep what comes for `resync`."""
        for room in self._attendances[region].rooms.values():
            if room.n is not None:
                room.hold()
                room.asking = True

    def resync(self, region: Region) -> None:
        """Ask for what may be lost of everything, once a room: who of it is here, the
        leader is told by gateway/fanout/presence.py.
        """
        self.hold(region)
        for room in list(self._attendances[region].rooms.values()):
            self._ask(region, room)

    def join_again(self, region: Region) -> None:
        """Have all who asked to join do so once more, for a leader of 0.1."""
        for room in list(self._attendances[region].rooms.values()):
            explicit = [seat for seat, o in room.live.items() if o.explicit]
            for seat in explicit or (None,):
                self._ask(region, room, seat)

    def tick(self, now_s: float) -> None:
        due = [ask for at_s, ask in self._retry if at_s <= now_s]
        if due:
            self._retry = [entry for entry in self._retry if entry[0] > now_s]
            self._asks.extend(due)
            self._ask_on()
