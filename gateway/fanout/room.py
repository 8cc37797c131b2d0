"""One room as this gateway sees it: who of it is here, and in what order they hear.

How it is followed is gateway/fanout/sync.py's table, who is in it how
gateway/fanout/membership.py's. `n` is dense, so a hole shows; then everything is held
until the leader has filled it.
No I/O but for writing to connections; subscribing and asking is
gateway/fanout/rooms.py's.
"""

from collections.abc import Iterable

from msgspec import UNSET, Raw, Struct, UnsetType

from gateway import framing, metrics
from gateway.fanout.membership import Covered, Occupant, Turn
from gateway.fanout.region import Region, Seat
from gateway.fanout.sync import HOLED, IN_STEP, OPEN, UNKNOWN, Seen, after
from gateway.fanout.tail import Item, Tail
from gateway.ports import Writer
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


HELD_BYTES_MAX = 4 * 1024 * 1024
"""Of what is held of a room, and again of what is kept for joins: 160 of the longest
messages, or what some thousand people write in a second."""


class Room:
    """`n`: of the last message passed on; None: not known yet."""

    __slots__ = (
        "_held",
        "_held_bytes",
        "_held_max",
        "gathered",
        "joining",
        "live",
        "n",
        "name",
        "ready",
        "region",
        "seq",
        "sync",
        "tail",
    )

    def __init__(
        self, name: str, n: int | None, held_max: int, region: Region | None = None
    ) -> None:
        """`region`: whose events a session's `seq` must grow with; None: no others."""
        self.region = region
        self.name = name
        self.n = n
        self.seq = 0
        self.sync = OPEN if n is None else IN_STEP
        self._held: list[Push] = []
        self._held_bytes = 0
        self.live: dict[Seat, Occupant] = {}
        self.joining: dict[Seat, Occupant] = {}
        """Who asked first is first."""
        self.ready: list[Item] = []
        """This tick's, for the live."""
        self.tail = Tail()
        self.gathered: dict[Writer, None] = {}
        """Who waits for `let_go`."""
        self._held_max = held_max

    @property
    def is_empty(self) -> bool:
        return not self.live and not self.joining

    def speaker(self) -> Seat | None:
        """Who asks for what is lost: one who asked to join, if there is one."""
        for seat, occupant in self.live.items():
            if occupant.is_explicit:
                return seat
        return next(iter(self.live), None) or next(iter(self.joining), None)

    def joined(self) -> list[Seat]:
        """Who hears it because they asked to."""
        return [seat for seat, o in self.live.items() if o.is_explicit]

    # ---- who is here ---------------------------------------------------------

    def occupant(self, seat: Seat) -> Occupant | None:
        return self.live.get(seat) or self.joining.get(seat)

    @property
    def holds(self) -> bool:
        """Whether what comes is kept."""
        return self.sync is UNKNOWN or self.sync is HOLED

    def begin(self, occupant: Occupant) -> None:
        """Its join is on its way: from now on nothing may be missed. What comes now, to
        one that hears the room already, follows the answer, so that neither repeats the
        other.
        """
        seat = occupant.seat
        if seat in self.joining:
            return
        if self.is_empty:
            self.hold()
        if seat in self.live:
            self.flush()
            del self.live[seat]
        occupant.turn(Turn.ASKS)
        occupant.covered = None
        occupant.mark = self.tail.mark
        self.joining[seat] = occupant

    def resume(self, occupant: Occupant) -> None:
        """Its join came to nothing: it hears on, and what waited for the answer."""
        self.flush()
        self._give(occupant, map(self._belated, self.tail.since(occupant.mark)))
        self._live(occupant)
        self.abandon()

    def _live(self, occupant: Occupant) -> None:
        if self._no_longer_joins(occupant.seat):  # else what it was given ended it
            self.live[occupant.seat] = occupant

    def _no_longer_joins(self, seat: Seat) -> bool:
        """False: it didn't."""
        if self.joining.pop(seat, None) is None:
            return False
        first = next(iter(self.joining.values()), None)
        self.tail.forget(self.tail.mark if first is None else first.mark)
        return True

    def admit(self, occupant: Occupant) -> None:
        """By its trip it hears all from now on, without a history."""
        occupant.turn(Turn.ADMITTED)
        if occupant.seat not in self.joining:
            self.live[occupant.seat] = occupant

    def remove(self, seat: Seat) -> Occupant | None:
        self._no_longer_joins(seat)
        return self.live.pop(seat, None)

    def answered(
        self, occupant: Occupant, data: Joined, since: int | None, seq: int = 0
    ) -> None:
        """Its join since `since` was answered, and the answer, which contains all up to
        event `seq`, written to it.
        """
        covered = head_of(data, since or 0 if data.recovered else 0)
        members = {member.id for member in data.members}
        occupant.covered = Covered(covered, seq, members)
        if self.n is None:
            self.seq = max(self.seq, seq)
            self._learn(covered)
        elif covered > self.n:  # lost, though nothing later has come yet
            self.hold()
        elif self.sync is IN_STEP:
            self.seq = max(self.seq, seq)
        self.settle_joining()

    def abandon(self) -> None:
        """Nobody's answer will say where the room is: go on with what comes."""
        if self.sync is UNKNOWN and not self.joining:
            self._go_on(Seen.NOBODY)

    def _learn(self, n: int) -> None:
        """The last message was number `n`; go on with what was held behind it."""
        self.n = n
        self._go_on(Seen.FIRST if self.sync is OPEN else Seen.TOLD)

    def _go_on(self, seen: Seen) -> None:
        self.sync = after(self.sync, seen)
        held, self._held, self._held_bytes = self._held, [], 0
        for push in held:
            self.receive(push)

    def settle_joining(self) -> None:
        """Whose answer is contained in what was passed on becomes live."""
        if self.sync is not IN_STEP or not self.joining:
            return
        self.flush()
        for occupant in list(self.joining.values()):
            covered = occupant.covered
            assert self.n is not None
            if covered is None or covered.n > self.n or occupant.asked:
                continue
            missed = self.tail.missed(occupant.mark, covered)
            occupant.turn(Turn.CONTAINED)
            self._give(occupant, map(self._belated, missed))
            self._live(occupant)

    # ---- what comes ----------------------------------------------------------

    def receive(self, push: Push) -> None:
        """Pass a push on, or hold it. Where this finds a gap it is holed, and the
        caller must ask for what follows `n`.
        """
        if self.holds:
            self._hold(push)
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
                self.hold()
                self._hold(push)
                return
        self.n = n
        self.sync = after(self.sync, Seen.FIRST)
        self.seq = max(self.seq, push.seq)
        frame = framing.event("chat.message", push.seq, push.message, push.traceparent)
        item = Item(n, push.seq, frame, b"", push.message)
        self._pass_on(self._belated(item))

    def _hold(self, push: Push) -> None:
        self._held.append(push)
        said = push.user if isinstance(push, MemberPush) else push.message
        self._held_bytes += len(said)
        is_much = self._held_bytes > HELD_BYTES_MAX
        if is_much or len(self._held) > self._held_max:
            self.give_up()

    def _move(self, push: MemberPush) -> None:
        self.seq = push.seq
        self._pass_on(self._belated(_of_member(push, self.name)))

    def _belated(self, item: Item) -> Item:
        """Without a `seq` where it was held up, and events with a higher one went out:
        the highest that a client saw is its cursor.
        """
        if self.region is None or not 0 < item.seq <= self.region.top_seq:
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
        while len(self.tail) > self._held_max or self.tail.bytes > HELD_BYTES_MAX:
            # Whoever is in the room has heard it; who waits for longest comes back.
            waits = next(iter(self.joining))
            self._no_longer_joins(waits)
            waits.connection.close(Close.RESYNC)

    def hold(self) -> None:
        """Something may be lost: keep what comes until it is fetched."""
        self.sync = after(self.sync, Seen.LOST)

    def fill(self, data: Joined, seq: int = 0) -> bool:
        """The answer to a join since `n` and `seq`, which contains all up to event
        `seq`; False: it does not reach back that far, and what is lost stays lost.
        """
        if not self.holds:
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
        self._held, self._held_bytes = [], 0
        self.sync = after(self.sync, Seen.NOBODY if self.n is None else Seen.LOST)
        for seat in waiting:
            seat.connection.close(Close.RESYNC)

    # ---- what goes out -------------------------------------------------------

    def flush(self, *, gathers: bool = False) -> None:
        """Hand on what the tick brought: the same bytes to all. `gathers`: who would be
        written to for this alone waits for `let_go`.
        """
        ready, self.ready = self.ready, []
        if not ready:
            return
        if self.region is not None:
            top_seq = max(item.seq for item in ready)
            self.region.top_seq = max(self.region.top_seq, top_seq)
        plain = b"".join([item.frame for item in ready])
        bare = b""
        for occupant in list(self.live.values()):
            seat = occupant.seat
            if seat.held is not None or seat.listener.waits:
                self._give(occupant, ready)
                continue
            if occupant.bare and not bare:
                ready = [_with_bare(item) for item in ready]
                bare = b"".join([item.bare for item in ready])
            blob = bare if occupant.bare else plain
            if gathers:
                seat.writer.gather(blob)
                self.gathered[seat.writer] = None
            else:
                seat.writer.write(blob)
        metrics.ROOM_DELIVERIES.inc(len(ready) * len(self.live))

    def let_go(self) -> None:
        """Nobody waits for more any longer."""
        gathered, self.gathered = self.gathered, {}
        for writer in gathered:
            writer.let_go()

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
