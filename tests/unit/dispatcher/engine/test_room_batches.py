"""Room commands on their way into a record: all of a decision, or nothing."""

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.engine import decide_rooms
from dispatcher.engine.batch import ANSWER_BYTES_MAX, Batch, Batcher
from dispatcher.engine.engine import Engine
from dispatcher.engine.limits import MEMBERS_MAX, ROOMS_PER_SESSION_MAX
from schemas.budget import MESSAGE_BYTES_MAX
from schemas.codec import decode, encode
from schemas.commands import (
    EndSession,
    JoinRoom,
    RequestTrip,
    SendMessage,
    SyncData,
    SyncUser,
)
from schemas.frame_shapes import Joined
from schemas.frames import OPEN_TRIPS_BYTES_MAX, OPEN_TRIPS_MAX
from schemas.ledger import Record, Writer
from schemas.refusals import Code
from schemas.rooms import (
    MEMBERS_SHOWN_BYTES_MAX,
    MEMBERS_SHOWN_MAX,
    Attendance,
    MemberEvent,
    MessageEvent,
    Presence,
    of_trip,
)
from schemas.trips import OpenTrip, Role, User
from tests.unit.dispatcher.engine.world import LIMITS, NOON_MS, RITA, RON, World

HEAD = {"deadline_ms": NOON_MS + 10_000}


class Desk:
    def __init__(self) -> None:
        self.engine = Engine("main", LIMITS)
        self.batcher = Batcher(self.engine, Writer("ledger", 1, "me"), 1)
        self.asked = 0

    def head(self, by: User) -> dict[str, Any]:
        self.asked += 1
        return {"id": f"{self.asked:032x}", "by": by, **HEAD}

    def join(self, by: User, room: str) -> bool:
        more: dict[str, Any] = {"room": room, "session": f"s-{by.id}", "gateway": "g"}
        command = JoinRoom(**more, **self.head(by))
        return self.batcher.take("reply.g.main", command, NOON_MS)

    def end(self, by: User) -> bool:
        command = EndSession(session=f"s-{by.id}", gateway="g", **self.head(by))
        return self.batcher.take("reply.g.main", command, NOON_MS)

    def close(self) -> Batch:
        batch = self.batcher.close()
        self.batcher.delivered(batch)
        return batch


def test_a_session_s_end_takes_as_many_records_as_its_events_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.engine.batch.EVENTS_PER_RECORD_MAX", 4)
    desk = Desk()
    for room in ("a", "b", "c"):
        assert desk.join(RITA, room)
    assert desk.end(RITA)
    assert len(desk.close().events) == 4
    desk.batcher.expire(NOON_MS)
    events = desk.close().events
    assert [event.seq for event in events] == [2 * 4096, 2 * 4096 + 1]
    assert desk.engine.rooms == (0, 0, 0)
    desk.batcher.expire(NOON_MS)
    assert desk.batcher.empty


def test_a_session_in_all_its_rooms_with_the_longest_names_ends() -> None:
    desk = Desk()
    named = replace(RITA, first_name="\x01" * 150, last_name="\x01" * 150)
    for number in range(ROOMS_PER_SESSION_MAX):
        room = f"{number:064}"
        if not desk.join(named, room):
            desk.close()
            assert desk.join(named, room)
    desk.close()
    assert desk.end(named)
    batches = [desk.close()]
    answer = batches[0].entries[0].answer
    assert answer.refused is None
    while desk.engine.unsettled():
        desk.batcher.expire(NOON_MS)
        batches.append(desk.close())
    assert sum(len(batch.events) for batch in batches) == ROOMS_PER_SESSION_MAX
    assert all(len(batch.payload) <= MESSAGE_BYTES_MAX for batch in batches)
    assert desk.engine.rooms == (0, 0, 0)


def test_a_session_in_as_many_rooms_as_it_may_be_joins_them_again() -> None:
    """As its gateway does after a gap."""
    desk = Desk()
    for number in range(ROOMS_PER_SESSION_MAX):
        desk.join(RITA, f"room-{number}")
    desk.join(RITA, "room-0")
    desk.join(RITA, "one-more")
    *_, again, more = [entry.answer for entry in desk.close().entries]
    assert again.refused is None
    assert more.refused is not None
    assert more.refused.code is Code.OVERLOADED


def test_a_room_of_the_longest_names_is_joined_and_told_in_part() -> None:
    """Of 2,000 members with names of 450 bytes over 850 KB."""
    desk = Desk()
    for number in range(MEMBERS_MAX):
        name = "Ж" * 150
        member = User(f"u{number}", f"u{number}", name, name, Role.RIDER)
        if not desk.join(member, "lobby"):
            desk.close()
            assert desk.join(member, "lobby")
    answer = desk.close().entries[-1].answer
    assert answer.data is not None
    data = decode(answer.data, Joined)
    assert data.members_total == MEMBERS_MAX
    assert data.members[0].id == "u0"
    assert 300 < len(data.members) <= MEMBERS_SHOWN_MAX
    sizes = [len(encode(member)) + 1 for member in data.members]
    assert sum(sizes) <= MEMBERS_SHOWN_BYTES_MAX < sum(sizes) + max(sizes)
    assert len(answer.data) < ANSWER_BYTES_MAX


def test_a_join_says_what_it_contains() -> None:
    desk = Desk()
    desk.join(RITA, "lobby")
    desk.join(RON, "lobby")
    first, second = desk.close().entries
    assert (first.answer.seq, second.answer.seq) == (4096, 4097)


def test_a_join_whose_answer_is_too_large_joins_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.engine.batch.ANSWER_BYTES_MAX", 50)
    desk = Desk()
    assert desk.join(RITA, "lobby")
    batch = desk.close()
    refused = batch.entries[0].answer.refused
    assert refused is not None
    assert refused.code is Code.UNAVAILABLE
    assert (batch.events, desk.engine.rooms) == ([], (0, 0, 0))
    assert not desk.engine.unsettled()


def test_who_is_gone_opens_a_batch_and_who_stays_does_not() -> None:
    desk = Desk()
    desk.engine.lead(0)
    desk.join(RITA, "lobby")
    desk.join(RON, "lobby")
    desk.close()
    desk.batcher.expire(NOON_MS)
    assert desk.batcher.empty
    for second in range(1, 4):
        desk.engine.sweep(second * 1_000)
    seat = Attendance("s-rider-ron", RON.person(), "lobby")
    desk.engine.hear(Presence("g", full=True, here=(seat,)), 3_000)
    desk.batcher.expire(NOON_MS)
    assert not desk.batcher.empty
    (event,) = desk.close().events
    assert isinstance(event, MemberEvent)
    assert (event.user.id, event.joined, event.command) == (RITA.id, False, "")
    desk.batcher.expire(NOON_MS)
    assert desk.batcher.empty


def test_what_two_commands_of_one_batch_say_follows_each_other() -> None:
    desk = Desk()
    desk.join(RITA, "lobby")
    for text in ("one", "two"):
        command = SendMessage(room="lobby", text=text, **desk.head(RITA))
        desk.batcher.take("reply.g.main", command, NOON_MS)
    batch = desk.close()
    assert [entry.answer.refused for entry in batch.entries] == [None] * 3
    said = [e.message for e in batch.events if isinstance(e, MessageEvent)]
    assert [(m.seq, m.text) for m in said] == [(1, "one"), (2, "two")]
    standby = Engine("main", LIMITS)
    record = Record(1, "ledger", 1, 1, "me", batch.stamp_ms, batch.events)
    standby.apply_record(record)
    assert standby.snapshot() == desk.engine.snapshot()


def test_a_message_of_the_longest_text_fits_a_record() -> None:
    desk = Desk()
    for _ in range(3):
        command = SendMessage(
            room="lobby", text="𝄞" * 4_000, outside=True, **desk.head(RITA)
        )
        assert desk.batcher.take("reply.g.main", command, NOON_MS)
    batch = desk.close()
    assert len(batch.events) == 3
    assert len(batch.payload) < 512 * 1024


def test_open_trips_of_the_longest_words_fit_a_welcome() -> None:
    """100 of them had 0.4 MB, and in a welcome with what was missed more than NATS
    takes.
    """
    desk = Desk()
    words = "\x01" * 255
    for number in range(OPEN_TRIPS_MAX):
        rider = User(f"r{number}", "r", words[:150], words[:150], Role.RIDER)
        command = RequestTrip(
            pick_up_address=words, drop_off_address=words, **desk.head(rider)
        )
        if not desk.batcher.take("reply.g.main", command, NOON_MS):
            desk.close()
            assert desk.batcher.take("reply.g.main", command, NOON_MS)
    desk.close()
    driver = User("d", "d", "D", "D", Role.DRIVER)
    desk.batcher.take("reply.g.main", SyncUser(**desk.head(driver)), NOON_MS)
    answer = desk.close().entries[-1].answer
    assert answer.data is not None
    data = decode(answer.data, SyncData)
    trips = decode(data.open_trips, list[OpenTrip])
    assert trips[0].rider.id == f"r{OPEN_TRIPS_MAX - 1}"
    assert len(trips) > 30
    assert len(data.open_trips) <= OPEN_TRIPS_BYTES_MAX + 2


@pytest.mark.parametrize("short", [0, 1])
def test_members_are_shown_to_the_last_byte_that_they_may_have(
    monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    people = [RITA.person(), RON.person()]
    size = sum(len(encode(person)) + 1 for person in people)
    module = "dispatcher.engine.decide_rooms"
    monkeypatch.setattr(f"{module}.MEMBERS_SHOWN_BYTES_MAX", size - short)
    assert len(decide_rooms._shown(people)) == 2 - short


@pytest.mark.parametrize("short", [0, 1])
def test_a_history_is_shown_to_the_last_byte_that_it_may_have(
    monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    world = World()
    size = sum(len(encode(world.said(RITA, "lobby"))) for _ in range(3))
    module = "dispatcher.engine.decide_rooms"
    monkeypatch.setattr(f"{module}.HISTORY_BYTES_MAX", size - short)
    assert len(world.look("lobby").history) == 3 - short


def test_a_room_comes_to_be_with_its_first_message_if_it_is_no_trip_s() -> None:
    world = World()
    trip = world.driving("accept")

    def makes(room: str) -> bool:
        world.said(RITA, room)
        return decide_rooms.makes_room(world.records[-1].events)

    assert makes("lobby")
    assert not makes("lobby")
    assert not makes(of_trip(trip.id))
    world.join(RITA, "other")
    assert not decide_rooms.makes_room(world.records[-1].events)
