"""What a region's leader holds of its rooms: last numbers, last messages, members,
and what messages' idempotency keys made.

A function of the events alone, changed by dispatcher/engine/apply.py. Which sessions
are in a room is not here but in dispatcher/engine/presence.py. The members of a trip's
room that are not here either are its rider and driver: the trip itself says so.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from dispatcher.engine.idempotency import Forgotten, Keys
from dispatcher.engine.limits import BACKLOGS_BYTES_MAX, Limits
from schemas.codec import Raw, encode, exact
from schemas.rooms import HISTORY_MAX, MemberEvent, MessageEvent, of_trip, trip_of
from schemas.times import from_rfc3339
from schemas.trips import Person, Trip


class TripHead(Struct, frozen=True, array_like=True):
    """The last message of a trip's room: its number, event and stamp."""

    n: int
    seq: int
    at_ms: int


class BacklogRow(Struct, frozen=True, array_like=True):
    room: str
    seq: int
    messages: list[Raw]


ELSEWHERE = Raw(b"0")

Said = tuple[str, int]
"""A message: its room, and its number there."""


class MessageKeyRow(Struct, frozen=True, array_like=True, gc=False):
    """One key; `message` is 0 where its room holds it. Not read: versions until 0.1
    answer with it, so it has what is left to be known.
    """

    at_ms: int
    user: str
    key: str
    room: str
    n: int
    message: Raw = ELSEWHERE


class RoomRows(Struct, frozen=True):
    """All of it, for a snapshot. Orders are kept: what is forgotten first depends on
    them.
    """

    heads: dict[str, int] = {}
    trip_heads: dict[str, TripHead] = {}
    idle: tuple[BacklogRow, ...] = ()
    lively: tuple[BacklogRow, ...] = ()
    members: dict[str, tuple[Person, ...]] = {}
    keys: tuple[MessageKeyRow, ...] = ()
    forgotten_seq: int = 0
    lost: TripHead = TripHead(0, 0, 0)
    began_seq: int = 0
    heads_lost: bool = False
    keys_forgotten: Forgotten = Forgotten()


class Backlog:
    """A room's last messages, encoded `MessageData`, oldest first: always those up to
    its last number. `seq` is the newest one's event.
    """

    __slots__ = ("messages", "seq")

    def __init__(self, messages: Iterable[bytes] = (), seq: int = 0) -> None:
        self.messages = deque(messages)
        self.seq = seq


class Rooms:
    __slots__ = (
        "_idle",
        "_limits",
        "_lively",
        "_lost",
        "_trip_heads",
        "began_seq",
        "bytes",
        "forgotten_seq",
        "heads",
        "heads_lost",
        "keys",
        "members",
        "messages",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.heads: OrderedDict[str, int] = OrderedDict()
        """Open room → the last number given in it; the one longest without a message
        first."""
        self.heads_lost = False
        """Whether one was forgotten: what is in no `heads`, history knows."""
        self._trip_heads: OrderedDict[str, TripHead] = OrderedDict()
        """Trip room → the same; the one longest without a message first."""
        self._lost = TripHead(0, 0, 0)
        """Of the trip rooms whose head was forgotten, the latest message."""
        self._idle: OrderedDict[str, Backlog] = OrderedDict()
        """Rooms without members, the least recently used first: so forgotten."""
        self._lively: OrderedDict[str, Backlog] = OrderedDict()
        """Rooms with members, forgotten only when no idle one is left."""
        self.members: dict[str, dict[str, Person]] = {}
        """Room → its members by id, the first to join first; no empty ones."""
        self.keys: Keys[Said] = Keys(
            limits.message_keys_per_user_max, limits.keys_bytes_max
        )
        """What a user's key made: a message."""
        self.messages = 0
        self.bytes = 0
        """Messages held over all rooms, and their size."""
        self.forgotten_seq = 0
        """No message that was forgotten for want of space is of a later event."""
        self.began_seq = 0
        """Where the ledger begins later than its numbers: what went before, which
        heads of rooms not in `heads` may be of. 0: nothing went before."""

    # ---- questions -----------------------------------------------------------

    def head(self, room: str, since_ms: int | None = None) -> int | None:
        """The last number given in a room, 0 where none was; None: only history knows.

        `since_ms`, of a trip's room: no message of it is older.
        """
        if since_ms is None:
            known = self.heads.get(room)
        else:
            held = self._trip_heads.get(room)
            known = None if held is None else held.n
            if known is None and self._lost.n and since_ms <= self._lost.at_ms:
                return None
        if known is None:
            is_lost = since_ms is None and self.heads_lost
            return None if self.began_seq or is_lost else 0
        return known

    def is_quiet(self, trip: Trip) -> bool:
        """Whether surely nobody has written in the room of a trip, nor is a member."""
        room = of_trip(trip.id)
        if room in self._trip_heads or room in self.members or self.began_seq:
            return False
        lost = self._lost
        return not lost.n or from_rfc3339(trip.created) > lost.at_ms

    def said(self, room: str, n: int) -> bytes | None:
        """Message `n` of a room, encoded; None: it isn't held."""
        messages = self.backlog(room)
        trip_head = self._trip_heads.get(room)
        head = self.heads.get(room, 0) if trip_head is None else trip_head.n
        place = n - head - 1  # from the end, which is the head
        return messages[place] if -len(messages) <= place < 0 else None

    def written_seq(self) -> int:
        """All that is forgotten of any room is of no later event than this."""
        return max(self.forgotten_seq, self._lost.seq, self.began_seq)

    def backlog(self, room: str) -> deque[bytes]:
        """What is held of a room, up to its head; oldest first. Not to be changed."""
        held = self._lively.get(room) or self._idle.get(room)
        return _NONE if held is None else held.messages

    def has(self, room: str, user: str) -> bool:
        here = self.members.get(room)
        return here is not None and user in here

    def everybody(self) -> Iterable[tuple[str, Person]]:
        for room, here in self.members.items():
            for person in here.values():
                yield room, person

    # ---- facts ---------------------------------------------------------------

    def add_message(self, event: MessageEvent) -> None:
        message = event.message
        room = message.room
        encoded = exact(encode(message))
        if trip_of(room) is None:
            self._add_head(room, message.seq)
        else:
            self._add_trip_head(room, TripHead(message.seq, event.seq, event.at_ms))
        held = self._touch(room)
        if held is None:
            held = self._shelf(room)[room] = Backlog()
        held.messages.append(encoded)
        held.seq = event.seq
        self.messages += 1
        self.bytes += len(encoded)
        if len(held.messages) > HISTORY_MAX:
            self.messages -= 1
            self.bytes -= len(held.messages.popleft())
        while self.messages > self._limits.messages_max or (
            self.bytes > BACKLOGS_BYTES_MAX
        ):
            self._forget()
        if event.key is not None:
            said = (room, message.seq)
            self.keys.put(event.at_ms, message.sender.id, event.key, said)

    def _add_head(self, room: str, n: int) -> None:
        self.heads[room] = n
        self.heads.move_to_end(room)
        if len(self.heads) > self._limits.heads_max:
            gone, _ = self.heads.popitem(last=False)
            self.heads_lost = True
            self._drop_room(gone)

    def _add_trip_head(self, room: str, head: TripHead) -> None:
        self._trip_heads[room] = head
        self._trip_heads.move_to_end(room)
        if len(self._trip_heads) > self._limits.trip_heads_max:
            gone, self._lost = self._trip_heads.popitem(last=False)
            self._drop_room(gone)

    def _drop_room(self, room: str) -> None:
        """No message is held of a room without a head."""
        for shelf in (self._idle, self._lively):
            if room in shelf:
                self._drop(shelf.pop(room))

    def add_member(self, event: MemberEvent) -> None:
        """A member who comes or leaves also uses the room."""
        room = event.room
        here = self.members.get(room)
        before = self._shelf(room)
        if event.joined:
            if here is None:
                here = self.members[room] = {}
            here[event.user.id] = event.user
        elif here is not None:
            here.pop(event.user.id, None)
            if not here:
                del self.members[room]
        held = before.pop(room, None)
        if held is not None:
            self._shelf(room)[room] = held

    def _shelf(self, room: str) -> OrderedDict[str, Backlog]:
        return self._lively if room in self.members else self._idle

    def _touch(self, room: str) -> Backlog | None:
        shelf = self._shelf(room)
        held = shelf.get(room)
        if held is not None:
            shelf.move_to_end(room)
        return held

    def _forget(self) -> None:
        _, held = (self._idle or self._lively).popitem(last=False)
        self._drop(held)

    def _drop(self, held: Backlog) -> None:
        self.messages -= len(held.messages)
        self.bytes -= sum(map(len, held.messages))
        self.forgotten_seq = max(self.forgotten_seq, held.seq)

    # ---- snapshots -----------------------------------------------------------

    def rows(self) -> RoomRows:
        return RoomRows(
            heads=self.heads,
            trip_heads=self._trip_heads,
            idle=_rows(self._idle),
            lively=_rows(self._lively),
            members={room: tuple(here.values()) for room, here in self.members.items()},
            keys=tuple(self._key_rows()),
            forgotten_seq=self.forgotten_seq,
            lost=self._lost,
            began_seq=self.began_seq,
            heads_lost=self.heads_lost,
            keys_forgotten=self.keys.forgotten(),
        )

    def _key_rows(self) -> Iterator[MessageKeyRow]:
        for at_ms, user, key, (room, n) in self.keys.rows():
            is_held = self.said(room, n) is not None
            left = ELSEWHERE if is_held else Raw(encode({"room": room, "seq": n}))
            yield MessageKeyRow(at_ms, user, key, room, n, left)

    def add_rows(self, rows: RoomRows) -> None:
        """The inverse of `rows`, of which these are some: keys after messages."""
        self.heads.update(rows.heads)
        self._trip_heads.update(rows.trip_heads)
        for shelf, kept in ((self._idle, rows.idle), (self._lively, rows.lively)):
            for row in kept:
                shelf[row.room] = Backlog(map(bytes, row.messages), row.seq)
                self.messages += len(row.messages)
                self.bytes += sum(map(len, row.messages))
        for room, here in rows.members.items():
            self.members[room] = {person.id: person for person in here}
        self.forgotten_seq = rows.forgotten_seq
        self._lost = rows.lost
        self.began_seq = rows.began_seq
        self.heads_lost = rows.heads_lost
        for each in rows.keys:
            self.keys.put(each.at_ms, each.user, each.key, (each.room, each.n))
        self.keys.forget(rows.keys_forgotten)


_NONE: deque[bytes] = deque(maxlen=0)


def _rows(shelf: OrderedDict[str, Backlog]) -> tuple[BacklogRow, ...]:
    return tuple(
        BacklogRow(room, held.seq, [Raw(message) for message in held.messages])
        for room, held in shelf.items()
    )
