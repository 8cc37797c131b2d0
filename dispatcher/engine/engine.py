"""A region's trips and rooms as a deterministic state machine over its
ledger.

The leader decides, applies at once what it decided, and writes it; a standby applies
what was written. Stamp and events alone make the state, so both hold the same. Knows
no clock, no NATS and no bytes on a wire but the encoded events it keeps for those who
missed them.
"""

from collections.abc import Callable, Iterable

from dispatcher.engine import answers, lined
from dispatcher.engine import decide as _decide
from dispatcher.engine import decide_offers as _offers
from dispatcher.engine import decide_rooms as _rooms
from dispatcher.engine import snapshot as _snapshot
from dispatcher.engine.apply import apply
from dispatcher.engine.feed import feed_entry
from dispatcher.engine.limits import DUE_MAX, Limits
from dispatcher.engine.market import Market
from dispatcher.engine.noting import NOTES, wait
from dispatcher.engine.outcomes import Decided, Outcome
from dispatcher.engine.positions import Positions
from dispatcher.engine.presence import Attending
from dispatcher.engine.regional import Regional
from dispatcher.engine.ring import Ring
from dispatcher.engine.rounds import rounds
from dispatcher.engine.settling import settle, sift
from dispatcher.engine.shares import Shares
from dispatcher.engine.snapshot import Snapshot, Thaw
from dispatcher.engine.state import State
from dispatcher.errors import SnapshotError
from schemas.codec import CodecError, encode, exact
from schemas.commands import Answer, AnyCommand, Fix, Lookup, SendMessage
from schemas.events import Event, Moved, OfferEvent, seq_of
from schemas.ledger import Record
from schemas.observations import Round
from schemas.refusals import Refusal as Refused
from schemas.rooms import MemberEvent, Presence
from schemas.trips import Role, Status, Trip

__all__ = [
    "Decided",
    "Engine",
    "Limits",
    "Lookup",
    "Outcome",
    "Refused",
    "SnapshotError",
    "feed_entry",
]


class Engine:
    """One region. Not thread-safe."""

    __slots__ = (
        "_given",
        "_limits",
        "_market",
        "_presence",
        "_regional",
        "_ring",
        "_shares",
        "_state",
        "seen",
    )

    def __init__(self, region: str, limits: Limits) -> None:
        self._limits = limits
        self._state = State(region, limits)
        self._ring = Ring(limits)
        self._presence = Attending()
        self._shares = Shares(limits.users)
        self._market = Market(limits.matching)
        self.seen: list[Round] = []
        """What is to be remembered of the offers made; whoever applies them takes it.
        """
        self._look_at_all()
        self._given = answers.Given(self._ring)

    @property
    def region(self) -> str:
        return self._state.region

    @property
    def stamp_ms(self) -> int:
        """Stamp of the last record or batch; never falls."""
        return self._state.stamp_ms

    @property
    def head_seq(self) -> int:
        """Seq of the last event applied, 0 before the first."""
        return self._state.head_seq

    @property
    def feed(self) -> int:
        """Last number given on the drivers' feed, 0 before the first."""
        return self._state.feed

    @property
    def ring_floor_seq(self) -> int:
        """Seq of the oldest event that the ring holds, or after `restore` shall hold
        again: what a replay must start from. 0: none.
        """
        return self._ring.marks().floor_seq

    @property
    def active_trips(self) -> int:
        return len(self._state.trips)

    @property
    def trips(self) -> dict[Status, int]:
        """How many trips have which status; those that ended are not held."""
        return dict(self._state.by_status)

    def opened(self) -> dict[str, int]:
        """Trips without a driver, and since when each is open; the oldest first."""
        return {trip: self._state.trips[trip].at_ms for trip in self._state.open}

    @property
    def regional(self) -> Regional:
        """All of it, to be looked at; another with each lead."""
        return self._regional

    @property
    def rooms(self) -> tuple[int, int, int]:
        """How many rooms have members, members in all, and messages held."""
        members = self._state.rooms.members
        count = sum(map(len, members.values()))
        return len(members), count, self._state.rooms.messages

    @property
    def gateways(self) -> int:
        """How many gateways were heard of within the last seconds."""
        return self._presence.gateways

    def driving(self, driver: str) -> Trip | None:
        """The active trip of a driver."""
        trip = self._state.drivers.get(driver)
        return None if trip is None else self._state.trips[trip].trip

    def moved(self, fix: Fix) -> tuple[str, Moved] | None:
        """Who is told of a driver's position, and what: the rider of their trip."""
        trip = self.driving(fix.driver)
        if trip is None:
            return None
        to = trip.drop_off if trip.status is Status.IN_PROGRESS else trip.pick_up
        metres, eta_s = (None, None) if to is None else self._market.left(fix, to)
        place = (fix.lat, fix.lon, fix.heading, fix.at)
        moved = Moved(trip.id, *place, metres, eta_s, trip.version)
        return trip.rider.id, moved

    # ---- who may ask: the leader's own memory ----------------------------------

    def count(self, command: AnyCommand) -> Refused | None:
        """Count it against its user's limits, before `decide`; None: it is allowed."""
        return self._shares.count(command, self._state.stamp_ms)

    def count_made(
        self, command: SendMessage, events: tuple[Event, ...]
    ) -> Refused | None:
        """The same of what its events make, before they are applied."""
        if not _rooms.makes_room(events):
            return None
        return self._shares.count_room(command.by, self._state.stamp_ms)

    # ---- deciding ------------------------------------------------------------

    def advance(self, now_ms: int) -> int:
        """Move the stamp to `now_ms` (never back), forget what is too old at it, and
        return it. Once at a batch's opening.
        """
        state = self._state
        if now_ms > state.stamp_ms:
            state.stamp_ms = now_ms
            self._ring.evict(now_ms)
            until_ms = state.keys_since_ms()
            state.keys.evict(until_ms)
            state.rooms.keys.evict(until_ms)
            state.timeline.evict(until_ms)
            self._given.forget(now_ms - self._limits.remember_ms)
        return state.stamp_ms

    def decide(self, command: AnyCommand, seq: int) -> Outcome:
        """What comes of a command at the stamp; changes nothing. Events are numbered
        from `seq`; whoever takes them applies them before the next `decide`.
        """
        if type(command) in _rooms.HANDLERS:
            return _rooms.decide(self._regional, command, seq)
        return _decide.decide(self._regional, command, seq)

    def due(self, seq: int) -> tuple[Event, ...]:
        """What is due at the stamp: expiries, and what follows from other events; at
        most 1,000, numbered from `seq`, to be applied like those of `decide`. Then more
        may be.
        """
        return _offers.due(self._regional, seq, DUE_MAX)

    def next_due_ms(self) -> int | None:
        """The stamp from which `due` has something to give; None: nothing is."""
        return self._state.due_ms()

    def is_calm(self) -> bool:
        """Whether surely nothing is due at the stamp, and nobody is to be matched."""
        state = self._state
        return state.dues.begin_after(state.stamp_ms) and self._market.is_at_rest()

    def is_settled(self) -> bool:
        """Whether nobody is to be matched, nor to leave a room later."""
        return self._market.is_at_rest() and self._presence.is_settled

    # ---- matching: what a leader knows of positions ------------------------------

    @property
    def positions(self) -> Positions:
        return self._market.positions

    def hear_from(self, positions: Positions) -> None:
        """Go on with what was heard of drivers before this engine was there."""
        self._market.positions = positions
        self._market.begin(self._state)

    def locate(self, fix: Fix, now_ms: int) -> bool:
        """A driver's position arrives; standbys hear it too. Returns: whether they are
        there now.
        """
        return self._market.hear(fix, now_ms)

    def time_matching(self, clock: Callable[[], float]) -> list[float]:
        """From now on the list gets how long each turn of the matcher took, by that
        clock (seconds); whoever asked for it empties it.
        """
        self._market.clock = clock
        return self._market.turns

    def seek(self, now_ms: int) -> bool:
        """Look for drivers, no longer than a tick may take; whether `offers` may have
        something to give.
        """
        return self._market.seek(max(now_ms, self._state.stamp_ms))

    def offers(self, seq: int) -> tuple[OfferEvent, ...]:
        """What comes of whom `seek` found, numbered from `seq`; to be applied like
        those of `decide`.
        """
        found, self._market.found = self._market.found, []
        made = _offers.offered(self._regional, found, seq)
        self.seen += rounds(self._market, self._state, made)
        offered = {(event.trip.id, event.driver) for event in made}
        self.again({(one.trip, one.driver) for one in found} - offered)
        return made

    def again(self, pairs: Iterable[tuple[str, str]]) -> None:
        """No offer came of a trip and a driver whom `seek` found: look for others."""
        for trip, driver in sorted(pairs):
            self._market.look_at_trip(self._state, trip)
            self._market.look_at_driver(self._state, driver)

    # ---- who is present: the leader's own memory -------------------------------

    def lead(self, now_ms: int) -> None:
        """A lead begins. Gateways have 4 s to say who is there; members whose session
        none of them names then leave. `now_ms` is monotonic here, in `hear`, `sweep`.
        """
        state = self._state
        self._presence = presence = Attending()
        self._shares = Shares(self._limits.users)
        presence.begin(now_ms, state.rooms.everybody())
        self._look_at_all()
        state.lead()
        self._market.lead(state)
        for course in state.offers.courses.values():
            wait(self._regional, course.trip, course.matching)

    def _look_at_all(self) -> None:
        self._regional = Regional(
            self._state, self._ring, self._presence, self._limits, self._market
        )

    def hear(self, news: Presence, now_ms: int) -> None:
        self._presence.hear(news, now_ms)

    def sweep(self, now_ms: int) -> None:
        """To be called every second while there is a connection to NATS: who has been
        silent for too long is gone.
        """
        self._presence.sweep(now_ms)

    def attend(self, command: AnyCommand) -> None:
        """Take note of a command whose outcome `attends`, after its events; also of one
        that another leader decided.
        """
        self._presence.attend(command)

    def unsettled(self, now_ms: int = 0) -> bool:
        """Whether `settle` has anything to give, at the stamp or a later `now_ms`."""
        return sift(self._regional, max(now_ms, self._state.stamp_ms))

    def settle(self, seq: int) -> tuple[MemberEvent, ...]:
        """Who joins or leaves without an event of their command's, at most 1,000 events
        numbered from `seq`; to be applied like those of `decide`.
        """
        return settle(self._regional, seq)

    # ---- facts ---------------------------------------------------------------

    def apply(self, event: Event, encoded: bytes) -> None:
        """Take a fact; `encoded` is kept for who missed it: `codec.exact`.

        Raises:
            AssertionError: its seq is not above `head_seq`: a bug of the caller's.
        """
        apply(self._state, event)
        self._ring.push(event, encoded)
        NOTES[type(event)](self._regional, event)

    def apply_record(self, record: Record) -> None:
        """Take a record of the ledger, in order, from the one after the snapshot."""
        if not self._state.stamp_ms and record.n > 1:
            # The ledger begins later than its numbers: what came before is gone.
            self._ring.gone_seq = seq_of(record.n, 0) - 1
            self._ring.gone_moves_seq = self._ring.gone_seq
            self._state.rooms.began_seq = self._ring.gone_seq
        self.advance(record.at_ms)
        for event in record.events:
            self.apply(event, exact(encode(event)))

    # ---- answers that were given ----------------------------------------------

    def remember(self, answer: Answer) -> None:
        """Keep an answer for `remember_ms`. One whose command made an event is known
        from the event already; a lookup is never kept, since the same command comes
        back with what was looked up.
        """
        self._given.keep(answer, self._state.stamp_ms)

    def remembered(self, command_id: str, role: Role = Role.OPERATOR) -> Answer | None:
        """What a command was answered, as somebody of that role may see it; `attempt`
        is that of an earlier one (or 1).

        A join is not remembered: decided again it is answered as of now, and joins
        nobody twice.
        """
        return self._given.of(command_id, role)

    # ---- snapshots -----------------------------------------------------------

    @property
    def snapshot_format(self) -> int:
        """Of a snapshot that is taken now."""
        return _snapshot.format_of(self._state)

    def freeze(self) -> Snapshot:
        """All but the ring and the answers that no event gives again; to be written
        before the engine goes on.
        """
        return _snapshot.freeze(self._state, self._ring.marks())

    def snapshot(self) -> bytes:
        """The same, written."""
        return b"".join(lined.write(self.freeze()))

    @classmethod
    def thawed(cls, thaw: Thaw, limits: Limits) -> "Engine":
        """The inverse of `freeze`. Until the ledger from `ring_floor_seq` to the
        snapshot has gone through `refill_ring`, `since` and ended trips are not
        answered from memory.
        """
        state = thaw.state
        engine = cls(state.region, limits)
        engine._state = state
        engine._market.begin(state)
        engine._look_at_all()
        engine._ring.await_refill(thaw.marks, state.head_seq, state.feed)
        return engine

    @classmethod
    def restore(cls, payload: bytes, limits: Limits) -> "Engine":
        """The inverse of `snapshot`.

        Raises:
            SnapshotError: not a snapshot, torn, or of another version.
        """
        reader, thaw = lined.Reader(Snapshot), Thaw(limits)
        try:
            for part in reader.feed(payload):
                thaw.take(part)
            thaw.take(reader.end())
        except CodecError as error:
            msg = f"{len(payload)} bytes are not a snapshot: {error}"
            raise SnapshotError(msg) from error
        return cls.thawed(thaw, limits)

    def refill_ring(self, record: Record) -> None:
        """Take a record from before the snapshot, in order; only the ring changes."""
        for event in record.events:
            if event.seq <= self._state.head_seq:
                self._ring.refill(event, exact(encode(event)))
        self._ring.evict(self._state.stamp_ms)
