"""One room as this gateway sees it: who of it is here, and in what order they hear.

    nobody ──join──▶ unknown, holding ──answer──▶ in step ◀──filled── holding
                                                     └───gap, NATS away───▲

`n` is dense, so a hole shows; then everything is held until the leader has filled it.
No I/O but for writing to connections; subscribing and asking is
gateway/fanout/rooms.py's.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType

from gateway import framing, metrics
from gateway.fanout.region import Region, Seat
from gateway.ports import Cancellable
from schemas import codec
from schemas.closes import Close
from schemas.rooms import MemberPush, MessageHead, MessagePush

Push = MessagePush | MemberPush


class Joined(Struct, frozen=True):
    """A join's answer, as much of it as a gateway needs."""

    members: list["Id"]
    history: list[Raw]
    recovered: bool
    moved: list[MemberPush] | UnsetType | None = UNSET
    """Who came and went since what was asked for; None: not all is known any more;
    unset: it wasn't asked, or of a leader of 0.1, which doesn't say."""


class Id(Struct, frozen=True):
    id: str


class _Text(Struct, frozen=True):
    text: str


class Item(NamedTuple):
    """One frame for all of a room."""

    n: int
    """The message's; 0: somebody came or went."""
    seq: int
    """The event's; 0: unknown, since it was fetched again, or a message's that comes
    after an event with a higher one."""
    frame: bytes
    bare: bytes
    """The same as older clients want it; empty until somebody does."""
    data: Raw
    user: str = ""
    joined: bool = False


class Occupant:
    """One session's place in one room.

    `covered`: its join was answered with all up to that message; None: not yet. `mark`:
    how much of the room's tail was there when it asked.
    """

    __slots__ = (
        "asked",
        "bare",
        "covered",
        "covered_seq",
        "explicit",
        "explicit_before",
        "mark",
        "members",
        "seat",
    )

    def __init__(self, seat: Seat, *, explicit: bool) -> None:
        self.seat = seat
        self.bare = seat.connection.bare
        self.asked = 0
        """Joins on their way."""
        self.explicit = explicit
        """It asked to join; else it takes part in the room's trip."""
        self.covered: int | None = None
        self.covered_seq = 0
        """The same in events; 0: its leader didn't say."""
        self.members: set[str] = set()
        self.mark = 0
        self.explicit_before: bool | None = None
        """What `explicit` is again if it is refused; None: then it hears nothing."""


class Room:
    """`n`: of the last message passed on; None: not known yet."""

    __slots__ = (
        "_held_max",
        "_region",
        "asking",
        "held",
        "joining",
        "live",
        "n",
        "name",
        "ready",
        "seq",
        "subscription",
        "tail",
    )

    def __init__(
        self, name: str, n: int | None, held_max: int, region: Region | None = None
    ) -> None:
        """`region`: whose events a session's `seq` must grow with; None: no others."""
        self._region = region
        self.name = name
        self.n = n
        self.seq = 0
        self.held: list[Push] | None = None
        self.live: dict[Seat, Occupant] = {}
        self.joining: dict[Seat, Occupant] = {}
        self.ready: list[Item] = []
        """This tick's, for the live."""
        self.tail: list[Item] = []
        """All that was passed on since the first of `joining` asked."""
        self.asking = False
        """Somebody was sent to fill a gap."""
        self.subscription: Cancellable | None = None
        self._held_max = held_max

    @property
    def is_empty(self) -> bool:
        return not self.live and not self.joining

    def speaker(self) -> Seat | None:
        """Who asks for what is lost: one who asked to join, if there is one."""
        for seat, occupant in self.live.items():
            if occupant.explicit:
                return seat
        return next(iter(self.live), None) or next(iter(self.joining), None)

    # ---- who is here ---------------------------------------------------------

    def begin(self, occupant: Occupant) -> None:
        """Its join is on its way: from now on nothing may be missed."""
        if self.is_empty:
            self.held = []
        occupant.mark = len(self.tail)
        self.joining[occupant.seat] = occupant

    def begin_again(self, occupant: Occupant) -> None:
        """Who hears the room already asks to join: what comes from now on follows the
        answer, so that neither repeats the other.
        """
        self.flush()
        occupant.explicit_before, occupant.explicit = occupant.explicit, True
        occupant.covered = None
        self.begin(occupant)
        del self.live[occupant.seat]

    def resume(self, occupant: Occupant) -> None:
        """Its join came to nothing: it hears on, and what waited for the answer."""
        self.flush()
        occupant.explicit = bool(occupant.explicit_before)
        self._give(occupant, map(self._belated, self.tail[occupant.mark :]))
        self._live(occupant)
        self.abandon()

    def _live(self, occupant: Occupant) -> None:
        del self.joining[occupant.seat]
        self.live[occupant.seat] = occupant
        if not self.joining:
            self.tail.clear()

    def admit(self, occupant: Occupant) -> None:
        """It hears all from now on, without a history."""
        self.live[occupant.seat] = occupant

    def remove(self, seat: Seat) -> Occupant | None:
        if self.joining.pop(seat, None) is not None and not self.joining:
            self.tail.clear()
        return self.live.pop(seat, None)

    def answered(
        self, occupant: Occupant, data: Joined, since: int | None, seq: int = 0
    ) -> None:
        """Its join since `since` was answered, and the answer, which contains all up to
        event `seq`, written to it.
        """
        covered = head_of(data, since or 0 if data.recovered else 0)
        occupant.covered = covered
        occupant.covered_seq = seq
        occupant.members = {member.id for member in data.members}
        if self.n is None:
            self.seq = max(self.seq, seq)
            self._learn(covered)
        elif covered > self.n:  # lost, though nothing later has come yet
            self.hold()
        elif self.held is None:
            self.seq = max(self.seq, seq)
        self.settle_joining()

    def abandon(self) -> None:
        """Nobody's answer will say where the room is: go on with what comes."""
        if self.n is None and self.held is not None and not self.joining:
            held, self.held = self.held, None
            for push in held:
                self.receive(push)

    def _learn(self, n: int) -> None:
        """The last message was number `n`; go on with what was held behind it."""
        self.n = n
        held, self.held = self.held or [], None
        for push in held:
            self.receive(push)

    def settle_joining(self) -> None:
        """Whose answer is contained in what was passed on becomes live."""
        if self.held is not None or self.n is None or not self.joining:
            return
        self.flush()
        for occupant in list(self.joining.values()):
            covered = occupant.covered
            if covered is None or covered > self.n or occupant.asked:
                continue
            missed = _after(self.tail[occupant.mark :], occupant)
            self._give(occupant, map(self._belated, missed))
            self._live(occupant)

    # ---- what comes ----------------------------------------------------------

    def receive(self, push: Push) -> None:
        """Pass a push on, or hold it. Where this finds a gap, `held` becomes a list
        and the caller must ask for what follows `n`.
        """
        if self.held is not None:
            self.held.append(push)
            if len(self.held) > self._held_max:
                self.give_up()
            return
        if type(push) is MemberPush:
            if push.seq > self.seq:
                self._move(push)
            return
        assert type(push) is MessagePush
        n = codec.decode(push.message, MessageHead).seq
        if self.n is not None:
            if n <= self.n:
                return
            if n != self.n + 1:
                self.held = [push]
                return
        self.n = n
        self.seq = max(self.seq, push.seq)
        frame = framing.event("chat.message", push.seq, push.message, push.traceparent)
        item = Item(n, push.seq, frame, b"", push.message)
        self._pass_on(self._belated(item))

    def _move(self, push: MemberPush) -> None:
        self.seq = push.seq
        self._pass_on(self._belated(_of_member(push, self.name)))

    def _belated(self, item: Item) -> Item:
        """Without a `seq` where it was held up, and events with a higher one went out:
        the highest that a client saw is its cursor.
        """
        if self._region is None or not 0 < item.seq <= self._region.top_seq:
            return item
        if item.n:
            frame = framing.push("chat.message", item.data)
            return item._replace(seq=0, frame=frame, bare=b"")
        frame = framing.push("chat.joined" if item.joined else "chat.left", item.data)
        return item._replace(frame=frame, bare=frame)

    def _pass_on(self, item: Item) -> None:
        self.ready.append(item)
        if self.joining:
            self.tail.append(item)
            if len(self.tail) > self._held_max:
                self.give_up()

    def hold(self) -> None:
        """Something may be lost: keep what comes until it is fetched."""
        if self.held is None:
            self.held = []

    def fill(self, data: Joined, seq: int = 0) -> bool:
        """The answer to a join since `n` and `seq`, which contains all up to event
        `seq`; False: it does not reach back that far, and what is lost stays lost.
        """
        if self.held is None:
            return True
        for push in data.moved or ():
            if push.seq > self.seq:
                self._move(push)
        if data.moved is not UNSET:
            self.seq = max(self.seq, seq)
        if self.n is not None and data.recovered:
            for message in data.history:
                n = codec.decode(message, MessageHead).seq
                if n > self.n:
                    self.n = n
                    frame = framing.push("chat.message", message)
                    self._pass_on(Item(n, 0, frame, b"", message))
        is_whole = self.n is None or (data.recovered and data.moved is not None)
        self._learn(head_of(data, 0 if self.n is None else self.n))
        self.settle_joining()
        return is_whole

    def give_up(self) -> None:
        """Too much is held: those who wait for it shall come back."""
        waiting = [*self.live, *self.joining]
        self.held = None if self.n is None else []
        self.tail.clear()
        for seat in waiting:
            seat.connection.close(Close.RESYNC)

    # ---- what goes out -------------------------------------------------------

    def flush(self) -> None:
        """Hand on what the tick brought: the same bytes to all."""
        ready, self.ready = self.ready, []
        if not ready:
            return
        if self._region is not None:
            top_seq = max(item.seq for item in ready)
            self._region.top_seq = max(self._region.top_seq, top_seq)
        plain = b"".join([item.frame for item in ready])
        bare = b""
        for occupant in list(self.live.values()):
            seat = occupant.seat
            if seat.held is not None or seat.listener.waits:
                self._give(occupant, ready)
            elif not occupant.bare:
                seat.writer.write(plain)
            else:
                if not bare:
                    ready = [_with_bare(item) for item in ready]
                    bare = b"".join([item.bare for item in ready])
                seat.writer.write(bare)
        metrics.ROOM_DELIVERIES.inc(len(ready) * len(self.live))

    def _give(self, occupant: Occupant, items: Iterable[Item]) -> None:
        """To one that is not like the others."""
        seat = occupant.seat
        for item in items:
            frame = _with_bare(item).bare if occupant.bare else item.frame
            seat.give_in_room(item.seq, frame, self._held_max)


def head_of(data: Joined, otherwise: int) -> int:
    """Number of the last message an answer holds; `otherwise`: it holds none."""
    if not data.history:
        return otherwise
    return max(otherwise, codec.decode(data.history[-1], MessageHead).seq)


def _after(tail: list[Item], occupant: Occupant) -> list[Item]:
    """What of `tail` its answer doesn't say already."""
    covered, covered_seq = occupant.covered or 0, occupant.covered_seq
    members = set(occupant.members)
    missed = []
    for item in tail:
        if item.n:
            if item.n > covered:
                missed.append(item)
        elif covered_seq:
            if item.seq > covered_seq:
                missed.append(item)
        elif item.joined != (item.user in members):
            (members.add if item.joined else members.discard)(item.user)
            missed.append(item)
    return missed


def _of_member(push: MemberPush, room: str) -> Item:
    user = codec.decode(push.user, Id).id
    data = Raw(b'{"room":%b,"user":%b}' % (codec.encode(room), bytes(push.user)))
    kind = "chat.joined" if push.joined else "chat.left"
    frame = framing.event(kind, push.seq, data, push.traceparent)
    return Item(0, push.seq, frame, frame, data, user, push.joined)


def _with_bare(item: Item) -> Item:
    """With the text beside `type`, PROTOCOL.md section 2 "older clients"."""
    if item.bare:
        return item
    text = codec.encode(codec.decode(item.data, _Text).text)
    seq = b'"seq":%d,' % item.seq if item.seq else b""
    bare = b'{"type":"chat.message","message":%b,%b"data":%b}'
    return item._replace(bare=framing.text(bare % (text, seq, bytes(item.data))))
