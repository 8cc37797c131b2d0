"""What is older than CABRANK_HISTORY_KEPT_DAYS goes, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select

from persistence import database
from persistence.history import retention
from persistence.models import (
    DispatchEventRow,
    MatchRow,
    MessageRow,
    RoomRow,
    TripEventRow,
    TripRow,
)
from persistence.projected.projection import AnyRow, read_record
from schemas import codec
from schemas.accounts import ListMessages, ListTripEvents
from schemas.rooms import MessageData
from schemas.times import rfc3339
from schemas.trips import Role, Trip
from tests.contract.persistence.past import Past
from tests.support import waiting
from tests.support.counting import Counting, count
from tests.support.records import T0_MS, event, message, record, trip
from tests.support.running import service

DAY_MS = 86_400_000
CUT_MS = T0_MS + 10 * DAY_MS


def at(number: int, move: int, day: float, **more: Any) -> Trip:
    """Trip `number` after a move that was made on that day."""
    return trip(number, move, updated=rfc3339(T0_MS + round(day * DAY_MS)), **more)


class Old(Past):
    """Ten days and more of a region's past."""

    def happened(self, day: float, *things: Any) -> None:
        """Trips moved, and (room, n) was written in."""
        at_ms = T0_MS + round(day * DAY_MS)
        rows: list[AnyRow] = []
        for thing in things:
            self.n += 1
            if isinstance(thing, Trip):
                made: Any = event(thing, at_ms=at_ms)
            else:
                made = message(*thing, at=rfc3339(at_ms))
            rows += read_record("LEDGER_main", self.n, record(self.n, made))[0]
        self.store.write(rows, [], T0_MS)

    async def drop(self, at_once: int = 1) -> int:
        """How many events of trips, and messages, went; test_tracks.py tells which rows
        of how drivers were found do.
        """
        before = await count(self.engine, DispatchEventRow)
        work = [retention.drop(self.engine, CUT_MS, 0) for _ in range(at_once)]
        dropped = sum(await asyncio.gather(*work))
        return dropped - (before - await count(self.engine, DispatchEventRow))

    async def events(self) -> set[tuple[str, int]]:
        """(trip, version)"""
        asked = select(TripEventRow.trip_id, TripEventRow.version)
        async with database.reading(self.engine) as connection:
            return {(row[0], row[1]) for row in await connection.execute(asked)}

    async def said(self, room: str) -> list[int]:
        question = ListMessages("o", Role.OPERATOR, "main", room)
        result = await self.ask("messages", question)
        return [one.seq for one in codec.decode(result.data or b"", list[MessageData])]


@pytest.fixture(params=[500, 3], ids=["at once", "in batches"])
async def old(
    request: Any, bus: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Old]:
    monkeypatch.setattr(retention, "BATCH", request.param)
    async with Old(bus, database_url).answering() as old:
        yield old


def whole(number: int) -> set[tuple[str, int]]:
    return {(trip(number).id, version) for version in (1, 2, 3, 4)}


async def test_an_audit_trail_is_whole_or_gone(old: Old, counting: Counting) -> None:
    for day in range(8):
        old.happened(day, *[at(day, move, day) for move in range(4)])
    old.happened(8, at(20, 0, 8), at(20, 1, 8))  # goes on
    old.happened(9, at(21, 0, 9), at(22, 0, 9), at(22, 1, 9), at(22, 2, 9))
    old.happened(11, at(21, 1, 11), at(21, 2, 11), at(21, 3, 11))  # ended since
    old.happened(12, *[at(30, move, 12) for move in range(4)])
    assert await old.drop() == 8 * 4
    left = {(trip(20).id, 1), (trip(20).id, 2)}
    left |= {(trip(22).id, version) for version in (1, 2, 3)}
    assert await old.events() == left | whole(21) | whole(30)
    assert await counting.rows(TripRow) == 8 + 4  # trips stay
    assert await old.drop() == 0
    # Once it has ended, and that is long ago, it goes as well.
    old.happened(9.5, at(22, 3, 9.5))
    old.happened(12, at(40, 0, 12))
    assert await old.drop() == 4
    question = ListTripEvents("o", Role.OPERATOR, trip(22).id)
    gone = await old.ask("trip_events", question)
    assert bytes(gone.data or b"") == b"[]"


async def test_the_last_trip_of_a_ledger_stays_and_tells_where_it_ended(
    old: Old,
) -> None:
    for number in range(3):
        old.happened(1, *[at(number, move, 1) for move in range(4)])
    assert await old.drop() == 8
    assert await old.events() == whole(2)


async def test_messages_go_but_a_rooms_last_and_those_of_trips_under_way(
    old: Old, counting: Counting
) -> None:
    ended, active, later = (f"trip_{trip(n).id}" for n in (1, 2, 3))
    old.happened(1, *[at(1, move, 1) for move in range(4)], at(2, 0, 1), at(3, 0, 1))
    for n in (1, 2, 3):
        old.happened(2, (ended, n), (active, n), (later, n), ("hall", n), ("bar", n))
    old.happened(11, ("hall", 4), *[at(3, move, 11) for move in (1, 2, 3)])
    assert await old.drop() == 4 + 3 + 3 + 2
    assert await old.said(ended) == []
    assert await old.said(active) == [3, 2, 1]
    assert await old.said(later) == [3, 2, 1]
    assert await old.said("hall") == [4]
    assert await old.said("bar") == [3]
    assert await old.drop() == 0
    assert await counting.rows(RoomRow) == 5
    spans = await counting.column(RoomRow.last_n - RoomRow.first_n)
    assert sorted(spans) == [0, 0, 0, 2, 2]


async def test_several_at_once_drop_each_row_once(old: Old) -> None:
    for number in range(20):
        old.happened(
            1, *[at(number, move, 1) for move in range(4)], ("hall", number + 1)
        )
    old.happened(1, at(99, 0, 1))
    dropped = await old.drop(at_once=3)
    assert dropped + await old.drop() == 20 * 4 + 19
    assert await old.events() == {(trip(99).id, 1)}


async def test_what_came_back_goes_again(old: Old, counting: Counting) -> None:
    """A record that is delivered once more, or replayed by `cabrank rebuild`."""
    past = [at(1, move, 1) for move in range(4)]
    old.happened(1, *past, ("hall", 1))
    old.happened(11, at(2, 0, 11), ("hall", 2))
    assert await old.drop() == 5
    old.n = 0
    old.happened(1, *past, ("hall", 1))
    assert await old.said("hall") == [2, 1]
    assert await old.drop() == 5
    assert await old.said("hall") == [2]
    assert await counting.rows(MessageRow) == 1


async def test_zero_days_are_for_ever(old: Old, counting: Counting) -> None:
    """But for rounds of the matching, by which the test knows that it went by."""
    old.happened(-10_000, *[at(1, move, -10_000) for move in range(4)], ("hall", 1))
    a_round = {"ledger": "l", "seq": 1, "trip_id": "t", "at_ms": 1, "data": "{}"}
    async with old.engine.begin() as connection:
        await connection.execute(insert(MatchRow), a_round)
    async with service() as running:
        running.spawn("retention", retention.run(old.engine, 0, 60))
        rounds = partial(counting.rows, MatchRow)
        await waiting.until_is(rounds, lambda count: count == 0)
        running.stop()
    assert await counting.rows(TripEventRow) == 4
