"""What is to be true when a schedule is over: for clients, ledger and database."""

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from cabrank.trial.load import frames
from cabrank.trial.oracle.asking import Greeting
from cabrank.trial.oracle.conversations import Conversations
from cabrank.trial.oracle.history import Call, History
from cabrank.trial.oracle.invariants import Checker
from schemas.codec import decode
from schemas.events import TripEvent, seq_of
from schemas.ledger import Record
from schemas.rooms import MemberEvent, MessageEvent, trip_of
from schemas.trips import Role, Trip
from tests.simulation.booked import Booked
from tests.simulation.loop import WALL_S
from tests.simulation.offered import Offered

if TYPE_CHECKING:
    from tests.simulation.world import World


AHEAD_MAX_MS = 20_000
"""Of a wall clock that only jumps, and half a second that all may be off."""


class Verdict(Struct):
    """`trace`: of all that clients saw and the ledger holds; equal runs have equal
    ones.
    """

    violations: list[str]
    trace: str
    took_s: float
    """Virtual time."""
    records: int
    calls: int


class Watch:
    """All observations of one run."""

    def __init__(self, world: "World") -> None:
        self.checker = Checker()
        self.history = History()
        self.offering = Offered(world, self.checker.violate)
        self.booked = Booked(world, self.checker.violate)
        self.checker.told = self.offering.facts.told
        self.greetings: list[Greeting] = []
        self.offered: dict[tuple[str, str], frames.Offered] = {}
        """By driver and offer: what drivers were told of."""
        self.said_over: list[tuple[str, int | None, frames.OfferEnded]] = []
        """(driver, seq, what they were told of an offer's end)"""
        self.conversations = Conversations(self.checker.violate)
        self.seen: dict[str, None] = {}
        """Trips that anybody knows of."""
        self._strange: list[str] = []
        self.trace = hashlib.sha256()

    def note(self, what: bytes) -> None:
        """It belongs to what a replay must repeat."""
        self.trace.update(what)

    def strange(self, what: str) -> None:
        self._strange.append(what)

    def is_whole(self, world: "World") -> bool:
        """Whether everybody is back and has been shown everything."""
        if not all(client.is_idle for client in world.clients):
            return False
        if world.server.stream.consumer.pending:
            return False
        self.offering.follow(world)
        for driver in self.offering.facts.rested:
            self.checker.rests(driver)
        for event in self.offering.events():
            if isinstance(event, TripEvent):
                self.checker.stored(event.trip, event.seq)
            elif isinstance(event, MessageEvent):
                self.conversations.stored(event.message)
        if self.conversations.unheard():
            return False
        if self.checker.unseen() or _open_lists(world):
            return False
        if _members(world) or self.offering.unfinished(world):
            return False
        return not self.booked.is_waiting(world)

    def judge(self, world: "World") -> Verdict:
        violations = list(self._strange)
        violations += world.loop.failures
        for machine in world.machines:
            for error in (machine.service.failure, machine.link.failed):
                if error is not None:
                    violations.append(f"{machine.name} failed: {error!r}")
        for client in world.clients:
            if not client.is_idle:
                left = ", ".join(map(str, client.calls.values()))
                violations.append(f"whole again: {client.id} waits for {left or 'all'}")
        records = _ledger(world, violations)
        _database(world, records, violations)
        rows = {trip: world.database.audit(trip) for trip in self.checker.trips()}
        for trip_id in list(self.seen) + [t for t in rows if t not in self.seen]:
            audit = world.database.audit(trip_id)
            for row in audit:
                self.history.saw(decode(row.data, Trip))
            if audit:
                self.checker.history(decode(audit[-1].data, Trip), audit)
        for room in self.conversations.rooms():
            self.conversations.history(room, world.database.said_in(room))
        self.conversations.finish()
        violations += self.offering.judge(world)
        violations += self.booked.judge(world)
        self.history.matched = frozenset(self.offering.facts.matched)
        for violation in (*self.checker.finish(), *self.history.check()):
            violations.append(f"{violation.rule}: {violation.message}")
        if self.history.undecided:
            text = f"{self.history.undecided} searches for an order were given up"
            violations.append(f"some order explains it: {text}")
        violations += _open_lists(world)
        violations += _members(world)
        violations += _shares(world, records)
        violations += _leaps(world, records)
        return Verdict(
            violations=violations,
            trace=_trace(world, violations),
            took_s=world.loop.time(),
            records=len(world.server.stream.records),
            calls=len(self.history.calls),
        )


def _ledger(world: "World", violations: list[str]) -> list[Record]:
    """Records are numbered, and an epoch begins with an empty record of its own."""
    records = []
    epoch = 0
    for n, payload in enumerate(world.server.stream.records, 1):
        record = decode(payload, Record)
        records.append(record)
        if record.n != n:
            violations.append(f"ledger: record {n} says it is {record.n}")
        if record.epoch != epoch and (record.epoch != n or record.events):
            violations.append(f"ledger: record {n} is of epoch {record.epoch}")
        epoch = record.epoch
        for i, event in enumerate(record.events):
            if event.seq != seq_of(n, i):
                violations.append(f"ledger: event {i} of record {n} is {event.seq}")
    return records


def _database(world: "World", records: list[Record], violations: list[str]) -> None:
    """Ledger = database, row by row."""
    written = {event.seq: event for record in records for event in record.events}
    rows = {seq: row for (_, seq), row in world.database.events.items()}
    said = dict(world.database.messages)
    for seq, event in written.items():
        if isinstance(event, MessageEvent) and said.pop(seq, None) != event.message:
            violations.append(f"ledger = database: message {seq} differs")
        if not isinstance(event, TripEvent):
            continue
        row = rows.pop(seq, None)
        if row is None:
            violations.append(f"ledger = database: event {seq} has no row")
        elif decode(row["data"].encode(), Trip) != event.trip:
            violations.append(f"ledger = database: event {seq} differs")
    violations += [f"ledger = database: row {seq} is no event" for seq in rows | said]
    violations += [f"dead letter: {let.error}" for let in world.database.letters]


def _leaps(world: "World", records: list[Record]) -> list[str]:
    """Stamps that went with a wall clock that leapt."""
    if not world.plan.steady:
        return []
    now_ms = (WALL_S + world.loop.time()) * 1000
    return [
        f"stamps: record {record.n} is {(record.at_ms - now_ms) / 1000:.0f} s ahead"
        for record in records
        if record.at_ms > now_ms + AHEAD_MAX_MS
    ][:1]


def _shares(world: "World", records: list[Record]) -> list[str]:
    """Who had more than their share of what all leaders together allow: each begins
    with nobody having asked for anything.
    """
    rate = world.plan.allowance
    if not rate:
        return []
    leads = len({record.epoch for record in records})
    taken = Counter(call.user for call in world.watch.history.calls if _counts(call))
    most = leads * rate + world.loop.time() * rate / 2
    return [
        f"one user's share: {user} had {count} of {most:.0f}"
        for user, count in taken.items()
        if count > most
    ]


def _counts(call: Call) -> bool:
    """Whether a leader certainly decided it."""
    return call.answer is not None or call.code not in {None, "rate_limited"}


def _open_lists(world: "World") -> list[str]:
    """What drivers think is up for grabs and isn't, and what they don't know of. Not
    of those who were offline: they learn of it when they come back.
    """
    facts = world.watch.offering.facts
    gave_back: dict[str, set[str]] = {}
    for event in world.watch.offering.events():
        if isinstance(event, TripEvent):
            gave_back.setdefault(event.trip.id, set())
            if event.type == "trip.released":
                gave_back[event.trip.id].add(event.by)
    is_open = {trip for trip, hunt in facts.hunts.items() if hunt.is_told}
    wrong = []
    for client in world.clients:
        if client.role is not Role.DRIVER or client.id in facts.rested:
            continue
        known = set(client.open)
        missed = {trip for trip in is_open - known if client.id not in gave_back[trip]}
        if known - is_open:
            wrong.append(f"feed: {client.id} thinks open: {known - is_open}")
        if missed:
            wrong.append(f"feed: {client.id} doesn't know of {missed}")
    return wrong


def _members(world: "World") -> list[str]:
    """Who is a member of an open room for ever, and who never became one again."""
    told: dict[tuple[str, str], None] = {}
    for event in world.watch.offering.events():
        if isinstance(event, MemberEvent) and trip_of(event.room) is None:
            seat = (event.room, event.user.id)
            told.pop(seat, None)
            if event.joined:
                told[seat] = None
    here = {
        (room, client.id): None
        for client in world.clients
        for room, is_in in client.talk.rooms.items()
        if is_in and trip_of(room) is None
    }
    left = [f"members: {user} never leaves {room}" for room, user in told.keys() - here]
    lost = [f"members: {user} is lost to {room}" for room, user in here.keys() - told]
    return sorted(left + lost)


def _trace(world: "World", violations: list[str]) -> str:
    digest = world.watch.trace
    for payload in world.server.stream.records:
        digest.update(payload)
    for call in world.watch.history.calls:
        digest.update(str(call).encode())
    for violation in violations:
        digest.update(violation.encode())
    return digest.hexdigest()[:16]
