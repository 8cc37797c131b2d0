"""A leader's place on NATS. It has no rules: what is answered and pushed a test says,
also what no leader of ours could be made to; or EngineLeader does.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from runtime import bus
from schemas import codec, commands, subjects
from schemas.commands import Announcement, Answer, Answers, AnyCommand, SyncData
from schemas.events import DriverPush, FeedEntry, Moved, TripPush
from schemas.refusals import Code, Refusal

REGION = "main"
EPOCH = 7
Decide = Callable[[AnyCommand], Answer | None]


def raw(value: Any) -> Raw:
    return Raw(codec.encode(value))


def trip(number: int, version: int = 1, status: str = "REQUESTED") -> dict[str, Any]:
    """A trip's JSON, as much of it as a gateway looks at and one field more."""
    trip_id = f"0192f0c4-0000-7000-8000-{number:012d}"
    return {"id": trip_id, "version": version, "status": status, "note": "as sent"}


class ScriptedLeader:
    """Answers syncs with `state`, other commands by `decide`; records them all. Decides
    nothing: whatever depends on what was before is EngineLeader's, or a whole system's.
    """

    def __init__(self, connection: bus.Bus) -> None:
        self.bus = connection
        self.commands: list[AnyCommand] = []
        self.batches = 0
        self.fixes: list[commands.Fix] = []
        self.state = SyncData(
            seq=100,
            feed=5,
            trips=raw([]),
            open_trips=raw([]),
            recovered=False,
            events=[],
            online=True,
        )
        self.decide: Decide = agree
        self.on_sync: Callable[[commands.SyncUser], SyncData | None] = lambda _: (
            self.state
        )
        self.on_feed: Callable[[commands.SyncFeed], Any] = lambda _: None
        self.bases: list[commands.SyncFeed] = []
        """Questions about what is open, apart from those about the feed."""
        self.on_base: Callable[[commands.SyncFeed], Any] = lambda _: commands.FeedData(
            5, [], complete=True
        )
        self.held: list[tuple[str, Answer]] = []
        self._subscriptions: list[bus.RawSubscription] = []

    async def listen(self) -> None:
        self._subscriptions = [
            self.bus.subscribe_raw(subjects.commands(REGION), self._received),
            self.bus.subscribe_raw(subjects.locations(REGION), self._located),
        ]
        await self.bus.flush()

    async def go_away(self) -> None:
        """From now on commands meet "no responders"."""
        for subscription in self._subscriptions:
            subscription.cancel()
        await self.bus.flush()

    def asked(self, kind: type) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]

    # ---- in ------------------------------------------------------------------

    def _received(
        self, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        self.batches += 1
        batch: list[AnyCommand] = codec.decode(payload, list[commands.AnyCommand])
        for command in batch:
            if isinstance(command, commands.SyncFeed) and command.open_trips:
                self.bases.append(command)
                data = self.on_base(command)
                if data is not None:
                    base = Answer(command.id, command.attempt, data=raw(data))
                    self.answer(reply.decode(), base)
                continue
            self.commands.append(command)
            answer = self._answer(command)
            if answer is not None:
                self.answer(reply.decode(), answer)

    def _answer(self, command: AnyCommand) -> Answer | None:
        if isinstance(command, commands.SyncUser):
            state = self.on_sync(command)
            if state is None:
                return None
            return Answer(command.id, command.attempt, data=raw(state))
        if isinstance(command, commands.SyncFeed):
            data = self.on_feed(command)
            return Answer(command.id, command.attempt, data=raw(data)) if data else None
        return self.decide(command)

    def _located(
        self, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        self.fixes.extend(codec.decode(payload, list[commands.Fix]))

    # ---- out -----------------------------------------------------------------

    def answer(self, reply: str, *answers: Answer) -> None:
        self.bus.send(reply, codec.encode(Answers(EPOCH, list(answers))))

    def answer_late(self, gateway: str, *answers: Answer) -> None:
        self.answer(subjects.replies(gateway, REGION), *answers)

    def push(self, user: str, seq: int, kind: str, data: dict[str, Any]) -> None:
        self.send_push(user, TripPush(seq, kind, raw(data)))

    def send_push(self, user: str, push: TripPush | DriverPush | Moved) -> None:
        self.bus.send(subjects.user(REGION, user), codec.encode(push))

    def feed(self, *entries: FeedEntry) -> None:
        self.bus.send(subjects.drivers(REGION), codec.encode(list(entries)))

    def announce(
        self,
        epoch: int = EPOCH,
        seq: int = 100,
        feed: int = 5,
        *,
        takes_parts: bool = False,
    ) -> None:
        """`takes_parts` false: as a leader of 0.1."""
        said = Announcement(REGION, epoch, "fake", seq, feed, takes_parts=takes_parts)
        self.bus.send(subjects.leader(REGION), codec.encode(said))


def agree(command: AnyCommand) -> Answer:
    """With what gateways read of an answer."""
    data: dict[str, Any] = {"ok": True}
    if isinstance(command, commands.JoinRoom):
        data = {"members": [], "history": [], "recovered": True}
    return Answer(command.id, command.attempt, data=raw(data))


def refuse(code: Code, message: str = "no") -> Decide:
    return lambda c: Answer(c.id, c.attempt, refused=Refusal(code, message))


def entry(
    n: int,
    seq: int,
    data: dict[str, Any],
    kind: Any = "trip.requested",
    exclude: tuple[str, ...] = (),
) -> FeedEntry:
    return FeedEntry(n, seq, kind, exclude, raw(data))


def encoded_event(seq: int, kind: str, data: dict[str, Any]) -> Raw:
    """As it lies in a ring: a `TripEvent` with fields gateways don't read."""
    event = {"kind": "trip", "seq": seq, "type": kind, "at_ms": 1, "trip": data}
    return raw({**event, "audience": ["x"]})


def with_state(leader: ScriptedLeader, **changes: Any) -> SyncData:
    leader.state = msgspec.structs.replace(leader.state, **changes)
    return leader.state
