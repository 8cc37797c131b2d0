import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.js.api import AckPolicy

from persistence.database import POOL_MAX
from persistence.history import history as histories
from persistence.projected.projection import AnyRow, read_record
from runtime.bus import Bus
from schemas import codec, streams
from schemas.accounts import (
    AuditRow,
    FindTrip,
    GetTripRow,
    ListTripEvents,
    ListTrips,
)
from schemas.events import seq_of
from schemas.refusals import Code
from schemas.trips import Person, Role, Status, Trip
from tests.contract.persistence.conftest import Working
from tests.contract.persistence.past import Past
from tests.support.records import MOVES, T0_MS, Ledger, event, record, trip


class Trips(Past):
    def happened(self, *trips: Trip) -> None:
        rows: list[AnyRow] = []
        for at in trips:
            self.n += 1
            made = event(at, min(at.version, len(MOVES)) - 1)
            rows += read_record("LEDGER_main", self.n, record(self.n, made))[0]
        self.store.write(rows, [], T0_MS)

    async def page(self, user: str, role: Role, **options: Any) -> list[str]:
        """The ids of a page's trips."""
        result = await self.ask("trips", ListTrips(user, role, **options))
        assert result.data is not None, result.refused
        return [one.id for one in codec.decode(result.data, list[Trip])]


@pytest.fixture
async def past(bus: Bus, database_url: str) -> AsyncIterator[Trips]:
    async with Trips(bus, database_url).answering() as past:
        yield past


def ids(*numbers: int) -> list[str]:
    return [trip(number).id for number in numbers]


async def test_own_trips_come_newest_first(past: Trips) -> None:
    rider = trip(1).rider
    past.happened(*[trip(number, rider=rider) for number in (2, 9, 5)], trip(7))
    assert await past.page("r1", Role.RIDER) == ids(9, 5, 2)


async def test_pages_meet_without_gap_or_repeat(past: Trips) -> None:
    rider = trip(1).rider
    same = {"rider": rider, "created": trip(5).created}
    past.happened(
        *[trip(number, rider=rider) for number in range(5)],
        *[trip(number, **same) for number in range(5, 12)],
    )
    seen: list[str] = []
    before = None
    while page := await past.page("r1", Role.RIDER, limit=5, before=before):
        seen += page
        before = page[-1]
    assert seen == ids(*reversed(range(12)))


async def test_a_page_takes_one_status_only(past: Trips) -> None:
    past.happened(trip(1), trip(2, 1), trip(3, 3))
    page = await past.page("o", Role.OPERATOR, status=Status.COMPLETED)
    assert page == ids(3)


async def test_operators_see_all_and_drivers_what_they_drove(past: Trips) -> None:
    past.happened(trip(1), trip(2, 1), trip(3, 3))
    assert await past.page("o", Role.OPERATOR) == ids(3, 2, 1)
    assert await past.page("d2", Role.DRIVER) == ids(2)
    assert await past.page("d1", Role.DRIVER) == []


async def test_a_page_takes_the_trips_of_a_rider_or_a_driver_among_those_to_be_seen(
    past: Trips,
) -> None:
    rider, driver = trip(1).rider, trip(2, 1).driver
    past.happened(
        trip(1),
        trip(2, 1),
        trip(3, 1, rider=rider, driver=driver),
        trip(4, 3, rider=rider),
    )
    olga = "o", Role.OPERATOR
    assert await past.page(*olga, rider="r1") == ids(4, 3, 1)
    assert await past.page(*olga, driver="d2") == ids(3, 2)
    assert await past.page(*olga, rider="r1", driver="d2") == ids(3)
    done = {"rider": "r1", "status": Status.COMPLETED}
    assert await past.page(*olga, **done) == ids(4)
    assert await past.page(*olga, rider="r1", limit=1, before=ids(4)[0]) == ids(3)
    assert await past.page(*olga, rider="nobody") == []
    assert await past.page("d2", Role.DRIVER, rider="r1") == ids(3)
    assert await past.page("r2", Role.RIDER, rider="r1") == []


async def test_a_page_takes_the_trips_of_a_reference_but_for_drivers(
    past: Trips,
) -> None:
    rider = trip(1).rider
    past.happened(
        trip(1, reference="order 1"),
        trip(2, 1, reference="order 1", rider=rider),
        trip(3, reference="order 2", rider=rider),
        trip(4, rider=rider),
    )
    assert await past.page("o", Role.OPERATOR, reference="order 1") == ids(2, 1)
    assert await past.page("r1", Role.RIDER, reference="order 2") == ids(3)
    assert await past.page("r2", Role.RIDER, reference="order 1") == []
    assert await past.page("d2", Role.DRIVER) == ids(2)
    assert await past.page("d2", Role.DRIVER, reference="order 1") == []


@pytest.mark.parametrize("before", ["nonsense", "\0", "of a stranger"])
async def test_an_unknown_before_is_invalid_data(past: Trips, before: str) -> None:
    past.happened(trip(1), trip(2))
    if before == "of a stranger":
        before = trip(2).id
    question = ListTrips("r1", Role.RIDER, before=before)
    assert await past.refusal("trips", question) is Code.INVALID_DATA


async def test_a_limit_out_of_range_is_invalid_data(past: Trips) -> None:
    question = ListTrips("r1", Role.RIDER, limit=101)
    assert await past.refusal("trips", question) is Code.INVALID_DATA


async def test_a_trip_is_served_as_the_leader_wrote_it(past: Trips) -> None:
    past.happened(trip(1), trip(1, 1))
    for user, role in (("r1", Role.RIDER), ("d1", Role.DRIVER), ("o", Role.OPERATOR)):
        result = await past.ask("trip", GetTripRow(user, role, trip(1).id))
        assert bytes(result.data or b"") == codec.encode(trip(1, 1))


@pytest.mark.parametrize("operation", ["trip", "trip_events"])
async def test_a_strangers_trip_is_refused(past: Trips, operation: str) -> None:
    past.happened(trip(1, 1))
    shape = {"trip": GetTripRow, "trip_events": ListTripEvents}[operation]
    for user, role in (("r2", Role.RIDER), ("d2", Role.DRIVER)):
        question = shape(user, role, trip(1).id)
        assert await past.refusal(operation, question) is Code.NOT_A_PARTICIPANT


@pytest.mark.parametrize("operation", ["trip", "trip_events"])
@pytest.mark.parametrize("name", ["nothing", "\0", "x" * 5000, "'; DROP TABLE trips"])
async def test_an_unknown_trip_is_not_found(
    past: Trips, operation: str, name: str
) -> None:
    shape = {"trip": GetTripRow, "trip_events": ListTripEvents}[operation]
    question = shape("o", Role.OPERATOR, name)
    assert await past.refusal(operation, question) is Code.TRIP_NOT_FOUND


async def test_the_audit_is_oldest_first_with_the_trip_of_then(past: Trips) -> None:
    past.happened(*[trip(1, move) for move in (2, 0, 3, 1)], trip(2))
    result = await past.ask("trip_events", ListTripEvents("r1", Role.RIDER, trip(1).id))
    assert result.data is not None
    rows = codec.decode(result.data, list[AuditRow])
    assert [row.version for row in rows] == [1, 2, 3, 4]
    assert rows[0].type == "trip.requested"
    assert rows[0].at == "2026-11-21T10:00:00.000Z"
    assert rows[0].seq == seq_of(2, 0)
    then = [codec.decode(row.data, Trip) for row in rows]
    assert then == [trip(1, move) for move in range(4)]


async def test_what_the_ledger_holds_when_asked_is_in_the_answer(
    past: Trips,
    database_url: str,
    ledger: Ledger,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the writer's consumer knows: a nats-server counts a record for it just
    after it said it has it. Here it counts none, until a writer comes.
    """
    monkeypatch.setattr(histories, "FRESH_S", 30)
    name, heard = ledger.stream.name, [*ledger.stream.subjects, "elsewhere"]
    await ledger.js.update_stream(name=name, subjects=heard, allow_direct=True)
    await ledger.js.add_consumer(
        name,
        durable_name=streams.WRITER_DURABLE,
        filter_subject="elsewhere",
        ack_policy=AckPolicy.EXPLICIT,
    )
    one = trip(1)
    await ledger.append(event(one))
    question = GetTripRow(one.rider.id, Role.RIDER, one.id, "main")
    asked = asyncio.create_task(past.ask("trip", question))
    await past.ask("trip", GetTripRow("o", Role.OPERATOR, one.id))
    async with working(database_url):
        assert (await asked).refused is None


async def test_a_thousand_reads_at_once_ask_the_ledger_a_few_times(
    past: Trips, bus: Bus, ledger: Ledger
) -> None:
    """No writer is there: all wait as long as one does, and none is `overloaded`."""
    name = ledger.stream.name
    await ledger.js.add_consumer(
        name, durable_name=streams.WRITER_DURABLE, ack_policy=AckPolicy.EXPLICIT
    )
    past.happened(trip(1))
    await ledger.append(event(trip(2)))
    asked: list[bytes] = []
    for subject in (f"STREAM.INFO.{name}", f"CONSUMER.INFO.{name}.*"):
        bus.subscribe_raw(f"$JS.API.{subject}", lambda *one: asked.append(one[0]))
    question = GetTripRow("r1", Role.RIDER, trip(1).id, "main")
    # A busy machine's first connections are made before, not amid all of them.
    await asyncio.gather(*(past.ask("trip", question) for _ in range(POOL_MAX)))
    asked.clear()
    reads = [past.ask("trip", question) for _ in range(1000)]
    assert [one.refused for one in await asyncio.gather(*reads)] == [None] * 1000
    assert 0 < len(asked) < 200  # a read asked 14 times


# ---- what is very long comes in pieces ------------------------------------------

LONGEST = {
    "pick_up_address": "\u0001" * 255,
    "drop_off_address": "\U0001f600" * 255,
    "rider": Person("r1", "rider1", "\u0001" * 150, "\U0001f600" * 150),
    "driver": Person("d1", "driver1", "\u0001" * 150, "\U0001f600" * 150),
}


async def test_a_page_of_the_longest_trips_is_shorter_and_the_list_whole(
    past: Trips,
) -> None:
    past.happened(*[trip(number, 1, **LONGEST) for number in range(400)])
    for user, role in (("o", Role.OPERATOR), ("r1", Role.RIDER), ("d1", Role.DRIVER)):
        seen: list[str] = []
        before = None
        while page := await past.page(user, role, limit=100, before=before):
            seen += page
            before = page[-1]
        assert seen == ids(*reversed(range(400)))


@pytest.mark.parametrize("long", [{}, LONGEST], ids=["many", "long"])
async def test_an_audit_comes_whole_however_long(
    past: Trips, long: dict[str, Any]
) -> None:
    count = 600
    past.happened(*[trip(1, 1, version=n + 1, **long) for n in range(count)])
    question = ListTripEvents("r1", Role.RIDER, trip(1).id)
    seen: list[AuditRow] = []
    while True:
        result = await past.ask("trip_events", question)
        assert result.data is not None, result.refused
        page = codec.decode(result.data, list[AuditRow])
        seen += page
        if not result.more:
            break
        assert page
        question.after_version = page[-1].version
        question.after_seq = page[-1].seq
    assert [row.version for row in seen] == list(range(1, count + 1))


async def test_an_audit_that_fits_comes_at_once(past: Trips) -> None:
    past.happened(*[trip(1, move) for move in range(4)])
    question = ListTripEvents("r1", Role.RIDER, trip(1).id)
    result = await past.ask("trip_events", question)
    assert not result.more
    question.after_version, question.after_seq = 4, seq_of(4, 0)
    rest = await past.ask("trip_events", question)
    assert (bytes(rest.data or b""), rest.more) == (b"[]", False)


# ---- find: for the leader, who has forgotten ---------------------------------


async def test_an_ended_trip_is_found_however_far_behind_the_writer_is(
    past: Trips,
) -> None:
    past.happened(trip(1, 3))
    result = await past.ask("find", FindTrip("main", trip(1).id, seq_of(10**6, 0)))
    assert bytes(result.data or b"") == codec.encode(trip(1, 3))


async def test_a_trip_not_yet_written_is_unavailable_rather_than_unknown(
    past: Trips, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "CATCH_UP_S", 0.05)
    past.happened(trip(2, 1))
    for number in (1, 2):  # not there; there, but not ended
        question = FindTrip("main", trip(number).id, seq_of(5, 0))
        assert await past.refusal("find", question) is Code.UNAVAILABLE


async def test_find_waits_for_a_writer_that_is_moments_behind(
    past: Trips,
    database_url: str,
    ledger: Ledger,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(histories, "CATCH_UP_S", 30)
    n = await ledger.append(event(trip(1)))
    asked = asyncio.create_task(
        past.ask("find", FindTrip("main", trip(1).id, seq_of(n, 0)))
    )
    async with working(database_url):
        result = await asked
    assert bytes(result.data or b"") == codec.encode(trip(1)), result


async def test_a_trip_of_no_record_so_far_is_not_found(
    past: Trips, database_url: str, ledger: Ledger, working: Working
) -> None:
    n = await ledger.append(event(trip(1)))
    async with working(database_url):
        question = FindTrip("main", trip(2).id, seq_of(n, 0))
        assert await past.refusal("find", question) is Code.TRIP_NOT_FOUND


async def test_a_trip_of_another_region_is_not_found(past: Trips) -> None:
    past.happened(trip(1, 3, region="oslo"))
    question = FindTrip("oslo", trip(1).id, seq_of(1, 0))
    assert (await past.ask("find", question)).refused is None


async def test_a_driver_is_told_no_reference_and_old_trips_have_every_field(
    past: Trips,
) -> None:
    past.happened(*(trip(1, move, reference="order 7") for move in range(3)))
    for user, role, told in (
        ("r1", Role.RIDER, "order 7"),
        ("o", Role.OPERATOR, "order 7"),
        ("d1", Role.DRIVER, None),
    ):
        listed = await past.ask("trips", ListTrips(user, role))
        assert listed.data is not None
        one = await past.ask("trip", GetTripRow(user, role, trip(1).id))
        assert one.data is not None
        audit = await past.ask("trip_events", ListTripEvents(user, role, trip(1).id))
        assert audit.data is not None
        rows = codec.decode(audit.data, list[AuditRow])
        shown = [codec.decode(row.data, Trip) for row in rows]
        shown += [*codec.decode(listed.data, list[Trip]), codec.decode(one.data, Trip)]
        assert [each.reference for each in shown] == [told] * 5
