"""A leader and its ledger without NATS: each command becomes one record.

`Given` the events of some commands, `when` a command, `then` events or a refusal.
"""

from typing import Any

from dispatcher.engine.engine import Decided, Engine, Limits, Outcome
from schemas.allowances import UNLIMITED
from schemas.codec import Raw, decode, encode
from schemas.commands import (
    AcceptTrip,
    Answer,
    AnyCommand,
    ArriveTrip,
    BeginTrip,
    CancelTrip,
    CompleteTrip,
    DeclineTrip,
    EndSession,
    FeedData,
    GetTrip,
    JoinRoom,
    LeaveRoom,
    ReleaseTrip,
    RequestTrip,
    SendMessage,
    SyncData,
    SyncFeed,
    SyncUser,
)
from schemas.events import Event, TripEvent, seq_of
from schemas.frame_shapes import Joined
from schemas.ledger import Record
from schemas.refusals import Code, Refusal
from schemas.rooms import MemberEvent, MessageData, MessageEvent
from schemas.trips import Role, Status, Trip, User

TTL_MS = 300_000
LIMITS = Limits(request_ttl_ms=TTL_MS, users=UNLIMITED)
NOON_MS = 1_795_262_400_000


def user(role: Role, name: str) -> User:
    return User(f"{role}-{name}", name, name.title(), "Miller", role)


RITA, RON = user(Role.RIDER, "rita"), user(Role.RIDER, "ron")
DORA, DAN = user(Role.DRIVER, "dora"), user(Role.DRIVER, "dan")
OLGA = user(Role.OPERATOR, "olga")

VERBS: dict[str, Any] = {
    "accept": AcceptTrip,
    "decline": DeclineTrip,
    "arrive": ArriveTrip,
    "begin": BeginTrip,
    "complete": CompleteTrip,
    "release": ReleaseTrip,
    "cancel": CancelTrip,
    "get": GetTrip,
}


class World:
    def __init__(self, limits: Limits = LIMITS, *, first_record: int = 1) -> None:
        self.engine = Engine("main", limits)
        self.now_ms = NOON_MS
        self.records: list[Record] = []
        self.next_n = first_record
        self.commands = 0

    # ---- doing ---------------------------------------------------------------

    def envelope(self, by: User, command: str = "") -> dict[str, Any]:
        self.commands += 1
        return {
            "id": command or f"{self.commands:032x}",
            "deadline_ms": self.now_ms + 10_000,
            "by": by,
        }

    def decide(self, command: AnyCommand) -> Outcome:
        """Decide without applying, at the present stamp."""
        self.engine.advance(self.now_ms)
        return self.engine.decide(command, seq_of(self.next_n, 0))

    def do(self, command: AnyCommand) -> Outcome:
        outcome = self.decide(command)
        self.commit(outcome.events if isinstance(outcome, Decided) else ())
        if isinstance(outcome, Decided):
            if outcome.attends:
                self.engine.attend(command)
                self.settle()
            answer = Answer(command.id, command.attempt, Raw(encode(outcome.data)))
        elif isinstance(outcome, Refusal):
            answer = Answer(command.id, command.attempt, refused=outcome)
        else:
            answer = Answer(command.id, command.attempt, lookup=outcome)
        self.engine.remember(answer)
        return outcome

    def commit(self, events: tuple[Event, ...]) -> None:
        stamp_ms = self.engine.stamp_ms
        for event in events:
            self.engine.apply(event, encode(event))
        self.records.append(
            Record(1, "ledger", 1, self.next_n, "writer", stamp_ms, list(events))
        )
        self.next_n += 1

    def expire(self) -> tuple[TripEvent, ...]:
        self.engine.advance(self.now_ms)
        events = self.engine.due(seq_of(self.next_n, 0))
        self.commit(events)
        return events

    def settle(self) -> tuple[MemberEvent, ...]:
        """Who came or left without a command."""
        self.engine.advance(self.now_ms)
        if not self.engine.unsettled():
            return ()
        events = self.engine.settle(seq_of(self.next_n, 0))
        self.commit(events)
        return events

    def join(
        self, by: User, room: str, session: str | None = None, **more: Any
    ) -> Outcome:
        """By default a user has one session, of gateway g1; `""`: only a look."""
        session = f"s-{by.id}" if session is None else session
        more = {"gateway": "g1"} | more
        return self.do(
            JoinRoom(room=room, session=session, **more, **self.envelope(by))
        )

    def leave(self, by: User, room: str, session: str | None = None) -> Outcome:
        session = f"s-{by.id}" if session is None else session
        return self.do(
            LeaveRoom(room=room, session=session, gateway="g1", **self.envelope(by))
        )

    def end(self, by: User, session: str | None = None) -> Outcome:
        session = f"s-{by.id}" if session is None else session
        return self.do(EndSession(session=session, gateway="g1", **self.envelope(by)))

    def send(self, by: User, room: str, text: str = "hi", **more: Any) -> Outcome:
        return self.do(SendMessage(room=room, text=text, **more, **self.envelope(by)))

    def trip_command(
        self, verb: str, by: User, trip: str, archived: Trip | None = None
    ) -> AnyCommand:
        command: AnyCommand = VERBS[verb](
            trip=trip, archived=archived, **self.envelope(by)
        )
        return command

    # ---- given: what must go well --------------------------------------------

    def request(self, rider: User = RITA, **more: Any) -> Trip:
        addresses = {"pick_up_address": "A", "drop_off_address": "B"}
        command = RequestTrip(**self.envelope(rider), **(addresses | more))
        return trip_of(self.do(command))

    def moves(self, verb: str, by: User, trip: Trip) -> Trip:
        return trip_of(self.do(self.trip_command(verb, by, trip.id)))

    def driving(self, *verbs: str, rider: User = RITA, driver: User = DORA) -> Trip:
        """A trip that `driver` took through `verbs`, the first of which is accept."""
        trip = self.request(rider)
        for verb in verbs:
            trip = self.moves(verb, driver, trip)
        return trip

    def said(self, by: User, room: str, text: str = "hi", **more: Any) -> MessageData:
        """Sent from the server side: nobody need have joined."""
        outcome = self.send(by, room, text, outside=True, **more)
        assert isinstance(outcome, Decided), outcome
        assert isinstance(outcome.data, MessageData)
        return outcome.data

    # ---- then ----------------------------------------------------------------

    def look(self, room: str, since: int | None = None, **more: Any) -> Joined:
        """The room as an operator sees it without joining."""
        return joined(self.join(OLGA, room, "", since=since, **more))

    def members(self, room: str) -> list[str]:
        return [person.username for person in self.look(room).members]

    def refusal(self, verb: str, by: User, trip: Trip) -> Code:
        return code_of(self.do(self.trip_command(verb, by, trip.id)))

    def sync(self, by: User, since: int | None = None, **more: Any) -> SyncData:
        outcome = self.decide(SyncUser(since=since, **more, **self.envelope(by)))
        assert isinstance(outcome, Decided)
        data = outcome.data
        assert isinstance(data, SyncData)
        return data

    def sync_feed(self, since: int, **more: Any) -> FeedData:
        outcome = self.decide(SyncFeed(since=since, **more, **self.envelope(OLGA)))
        assert isinstance(outcome, Decided)
        data = outcome.data
        assert isinstance(data, FeedData)
        return data

    def open_trip(self) -> Trip:
        """The newest REQUESTED trip."""
        requested = [e for e in self.events if isinstance(e, TripEvent)]
        return next(
            e.trip for e in reversed(requested) if e.trip.status is Status.REQUESTED
        )

    @property
    def events(self) -> list[Event]:
        return [event for record in self.records for event in record.events]

    @property
    def last(self) -> TripEvent:
        event = self.events[-1]
        assert isinstance(event, TripEvent)
        return event


def trip_of(outcome: Outcome) -> Trip:
    assert isinstance(outcome, Decided), outcome
    assert isinstance(outcome.data, Trip)
    return outcome.data


def joined(outcome: Outcome) -> Joined:
    assert isinstance(outcome, Decided), outcome
    return decode(encode(outcome.data), Joined)


def texts(data: Joined) -> list[str]:
    return [message.text for message in data.history]


def numbers(data: Joined) -> list[int]:
    return [message.seq for message in data.history]


def code_of(outcome: Outcome) -> Code:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def replay(records: list[Record], limits: Limits = LIMITS) -> Engine:
    """A standby that followed from the first record on."""
    engine = Engine("main", limits)
    for record in records:
        engine.apply_record(record)
    return engine


def restart(payload: bytes, records: list[Record], limits: Limits = LIMITS) -> Engine:
    """A snapshot and its tail: `records` is the whole ledger."""
    engine = Engine.restore(payload, limits)
    head, floor = engine.head_seq, engine.ring_floor_seq
    stamp = engine.stamp_ms
    for record in records:
        last = record.events[-1].seq if record.events else 0
        if last > head or (not last and record.at_ms > stamp):
            engine.apply_record(record)
        elif floor and last >= floor:
            engine.refill_ring(record)
    return engine


def shows(engine: Engine, records: list[Record]) -> list[bytes]:
    """All that can be seen of an engine: its snapshot, every user's `since` at every
    cursor, the feed at every number, every trip, every room, every
    message key, every answer.
    """
    events = [event for record in records for event in record.events]
    trips = [event for event in events if isinstance(event, TripEvent)]
    users = sorted({name for event in trips for name in event.audience})
    asking = World()
    asking.engine = engine

    def ask(command: AnyCommand) -> bytes:
        outcome = engine.decide(command, 0)
        return encode(outcome.data if isinstance(outcome, Decided) else outcome)

    questions: list[AnyCommand] = [
        SyncUser(since=since, **asking.envelope(by))
        for by in (User(n, "", "", "", Role(n.partition("-")[0])) for n in users)
        for since in (0, *(event.seq for event in events))
    ]
    questions += [
        SyncFeed(since=number, **asking.envelope(OLGA))
        for number in range(engine.feed + 2)
    ]
    questions += [
        asking.trip_command("get", OLGA, trip)
        for trip in sorted({event.trip.id for event in trips})
    ]
    said = [event.message for event in events if isinstance(event, MessageEvent)]
    questions += [
        JoinRoom(room=room, since=since, **asking.envelope(OLGA))
        for room in sorted({message.room for message in said})
        for since in (None, 0, *(m.seq for m in said if m.room == room))
    ]
    questions += [
        SendMessage(
            room=event.message.room,
            text="again",
            key=event.key,
            outside=True,  # who is there is known to a leader alone
            **asking.envelope(User(event.message.sender.id, "", "", "", Role.RIDER)),
        )
        for event in events
        if isinstance(event, MessageEvent) and event.key is not None
    ]
    return [
        engine.snapshot(),
        encode(engine.ring_floor_seq),
        *map(ask, questions),
        *(encode(engine.remembered(event.command)) for event in events),
    ]


def chat(world: World, room: str, count: int) -> None:
    """So many messages of Rita's."""
    for n in range(count):
        world.said(RITA, room, f"{room}{n + 1}")
