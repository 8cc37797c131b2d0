"""A leader's own deciding and publishing, Engine, Batcher and Publisher, with no ledger
between them, and a line that loses what a test says. Commands come by ScriptedLeader.
"""

import asyncio
import secrets
import time
from typing import Any, TypeVar

from dispatcher.commit.publisher import Publisher
from dispatcher.engine.batch import Batch, Batcher, Writer
from dispatcher.engine.engine import Engine, Limits
from schemas import codec, subjects
from schemas.allowances import UNLIMITED
from schemas.codec import decode
from schemas.commands import (
    AcceptTrip,
    Answer,
    AnyCommand,
    FeedData,
    GetTrip,
    JoinRoom,
    LeaveRoom,
    ReleaseTrip,
    RequestTrip,
    SendMessage,
    SyncData,
)
from schemas.refusals import Code
from schemas.rooms import MessageData, Presence, of_trip
from schemas.trips import Person, Role, Trip, User
from tests.contract.gateway_ws.scripted_leader import (
    EPOCH,
    REGION,
    ScriptedLeader,
    refuse,
)
from tests.support.tokens import RIDER

T = TypeVar("T")
LIMITS = Limits(request_ttl_ms=300_000, users=UNLIMITED)
DRIVER = "0192f0c4-2222-7000-8000-000000000002"


def user(user_id: str, role: Role) -> User:
    return User(user_id, user_id, "", "", role)


class EngineLeader:
    """What is `lost` is decided and stored, but never published to its room."""

    def __init__(self, leader: ScriptedLeader) -> None:
        self.leader = leader
        self.lost = 0
        self.presence: list[Presence] = []
        self.last: Batch | None = None
        """The last record that holds events."""
        self._publisher = Publisher(self, REGION)  # type: ignore[arg-type]
        self._lead(Engine(REGION, LIMITS), 1)
        leader.decide = self.decide
        leader.on_sync = lambda command: self._read(command, SyncData)
        leader.on_feed = leader.on_base = lambda command: self._read(command, FeedData)

    def _lead(self, engine: Engine, n: int) -> None:
        self.engine = engine
        engine.lead(self._now_ms())
        self._batcher = Batcher(engine, Writer("ledger", EPOCH, "fake"), n)

    @staticmethod
    def _now_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    async def listen(self) -> None:
        self.leader.bus.subscribe_raw(subjects.presence(REGION), self._heard)
        await self.leader.bus.flush()

    def _heard(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        news = codec.decode(payload, Presence)
        self.presence.append(news)
        self.engine.hear(news, self._now_ms())
        self._batcher.expire(int(time.time() * 1000))
        self._store()

    # ---- records -------------------------------------------------------------

    def decide(self, command: AnyCommand) -> Answer:
        if isinstance(command, GetTrip):  # of a trip that never was: `Client.quiet`
            return refuse(Code.TRIP_NOT_FOUND)(command)  # as the history would have it
        assert self._batcher.take("reply", command, int(time.time() * 1000))
        (entry,) = self._store()
        return entry.answer

    def _store(self) -> list[Any]:
        if self._batcher.empty:
            return []
        batch = self._batcher.close()
        if batch.events:
            self.last = batch
            self.publish(batch)
        self._batcher.delivered(batch)
        return batch.entries

    def publish(self, batch: Batch) -> None:
        self._publisher.events(batch.events, batch.encoded)

    def send(self, subject: str, payload: bytes) -> bool:
        """What the publisher has for its bus."""
        if self.lost and subject.startswith("room."):
            self.lost -= 1
            return True
        return self.leader.bus.send(subject, payload)

    def take_over(self) -> None:
        """The next leader knows no session until gateways tell."""
        self._lead(self.engine, self._batcher.n)

    def restart(self) -> None:
        """From a snapshot, with nothing of the ledger before it."""
        engine = Engine.restore(self.engine.snapshot(), LIMITS)
        self._lead(engine, self._batcher.n)

    # ---- what a test does and sees ---------------------------------------------

    @property
    def seq(self) -> int:
        return self.engine.head_seq

    def sessions(self, room: str = "lobby") -> set[str]:
        attending = self.engine._presence._sessions
        return {name for name in attending if room in self._rooms_of(name)}

    def _rooms_of(self, session: str) -> set[str]:
        return set(self.engine._presence.rooms_of(session))

    def seated(self) -> dict[str, set[str]]:
        """Rooms of all sessions."""
        return {name: self._rooms_of(name) for name in self.engine._presence._sessions}

    def _do(self, kind: type, by: User, **fields: Any) -> Answer:
        head = {"id": secrets.token_hex(16), "deadline_ms": 0, "by": by}
        return self.decide(kind(**head, **fields))

    def _read(self, command: AnyCommand, shape: type[T]) -> T:
        answer = self.decide(command)
        assert answer.data is not None, answer
        return decode(answer.data, shape)

    def say(self, room: str, text: str) -> MessageData:
        """A message of the server's."""
        by = user("server", Role.OPERATOR)
        answer = self._do(SendMessage, by, room=room, text=text, outside=True)
        assert answer.data is not None, answer
        return decode(answer.data, MessageData)

    def enter(self, room: str, person: Person, role: Role = Role.RIDER) -> None:
        """Somebody joins by another gateway, with a session of their id."""
        by = user(person.id, role)
        self._do(JoinRoom, by, room=room, session=person.id, gateway="elsewhere")

    def leave(self, room: str, session: str, person: str) -> None:
        self._do(LeaveRoom, user(person, Role.RIDER), room=room, session=session)

    def request(self) -> str:
        """A trip of RIDER's; its room."""
        fields = {"pick_up_address": "A", "drop_off_address": "B"}
        answer = self._do(RequestTrip, user(RIDER, Role.RIDER), **fields)
        assert answer.data is not None, answer
        self._trip = decode(answer.data, Trip).id
        return of_trip(self._trip)

    def drive(self, *kinds: type, by: str = DRIVER) -> None:
        """DRIVER's moves of that trip, one after another."""
        for kind in kinds:
            answer = self._do(kind, user(by, Role.DRIVER), trip=self._trip)
            assert answer.refused is None, answer

    def accept(self) -> None:
        self.drive(AcceptTrip)

    def release(self) -> None:
        self.drive(ReleaseTrip)
