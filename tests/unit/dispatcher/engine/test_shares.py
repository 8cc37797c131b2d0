"""One user's share of a leader: counted before it is decided, once however often it
comes.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.engine import shares
from dispatcher.engine.batch import Batch, Batcher
from dispatcher.engine.engine import Engine, Limits
from schemas.allowances import UNLIMITED, Rate, UserLimits
from schemas.codec import decode
from schemas.commands import (
    Answer,
    AnyCommand,
    EndSession,
    GetTrip,
    JoinRoom,
    RequestTrip,
    SendMessage,
    SyncUser,
)
from schemas.ledger import Record, Writer
from schemas.refusals import Code
from schemas.rooms import Attendance, Presence
from schemas.trips import Trip, User
from tests.unit.dispatcher.engine.world import NOON_MS, OLGA, RITA, RON

ONCE = Rate(1, 1)


class Desk:
    """A batcher whose every command is a record of its own."""

    def __init__(self, **users: Any) -> None:
        limits = Limits(request_ttl_ms=300_000, users=UserLimits(**users))
        self.engine = Engine("main", limits)
        self.engine.lead(0)
        self.batcher = Batcher(self.engine, Writer("0" * 32, 1, "me"), 2)
        self.now_ms = NOON_MS
        self.batch: Batch | None = None
        self._count = 0

    def head(self, by: User) -> dict[str, Any]:
        self._count += 1
        return {"id": f"{self._count:032x}", "deadline_ms": 0, "by": by}

    def ask(self, command: AnyCommand) -> Answer:
        assert self.batcher.take("reply.g.main", command, self.now_ms)
        self.batch = self.batcher.close()
        self.batcher.delivered(self.batch)
        return self.batch.entries[-1].answer

    def code(self, command: AnyCommand) -> Code | None:
        refused = self.ask(command).refused
        return None if refused is None else refused.code

    def get(self, by: User = RITA, **more: Any) -> GetTrip:
        return GetTrip(trip="t", **{**self.head(by), **more})

    def join(self, room: str, by: User = RITA, session: str = "s1") -> JoinRoom:
        return JoinRoom(room=room, session=session, gateway="g", **self.head(by))

    def say(self, room: str, by: User = RITA, **more: Any) -> SendMessage:
        return SendMessage(room=room, text="hi", outside=True, **more, **self.head(by))

    def request(self, by: User = RITA, **more: Any) -> RequestTrip:
        where = {"pick_up_address": "A", "drop_off_address": "B"}
        return RequestTrip(**where, **more, **self.head(by))


def test_commands_over_the_limit_are_refused_undecided_and_make_no_event() -> None:
    desk = Desk(commands=Rate(1, 2))
    for room in ("a", "b"):
        assert desk.code(desk.join(room)) is None
    assert desk.code(desk.join("c")) is Code.RATE_LIMITED
    assert desk.batch is not None
    assert desk.batch.events == []
    desk.now_ms += 1_000
    assert desk.code(desk.join("c")) is None
    assert desk.code(desk.join("d")) is Code.RATE_LIMITED


def test_what_comes_again_unanswered_answered_or_refused_counts_once() -> None:
    desk = Desk(commands=Rate(1, 3))
    first = desk.get()
    for attempt in (1, 2, 3, 4):
        assert desk.ask(replace(first, attempt=attempt)).lookup is not None
    asked = desk.request()
    for attempt in (1, 2, 3):
        assert desk.ask(replace(asked, attempt=attempt)).data is not None
    assert desk.code(desk.get()) is None
    assert desk.code(desk.get()) is Code.RATE_LIMITED


def test_a_command_that_waits_for_room_in_a_record_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.engine.batch.EVENTS_BYTES_MAX", 700)
    desk = Desk(commands=Rate(1, 2))
    assert desk.batcher.take("reply.g.main", desk.request(RON), desk.now_ms)
    waits = desk.say("room")
    for _ in range(5):
        assert not desk.batcher.take("reply.g.main", waits, desk.now_ms)
    batch = desk.batcher.close()
    desk.batcher.delivered(batch)
    assert desk.code(waits) is None
    assert desk.code(desk.get()) is None
    assert desk.code(desk.get()) is Code.RATE_LIMITED


def test_a_command_that_brings_what_was_looked_up_counts_once() -> None:
    desk = Desk(commands=ONCE)
    asked = desk.get()
    assert desk.ask(asked).lookup is not None
    trip = desk.ask(desk.request(RON)).data
    found = decode(trip or b"", Trip)
    again = replace(asked, attempt=2, trip=found.id, archived=found)
    assert desk.code(again) is Code.NOT_A_PARTICIPANT


def test_idempotent_repeats_are_commands_too() -> None:
    desk = Desk(messages=Rate(1, 2))
    assert desk.code(desk.say("a", key="k")) is None
    assert desk.code(desk.say("a", key="k")) is None
    assert desk.code(desk.say("a", key="k")) is Code.RATE_LIMITED


def test_each_budget_is_refused_alone() -> None:
    desk = Desk(messages=ONCE, requests=ONCE)
    assert desk.code(desk.say("a")) is None
    assert desk.code(desk.say("a")) is Code.RATE_LIMITED
    assert desk.code(desk.request()) is None
    assert desk.code(desk.request()) is Code.RATE_LIMITED
    assert desk.code(desk.get()) is None


def test_what_gateways_ask_for_themselves_is_nobody_s_command() -> None:
    desk = Desk(commands=ONCE)
    assert desk.code(desk.join("a")) is None
    for _ in range(5):
        assert desk.code(SyncUser(**desk.head(RITA))) is None
        assert desk.code(replace(desk.join("a"), repair=True)) is None
        ended = EndSession(session="other", gateway="g", **desk.head(RITA))
        assert desk.code(ended) is None


def test_operators_may_ten_times_as_much() -> None:
    desk = Desk(commands=Rate(1, 2))
    codes = [desk.code(desk.join(f"r{number}", OLGA)) for number in range(21)]
    assert codes == [None] * 20 + [Code.RATE_LIMITED]


def test_another_leader_begins_with_nobody_having_asked() -> None:
    desk = Desk(commands=ONCE)
    desk.code(desk.join("a"))
    desk.engine.lead(0)
    assert desk.code(desk.join("b")) is None


def test_a_limit_that_is_off_refuses_nothing() -> None:
    desk = Desk(commands=UNLIMITED.commands, messages=UNLIMITED.messages)
    assert all(desk.code(desk.say("a")) is None for _ in range(300))


def test_what_is_remembered_of_commands_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "COUNTED_MAX", 5)
    made = shares.Shares(UserLimits(commands=UNLIMITED.commands))
    desk = Desk()
    for _ in range(50):
        made.count(desk.get(), NOON_MS)
        assert len(made) <= 10


def test_what_is_remembered_of_commands_ends_with_their_deadline() -> None:
    made, desk = shares.Shares(UserLimits()), Desk()
    for number in range(100):
        made.count(desk.get(), NOON_MS + number * 1_000)
    assert len(made) <= 25


# ---- rooms -------------------------------------------------------------------


def test_rooms_that_did_not_exist_are_counted_by_the_day() -> None:
    desk = Desk(rooms=Rate(2 / 86_400, 2))
    assert desk.code(desk.say("a")) is None
    assert desk.code(desk.say("b", RON)) is None
    assert desk.code(desk.say("b")) is None
    assert desk.code(desk.say("c")) is None
    answer = desk.ask(desk.say("d"))
    assert answer.refused is not None
    assert answer.refused.code is Code.OVERLOADED
    assert answer.refused.retry_after_s == 43_200
    assert desk.batch is not None
    assert decode(desk.batch.payload, Record).events == []
    assert desk.code(desk.say("a")) is None
    desk.now_ms += 43_200_000
    assert desk.code(desk.say("d")) is None
    assert desk.code(desk.say("e")) is Code.OVERLOADED


def test_a_room_that_is_only_joined_is_none_that_was_made() -> None:
    desk = Desk(rooms=Rate(1 / 86_400, 1))
    assert all(desk.code(desk.join(room)) is None for room in "abc")


def test_a_user_has_so_many_places_in_rooms_over_all_sessions() -> None:
    desk = Desk(seats_max=3)
    assert desk.code(desk.join("a")) is None
    assert desk.code(desk.join("b")) is None
    assert desk.code(desk.join("a", session="s2")) is None
    assert desk.code(desk.join("c", session="s2")) is Code.OVERLOADED
    assert desk.code(desk.join("b")) is None, "who is there needs no further place"
    assert desk.code(desk.join("c", RON, "s3")) is None
    desk.ask(EndSession(session="s2", gateway="g", **desk.head(RITA)))
    assert desk.code(desk.join("c")) is None
    assert desk.code(desk.join("d")) is Code.OVERLOADED


def test_places_that_gateways_tell_of_count_and_those_of_a_silent_one_do_not() -> None:
    desk = Desk(seats_max=2)
    here = tuple(Attendance("s9", RITA.person(), room) for room in ("a", "b"))
    desk.engine.hear(Presence("h", full=True, here=here), 0)
    assert desk.code(desk.join("c")) is Code.OVERLOADED
    for second in range(6):
        desk.engine.sweep(second * 1_000)
    assert desk.code(desk.join("c")) is None
    desk.engine.hear(Presence("h"), 6_000)
    assert desk.code(desk.join("d")) is Code.OVERLOADED


def test_an_operator_has_ten_times_as_many_places() -> None:
    desk = Desk(seats_max=1)
    codes = [desk.code(desk.join(f"r{number}", OLGA)) for number in range(11)]
    assert codes == [None] * 10 + [Code.OVERLOADED]


def test_a_session_in_all_the_rooms_it_may_be_in_may_join_each_again() -> None:
    desk = Desk(commands=UNLIMITED.commands)
    rooms = [f"r{number}" for number in range(256)]
    assert all(desk.code(desk.join(room)) is None for room in rooms)
    assert desk.code(desk.join("one more")) is Code.INVALID_DATA
    assert desk.code(desk.join("one-more")) is Code.OVERLOADED
    assert desk.code(desk.join(rooms[0])) is None
