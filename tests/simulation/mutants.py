"""The system with one of its promises' guards taken away. The simulation must notice
each (test_mutants.py); what it doesn't notice, it doesn't test.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from msgspec.structs import replace

import dispatcher.commit.fence
import dispatcher.commit.publisher
import dispatcher.engine.decide_rooms
import dispatcher.region.lead
import dispatcher.region.region
import dispatcher.region.retention
import dispatcher.region.waiting
import persistence.projected.writer
from dispatcher.commit.fence import Fate, Fence
from dispatcher.commit.publisher import Send
from dispatcher.engine.batch import OVERLOADED, Batch, Batcher, Entry
from dispatcher.engine.engine import Engine, Limits
from dispatcher.engine.idempotency import Keys
from dispatcher.engine.presence import Attending
from dispatcher.engine.ring import Kept, Ring
from dispatcher.region import inbox
from dispatcher.region.lead import Lead
from dispatcher.region.ledger_full import FULL, Refuser, refused
from dispatcher.region.region import Region
from dispatcher.region.snapshots import Head, SnapshotStore
from dispatcher.region.stamps import Stamps
from dispatcher.region.standby import Standby
from gateway.leader.commands import Owner
from gateway.leader.link import Link
from persistence.projected.pull import Delivery
from schemas.allowances import Allowances
from schemas.codec import decode
from schemas.commands import Answer, AnyCommand, Lookup
from schemas.events import TripEvent
from schemas.ledger import Writer
from schemas.trips import Role
from tests.simulation import plan as plans
from tests.simulation.booking_mutants import BOOKING_MUTANTS
from tests.simulation.offer_mutants import OFFER_MUTANTS
from tests.simulation.plan import Kind, Plan
from tests.simulation.restored import outlived


class Fenceless(Fence):
    """Records go in wherever they fall."""

    def _send(self) -> None:
        self._headers = b"NATS/1.0\r\n\r\n"
        super()._send()

    def _on_ack(self, subject: bytes, _: bytes, payload: bytes, headers: bytes) -> None:
        if self._n and b'"seq"' in payload and subject.endswith(b".%d" % self._n):
            self._settle(Fate.STORED)
        else:
            super()._on_ack(subject, _, payload, headers)


class Forgetful(Batcher):
    """A command that comes again is decided again."""

    def take(
        self, reply: str, command: AnyCommand, now_ms: int, traceparent: str = ""
    ) -> bool:
        self._undelivered.pop(command.id, None)
        return super().take(reply, command, now_ms, traceparent)

    def delivered(self, batch: Batch) -> None:
        for entry in batch.entries:
            self._undelivered.pop(entry.answer.id, None)


class Curt(Lead):
    """Whatever finds the queue full is refused."""

    def _enqueue(
        self, reply: str, command: AnyCommand, now_ms: int, trace: str
    ) -> None:
        batcher = self._batcher
        if len(self._queue) < dispatcher.region.waiting.QUEUE_MAX:
            super()._enqueue(reply, command, now_ms, trace)
        elif command.id not in batcher._undelivered:
            answer = Answer(command.id, command.attempt, refused=OVERLOADED)
            entry = Entry(reply, answer, fresh=True)
            batcher._add(batcher._open(now_ms), entry)


class Hasty(Lead):
    """Answers leave with the record, not after it."""

    def _pump(self) -> None:
        before = self._in_flight
        super()._pump()
        batch = self._in_flight
        if batch is not None and batch is not before:
            self._publisher.events(batch.events, batch.encoded)
            self._publisher.answers(self.epoch, batch.entries)


class Epochless(Region):
    """Leads on from where the ledger seems to end."""

    async def _append(self, payload: bytes, n: int, expected: int) -> Fate:
        return Fate.STORED

    async def _take_over(self) -> Writer | None:
        writer = await super()._take_over()
        if writer is not None:
            self._standby.n -= 1
        return writer


async def _not_caught_up(standby: Standby, last: int) -> None:
    standby.n = max(standby.n, last)


class Skipping(SnapshotStore):
    """Replays from the record after the next."""

    async def load(self, limits: Limits, **how: Any) -> tuple[Head, Engine] | None:
        loaded = await super().load(limits, **how)
        if loaded is None:
            return None
        head, engine = loaded
        return Head(head.v, head.ledger, head.n + 1, head.replay_from), engine


class Acknowledging(persistence.projected.writer.Writer):
    """Acknowledges what it is about to write."""

    async def _write(self, batch: list[Delivery]) -> bool:
        for delivery in batch:
            self._acknowledge(delivery)
        return await super()._write(batch)


class Pipelined(Fence):
    """Two records in flight, each expecting the one before it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._waiting: tuple[bytes, int] | None = None

    @property
    def busy(self) -> bool:
        return self._waiting is not None

    def append(self, payload: bytes, n: int, expected: int) -> None:
        if not self._n:
            super().append(payload, n, expected)
            return
        self._waiting = (payload, n)
        headers = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: %d\r\n\r\n"
        subject = self._ledger.subject
        self._bus.send(subject, payload, f"{self._inbox}.{n}", headers % expected)

    def _settle(self, fate: Fate) -> None:
        waiting, self._waiting = self._waiting, None
        self._n = 0
        if waiting is not None and fate is Fate.STORED:
            # Sent once more: a lost acknowledgement is read back anyway.
            super().append(*waiting, waiting[1] - 1)
        self._settled(fate)


class TwoAtOnce(Lead):
    """The lead that goes with it."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._flying: list[Batch] = []

    def _pump(self) -> None:
        before = self._in_flight
        super()._pump()
        if self._in_flight is not None and self._in_flight is not before:
            self._flying.append(self._in_flight)

    def _settled(self, fate: Fate) -> None:
        self._in_flight = self._flying.pop(0) if self._flying else None
        super()._settled(fate)


def _nothing(_: Engine, __: str, ___: Role = Role.OPERATOR) -> None:
    return None


def _forgets_ended(ring: Ring, user: str, since: int) -> list[Kept] | None:
    missed = _missed(ring, user, since)
    if missed is None:
        return None
    ended = {decode(k.encoded, TripEvent).trip.id for k in missed if k.ended}
    return [k for k in missed if decode(k.encoded, TripEvent).trip.id not in ended]


def _expires_silently(
    send: Send, region: str, event: TripEvent, payload: bytes
) -> bool:
    return event.type == "trip.expired" or _tell_trip(send, region, event, payload)


def _refuses_at_once(
    refuser: Refuser, _: bytes, reply: bytes, payload: bytes, __: bytes
) -> None:
    subject, commands = inbox.read(refuser._region, reply, payload)
    answers = [Answer(one.id, one.attempt, refused=FULL) for one in commands]
    entries = [Entry(subject, answer, fresh=True) for answer in answers]
    refuser._publisher.answers(0, entries)


def _refuses_what_was_done(lead: Lead) -> None:
    waiting = list(lead._queue)
    entries = [
        Entry(reply, Answer(command.id, command.attempt, refused=FULL), fresh=True)
        for reply, command in waiting
    ]
    for entry in lead._batcher.undelivered():
        entry.answer = refused(entry.answer, FULL)
        entries.append(entry)
    lead._publisher.answers(lead.epoch, entries)


def _no_limit(*_: Any) -> None:
    return None


def _no_doubt(_: Keys[Any], __: str, ___: int) -> int:
    return 0


def _leaps_too(_: Stamps, wall_ms: int, __: float) -> int:
    return wall_ms


def _at_once(_: Link, __: str, ___: Owner, then: Callable[[], None]) -> None:
    then()


def _never_ends(_: Attending, __: str, ___: str) -> None:
    return None


async def _fits_always(_: Standby, __: Head, ___: Engine) -> bool:
    return True


async def _newest_only(store: SnapshotStore) -> list[Head]:
    return (await _heads(store))[:1]


def _asked_whenever(*given: Any) -> Lookup:
    return replace(_room_of(*given), asked_seq=0)


_room_of = dispatcher.engine.decide_rooms._look_up
_heads = SnapshotStore.heads
_missed = Ring.missed
_tells = dispatcher.commit.publisher._TELLS
_tell_trip = _tells[TripEvent]
Patch = tuple[Any, dict[str, Any]]
MUTANTS: dict[str, list[Patch]] = {
    "fence off": [
        (dispatcher.region.lead, {"Fence": Fenceless}),
        (dispatcher.region.region, {"Fence": Fenceless}),
    ],
    "dedupe off": [
        (dispatcher.region.lead, {"Batcher": Forgetful}),
        (Engine, {"remembered": _nothing}),
    ],
    "ack before commit": [(persistence.projected.writer, {"Writer": Acknowledging})],
    "an answer ahead of its record": [(dispatcher.region.region, {"Lead": Hasty})],
    "no epoch record": [(dispatcher.region.region, {"Region": Epochless})],
    "leads without having caught up": [(Standby, {"catch_up": _not_caught_up})],
    "replay from the wrong record": [
        (dispatcher.region.region, {"SnapshotStore": Skipping})
    ],
    "purges what the older snapshot needs": [
        (SnapshotStore, {"heads": _newest_only}),
        (dispatcher.region.retention, {"SNAPSHOTS": 1}),
    ],
    "a snapshot of another time": [(Standby, {"_fits": _fits_always})],
    "since forgets ended trips": [(Ring, {"missed": _forgets_ended})],
    "an expiry isn't told": [
        (
            dispatcher.commit.publisher,
            {"_TELLS": {**_tells, TripEvent: _expires_silently}},
        )
    ],
    "full: refuses at once": [(Refuser, {"_on_commands": _refuses_at_once})],
    "full: refuses what was done": [(Lead, {"_refuse_all": _refuses_what_was_done})],
    "full queue: refuses what waits": [(dispatcher.region.region, {"Lead": Curt})],
    "stamps go with the wall clock": [(Stamps, {"now": _leaps_too})],
    "a session's end takes nobody out": [(Attending, {"end": _never_ends})],
    "a session's end overtakes its joins": [(Link, {"after": _at_once})],
    "no limit of a user": [(Allowances, {"take": _no_limit})],
    "a key held no more is new": [(Keys, {"doubt": _no_doubt})],
    "what history said of a room is never old": [
        (dispatcher.engine.decide_rooms, {"_look_up": _asked_whenever})
    ],
    "two records in flight": [
        (dispatcher.region.region, {"Lead": TwoAtOnce}),
        (dispatcher.region.lead, {"Fence": Pipelined}),
    ],
    **OFFER_MUTANTS,
    **BOOKING_MUTANTS,
}

KILLED: tuple[Kind, ...] = ("kill dispatcher", "lose client") * 3
CUT_OFF: tuple[Kind, ...] = ("cut dispatcher", "hang dispatcher")
TORN: tuple[Kind, ...] = ("tear snapshot", "kill dispatcher") * 2
DRAWN: dict[str, Callable[[int], Plan]] = {
    "full: refuses at once": plans.full,
    "full: refuses what was done": plans.full,
    "full queue: refuses what waits": plans.crowded,
    "replay from the wrong record": functools.partial(
        plans.amid, kinds=("kill dispatcher", "kill dispatcher"), snapshots=True
    ),
    "purges what the older snapshot needs": functools.partial(
        plans.amid, kinds=TORN, snapshots=True, purges=True
    ),
    "a snapshot of another time": outlived,
    "stamps go with the wall clock": plans.leaping,
    "a session's end takes nobody out": functools.partial(
        plans.amid, kinds=("lose client",) * 3, talks=0.8
    ),
    "a session's end overtakes its joins": plans.passing,
    "no limit of a user": plans.limited,
    "a key held no more is new": functools.partial(
        plans.amid, kinds=KILLED, talks=0.8, held_max=1
    ),
    "what history said of a room is never old": functools.partial(
        plans.amid,
        kinds=("kill dispatcher", "slow network"),
        talks=1.0,
        rooms=4,
        held_max=1,
    ),
    "two records in flight": functools.partial(
        plans.amid,
        kinds=("slow disk", "cut dispatcher", "hang dispatcher"),
        purges=False,
    ),
    **dict.fromkeys(OFFER_MUTANTS, plans.offered),
    "expiry forgotten at a take-over": functools.partial(
        plans.offered, kinds=("kill dispatcher",) * 3
    ),
    "a proposal taken unchecked": plans.rushed,
    "where a driver is of a trip that moved on is passed on": functools.partial(
        plans.offered,
        kinds=(*CUT_OFF, "lose client", "cut gateway", *CUT_OFF),
        dispatchers=2,
    ),
    **dict.fromkeys(BOOKING_MUTANTS, plans.booked),
    "a booking's time forgotten at a take-over": functools.partial(
        plans.booked, kinds=("kill dispatcher",) * 3
    ),
    **dict.fromkeys(
        ("a gap hides that one is offline", "a gap hides what is offered"),
        functools.partial(plans.offered, kinds=("cut gateway",) * 4),
    ),
}
"""Whose faults are too rare among the plans that are for everything."""


@contextlib.contextmanager
def mutated(name: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for target, values in MUTANTS[name]:
            stack.enter_context(mock.patch.multiple(target, **values))
        yield
