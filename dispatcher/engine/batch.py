"""Pure: decides commands into the open batch, which becomes one ledger record.

Decided at once, against a state that is ahead of the ledger by what the open batch
and the one in flight hold; answered when the record is stored. If it never is, the
engine is thrown away with the batcher. Time comes in as an argument; nothing here
knows NATS.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from dispatcher.engine.answers import CHANGES
from dispatcher.engine.engine import Decided, Engine
from dispatcher.engine.overtaking import Overtaking
from schemas.codec import Exact, encode
from schemas.commands import (
    Answer,
    AnyCommand,
    Command,
    FeedData,
    JoinRoom,
    Lookup,
    SendMessage,
    SyncFeed,
    SyncUser,
)
from schemas.events import EVENTS_PER_RECORD_MAX, Event, seq_of
from schemas.kinds import format_of
from schemas.ledger import EVENTS_BYTES_MAX, Writer
from schemas.observations import Round
from schemas.refusals import Code, Refusal
from schemas.trips import Status

EXPIRY_BYTES_MAX = EVENTS_BYTES_MAX // 2
"""Expiries leave half of a record to commands."""
ANSWER_BYTES_MAX = 768 * 1024
"""Below the server's default `max_payload` of 1 MiB: one over it cuts us off."""
ANSWERS_BYTES_MAX = 4 * 1024 * 1024
"""Answers of one record; 19,000 sessions may ask for 40 KB each at once."""
FOLLOWS_MAX = 16
"""Turns of what is due and what comes of it, in one go: an offer that ends, its driver
paused, all told of the trip, are three."""
REFUSED_MAX = 20_000
"""Commands of one record refused for want of room."""

UNAVAILABLE = Refusal(Code.UNAVAILABLE, "the command could not be decided")
TOO_LARGE = Refusal(Code.UNAVAILABLE, "the answer is too large")
OVERLOADED = Refusal(Code.OVERLOADED, "the dispatcher has too much to do")
EVENT_TOO_LARGE = Refusal(Code.INVALID_DATA, "the command makes too large an event")


class Entry(Struct, eq=False):
    """An answer that waits for its record, and the subject it goes to."""

    reply: str
    answer: Answer
    fresh: bool
    """Decided in this batch; else answered before and only repeated."""


class Batch:
    """What one record will hold, and what goes out when it is stored."""

    __slots__ = (
        "answer_bytes",
        "encoded",
        "entries",
        "event_bytes",
        "events",
        "feed",
        "first_seq",
        "format",
        "head_seq",
        "n",
        "payload",
        "seen",
        "stamp_ms",
        "traced",
    )

    def __init__(self, n: int, stamp_ms: int) -> None:
        self.n = n
        self.first_seq = seq_of(n, 0)
        self.stamp_ms = stamp_ms
        self.events: list[Event] = []
        self.encoded: list[bytes] = []
        self.event_bytes = 0
        self.format = 1
        """The record's (schemas/ledger.py)."""
        self.entries: list[Entry] = []
        self.answer_bytes = 0
        self.payload = b""
        self.head_seq = 0
        """The engine's head and feed number as of this record."""
        self.feed = 0
        self.seen: list[Round] = []
        """Of the matching, for who asks later why."""
        self.traced: list[str] = []
        """Trace contexts of the commands decided in it, where they brought one."""


class Batcher:
    """The open batch of one lead. `n` is the record it will be."""

    def __init__(self, engine: Engine, writer: Writer, n: int) -> None:
        self.engine = engine
        self.n = n
        self._writer = writer
        self._exact = Exact()
        self.batch: Batch | None = None
        """None: nothing was decided since the last one."""
        self._undelivered: dict[str, Entry] = {}
        self._overtaking = Overtaking()
        self.tally: dict[tuple[type[Command], str], int] = {}
        """Answers by (command, outcome) since the caller last emptied it."""
        self.faults: list[tuple[AnyCommand, Exception]] = []
        """Commands whose deciding raised, since the caller last emptied it."""

    @property
    def empty(self) -> bool:
        return self.batch is None

    def take(
        self, reply: str, command: AnyCommand, now_ms: int, traceparent: str = ""
    ) -> bool:
        """Decide it into the open batch; its events carry `traceparent` on.

        Returns:
            False, and nothing has changed, where the batch has no room for it.
        """
        waiting = self._undelivered.get(command.id)
        if waiting is not None:
            # A retry of what has no answer yet: the answer goes to the latest attempt.
            if command.attempt > waiting.answer.attempt:
                waiting.reply = reply
                waiting.answer = msgspec.structs.replace(
                    waiting.answer, attempt=command.attempt
                )
            return True
        batch = self.batch or self._open(now_ms)
        if batch.answer_bytes > ANSWERS_BYTES_MAX:
            return False
        known = self.engine.remembered(command.id, command.by.role)
        if known is None:
            answer = self._decide(batch, command, traceparent)
            if answer is None:
                return False
            if traceparent:
                batch.traced.append(traceparent)
        else:
            answer = msgspec.structs.replace(known, attempt=command.attempt)
            self._count(command, "again")
            if known.refused is None:
                self.engine.attend(command)
        self._add(batch, Entry(reply, answer, fresh=known is None))
        return True

    def refuse(
        self, reply: str, command: AnyCommand, refusal: Refusal, now_ms: int
    ) -> bool:
        """Refuse it undecided, in the open batch; so the fence guards that answer too.
        It is remembered: a message that comes twice must not be done after all.

        Returns:
            False: not even that. The batch holds `REFUSED_MAX` answers already, or an
                earlier attempt may have been decided, or still come to be.
        """
        if command.attempt > 1 or self._is_known(command.id):
            return False
        batch = self._open(now_ms)
        if len(batch.entries) >= REFUSED_MAX:
            return False
        self._count(command, refusal.code)
        answer = Answer(command.id, command.attempt, refused=refusal)
        self.engine.remember(answer)
        self._add(batch, Entry(reply, answer, fresh=True))
        return True

    def _is_known(self, command_id: str) -> bool:
        if command_id in self._undelivered:
            return True
        return self.engine.remembered(command_id) is not None

    def expire(self, now_ms: int) -> None:
        """Open a batch if anything is due, if members have come or gone without a
        command, or drivers were found for trips (opening one makes their events).
        """
        due_ms = self.engine.next_due_ms()
        is_due = due_ms is not None and due_ms <= now_ms
        # All three are asked: each goes on with its own work.
        unsettled, found = self.engine.unsettled(now_ms), self.engine.seek(now_ms)
        if is_due or unsettled or found:
            batch = self._open(now_ms)
            self._follow(batch)

    def at_rest(self, until_ms: int) -> bool:
        """All trips are for later, and nothing is due by itself until then."""
        engine = self.engine
        if engine.active_trips > engine.trips[Status.SCHEDULED] or not self.empty:
            return False
        due_ms = engine.next_due_ms()
        return (due_ms is None or due_ms > until_ms) and engine.is_settled()

    def close(self) -> Batch:
        """The open batch as a record to be written; the next one is `n` + 1."""
        batch = self.batch
        assert batch is not None, "no batch is open"
        self.batch = None
        self.n += 1
        batch.payload = self._writer.record(
            batch.n, batch.stamp_ms, batch.encoded, batch.format
        )
        batch.head_seq = self.engine.head_seq
        batch.feed = self.engine.feed
        return batch

    def delivered(self, batch: Batch) -> None:
        for entry in batch.entries:
            del self._undelivered[entry.answer.id]

    def undelivered(self) -> list[Entry]:
        """What was decided and will not be stored: the caller refuses it."""
        return list(self._undelivered.values())

    # ---- inside --------------------------------------------------------------

    def _open(self, now_ms: int) -> Batch:
        batch = self.batch
        if batch is None:
            batch = self.batch = Batch(self.n, self.engine.advance(now_ms))
            if not self.engine.is_calm():
                self._follow(batch)
            self._settle(batch)
        return batch

    def _follow(self, batch: Batch) -> None:
        """What is due at the batch's stamp, what comes of that, and offers to whoever
        was found by it.
        """
        engine, stamp_ms = self.engine, batch.stamp_ms
        for _ in range(FOLLOWS_MAX):
            due_ms = engine.next_due_ms()
            if due_ms is not None and due_ms <= stamp_ms:
                events: Iterable[Event] = engine.due(self._seq(batch))
            elif engine.seek(stamp_ms):
                offers = engine.offers(self._seq(batch))
                is_whole = self._append_due(batch, offers)
                seen, engine.seen = engine.seen, []
                batch.seen += [one for one in seen if one.seq <= engine.head_seq]
                if not is_whole:
                    kept = {event.seq for event in batch.events[-len(offers) :]}
                    left = (one for one in offers if one.seq not in kept)
                    engine.again((one.trip.id, one.driver) for one in left)
                    return
                continue
            else:
                return
            if not self._append_due(batch, events):
                return

    def _seq(self, batch: Batch) -> int:
        return batch.first_seq + len(batch.events)

    def _settle(self, batch: Batch) -> None:
        """Who comes or goes without an event of their command's."""
        if batch.event_bytes < EXPIRY_BYTES_MAX and self.engine.unsettled():
            self._append_due(batch, self.engine.settle(self._seq(batch)))

    def _append_due(self, batch: Batch, events: Iterable[Event]) -> bool:
        """Those that don't fit stay due, for the next batch; whether all did."""
        for event in events:
            encoded = self._exact.encode(event)
            is_full = batch.event_bytes + len(encoded) > EXPIRY_BYTES_MAX
            if is_full or len(batch.events) >= EVENTS_PER_RECORD_MAX:
                return False
            self._append(batch, event, encoded)
        return True

    def _append(self, batch: Batch, event: Event, encoded: bytes) -> None:
        self.engine.apply(event, encoded)
        batch.events.append(event)
        batch.encoded.append(encoded)
        batch.event_bytes += len(encoded) + 1
        record_format = format_of(event)
        if record_format > batch.format:  # noqa: PLR1730 - `max` takes as long as all
            batch.format = record_format

    def _add(self, batch: Batch, entry: Entry) -> None:
        batch.entries.append(entry)
        data = entry.answer.data
        batch.answer_bytes += 128 + (len(data) if data is not None else 0)
        self._undelivered[entry.answer.id] = entry

    def _count(self, command: AnyCommand, outcome: str) -> None:
        key = (type(command), outcome)
        self.tally[key] = self.tally.get(key, 0) + 1

    def _decide(
        self, batch: Batch, command: AnyCommand, traceparent: str
    ) -> Answer | None:
        if len(batch.events) >= EVENTS_PER_RECORD_MAX:
            return None
        engine = self.engine
        over = engine.count(command)
        if over is not None:
            return self._refused(command, over)
        try:
            outcome = engine.decide(command, batch.first_seq + len(batch.events))
            data = encode(outcome.data) if type(outcome) is Decided else b""
            if len(data) > ANSWER_BYTES_MAX:
                data = self._shortened(command)
        except Exception as error:  # noqa: BLE001 - one bad decision refuses one command
            self.faults.append((command, error))
            self._count(command, UNAVAILABLE.code)
            return Answer(command.id, command.attempt, refused=UNAVAILABLE)
        if isinstance(outcome, Lookup):
            self._overtaking.asks(command, outcome)
        elif self._overtaking.lines:
            if self._overtaking.holds(command):
                outcome = Lookup("", 0)
            else:
                self._overtaking.decided(command)
        if isinstance(outcome, Decided):
            if not data:
                return self._refused(command, TOO_LARGE)
            answer = Answer(command.id, command.attempt, data=Raw(data))
            events = outcome.events
            if events:
                if traceparent:
                    events = tuple(
                        msgspec.structs.replace(event, traceparent=traceparent)
                        for event in events
                    )
                encoded = [self._exact.encode(event) for event in events]
                size = sum(map(len, encoded))
                if size > EXPIRY_BYTES_MAX:
                    return self._refused(command, EVENT_TOO_LARGE)
                if (
                    batch.event_bytes + size > EVENTS_BYTES_MAX
                    or len(batch.events) + len(encoded) > EVENTS_PER_RECORD_MAX
                ):
                    return None
                if type(command) is SendMessage:
                    over = engine.count_made(command, events)
                    if over is not None:
                        return self._refused(command, over)
                for event, payload in zip(events, encoded, strict=True):
                    self._append(batch, event, payload)
                # Its events tell what it was answered: nothing else to remember.
                if not engine.is_calm():
                    self._follow(batch)
            elif type(command) in CHANGES:
                engine.remember(answer)
            if type(command) is JoinRoom:
                answer = msgspec.structs.replace(answer, seq=engine.head_seq)
            if outcome.attends:
                engine.attend(command)
                self._settle(batch)
            self._count(command, "ok")
            return answer
        if isinstance(outcome, Lookup):
            # Not remembered: it comes back with the same id and what was looked up.
            self._count(command, "lookup")
            return Answer(command.id, command.attempt, lookup=outcome)
        answer = self._refused(command, outcome)
        engine.remember(answer)
        return answer

    def _refused(self, command: AnyCommand, refusal: Refusal) -> Answer:
        self._count(command, refusal.code)
        return Answer(command.id, command.attempt, refused=refusal)

    def _shortened(self, command: AnyCommand) -> bytes:
        """Who missed too much for one message gets the whole state instead."""
        data: Any = None
        if isinstance(command, SyncUser) and command.since is not None:
            whole = msgspec.structs.replace(command, since=None)
            outcome = self.engine.decide(whole, 0)
            data = outcome.data if type(outcome) is Decided else None
        elif isinstance(command, SyncFeed):
            data = FeedData(self.engine.feed, [], complete=False)
        encoded = encode(data) if data is not None else b""
        return encoded if len(encoded) <= ANSWER_BYTES_MAX else b""
