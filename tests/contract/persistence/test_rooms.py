"""Rooms from the ledger to the answer: written, paged, recalled for the leader."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from persistence.history import history as histories
from persistence.models import DeadLetterRow, MessageRow, RoomRow, TripEventRow
from persistence.projected import messages as rooms
from persistence.projected.projection import read_record
from runtime.bus import Bus
from schemas import codec, streams
from schemas.accounts import FindBacklog, ListMessages
from schemas.events import Event, seq_of
from schemas.refusals import Code
from schemas.rooms import MessageData, MessageEvent
from schemas.trips import Role
from tests.contract.persistence.conftest import Working
from tests.contract.persistence.past import Past
from tests.contract.persistence.test_writer import settled
from tests.support.counting import Counting
from tests.support.records import (
    LEDGER,
    T0_MS,
    Ledger,
    event,
    joined,
    message,
    online,
    record,
    trip,
)


class Rooms(Past):
    def happened(self, *events: Event, ledger: str = LEDGER) -> None:
        """Each a record of its own, written in random order, in two batches."""
        rows = []
        for one in events:
            self.n += 1
            payload = record(self.n, one, ledger=ledger)
            rows += read_record("LEDGER_main", self.n, payload)[0]
        random.Random(self.n).shuffle(rows)
        self.store.write(rows[::2], [], T0_MS)
        self.store.write(rows[1::2], [], T0_MS)

    async def read(self, operation: str, question: Any) -> list[MessageData]:
        result = await self.ask(operation, question)
        assert result.data is not None, result.refused
        return codec.decode(result.data, list[MessageData])

    async def page(self, room: str = "lobby", **options: Any) -> list[int]:
        """The numbers of a page's messages."""
        question = ListMessages("u9", Role.RIDER, "main", room, **options)
        return [one.seq for one in await self.read("messages", question)]


@pytest.fixture
async def past(bus: Bus, database_url: str) -> AsyncIterator[Rooms]:
    async with Rooms(bus, database_url).answering() as past:
        yield past


def lobby(*numbers: int, room: str = "lobby") -> list[MessageEvent]:
    return [message(room, n) for n in numbers]


# ---- the writer --------------------------------------------------------------


async def test_messages_become_rows_and_what_has_no_row_is_acknowledged(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await ledger.append(joined("lobby", "u1"), message("lobby", 1))
    await ledger.append(event(trip(1)), message("other", 1), message("lobby", 2))
    await ledger.append(joined("lobby", "u1", joined=False), online("d1"))
    async with working(database_url):
        await settled(ledger)
    assert sorted(await counting.column(MessageRow.n)) == [1, 1, 2]
    assert await counting.rows(TripEventRow) == 1
    assert await counting.rows(DeadLetterRow) == 0
    assert sorted(await counting.column(RoomRow.name)) == ["lobby", "other"]
    assert sorted(await counting.column(RoomRow.last_n)) == [1, 2]


async def test_messages_that_come_again_to_two_workers_are_written_once(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    for n in range(1, 101):
        await ledger.append(message("lobby", n), message(f"room{n % 3}", n))
    async with working(database_url), working(database_url):
        await settled(ledger)
    # As if no acknowledgement had ever arrived.
    await ledger.js.delete_consumer(ledger.stream.name, streams.WRITER_DURABLE)
    async with working(database_url), working(database_url):
        await settled(ledger)
    assert await counting.rows(MessageRow) == 200
    assert await counting.rows(DeadLetterRow) == 0
    assert sorted(await counting.column(RoomRow.last_n)) == [98, 99, 100, 100]
    assert sorted(await counting.column(RoomRow.first_n)) == [1, 1, 2, 3]


async def test_poison_messages_are_buried_and_their_neighbours_land(
    database_url: str, ledger: Ledger, working: Working, counting: Counting
) -> None:
    await ledger.append(*lobby(1), message("lobby", 2, seq=2**70), *lobby(3))
    bad = msgspec.json.decode(record(ledger.n + 1, *lobby(4, 5)))
    bad["events"][0]["message"]["at"] = "soon"
    await ledger.append_raw(codec.encode(bad))
    async with working(database_url):
        await settled(ledger)
    assert sorted(await counting.column(MessageRow.n)) == [1, 3, 5]
    assert await counting.column(RoomRow.last_n) == [5]
    assert len(await counting.column(DeadLetterRow.payload)) == 2


@pytest.mark.parametrize(
    "change",
    [{"text": "a\0b"}, {"room": "r" * 65}, {"id": "i" * 65}],
    ids=["zero byte", "long room", "long id"],
)
async def test_what_postgres_cant_hold_is_buried_and_blocks_nobody(
    postgres_url: str, ledger: Ledger, working: Working, change: dict[str, str]
) -> None:
    counting = Counting(postgres_url)
    poison = message("lobby", 2)
    said = msgspec.structs.replace(poison.message, **change)
    await ledger.append(
        *lobby(1), msgspec.structs.replace(poison, message=said), *lobby(3)
    )
    await ledger.append(*lobby(4))
    async with working(postgres_url):
        await settled(ledger)
    assert sorted(await counting.column(MessageRow.n)) == [1, 3, 4]
    assert await counting.column(DeadLetterRow.seq) == [seq_of(1, 1)]
    await counting.engine.dispose()


async def test_hostile_text_is_stored_and_served_as_it_is(past: Rooms) -> None:
    texts = [
        "'); DROP TABLE messages; --",
        "<script>alert(1)</script>",
        "%s %(x)s :name {}",
        '\u202e\ufeff\x01\x7f\n\t\\"',
        "🚕" * 4000,
    ]
    said = [message("lobby", n, text) for n, text in enumerate(texts, 1)]
    past.happened(*said)
    question = ListMessages("u9", Role.RIDER, "main", "lobby")
    assert await past.read("messages", question) == [m.message for m in said[::-1]]


# ---- messages ----------------------------------------------------------------


async def test_pages_of_a_room_meet_without_gap_or_repeat(past: Rooms) -> None:
    past.happened(*lobby(*range(1, 13)), *lobby(1, 2, 3, room="other"))
    seen: list[int] = []
    before = None
    while page := await past.page(limit=5, before=before):
        seen += page
        before = page[-1]
    assert seen == list(range(12, 0, -1))


async def test_a_room_without_messages_is_empty(past: Rooms) -> None:
    past.happened(*lobby(1), message("main", 1))
    assert await past.page("nobody-home") == []
    assert await past.page("Lobby") == []


async def test_another_regions_room_of_that_name_is_another_room(past: Rooms) -> None:
    past.happened(*lobby(1))
    question = ListMessages("u9", Role.OPERATOR, "oslo", "lobby")
    assert await past.read("messages", question) == []


@pytest.mark.parametrize("before", [0, -1, 1, -(2**80)])
async def test_nothing_is_before_the_first(past: Rooms, before: int) -> None:
    past.happened(*lobby(1, 2))
    assert await past.page(before=before) == []


@pytest.mark.parametrize("before", [3, 99, 2**63, 2**80])
async def test_a_before_past_the_last_is_the_first_page(
    past: Rooms, before: int
) -> None:
    past.happened(*lobby(1, 2))
    assert await past.page(before=before) == [2, 1]


@pytest.mark.parametrize("room", ["", "*", ">", "a.b", "a b", "\0", "x" * 65, "é"])
async def test_a_bad_room_name_is_invalid_data(past: Rooms, room: str) -> None:
    question = ListMessages("u9", Role.OPERATOR, "main", room)
    assert await past.refusal("messages", question) is Code.INVALID_DATA


async def test_a_trip_room_is_its_participants_and_operators(past: Rooms) -> None:
    room = f"trip_{trip(1).id}"
    past.happened(event(trip(1, 1)), message(room, 1))
    for user, role in (("r1", Role.RIDER), ("d1", Role.DRIVER), ("o", Role.OPERATOR)):
        for name in (room, room.upper().replace("TRIP", "trip")):
            question = ListMessages(user, role, "main", name)
            assert len(await past.read("messages", question)) == 1
    for user, role in (("r2", Role.RIDER), ("d2", Role.DRIVER)):
        question = ListMessages(user, role, "main", room)
        assert await past.refusal("messages", question) is Code.ROOM_FORBIDDEN


async def test_an_operator_elsewhere_sees_a_trip_room_too(past: Rooms) -> None:
    room = f"trip_{trip(1).id}"
    past.happened(event(trip(1, 1)), message(room, 1))
    question = ListMessages("o", Role.OPERATOR, "oslo", room)
    assert len(await past.read("messages", question)) == 1


async def test_the_room_of_an_unknown_trip_is_not_found(past: Rooms) -> None:
    room = f"trip_{trip(1).id}"
    past.happened(message(room, 1))
    question = ListMessages("o", Role.OPERATOR, "main", room)
    assert await past.refusal("messages", question) is Code.TRIP_NOT_FOUND


async def test_very_long_messages_come_in_shorter_pages(past: Rooms) -> None:
    past.happened(*[message("lobby", n, "🚕" * 4000) for n in range(1, 61)])
    seen: list[int] = []
    before = None
    while page := await past.page(limit=100, before=before):
        seen += page
        before = page[-1]
    assert seen == list(range(60, 0, -1))


async def test_a_new_ledger_that_goes_on_counting_goes_on_in_the_history(
    past: Rooms,
) -> None:
    past.happened(*lobby(1, 2, 3))
    past.happened(*lobby(4, 5), ledger="f" * 32)
    assert await past.page() == [5, 4, 3, 2, 1]
    assert await past.page(limit=3) == [5, 4, 3]
    assert await past.page(limit=3, before=4) == [3, 2, 1]


async def test_a_new_ledger_that_counts_anew_is_the_history(past: Rooms) -> None:
    past.happened(*lobby(*range(1, 9)))
    again = [message("lobby", n, at="2026-11-22T10:00:00.000Z") for n in (1, 2)]
    past.happened(*again, ledger="f" * 32)
    question = ListMessages("u9", Role.RIDER, "main", "lobby")
    found = await past.read("messages", question)
    assert found == [one.message for one in again[::-1]]


# ---- backlog: for the leader, who has forgotten ------------------------------


async def test_a_backlog_is_the_last_hundred_oldest_first(
    past: Rooms, database_url: str, ledger: Ledger, working: Working
) -> None:
    for n in range(1, 151):
        await ledger.append(message("lobby", n))
    async with working(database_url):
        await settled(ledger)
        question = FindBacklog("main", "lobby", seq_of(ledger.n, 0))
        found = await past.read("backlog", question)
    assert found == [message("lobby", n).message for n in range(51, 151)]


async def test_a_backlog_waits_for_a_writer_that_is_moments_behind(
    past: Rooms, database_url: str, ledger: Ledger, working: Working
) -> None:
    await ledger.append(message("lobby", 1))
    async with working(database_url):
        await settled(ledger)
    n = await ledger.append(message("lobby", 2))
    question = FindBacklog("main", "lobby", seq_of(n, 0))
    asked = asyncio.create_task(past.read("backlog", question))
    async with working(database_url):
        assert await asked == [one.message for one in lobby(1, 2)]


async def test_a_backlog_not_yet_written_is_unavailable_rather_than_short(
    past: Rooms, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "CATCH_UP_S", 0.05)
    past.happened(*lobby(1))
    question = FindBacklog("main", "lobby", seq_of(5, 0))
    assert await past.refusal("backlog", question) is Code.UNAVAILABLE


async def test_a_backlog_of_a_room_nobody_wrote_to_is_empty(
    past: Rooms, database_url: str, ledger: Ledger, working: Working
) -> None:
    n = await ledger.append(*lobby(1))
    async with working(database_url):
        await settled(ledger)
        for room in ("other", "a\0b", "*"):
            question = FindBacklog("main", room, seq_of(n, 0))
            assert await past.read("backlog", question) == []


async def test_a_backlog_of_very_long_messages_is_the_newest_that_fit(
    past: Rooms, database_url: str, ledger: Ledger, working: Working
) -> None:
    for n in range(1, 31):
        await ledger.append(message("lobby", n, "🚕" * 4000))
    async with working(database_url):
        await settled(ledger)
        question = FindBacklog("main", "lobby", seq_of(ledger.n, 0))
        found = await past.read("backlog", question)
    assert len(codec.encode(found)) <= rooms.BACKLOG_BYTES_MAX
    assert [one.seq for one in found] == list(range(31 - len(found), 31))
    assert len(found) > 10
