"""Who says two things hears them in that order, and who asks for two trips is answered
so, though the first waits for history.
"""

from typing import Any

import msgspec
import pytest

from dispatcher.engine import overtaking
from dispatcher.engine.batch import Batcher, Writer
from dispatcher.engine.engine import Engine
from schemas.codec import decode
from schemas.commands import (
    Answer,
    AnyCommand,
    AssignTrip,
    CancelTrip,
    JoinRoom,
    Lookup,
    RequestTrip,
    SendMessage,
)
from schemas.events import TripEvent
from schemas.rooms import MessageEvent
from schemas.trips import Trip, User
from tests.unit.dispatcher.engine.world import DORA, LIMITS, NOON_MS, OLGA, RITA, RON

KEYS_MAX = 2
ROOM = "a"


class Desk:
    """A leader that holds two keys of a user, so that any other is history's to know;
    RITA and RON are in the room, and RITA has used three.
    """

    def __init__(self) -> None:
        most = dict.fromkeys(
            ("message_keys_per_user_max", "keys_per_user_max"), KEYS_MAX
        )
        limits = msgspec.structs.replace(LIMITS, **most)
        self.engine = Engine("main", limits)
        self.batcher = Batcher(self.engine, Writer("ledger", 1, "me"), 1)
        self.texts: list[str] = []
        self.trips: list[tuple[str, str]] = []
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
        return self.take(command, at_ms)

    def take(self, command: AnyCommand, at_ms: int = 0) -> Answer:
        self.batcher.take("reply.g.main", command, NOON_MS + at_ms)
        batch = self.batcher.close()
        self.batcher.delivered(batch)
        for event in batch.events:
            if isinstance(event, MessageEvent):
                self.texts.append(event.message.text)
            elif isinstance(event, TripEvent):
                self.trips.append((event.type, event.command or ""))
        return batch.entries[-1].answer

    def request(
        self, name: str, by: User = RITA, attempt: int = 1, **more: Any
    ) -> Answer:
        """Its answer; the name is its id, too."""
        head: Any = {"id": name, "by": by, "attempt": attempt}
        places = {"pick_up_address": "A", "drop_off_address": "B"}
        deadline_ms = NOON_MS + 10_000
        return self.take(RequestTrip(deadline_ms=deadline_ms, **head, **places, **more))

    def cancel(self, trip: str, name: str, by: User = RITA, attempt: int = 1) -> Answer:
        head: Any = {"id": name, "by": by, "attempt": attempt}
        return self.take(CancelTrip(trip=trip, deadline_ms=NOON_MS + 10_000, **head))

    def use_keys(self, by: User = RITA) -> None:
        """More than are held."""
        for number in range(KEYS_MAX + 1):
            name = f"trip{number}"
            made = self.request(name, by, key=f"k{number}", sought=True)
            assert made.data is not None
            self.cancel(decode(made.data, Trip).id, f"end of {name}", by)
        self.trips.clear()


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
        waiting.asks(said(number, f"first{number}"), Lookup("", 0))
    assert [waiting.holds(said(number, "second")) for number in range(4)] == [
        False,
        True,
        True,
        True,
    ]


# ---- trips -------------------------------------------------------------------------


def is_sent_back(answer: Answer) -> bool:
    return answer.lookup == Lookup("", 0)


def test_of_two_requests_the_first_makes_the_trip_though_its_key_is_looked_up() -> None:
    desk = Desk()
    desk.use_keys()
    asked = desk.request("first", key="new", sought=False).lookup
    assert asked is not None
    assert asked.key
    assert is_sent_back(desk.request("second"))
    assert desk.request("third", key="newer", sought=False).lookup is not None
    assert desk.trips == []
    assert desk.request("first", key="new", sought=True, attempt=2).data is not None
    for name, more in (("second", {}), ("third", {"key": "newer", "sought": True})):
        refused = desk.request(name, attempt=2, **more).refused
        assert refused is not None
        assert refused.code == "rider_busy"
    assert desk.trips == [("trip.requested", "first")]


def test_of_two_looked_up_the_second_to_be_found_waits_for_the_first() -> None:
    desk = Desk()
    desk.use_keys()
    for name in ("first", "second"):
        assert desk.request(name, key=name, sought=False).lookup is not None
    second = {"key": "second", "sought": True}
    assert is_sent_back(desk.request("second", attempt=2, **second))
    desk.request("first", key="first", sought=True, attempt=2)
    assert desk.request("second", attempt=3, **second).refused is not None
    assert desk.trips == [("trip.requested", "first")]


def test_who_gives_a_trip_and_takes_it_back_has_taken_it_back() -> None:
    desk = Desk()
    made = desk.request("hers")
    assert made.data is not None
    trip = decode(made.data, Trip).id
    head: Any = {"id": "assign", "by": OLGA, "deadline_ms": NOON_MS + 10_000}
    give = AssignTrip(trip=trip, driver=DORA.id, **head)
    assert desk.take(give).lookup is not None
    assert is_sent_back(desk.cancel(trip, "cancel", OLGA))
    found = msgspec.structs.replace(give, attempt=2, sought=True, found=DORA)
    assert desk.take(found).data is not None
    assert desk.cancel(trip, "cancel", OLGA, attempt=2).data is not None
    kinds = [kind for kind, _ in desk.trips]
    assert kinds == ["trip.requested", "trip.started", "trip.cancelled"]


def test_what_others_want_of_trips_waits_for_nobody() -> None:
    desk = Desk()
    desk.use_keys()
    assert desk.request("first", key="new", sought=False).lookup is not None
    assert desk.request("his", RON).data is not None
    assert desk.say("hello").data is not None


def test_who_asks_of_a_trip_that_is_forgotten_keeps_nobody_waiting() -> None:
    desk = Desk()
    assert desk.cancel("0192f0c4-7a3e-7cc1-9d5b-1f6f0a1b2c3d", "old").lookup is not None
    assert desk.request("first").data is not None
