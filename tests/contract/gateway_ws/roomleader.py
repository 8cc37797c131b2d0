"""The rooms' part of a leader as gateways see it (ARCHITECTURE.md): one order for each
room, members by session, history. No rules of trips; no patience of its own.
"""

from typing import Any

from msgspec import Raw

from schemas import codec, subjects
from schemas.commands import (
    Answer,
    AnyCommand,
    EndSession,
    JoinRoom,
    LeaveRoom,
    SendMessage,
)
from schemas.refusals import Code, Refusal
from schemas.rooms import MemberPush, MessageData, MessagePush, Presence
from schemas.trips import Person
from tests.contract.gateway_ws.leader import REGION, FakeLeader, raw

HISTORY_MAX = 100


class RoomLeader:
    """`forbidden` rooms refuse everybody; what is `lost` is decided and stored but
    never published.
    """

    def __init__(self, leader: FakeLeader) -> None:
        self.leader = leader
        self.seq = 1000
        self.messages: dict[str, list[MessageData]] = {}
        self.sessions: dict[str, dict[str, Person]] = {}
        self.presence: list[Presence] = []
        self.refusals: dict[str, Refusal] = {}
        self.lost = 0
        self.moves: list[MemberPush] = []
        self.forgets = False
        """Who came and went: as after a start from a snapshot."""
        leader.decide = self.decide

    async def listen(self) -> None:
        self.leader.bus.subscribe_raw(subjects.presence(REGION), self._heard)
        await self.leader.bus.flush()

    def _heard(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        news = codec.decode(payload, Presence)
        self.presence.append(news)
        for entry in news.here:
            self.sessions.setdefault(entry.room, {})[entry.session] = entry.user

    def decide(self, command: AnyCommand) -> Answer | None:
        data: Any = {"ok": True}
        if isinstance(command, JoinRoom | LeaveRoom | SendMessage):
            refusal = self.refusals.get(command.room)
            if refusal is not None:
                return Answer(command.id, command.attempt, refused=refusal)
        if isinstance(command, JoinRoom):
            data = self._join(command)
        elif isinstance(command, LeaveRoom):
            self.leave(command.room, command.session)
            data = {"room": command.room}
        elif isinstance(command, SendMessage):
            people = self.sessions.get(command.room, {}).values()
            if not command.outside and command.by.person() not in people:
                refusal = Refusal(Code.ROOM_FORBIDDEN, "not joined")
                return Answer(command.id, command.attempt, refused=refusal)
            data = self.say(command.room, command.text, command.by.person())
        elif isinstance(command, EndSession):
            for room in list(self.sessions):
                self.leave(room, command.session)
        return Answer(command.id, command.attempt, data=raw(data))

    def _join(self, command: JoinRoom) -> dict[str, Any]:
        room = command.room
        here = self.sessions.setdefault(room, {})
        known = self.messages.get(room, [])
        history = known[-HISTORY_MAX:]
        recovered = False
        if command.since is not None and command.since <= len(known):
            missed = known[command.since :]
            if recovered := len(missed) <= HISTORY_MAX:
                history = missed
        if command.session:
            person = command.by.person()
            is_new = person not in here.values()
            here[command.session] = person
            if is_new:
                self._member(room, person, joined=True)
        members = {person.id: person for person in here.values()}
        more: dict[str, Any] = {}
        if command.moved_since is not None:
            since = command.moved_since
            moved = [m for m in self.moves if m.room == room and m.seq > since]
            more = {"moved": None if self.forgets else moved}
        return more | {
            "room": room,
            "members": list(members.values()),
            "history": history,
            "recovered": recovered,
        }

    def enter(self, room: str, session: str, person: Person) -> None:
        """Somebody joins by another gateway."""
        self.sessions.setdefault(room, {})[session] = person
        self._member(room, person, joined=True)

    def leave(self, room: str, session: str) -> None:
        here = self.sessions.get(room, {})
        person = here.pop(session, None)
        if person is not None and person not in here.values():
            self._member(room, person, joined=False)

    def _member(self, room: str, person: Person, *, joined: bool) -> None:
        self.seq += 1
        self.moves.append(MemberPush(self.seq, room, raw(person), joined))
        self._publish(room, self.moves[-1])

    def say(self, room: str, text: str, sender: Person | None = None) -> MessageData:
        known = self.messages.setdefault(room, [])
        sender = sender or Person("server", "server", "", "")
        message = MessageData(
            room, len(known) + 1, f"m{self.seq}", sender, text, "2026-11-21T10:00:00Z"
        )
        known.append(message)
        self.seq += 1
        self._publish(room, MessagePush(self.seq, Raw(codec.encode(message))))
        return message

    def _publish(self, room: str, push: MessagePush | MemberPush) -> None:
        if self.lost:
            self.lost -= 1
            return
        self.leader.bus.send(subjects.room(REGION, room), codec.encode(push))
