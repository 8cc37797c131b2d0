"""Rooms over a real NATS: what gateways send, and what they are sent back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from runtime.bus import Bus
from schemas import codec, subjects
from schemas.commands import JoinRoom, SendMessage
from schemas.events import record_of
from schemas.frame_shapes import Joined
from schemas.rooms import (
    Attendance,
    MemberPush,
    MessageData,
    MessagePush,
    Presence,
    RoomPush,
)
from schemas.trips import Person, Role, User
from tests.contract.dispatcher.desk import (
    DORA,
    RITA,
    Book,
    Gateway,
    InProcess,
    Process,
    command,
)
from tests.support.waiting import until

RON = User("ron", "ron", "Ron", "Rider", Role.RIDER)
Start = Callable[..., Process]


class Chats(Gateway):
    """A gateway with a name, whose users chat; it beats until it dies."""

    def __init__(self, bus: Bus, name: str) -> None:
        super().__init__(bus, name)
        self.name = name
        self.here: list[Attendance] = []
        self._beating = asyncio.create_task(self._beat())
        self.hear("room.main.*", RoomPush)

    async def _beat(self) -> None:
        while True:
            self._tell(Presence(self.name))
            await asyncio.sleep(0.5)

    def announce(self) -> None:
        self._tell(Presence(self.name, full=True, here=tuple(self.here)))

    def _tell(self, news: Presence) -> None:
        self.bus.send(subjects.presence(self.region), codec.encode(news))

    def die(self) -> None:
        self._beating.cancel()

    def session(self, by: User) -> str:
        return f"{by.id}-{self.name}"

    async def join(self, by: User, room: str, since: int | None = None) -> Joined:
        session = self.session(by)
        envelope = {"room": room, "session": session, "gateway": self.name}
        answer = await self.ask(command(JoinRoom, by, since=since, **envelope))
        assert answer.data is not None, answer
        self.here.append(Attendance(session, by.person(), room))
        return codec.decode(answer.data, Joined)

    def message(self, by: User, room: str, text: str, **more: object) -> SendMessage:
        return command(SendMessage, by, room=room, text=text, **more)

    async def say(self, by: User, room: str, text: str, **more: object) -> MessageData:
        answer = await self.ask(self.message(by, room, text, **more))
        assert answer.data is not None, answer
        return codec.decode(answer.data, MessageData)

    def seen(self) -> list[tuple[int, str]]:
        """The room's messages, (number, text), as they came."""
        pushes = [push for _, push in self.log if isinstance(push, MessagePush)]
        read = [codec.decode(push.message, MessageData) for push in pushes]
        return [(message.seq, message.text) for message in read]

    def moves(self) -> list[tuple[str, str, bool]]:
        return [
            (push.room, codec.decode(push.user, Person).id, push.joined)
            for _, push in self.log
            if isinstance(push, MemberPush)
        ]


@pytest.fixture
async def chats(bus: Bus) -> AsyncIterator[tuple[Chats, Chats]]:
    """Two gateways."""
    pair = (Chats(bus, "one"), Chats(bus, "two"))
    for gateway in pair:
        await gateway.ready()
    yield pair
    for gateway in pair:
        gateway.die()


async def test_members_of_two_gateways_see_one_order_and_answers_come_last(
    chats: tuple[Chats, Chats], dispatcher: InProcess
) -> None:
    one, two = chats
    await one.join(RITA, "lobby")
    joined = await two.join(RON, "lobby")
    assert [person.id for person in joined.members] == ["rita", "ron"]
    sent = [
        (gateway, gateway.message(by, "lobby", f"{by.id} {n}"))
        for n in range(20)
        for gateway, by in ((one, RITA), (two, RON))
    ]
    for gateway, message in sent:
        gateway.send(message)
    await until(lambda: all(g.answer_to(m) for g, m in sent), "40 answers")
    assert one.seen() == two.seen()
    assert [number for number, _ in one.seen()] == list(range(1, 41))
    for gateway, message in sent:
        answer = gateway.answer_to(message)
        assert answer is not None
        assert answer.data is not None
        number = codec.decode(answer.data, MessageData).seq
        pushed = next(
            at
            for at, (_, push) in enumerate(gateway.log)
            if isinstance(push, MessagePush)
            and codec.decode(push.message, MessageData).seq == number
        )
        assert pushed < gateway.log.index((gateway.reply, answer))


async def test_a_message_is_published_once_on_its_rooms_subject_and_on_no_other(
    chats: tuple[Chats, Chats], dispatcher: InProcess, book: Book
) -> None:
    one, _ = chats
    one.hear("user.>", object)
    one.hear("trip.>", object)
    one.hear("drivers.>", object)
    message = await one.say(RITA, "lobby", "hi", outside=True)
    pushes = [(at, push) for at, push in one.log if at != one.reply]
    assert [at for at, _ in pushes] == ["room.main.lobby"]
    record = await book.record(record_of(pushes[0][1].seq)[0])
    assert codec.encode(record.events[0].message) == codec.encode(message)  # type: ignore[union-attr]


async def test_who_was_on_a_killed_gateway_leaves_within_seconds(
    chats: tuple[Chats, Chats], dispatcher: InProcess
) -> None:
    one, two = chats
    await one.join(RITA, "lobby")
    await two.join(RON, "lobby")
    two.die()
    await until(lambda: ("lobby", "ron", False) in one.moves(), "ron's leaving")
    assert [p.id for p in (await one.join(DORA, "lobby")).members] == ["rita", "dora"]


async def test_an_unreadable_heartbeat_hurts_nobody(
    chats: tuple[Chats, Chats], dispatcher: InProcess, bus: Bus
) -> None:
    one, _ = chats
    bus.send(subjects.presence("main"), b'{"gateway": 7}')
    assert (await one.join(RITA, "lobby")).members == [RITA.person()]
    assert not dispatcher.service.stopping.is_set()


async def test_a_take_over_keeps_messages_members_and_what_was_decided(
    chats: tuple[Chats, Chats], start: Start
) -> None:
    one, two = chats
    first = start()
    epoch = (await one.leader()).epoch
    standby = start()
    await standby.stands_by()
    await one.join(RITA, "lobby")
    await two.join(RON, "lobby")
    await two.join(DORA, "lobby")
    said = one.message(RITA, "lobby", "before", key="k")
    answer = await one.ask(said)
    first.signal(signal.SIGKILL)
    await one.leader(after=epoch)
    two.here = [seat for seat in two.here if seat.user.id == "ron"]
    one.announce()
    two.announce()
    retry = await one.ask(msgspec.structs.replace(said, attempt=2))
    assert codec.encode(retry.data) == codec.encode(answer.data)
    keyed = await one.say(RITA, "lobby", "another", key="k")
    assert (keyed.seq, keyed.text) == (1, "before")
    assert (await two.say(RON, "lobby", "after")).seq == 2
    await until(lambda: ("lobby", "dora", False) in one.moves(), "dora's leaving")
    joined = await one.join(RITA, "lobby", since=0)
    assert [person.id for person in joined.members] == ["rita", "ron"]
    assert (len(joined.history), joined.recovered) == (2, True)
    assert len([m for m in one.moves() if not m[2]]) == 1
