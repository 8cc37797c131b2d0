"""A ledger in place of one that was lost: above its numbers, with its active trips."""

import asyncio
from pathlib import Path

import pytest

from cabrank.errors import UsageError
from cabrank.operate import seeding
from cabrank.operate.rebuild import HEADROOM_RECORDS, Begun, begin_anew, rebuild
from cabrank.operate.verify import verify
from dispatcher.engine.engine import Engine, Limits
from runtime.bus import Bus
from runtime.follower import Follower
from runtime.ledger import extent, open_ledger
from schemas import codec
from schemas.events import seq_of
from schemas.ledger import RECORD_BYTES_MAX, Record
from schemas.times import rfc3339
from schemas.trips import Status, Trip
from tests.contract.cabrank.commands import assert_refused, run
from tests.contract.dispatcher.desk import Process
from tests.contract.rebuild.conftest import Kept, Rows
from tests.support.nats import NatsServer
from tests.support.records import T0_MS, event, message, trip


async def differences() -> int:
    return sum(report.different for report in await verify(None, wait=False))


async def test_a_new_ledger_begins_above_the_lost_one(
    projected: Kept, settled: None, rows: Rows
) -> None:
    await projected.js.delete_stream(projected.stream.name)
    (begun,) = await begin_anew(None)
    made = begun.ledger
    assert begun.is_new
    assert made.born_seq == 21 - 1 + HEADROOM_RECORDS + 1  # the last record is empty
    assert made.id not in ("", projected.id)
    appended = await projected.js.publish(projected.stream.subjects[0], b"{}")
    assert appended.seq == made.born_seq + 1
    assert len(rows.all()["trip_events"]) == 12


async def lost_with_trips_under_way(projected: Kept) -> list[Trip]:
    """Three trips that go on, as they were when the ledger was lost."""
    under_way = [trip(10, 0), trip(11, 1), trip(12, 2)]
    for last, each in enumerate(under_way):
        for move in range(last + 1):
            await projected.append(event(trip(10 + last, move)))
        assert each.version == last + 1
    await rebuild(None)
    await projected.js.delete_stream(projected.stream.name)
    return under_way


async def replayed(bus: Bus, begun: Begun) -> Engine:
    """What a dispatcher makes of the new ledger."""
    js = bus.jetstream()
    follower = Follower(bus, begun.ledger)
    engine = Engine("main", Limits(request_ttl_ms=300_000))
    last = (await extent(js, begun.ledger)).last
    async for _, record in follower.records(begun.ledger.born_seq, last):
        assert record is not None
        engine.apply_record(record)
    follower.close()
    return engine


async def test_trips_that_were_under_way_go_on_in_the_new_ledger(
    bus: Bus, projected: Kept, rows: Rows
) -> None:
    under_way = await lost_with_trips_under_way(projected)
    before = rows.all()
    (begun,) = await begin_anew(None)
    assert (begun.trips, begun.ended) == (3, [])
    engine = await replayed(bus, begun)
    held = engine._state.trips
    assert [held[each.id].trip for each in under_way] == under_way
    assert [held[each.id].type for each in under_way] == [
        "trip.requested", "trip.started", "trip.in_progress",
    ]  # fmt: skip
    assert engine.driving("d11") == under_way[1]
    assert engine.head_seq >= seq_of(begun.ledger.born_seq, 0)
    # They are no events of their own: nothing to write, nothing to compare.
    await rebuild(None)
    assert rows.all() == before
    assert await differences() == 0


async def test_a_new_ledger_that_was_broken_off_is_finished_once(
    bus: Bus, projected: Kept, rows: Rows
) -> None:
    under_way = await lost_with_trips_under_way(projected)
    js = bus.jetstream()
    first_seq = projected.n + HEADROOM_RECORDS
    ledger = await open_ledger(
        js, "main", bytes_max=-1, replicas=1, first_seq=first_seq
    )
    with rows.engine.connect() as connection:
        trips, _ = seeding.active(connection, "main")
    await seeding.seed(bus, js, ledger, trips[:2], T0_MS + 99_000)
    for _ in range(2):
        (begun,) = await begin_anew(None)
        assert (begun.ledger, begun.trips) == (ledger, 3)
    engine = await replayed(bus, begun)
    assert engine._state.trips.keys() == {each.id for each in under_way}
    assert (await extent(js, ledger)).messages == 3  # the epoch's, two trips, the third


async def test_bookings_are_kept_whatever_else_their_rider_did(
    bus: Bus, projected: Kept
) -> None:
    """They occupy nobody: no trip under way ends them, nor one that ended since."""
    booked = [
        trip(
            number,
            status=Status.SCHEDULED,
            rider=trip(10).rider,
            pick_up_at=rfc3339(T0_MS + 7 * 86_400_000),
            reference="r",
        )
        for number in (20, 21)
    ]
    await projected.append(*(event(one, 0, type="trip.scheduled") for one in booked))
    under_way = trip(10, 1)
    await projected.append(event(trip(10, 0)), event(under_way))
    ended = trip(11, 3, rider=trip(10).rider, updated=rfc3339(T0_MS + 99_000))
    await projected.append(event(ended))
    await rebuild(None)
    await projected.js.delete_stream(projected.stream.name)
    (begun,) = await begin_anew(None)
    assert (begun.trips, begun.ended) == (2, [under_way.id])
    engine = await replayed(bus, begun)
    state = engine._state
    assert {held.trip.id: held.trip for held in state.trips.values()} == {
        one.id: one for one in booked
    }
    assert {held.type for held in state.trips.values()} == {"trip.scheduled"}
    assert (state.riders, list(state.booked)) == ({}, ["r10"])
    assert engine.next_due_ms() is not None


def test_a_record_of_restored_trips_says_who_can_read_it() -> None:
    for more, version in (({}, 1), ({"note": "n"}, 3)):
        one = seeding.Active(trip(1, **more), "trip.requested", "r", T0_MS)
        ((_, payload),) = seeding.records("0" * 32, 8, 7, T0_MS, [one])
        assert codec.decode(payload, Record).v == version


def test_many_trips_take_several_records_that_fit() -> None:
    trips = [
        seeding.Active(trip(number, 1), "trip.started", "d", T0_MS)
        for number in range(5_000)
    ]
    made = list(seeding.records("0" * 32, 8, 7, T0_MS, trips))
    assert len(made) > 2
    assert [n for n, _ in made] == list(range(8, 8 + len(made)))
    assert max(len(payload) for _, payload in made) <= RECORD_BYTES_MAX
    decoded = [codec.decode(payload, Record) for _, payload in made]
    assert all(
        event.seq == seq_of(one.n, index)
        for one in decoded
        for index, event in enumerate(one.events)
    )
    assert sum(len(one.events) for one in decoded) == 5_000


async def test_a_trip_whose_rider_has_a_newer_one_is_left_out_and_told(
    projected: Kept,
) -> None:
    """It had ended, and persistence had not written that yet."""
    stale = trip(10, 1)
    newer = trip(11, 0, rider=stale.rider, updated=rfc3339(T0_MS + 99_000))
    await projected.append(event(trip(10, 0)), event(stale), event(newer, 0))
    await rebuild(None)
    await projected.js.delete_stream(projected.stream.name)
    (begun,) = await begin_anew(None)
    assert (begun.trips, begun.ended) == (1, [stale.id])
    assert f"trip {stale.id} is left out" in str(begun)


async def test_a_trip_whose_people_ended_a_newer_one_is_left_out_too(
    projected: Kept,
) -> None:
    later = rfc3339(T0_MS + 99_000)
    riders, drivers = trip(10, 1), trip(20, 1)
    goes_on = trip(30, 1, updated=rfc3339(T0_MS + 99_500))
    await projected.append(
        event(riders),
        event(drivers),
        event(trip(11, 3, rider=riders.rider, updated=later)),
        event(trip(21, 3, driver=drivers.driver, updated=later)),
        event(trip(31, 3, rider=goes_on.rider, driver=goes_on.driver, updated=later)),
        event(goes_on),
    )
    await rebuild(None)
    await projected.js.delete_stream(projected.stream.name)
    (begun,) = await begin_anew(None)
    assert begun.trips == 1
    assert set(begun.ended) == {riders.id, drivers.id}


async def test_beside_running_dispatchers_no_ledger_is_begun(
    projected: Kept, nats_server: NatsServer, tmp_path: Path
) -> None:
    running = Process(nats_server.url, tmp_path / "dispatcher.log")
    try:
        await running.stands_by()
        done = await asyncio.to_thread(run, "rebuild", "--new-ledger", cwd=tmp_path)
    finally:
        running.kill()
    assert_refused(done, saying="Dispatchers are running")


async def test_a_ledger_begun_below_the_database_s_numbers_is_refused(
    bus: Bus, projected: Kept
) -> None:
    """A dispatcher was faster, and knew of no past."""
    await projected.js.delete_stream(projected.stream.name)
    begun_anew = await Kept(bus).create()
    await begun_anew.append()
    with pytest.raises(UsageError, match="delete the stream LEDGER_main"):
        await begin_anew(None)


async def test_a_ledger_that_is_there_stays(projected: Kept) -> None:
    (begun,) = await begin_anew(None)
    assert not begun.is_new
    assert (begun.ledger.id, begun.ledger.born_seq) == (projected.id, 1)


@pytest.mark.usefixtures("settled", "nats_server")
async def test_without_a_past_a_new_ledger_begins_at_one() -> None:
    (begun,) = await begin_anew(None)
    assert begun.is_new
    assert begun.ledger.born_seq == 1


async def test_a_new_ledger_begins_later_than_all_that_was(
    bus: Bus, projected: Kept
) -> None:
    """A clock was ahead: what is new is listed as new all the same."""
    ahead = 4_000_000_000_000
    await projected.append(message("hall", 4, at=rfc3339(ahead)))
    await rebuild(None)
    await projected.js.delete_stream(projected.stream.name)
    (begun,) = await begin_anew(None)
    assert (await replayed(bus, begun)).stamp_ms == ahead + 1
