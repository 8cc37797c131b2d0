"""Several workers, and those that die: everything is sent, in order for each trip."""

import asyncio

from persistence.deliveries.intake import FULL
from persistence.projected.pull import Pull
from runtime.lifecycle import cancel
from schemas import webhooks
from schemas.accounts import Result
from schemas.codec import decode, encode
from schemas.streams import WRITER_DURABLE, webhooks_read
from schemas.subjects import deliveries
from schemas.webhooks import (
    LINE_LEASE_MS,
    READER_LEASE_MS,
    Happened,
    LedgerAt,
    Plan,
    Planned,
    RemoveWebhook,
    Store,
)
from tests.contract.webhooks.conftest import OPERATOR, Office, Working
from tests.support.endpoint import Delivery, Writer, answer, hang, listening
from tests.support.records import LEDGER, Ledger, event, trip
from tests.support.waiting import until, until_is

TRIPS = 40
WAY = ["trip.requested", "trip.started", "trip.in_progress", "trip.completed"]


def of_trip(got: list[Delivery], number: int) -> list[str]:
    """Its types as they first came."""
    types = [one.type for one in got if one.said["data"]["id"] == trip(number).id]
    return list(dict.fromkeys(types))


async def test_two_workers_share_the_work_and_keep_each_trip_in_order(
    office: Office, working: Working, ledger: Ledger
) -> None:
    there_now: set[str] = set()
    overlaps: list[str] = []

    async def slowly(delivery: Delivery, writer: Writer) -> None:
        trip_id = delivery.said["data"]["id"]
        overlaps.extend([trip_id] * (trip_id in there_now))
        there_now.add(trip_id)
        await asyncio.sleep(0.01)
        there_now.discard(trip_id)
        await answer(200)(delivery, writer)

    async with listening(then=slowly) as there, working(), working():
        hook = await office.add(there.url, "trip.*")
        for move in range(4):
            for number in range(0, TRIPS, 4):
                some = range(number, number + 4)
                await ledger.append(*(event(trip(n, move)) for n in some))
        await there.has(4 * TRIPS)
        await until_is(
            lambda: office.deliveries(hook.id),
            lambda rows: all(row.status == "taken" for row in rows),
        )
        assert overlaps == []
        assert len({one.id for one in there.got}) == len(there.got) == 4 * TRIPS
        assert [of_trip(there.got, n) for n in range(TRIPS)] == [WAY] * TRIPS


async def test_what_a_dead_worker_had_claimed_is_sent_by_another(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening(*[hang] * 8) as there:
        await office.add(there.url, "trip.*")
        async with working() as dying:
            await ledger.append(*(event(trip(n, 0)) for n in range(8)))
            await there.has(8)
            dying.drain = None  # it says no word more
            await cancel(list(dying.service._tasks))
        for move in range(1, 4):
            await ledger.append(*(event(trip(n, move)) for n in range(8)))
        async with working():
            office.clock.ahead_ms += max(LINE_LEASE_MS, READER_LEASE_MS) + 1
            await there.has(8 + 32)
            await until(
                lambda: all(of_trip(there.got, n) == WAY for n in range(8)), "all"
            )
        again = {one.id for one in there.got[:8]}
        assert again == {one.id for one in there.got[8:] if one.type == WAY[0]}


async def test_a_ledger_is_told_how_far_it_is_read_and_a_new_worker_leaves_it_so(
    office: Office, working: Working, ledger: Ledger
) -> None:
    """Its leader lets go of nothing that is unread (dispatcher/region/retention.py)."""
    pull = Pull(office.bus, ledger.stream.name, list, lambda: False, list)
    await pull.prepare(ledger.js)

    async def told() -> int | None:
        await office.persistence.tell_places()
        info = await ledger.js.consumer_info(ledger.stream.name, WRITER_DURABLE)
        return webhooks_read(info.config.metadata)

    await ledger.append(event(trip(1, 0)))
    assert await told() is None
    async with listening() as there:
        hook = await office.add(there.url, "trip.*")
        async with working():
            await ledger.append(event(trip(1, 1)))
            await there.has(1)
            assert await until_is(told, lambda read: read == ledger.n)
        await ledger.append(event(trip(1, 2)))
        await pull.prepare(ledger.js)
        assert await told() == ledger.n - 1
        await office.told("remove", RemoveWebhook(hook.id, OPERATOR), None)
    assert await told() is None
    pull.close()


async def test_of_two_who_take_a_ledger_for_theirs_one_is_told(
    office: Office, ledger: Ledger
) -> None:
    await office.add("http://127.0.0.1:9/", "trip.*")

    async def ask(operation: str, asked: object) -> Result:
        reply = await office.bus.request(deliveries(operation), encode(asked), 30)
        return decode(reply.data, Result)

    at = [LedgerAt("main", LEDGER, 1)]
    first = decode((await ask("plan", Plan("a", at))).data or b"", Planned)
    second = decode((await ask("plan", Plan("b", at))).data or b"", Planned)
    assert (len(first.reading), len(second.reading)) == (1, 0)
    seq = first.reading[0].seq
    said = Happened(seq + 1, WAY[0], 1, "t", "t", ("u",), "{}")
    asked = Store("a", "main", LEDGER, seq, seq + 1, ["trip.*"], [said])
    assert (await ask("store", asked)).refused is None
    for again in ("a", "b"):
        asked = Store(again, "main", LEDGER, seq, seq + 1, ["trip.*"], [said])
        assert (await ask("store", asked)).refused is not None
    # Nor does who doesn't know of all that is wanted pass it over.
    asked = Store("a", "main", LEDGER, seq + 1, seq + 2, ["offer.made"], [])
    assert (await ask("store", asked)).refused is not None
    office.clock.ahead_ms += READER_LEASE_MS + 1
    second = decode((await ask("plan", Plan("b", at))).data or b"", Planned)
    assert [one.seq for one in second.reading] == [seq + 1]


async def test_what_comes_for_an_endpoint_with_too_much_is_dead_and_told(
    office: Office, ledger: Ledger
) -> None:
    hook = await office.add("http://127.0.0.1:9/", "trip.*")

    async def ask(operation: str, asked: object) -> Result:
        reply = await office.bus.request(deliveries(operation), encode(asked), 30)
        return decode(reply.data, Result)

    plan = Plan("a", [LedgerAt("main", LEDGER, 1)])
    planned = decode((await ask("plan", plan)).data or b"", Planned)
    seq = planned.reading[0].seq
    body = "x" * (webhooks.STORE_BYTES_MAX // 2)
    most = webhooks.WAITING_BYTES_MAX // len(body)
    for k in range(most + 2):
        said = Happened(seq + 1, WAY[0], k, "t", f"t{k}", (), body)
        asked = Store("a", "main", LEDGER, seq, seq + 1, ["trip.*"], [said])
        assert (await ask("store", asked)).refused is None
        seq += 1
    rows = await office.deliveries(hook.id)
    assert [(row.status, row.error) for row in rows[:3]] == [
        *(("dead", FULL), ("dead", FULL)),
        ("waiting", None),
    ]
