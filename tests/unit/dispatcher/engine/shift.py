"""A shift in a small town: a leader, a standby that follows it, and the invariants of
PROTOCOL.md section 1 held against the events alone.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from msgspec.json import Encoder
from msgspec.structs import replace

from dispatcher.engine.engine import (
    Decided,
    Engine,
    Limits,
    Lookup,
    Outcome,
    feed_entry,
)
from schemas.codec import decode, encode
from schemas.commands import (
    AnyCommand,
    EndSession,
    GoOffline,
    GoOnline,
    JoinRoom,
    LeaveRoom,
    RequestTrip,
    SendMessage,
)
from schemas.events import Event, TripEvent
from schemas.rooms import (
    Attendance,
    MemberEvent,
    MessageData,
    MessageEvent,
    MessageHead,
    Presence,
    of_trip,
)
from schemas.trips import DRIVING, TERMINAL, Role, Trip, User
from tests.unit.dispatcher.engine.world import OLGA, VERBS, World, restart, shows, user

LIMITS = Limits(
    request_ttl_ms=2_000,
    ring_ms=6_000,
    ring_events_max=25,
    remember_ms=1_500,
    key_ms=8_000,
    trip_room_ttl_ms=1_000,
    messages_max=3,
    trip_heads_max=2,
    heads_max=1,
    keys_per_user_max=1,
    message_keys_per_user_max=1,
)
RIDERS = [user(Role.RIDER, f"r{n}") for n in range(3)]
DRIVERS = [user(Role.DRIVER, f"d{n}") for n in range(3)]
EVERYBODY = [*RIDERS, *DRIVERS, OLGA]
PEOPLE = {someone.id: someone.person() for someone in EVERYBODY}
KEYS = (None, None, "k1", "k2")
DRIVER_VERBS = ("arrive", "begin", "complete", "release", "cancel")

# An engine's iterators, which stand for lists of any length, are written as these.
_WHOLE = Encoder(enc_hook=list)

# PROTOCOL.md section 1, by hand.
NEXT = {
    "": {"REQUESTED"},
    "REQUESTED": {"STARTED", "CANCELLED", "EXPIRED"},
    "STARTED": {"ARRIVED", "IN_PROGRESS", "REQUESTED", "CANCELLED"},
    "ARRIVED": {"IN_PROGRESS", "REQUESTED", "CANCELLED"},
    "IN_PROGRESS": {"COMPLETED"},
}


class Shift:
    def __init__(self) -> None:
        self.world = World(LIMITS)
        self.standby = Engine("main", LIMITS)
        self.payload = self.world.engine.snapshot()
        self.trips: dict[str, Trip] = {}
        self.seq = 0
        self.feed = 0
        self.mono_ms = 0
        self.rooms: dict[str, list[MessageData]] = {}
        self.members: set[tuple[str, str]] = set()
        self.seats: dict[str, set[tuple[str, str]]] = {}
        """Session → its (room, user)s, as its gateway knows them."""
        self.sessions: dict[tuple[str, int], str] = {}
        self.hung_up = 0
        self.keys: dict[tuple[str, str], tuple[int, Any]] = {}
        """(sender, key) → (stamp, message); the same of trips, by their ids."""
        self.trip_keys: dict[tuple[str, str], tuple[int, str]] = {}

    # ---- what may come -------------------------------------------------------

    def request(self, by: User, key: str | None) -> None:
        asked = RequestTrip(
            pick_up_address="A",
            drop_off_address="B",
            key=key,
            sought=False,
            **self.world.envelope(by),
        )
        outcome = self.do(asked)
        if isinstance(outcome, Lookup) and outcome.key:
            at_ms, made = self.trip_keys.get((by.id, str(key)), (0, ""))
            found = self.trips[made] if at_ms > outcome.since_ms else None
            asked = replace(asked, sought=True, made=found)
            outcome = self.do(asked)
        if isinstance(outcome, Lookup):
            outcome = self.do(replace(asked, archived=self.trips[outcome.trip]))
            assert isinstance(outcome, Decided)

    def ask(self, by: User, verb: str, back: int) -> None:
        """About the trip that is `back` trips older than the newest."""
        recent = list(self.trips)[-1 - back :]
        trip = recent[0] if recent else "none"
        self.do(self.world.trip_command(verb, by, trip))

    def drive_on(self, verb: str) -> None:
        for trip in self.trips.values():
            if trip.status in DRIVING and trip.driver is not None:
                by = next(d for d in DRIVERS if d.id == trip.driver.id)
                self.do(self.world.trip_command(verb, by, trip.id))
                return

    def come_or_go(self, by: User, online: bool) -> None:
        shape = GoOnline if online else GoOffline
        self.do(shape(**self.world.envelope(by)))

    # Open rooms "a" and "b", and the newest trip's; two sessions a user, one gateway.

    def room(self, number: int) -> str:
        newest = next(reversed(self.trips), "none")
        return ("a", "b", of_trip(newest))[number % 3]

    def join(self, by: User, tab: int, number: int, since: int | None) -> None:
        room, session = self.room(number), self.session(by, tab)
        envelope = self.world.envelope(by)
        more: dict[str, Any] = {
            "room": room,
            "session": session,
            "gateway": "g",
            "since": since,
        }
        outcome = self.do(JoinRoom(**more, **envelope))
        if isinstance(outcome, Lookup):
            outcome = self.do(JoinRoom(**more, **self.looked_up(room), **envelope))
        if isinstance(outcome, Decided):
            self.seats.setdefault(session, set()).add((room, by.id))
            numbers = [decode(raw, MessageHead).seq for raw in outcome.data.history]
            head = len(self.rooms.get(room, []))
            assert numbers == list(range(head - len(numbers) + 1, head + 1))
            if outcome.data.recovered:
                assert since is not None
                assert len(numbers) == head - since

    def looked_up(self, room: str) -> dict[str, Any]:
        """What history answers to a `Lookup`."""
        trip = self.trips.get(room.removeprefix("trip_"))
        backlog = tuple(self.rooms.get(room, [])[-100:])
        return {"backlog": backlog, "archived": trip}

    def leave(self, by: User, tab: int, number: int) -> None:
        room, session = self.room(number), self.session(by, tab)
        envelope = self.world.envelope(by)
        self.do(LeaveRoom(room=room, session=session, gateway="g", **envelope))
        self.seats.get(session, set()).discard((room, by.id))

    def hang_up(self, by: User, tab: int) -> None:
        session = self.session(by, tab)
        self.do(EndSession(session=session, gateway="g", **self.world.envelope(by)))
        self.seats.pop(session, None)
        self.hung_up += 1
        self.sessions[by.id, tab] = f"{by.id}/{tab}/{self.hung_up}"

    def session(self, by: User, tab: int) -> str:
        """The session of a tab; a tab that comes back has another."""
        return self.sessions.get((by.id, tab), f"{by.id}/{tab}")

    def say(self, by: User, number: int, key: str | None, *, outside: bool) -> None:
        room = self.room(number)
        envelope = self.world.envelope(by)
        more: dict[str, Any] = {
            "room": room,
            "text": "hi",
            "key": key,
            "outside": outside,
            "sought": False,
        }
        outcome = self.do(SendMessage(**more, **envelope))
        if isinstance(outcome, Lookup) and outcome.key:
            at_ms, made = self.keys.get((by.id, str(key)), (0, None))
            more |= {"sought": True}
            more |= {"made": made if at_ms > outcome.since_ms else None}
            outcome = self.do(SendMessage(**more, **envelope))
        if isinstance(outcome, Lookup):
            found = self.looked_up(room)
            if outcome.trip and found["archived"] is None:
                return  # the gateway says that there is no such trip
            outcome = self.do(SendMessage(**more, **found, **envelope))
            assert not isinstance(outcome, Lookup)

    def pass_time(self, seconds: int, *, beats: bool) -> None:
        """Sweeps, with or without the gateway's heartbeat."""
        for _ in range(seconds):
            self.mono_ms += 1_000
            if beats:
                self.world.engine.hear(Presence("g"), self.mono_ms)
            self.world.engine.sweep(self.mono_ms)
        self.settle()

    def announce(self) -> None:
        here = tuple(
            Attendance(session, PEOPLE[user], room)
            for session, seats in self.seats.items()
            for room, user in sorted(seats)
        )
        news = Presence("g", full=True, here=here)
        self.world.engine.hear(news, self.mono_ms)
        self.settle()

    def settle(self) -> None:
        count = len(self.world.records)
        self.happened(self.world.settle())
        if len(self.world.records) > count:
            self.follow()

    def jump(self, ms: int) -> None:
        self.world.now_ms += ms

    def expire(self) -> None:
        self.happened(self.world.expire())
        self.follow()

    def snapshot(self) -> None:
        self.payload = self.world.engine.snapshot()

    def take_over(self) -> None:
        self.world.engine, self.standby = self.standby, self.world.engine
        self.world.engine.lead(self.mono_ms)

    def step(self, random: Random) -> None:
        """One of the above, as the dice have it."""
        by, back = random.choice(EVERYBODY), random.randrange(3)
        driver_verb = random.choice(DRIVER_VERBS)
        tab, number = random.randrange(2), random.randrange(3)
        steps: list[tuple[int, Callable[[], None]]] = [
            (20, lambda: self.request(random.choice(RIDERS), random.choice(KEYS))),
            (10, lambda: self.ask(by, random.choice(list(VERBS)), back)),
            (25, lambda: self.ask(random.choice(DRIVERS), "accept", back)),
            (25, lambda: self.drive_on(driver_verb)),
            (5, lambda: self.come_or_go(by, random.random() < 0.5)),
            (10, lambda: self.jump(random.randint(-500, 1_000))),
            (1, lambda: self.jump(random.randint(0, 7_000))),
            (5, self.expire),
            (1, self.snapshot),
            (3, self.take_over),
            (10, lambda: self.join(by, tab, number, random.choice((None, 0, 3)))),
            (5, lambda: self.leave(by, tab, number)),
            (3, lambda: self.hang_up(by, tab)),
            (20, lambda: self.say(by, number, random.choice(KEYS), outside=back > 0)),
            (5, lambda: self.pass_time(random.randrange(6), beats=back > 0)),
            (3, self.announce),
        ]
        weights = [weight for weight, _ in steps]
        random.choices(steps, weights)[0][1]()

    # ---- what must hold ------------------------------------------------------

    def do(self, command: AnyCommand) -> Outcome:
        engine = self.world.engine
        engine.advance(self.world.now_ms)
        before = self.frozen()
        outcome = self.world.decide(command)
        assert self.frozen() == before
        known = len(self.world.records)
        assert self.world.do(command) == outcome
        if isinstance(outcome, Decided):
            assert tuple(self.world.records[known].events) == outcome.events
        else:
            assert self.frozen() == before
        for record in self.world.records[known:]:
            self.happened(tuple(record.events))
            self.standby.apply_record(record)
        return outcome

    def frozen(self) -> bytes:
        """All that a snapshot holds, in one go: parting it into lines takes longer than
        all the commands of a shift.
        """
        return _WHOLE.encode(self.world.engine.freeze())

    def follow(self) -> None:
        self.standby.apply_record(self.world.records[-1])

    def happened(self, events: tuple[Event, ...]) -> None:
        for event in events:
            assert event.seq > self.seq
            self.seq = event.seq
            if not isinstance(event, TripEvent):
                self.happened_in_a_room(event)
                continue
            before = self.trips.get(event.trip.id)
            assert event.trip.version == (before.version if before else 0) + 1
            assert event.trip.status in NEXT[before.status if before else ""]
            assert set(event.trip.participants()) <= set(event.audience)
            assert len(set(event.audience)) == len(event.audience)
            if before is not None:
                assert set(before.participants()) <= set(event.audience)
            entry = feed_entry(event)
            if entry is not None:
                self.feed += 1
                assert entry.n == self.feed
            self.trips[event.trip.id] = event.trip
            if event.key is not None:
                mine = (event.by, event.key)
                made_ms = self.trip_keys.get(mine, (-(10**9), ""))[0]
                assert event.at_ms - made_ms >= LIMITS.key_ms
                self.trip_keys[mine] = (event.at_ms, event.trip.id)

    def happened_in_a_room(self, event: Event) -> None:
        if isinstance(event, MemberEvent):
            seat = (event.room, event.user.id)
            assert event.joined == (seat not in self.members)
            self.members ^= {seat}
        elif isinstance(event, MessageEvent):
            message = event.message
            said = self.rooms.setdefault(message.room, [])
            assert message.seq == len(said) + 1
            said.append(message)
            if event.key is not None:
                made = (message.sender.id, event.key)
                before_ms = self.keys.get(made, (-(10**9), ""))[0]
                assert event.at_ms - before_ms >= LIMITS.key_ms
                self.keys[made] = (event.at_ms, message)

    def check(self) -> None:
        active = [t for t in self.trips.values() if t.status not in TERMINAL]
        riding = [trip.rider.id for trip in active]
        driving = [trip.driver.id for trip in active if trip.driver is not None]
        assert len(set(riding)) == len(riding)
        assert len(set(driving)) == len(driving)
        assert self.world.engine.active_trips == len(active)
        assert +Counter(self.world.engine.trips) == Counter(t.status for t in active)
        rooms = {room for room, _ in self.members}
        assert self.world.engine.rooms[:2] == (len(rooms), len(self.members))
        assert self.world.engine.rooms[2] <= LIMITS.messages_max
        for trip in active:
            assert (trip.driver is not None) == (trip.status in DRIVING)
            if trip.driver is not None:
                held = self.world.engine.driving(trip.driver.id)
                assert encode(held) == encode(trip)

    def end(self) -> None:
        """Members are those with a session; leader, standby and a restart from the
        last snapshot show the same.
        """
        self.announce()
        self.world.now_ms += 5_000  # who left too often is gone by now
        self.pass_time(5, beats=True)
        self.announce()
        open_seats = {
            seat
            for seats in self.seats.values()
            for seat in seats
            if not seat[0].startswith("trip_")
        }
        assert {s for s in self.members if not s[0].startswith("trip_")} == open_seats
        records = self.world.records
        stamp_ms = max(self.standby.stamp_ms, self.world.engine.stamp_ms)
        restarted = restart(self.payload, records, LIMITS)
        for engine in (self.standby, self.world.engine, restarted):
            engine.advance(stamp_ms)
            assert engine.trips == self.world.engine.trips
        expected = shows(self.world.engine, records[-60:])
        assert shows(self.standby, records[-60:]) == expected
        assert shows(restarted, records[-60:]) == expected
