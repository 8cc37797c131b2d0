"""Who says two things hears them in that order, though the first waits for history."""

from typing import Any

import msgspec
import pytest

from dispatcher.engine import overtaking
from dispatcher.engine.batch import Batcher, Writer
from dispatcher.engine.engine import Engine
from schemas.commands import Answer, JoinRoom, SendMessage
from schemas.rooms import MessageEvent
from schemas.trips import User
from tests.unit.dispatcher.engine.world import LIMITS, NOON_MS, RITA, RON

KEYS_MAX = 2
ROOM = "a"


class Desk:
    """A leader that holds two keys of a user, so that any other is history's to know;
    RITA and RON are in the room, and RITA has used three.
    """

    def __init__(self) -> None:
        limits = msgspec.structs.replace(LIMITS, message_keys_per_user_max=KEYS_MAX)
        self.engine = Engine("main", limits)
        self.batcher = Batcher(self.engine, Writer("ledger", 1, "me"), 1)
        self.texts: list[str] = []
        for number, by in enumerate((RITA, RON)):
            place = {"room": ROOM, "session": f"s{number}", "gateway": "g"}
            head: Any = {"id": f"join{number}", "by": by, "deadline_ms": NOON_MS}
            self.batcher.take("reply.g.main", JoinRoom(**place, **head), NOON_MS)
        for number in range(KEYS_MAX + 1):
            self.say(f"before{number}", key=f"k{number}", sought=True)
        self.texts.clear()

    def say(
        self, text: str, by: User = RITA, at_ms: int = 0, attempt: int = 1, **more: Any
    ) -> Answer:
        """Its answer; the text is its id, too."""
        head: Any = {"id": text, "by": by, "attempt": attempt, "room": ROOM}
        deadline_ms = NOON_MS + 10_000 + at_ms
        command = SendMessage(text=text, deadline_ms=deadline_ms, **head, **more)
        self.batcher.take("reply.g.main", command, NOON_MS + at_ms)
        batch = self.batcher.close()
        self.batcher.delivered(batch)
        for event in batch.events:
            if isinstance(event, MessageEvent):
                self.texts.append(event.message.text)
        return batch.entries[-1].answer


def test_what_follows_a_message_that_waits_for_history_waits_behind_it() -> None:
    desk = Desk()
    asked = desk.say("first", key="new", sought=False).lookup
    assert asked is not None
    assert asked.key
    for text in ("second", "third"):
        behind = desk.say(text).lookup
        assert behind is not None
        assert (behind.trip, behind.room, behind.key) == ("", "", False)
    assert desk.texts == []
    desk.say("first", key="new", sought=True, attempt=2)
    for text in ("second", "third"):
        assert desk.say(text, attempt=2).data is not None
    assert desk.texts == ["first", "second", "third"]


def test_others_messages_and_those_of_the_server_side_wait_for_nobody() -> None:
    desk = Desk()
    assert desk.say("hers", key="new", sought=False).lookup is not None
    assert desk.say("his", RON).data is not None
    assert desk.say("outside", outside=True).data is not None


def test_a_message_is_sent_back_once() -> None:
    desk = Desk()
    assert desk.say("first", key="new", sought=False).lookup is not None
    assert desk.say("second").lookup is not None
    assert desk.say("second", attempt=2).data is not None


@pytest.mark.parametrize("later_ms", [10_001, 60_000])
def test_nobody_waits_for_what_its_gateway_gave_up(later_ms: int) -> None:
    desk = Desk()
    assert desk.say("first", key="new", sought=False).lookup is not None
    assert desk.say("second", at_ms=10_000).lookup is not None
    assert desk.say("third", at_ms=later_ms).data is not None


def test_a_refused_one_holds_nobody_up() -> None:
    desk = Desk()
    assert desk.say("first", key="new", sought=False).lookup is not None
    members = desk.engine._state.rooms.members[ROOM]
    rita = members.pop(RITA.id)
    assert desk.say("first", key="new", sought=True, attempt=2).refused is not None
    members[RITA.id] = rita
    assert desk.say("second").data is not None


def test_those_who_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overtaking, "LINES_MAX", 3)
    waiting = overtaking.Overtaking()

    def said(number: int, text: str) -> SendMessage:
        by = msgspec.structs.replace(RITA, id=f"u{number}")
        return SendMessage(id=text, deadline_ms=0, by=by, room=ROOM, text=text)

    for number in range(4):
        waiting.asks(said(number, f"first{number}"))
    assert [waiting.holds(said(number, "second")) for number in range(4)] == [
        False,
        True,
        True,
        True,
    ]
