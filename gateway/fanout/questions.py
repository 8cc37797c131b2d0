"""The gateway's own questions to a leader, and what their answers mean.

A user's gap is asked for by `SyncUser` since what they have, the feed's by `SyncFeed`,
which also tells, once, what is open, a room's by `JoinRoom` since what it has.
gateway/fanout/user_stream.py, channel.py and room.py see the gaps and put the answers
in order. Decides nothing about who may be in a room. No I/O but for writing to
connections.
"""

from collections.abc import Iterable

import structlog

from gateway.fanout.attendance import Attendance
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.resync import (
    Ask,
    CloseAll,
    Effect,
    Fed,
    Head,
    Opened,
    Removed,
    Settled,
    Synced,
)
from gateway.fanout.room import Joined, Room
from gateway.fanout.sync import UNKNOWN
from schemas import codec
from schemas.commands import Answer, FeedData, JoinRoom, SyncData, SyncFeed, SyncUser
from schemas.refusals import Code
from schemas.trips import User

log = structlog.get_logger()

NOTHING = 2**62
"""A number of the feed after which there is nothing."""
NOT_HERS = frozenset({Code.ROOM_FORBIDDEN, Code.TRIP_NOT_FOUND})
"""Refusals that say that the session has no place in the room."""


def sync_user(
    head: Head, user: User, since: int | None, *, open_trips: bool = False
) -> SyncUser:
    return SyncUser(
        id=head.id,
        deadline_ms=head.deadline_ms,
        by=user,
        since=since,
        open_trips=open_trips,
    )


def check(listener: Listener, held_max: int) -> Iterable[Effect]:
    """Ask, if pushes are held and it isn't a first sync that will settle them."""
    stream = listener.stream
    if stream.sync is not UNKNOWN:
        return [CloseAll(list(listener.seats))] if len(stream.held) > held_max else ()
    if all(seat.held is not None for seat in listener.seats):
        return ()
    log.warning("trip version gap", user=stream.id, seq=stream.seq)
    listener.hold()
    return [Ask(OfUser(listener, "gap", held_max))]


class OfUser:
    """What was lost of a user's own events."""

    def __init__(self, listener: Listener, why: str, held_max: int) -> None:
        self.why = why
        self.region = listener.region
        self._listener = listener
        self._held_max = held_max

    @property
    def about(self) -> object:
        return self._listener

    def command(self, head: Head) -> SyncUser | None:
        listener = self._listener
        if not listener.seats:
            return None
        return sync_user(head, listener.claims.user(), listener.stream.seq)

    def told(self, answer: Answer) -> Iterable[Effect] | None:
        listener = self._listener
        if not listener.seats:
            return ()
        if answer.data is None:
            self.why = "retry"
            return None
        region = self.region
        region.flush()
        data = codec.decode(answer.data, SyncData)
        settled = listener.stream.settle(data)
        if settled.lost:
            return [CloseAll(list(listener.seats))]
        region.hand_on(listener, settled.frames)
        return [*check(listener, self._held_max), Synced(listener, data)]


class OfFeed:
    """What was lost of a region's feed."""

    why = "feed"

    def __init__(self, region: Region, by: User) -> None:
        self.region = region
        self._by = by
        self._feed = region.feed

    @property
    def about(self) -> object:
        return self._feed

    @property
    def _is_over(self) -> bool:
        """The last driver is gone; the next one's feed begins afresh."""
        return self.region.feed is not self._feed

    def command(self, head: Head) -> SyncFeed | None:
        if self._is_over or not self._feed.has_gap:
            return None
        return SyncFeed(
            id=head.id, deadline_ms=head.deadline_ms, by=self._by, since=self._feed.n
        )

    def told(self, answer: Answer) -> Iterable[Effect] | None:
        if self._is_over:
            return ()
        if answer.data is None:
            return None
        region = self.region
        data = codec.decode(answer.data, FeedData)
        if not data.complete:
            log.warning("feed gap too old", region=region.name, n=self._feed.n)
            seats = [seat for each in region.drivers.values() for seat in each.seats]
            return [CloseAll(seats)]
        for listener in region.drivers.values():
            if any(seat.later is not None for seat in listener.seats):
                region.merge(listener, [])
        return [Fed(region, self._feed.settle(data), at_once=True)]


class OfOpen:
    """Which trips of a region are open."""

    why = "open"

    def __init__(self, region: Region, by: User) -> None:
        self.region = region
        self._by = by
        self._known = region.open_trips

    @property
    def about(self) -> object:
        return self._known

    def command(self, head: Head) -> SyncFeed | None:
        if self.region.open_trips is not self._known:
            return None
        return SyncFeed(
            id=head.id,
            deadline_ms=head.deadline_ms,
            by=self._by,
            since=NOTHING,
            open_trips=True,
        )

    def told(self, answer: Answer) -> Iterable[Effect] | None:
        region, known = self.region, self._known
        if region.open_trips is not known:
            return ()
        if answer.data is None:
            return None
        data = codec.decode(answer.data, FeedData)
        if data.open_trips is None:
            known.unserved = region.epoch
            return [Opened(region)]
        known.begin(data.n, data.open_trips, whole=data.open_whole)
        return [Fed(region, region.feed.start(data.n)), Opened(region)]


class OfRoom:
    """What was lost of a room, asked by who is in it. `seat` joins once more, if it had
    asked to; None: whoever is in it then only looks (schemas: no session), since they
    may leave before it is answered, and the join would bring them back.
    """

    why = "room"

    def __init__(
        self,
        region: Region,
        attendance: Attendance,
        room: Room,
        gateway: str,
        seat: Seat | None = None,
    ) -> None:
        self.region = region
        self._attendance = attendance
        self._room = room
        self._gateway = gateway
        self._seat = seat
        self._by: Seat | None = None

    @property
    def about(self) -> object:
        return self._room

    def command(self, head: Head) -> JoinRoom | None:
        room = self._room
        by = self._by = self._seat or room.speaker()
        occupant = None if by is None else room.occupant(by)
        if not self._attendance.has(room) or by is None or occupant is None:
            return None
        joined = self._seat is not None and occupant.is_explicit
        return JoinRoom(
            id=head.id,
            deadline_ms=head.deadline_ms,
            by=by.listener.claims.user(),
            room=room.name,
            session=self._attendance.visitors[by].id if joined else "",
            gateway=self._gateway if joined else "",
            since=room.n,
            repair=True,
            moved_since=room.seq,
        )

    def told(self, answer: Answer) -> Iterable[Effect] | None:
        room = self._room
        if not self._attendance.has(room):
            return ()
        over = Settled(self.region, room)
        if answer.data is not None:
            if room.fill(codec.decode(answer.data, Joined), answer.seq):
                return [over]
            log.warning("room gap too old", room=room.name)
            return [CloseAll(room.joined()), over]
        if answer.refused is None or answer.refused.code not in NOT_HERS:
            return None
        by = self._by
        occupant = None if by is None else room.live.get(by)
        if by is None or occupant is None:
            return [over]
        if occupant.is_explicit:
            return [CloseAll([by]), over]
        return [Removed(by, room), over]
