"""Room commands on their way into a record: all of a decision, or nothing."""

from typing import Any

import pytest

from dispatcher.batch import Batch, Batcher, Writer
from dispatcher.engine import Engine
from schemas.commands import EndSession, JoinRoom, SendMessage
from schemas.ledger import Record
from schemas.refusals import Code
from schemas.rooms import Attendance, MemberEvent, MessageEvent, Presence
from schemas.trips import User
from tests.unit.dispatcher.world import LIMITS, NOON_MS, RITA, RON

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


def test_a_decision_of_many_events_goes_whole_into_the_next_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.batch.EVENTS_PER_RECORD_MAX", 4)
    desk = Desk()
    for room in ("a", "b", "c"):
        assert desk.join(RITA, room)
    assert not desk.end(RITA)
    assert desk.engine.rooms == (3, 3, 0)
    assert len(desk.close().events) == 3
    assert desk.end(RITA)
    events = desk.close().events
    assert [event.seq for event in events] == [2 * 4096, 2 * 4096 + 1, 2 * 4096 + 2]
    assert desk.engine.rooms == (0, 0, 0)


def test_a_join_whose_answer_is_too_large_joins_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.batch.ANSWER_BYTES_MAX", 50)
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
