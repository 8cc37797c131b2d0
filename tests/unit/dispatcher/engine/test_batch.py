"""The open batch: what is decided into one record, and what waits for the next."""

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.engine import batch as batches
from dispatcher.engine.batch import OVERLOADED, Batch, Batcher
from dispatcher.engine.engine import Engine
from schemas.codec import decode
from schemas.commands import (
    AcceptTrip,
    Answer,
    AnyCommand,
    GetTrip,
    GoOffline,
    GoOnline,
    ReleaseTrip,
    RequestTrip,
    SyncData,
    SyncUser,
)
from schemas.events import EVENTS_PER_RECORD_MAX, TripEvent, seq_of
from schemas.ledger import RECORD_BYTES_MAX, Record, Writer
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Role, Trip, User
from tests.unit.dispatcher.engine.world import DORA, LIMITS, NOON_MS, RITA, TTL_MS

REPLY = "reply.g.main"
LEDGER = "0" * 32


class Clerk:
    """A batcher, and commands with ids of their own."""

    def __init__(self) -> None:
        self.engine = Engine("main", LIMITS)
        self.batcher = Batcher(self.engine, Writer(LEDGER, 1, "me"), 2)
        self._ids = iter(range(1, 1_000_000))

    def request(self, number: int = 0, **fields: object) -> RequestTrip:
        by = User(f"r{number}", "r", "R", "R", Role.RIDER) if number else RITA
        head = {"id": f"{next(self._ids):032x}", "deadline_ms": 0, "by": by}
        where = {"pick_up_address": "A", "drop_off_address": "B"}
        return RequestTrip(**{**head, **where, **fields})

    def take(self, command: AnyCommand, now_ms: int = NOON_MS) -> bool:
        return self.batcher.take(REPLY, command, now_ms)

    def deliver(self) -> Batch:
        batch = self.batcher.close()
        self.batcher.delivered(batch)
        return batch


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


def test_commands_of_one_batch_become_one_record(clerk: Clerk) -> None:
    for number in (1, 2, 3):
        assert clerk.take(clerk.request(number))
    record = decode(clerk.deliver().payload, Record)
    assert (record.n, record.epoch, record.writer, record.ledger) == (
        2,
        1,
        "me",
        LEDGER,
    )
    assert [event.seq for event in record.events] == [seq_of(2, i) for i in range(3)]
    assert record.at_ms == NOON_MS


def test_a_command_sees_what_the_open_batch_has_decided(clerk: Clerk) -> None:
    clerk.take(clerk.request())
    clerk.take(clerk.request())
    entries = clerk.deliver().entries
    assert entries[0].answer.data is not None
    assert entries[1].answer.refused is not None
    assert entries[1].answer.refused.code is Code.RIDER_BUSY


def test_the_next_batch_has_the_next_number(clerk: Clerk) -> None:
    clerk.take(clerk.request(1))
    clerk.batcher.close()
    clerk.take(clerk.request(2))
    batch = clerk.batcher.close()
    assert batch.n == 3
    assert batch.events[0].seq == seq_of(3, 0)


def test_a_retry_in_flight_moves_the_answer_to_its_attempt_and_gateway(
    clerk: Clerk,
) -> None:
    first = clerk.request()
    clerk.take(first)
    batch = clerk.batcher.close()
    again = clerk.request(id=first.id, attempt=2)
    assert clerk.batcher.take("reply.h.main", again, NOON_MS)
    assert clerk.batcher.empty
    assert [(one.reply, one.answer.attempt) for one in batch.entries] == [
        ("reply.h.main", 2)
    ]


def test_an_older_attempt_that_comes_late_changes_nothing(clerk: Clerk) -> None:
    again = clerk.request(attempt=2)
    clerk.take(again)
    clerk.batcher.take("reply.h.main", clerk.request(id=again.id), NOON_MS)
    (entry,) = clerk.deliver().entries
    assert (entry.reply, entry.answer.attempt) == (REPLY, 2)


def test_a_retry_of_what_was_answered_is_answered_the_same_without_an_event(
    clerk: Clerk,
) -> None:
    first = clerk.request()
    clerk.take(first)
    told = clerk.deliver().entries[0].answer
    clerk.take(clerk.request(id=first.id, attempt=3))
    batch = clerk.deliver()
    (entry,) = batch.entries
    assert batch.events == []
    assert entry.answer.attempt == 3
    assert decode(entry.answer.data or b"", Trip) == decode(told.data or b"", Trip)


def test_a_refusal_is_repeated_even_when_the_state_has_moved_on(clerk: Clerk) -> None:
    clerk.take(clerk.request())
    busy = clerk.request()
    clerk.take(busy)
    clerk.deliver()
    clerk.batcher.expire(NOON_MS + 1000)
    clerk.take(clerk.request(id=busy.id, attempt=2), NOON_MS + 1000)
    refused = clerk.deliver().entries[0].answer.refused
    assert refused is not None
    assert refused.code is Code.RIDER_BUSY


def test_a_move_that_changed_nothing_does_nothing_when_it_comes_twice(
    clerk: Clerk,
) -> None:
    asked = clerk.request()
    clerk.take(asked)
    trip = decode(clerk.deliver().entries[0].answer.data or b"", Trip).id

    def head(number: int) -> dict[str, Any]:
        return {"id": f"{number:032x}", "deadline_ms": 0, "by": DORA}

    def do(command: AnyCommand) -> tuple[int, Answer]:
        clerk.take(command)
        batch = clerk.deliver()
        return len(batch.events), batch.entries[0].answer

    assert do(AcceptTrip(**head(101), trip=trip))[0] == 1
    again, on = AcceptTrip(**head(102), trip=trip), GoOnline(**head(103))
    answered = [do(command) for command in (again, on)]
    assert [count for count, _ in answered] == [0, 0]
    assert do(ReleaseTrip(**head(104), trip=trip))[0] == 1
    assert do(GoOffline(**head(105)))[0] == 1
    assert [do(command) for command in (again, on)] == answered


def test_due_trips_expire_before_the_commands_of_their_batch(clerk: Clerk) -> None:
    clerk.take(clerk.request())
    trip = decode(clerk.deliver().entries[0].answer.data or b"", Trip)
    late = AcceptTrip(
        id="f" * 32, deadline_ms=0, trip=trip.id,
        by=User("d", "d", "D", "D", Role.DRIVER),
    )  # fmt: skip
    clerk.take(late, NOON_MS + TTL_MS)
    batch = clerk.deliver()
    assert [one.type for one in batch.events if isinstance(one, TripEvent)] == [
        "trip.expired"
    ]
    refused = batch.entries[0].answer.refused
    assert refused is not None
    assert refused.code is Code.TRIP_NOT_OPEN


def test_nothing_due_opens_no_batch(clerk: Clerk) -> None:
    clerk.take(clerk.request())
    clerk.deliver()
    clerk.batcher.expire(NOON_MS + TTL_MS - 1)
    assert clerk.batcher.empty
    clerk.batcher.expire(NOON_MS + TTL_MS)
    assert not clerk.batcher.empty


def test_a_record_stays_within_its_bytes_and_the_rest_waits(clerk: Clerk) -> None:
    number = 1
    while clerk.take(clerk.request(number, pick_up_address="\x01" * 255)):
        number += 1
    batch = clerk.deliver()
    assert RECORD_BYTES_MAX - 8192 < len(batch.payload) <= RECORD_BYTES_MAX
    assert len(batch.entries) == number - 1
    assert clerk.take(clerk.request(number))


def test_a_record_stays_within_its_events(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "EVENTS_BYTES_MAX", 10**9)
    taken = 0
    while clerk.take(clerk.request(taken + 1)):
        taken += 1
    assert taken == EVENTS_PER_RECORD_MAX


def test_expiries_that_do_not_fit_come_with_the_next_record(clerk: Clerk) -> None:
    total = 0
    while clerk.take(clerk.request(total + 1)):
        total += 1
    clerk.deliver()
    expired = 0
    while not clerk.batcher.empty or not expired:
        clerk.batcher.expire(NOON_MS + TTL_MS)
        if clerk.batcher.empty:
            break
        batch = clerk.deliver()
        assert len(batch.payload) <= RECORD_BYTES_MAX
        expired += len(batch.events)
        clerk.batcher.expire(NOON_MS + TTL_MS)
    assert expired == total


def test_many_long_answers_are_spread_over_records(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWERS_BYTES_MAX", 1000)
    taken = 0
    while clerk.take(clerk.request(taken + 1)):
        taken += 1
    assert 1 < taken < 10


def test_who_missed_too_much_for_a_message_gets_the_whole_state(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk.take(clerk.request())
    clerk.deliver()
    sync = SyncUser(id="e" * 32, deadline_ms=0, by=RITA, since=0)
    monkeypatch.setattr(batches, "ANSWER_BYTES_MAX", 700)
    clerk.take(sync)
    answer = clerk.deliver().entries[0].answer
    data = decode(answer.data or b"", SyncData)
    assert not data.recovered
    assert data.events == []
    assert len(decode(data.trips, list[Trip])) == 1


def test_a_question_has_an_empty_record(clerk: Clerk) -> None:
    ask = GetTrip(id="d" * 32, deadline_ms=0, by=RITA, trip="x")
    clerk.take(ask)
    batch = clerk.deliver()
    assert decode(batch.payload, Record).events == []
    assert batch.entries[0].answer.lookup is not None


def test_what_was_looked_up_decides_the_same_command(clerk: Clerk) -> None:
    ask = GetTrip(id="d" * 32, deadline_ms=0, by=RITA, trip="x")
    clerk.take(ask)
    clerk.deliver()
    ended = decode(_ended_trip(clerk), Trip)
    again = GetTrip(
        id=ask.id, attempt=2, deadline_ms=0, by=RITA, trip=ended.id, archived=ended
    )
    clerk.take(again)
    assert clerk.deliver().entries[0].answer.data is not None


def _ended_trip(clerk: Clerk) -> bytes:
    clerk.take(clerk.request())
    batch = clerk.deliver()
    clerk.batcher.expire(NOON_MS + TTL_MS)
    clerk.deliver()
    return bytes(batch.entries[0].answer.data or b"")


def test_a_command_that_raises_is_refused_alone(clerk: Clerk) -> None:
    broken = clerk.request(1, pick_up_address=object())
    good = clerk.request(2)
    assert clerk.take(broken)
    assert clerk.take(good)
    batch = clerk.deliver()
    codes = [one.answer.refused and one.answer.refused.code for one in batch.entries]
    assert codes == [Code.UNAVAILABLE, None]
    assert [command.id for command, _ in clerk.batcher.faults] == [broken.id]


def test_an_overload_is_refused_in_the_batch_too(clerk: Clerk) -> None:
    command = clerk.request()
    assert clerk.batcher.refuse(REPLY, command, OVERLOADED, NOON_MS)
    batch = clerk.deliver()
    assert batch.entries[0].answer.refused == OVERLOADED
    assert batch.events == []


def test_what_was_refused_for_an_overload_is_not_done_when_it_comes_twice(
    clerk: Clerk,
) -> None:
    command = clerk.request()
    assert clerk.batcher.refuse(REPLY, command, OVERLOADED, NOON_MS)
    clerk.deliver()
    clerk.take(command)
    batch = clerk.deliver()
    assert batch.entries[0].answer.refused == OVERLOADED
    assert batch.events == []


def test_a_later_attempt_is_not_refused_for_an_overload(clerk: Clerk) -> None:
    again = replace(clerk.request(), attempt=2)  # the first may be on its way
    assert not clerk.batcher.refuse(REPLY, again, OVERLOADED, NOON_MS)
    assert clerk.batcher.empty


@pytest.mark.parametrize("is_stored", [False, True])
def test_what_was_decided_is_not_refused_for_an_overload(
    clerk: Clerk, is_stored: bool
) -> None:
    command = clerk.request()
    clerk.take(command)
    if is_stored:
        clerk.deliver()
    assert not clerk.batcher.refuse(REPLY, command, OVERLOADED, NOON_MS)


def test_what_is_not_delivered_is_known(clerk: Clerk) -> None:
    clerk.take(clerk.request(1))
    clerk.batcher.close()
    clerk.take(clerk.request(2))
    assert len(clerk.batcher.undelivered()) == 2
    assert clerk.batcher.tally == {(RequestTrip, "ok"): 2}


def test_a_region_is_at_rest_while_no_trip_is_under_way_and_nothing_is_open(
    clerk: Clerk,
) -> None:
    at_rest = clerk.batcher.at_rest
    assert at_rest(NOON_MS)
    request = clerk.request()
    clerk.take(request)
    assert not at_rest(NOON_MS)
    clerk.deliver()
    assert not at_rest(NOON_MS), "somebody may take it"
    clerk.batcher.expire(NOON_MS + TTL_MS)
    clerk.deliver()
    assert at_rest(NOON_MS + TTL_MS)


def test_a_region_rests_until_the_first_trip_that_is_for_later_is_to_be_open(
    clerk: Clerk,
) -> None:
    opens_ms = NOON_MS + 3_600_000
    for rider, later_ms in ((1, 0), (2, 60_000)):
        at = rfc3339(opens_ms + later_ms + LIMITS.booking_lead_ms)
        clerk.take(clerk.request(rider, pick_up_at=at))
    at_rest = clerk.batcher.at_rest
    assert not at_rest(NOON_MS), "both are yet to be stored"
    clerk.deliver()
    assert at_rest(opens_ms - 1)
    assert not at_rest(opens_ms)
    clerk.batcher.expire(opens_ms)
    clerk.deliver()
    assert not at_rest(opens_ms), "one is open"
