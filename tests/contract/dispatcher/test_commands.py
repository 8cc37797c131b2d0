"""Commands in, events and answers out, as ARCHITECTURE.md has it between services."""

import time

import pytest
from msgspec.structs import replace

from dispatcher.engine import batch
from dispatcher.region import waiting
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.commands import AcceptTrip, CancelTrip, Fix, GetTrip, GoOffline, SyncUser
from schemas.commands import SyncData as SyncAnswer
from schemas.events import FeedEntry, Moved, TripPush, record_of
from schemas.refusals import Code
from schemas.trips import Status, Trip
from tests.contract.dispatcher.desk import (
    DAN,
    DORA,
    RITA,
    Book,
    Gateway,
    InProcess,
    command,
    request,
    rider,
)
from tests.support.waiting import until


async def test_a_trip_goes_from_request_to_its_end(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    trip = await gateway.ride()
    assert (trip.status, trip.version, trip.rider.id) == (Status.COMPLETED, 4, "rita")


async def test_rider_driver_observer_and_all_drivers_are_told(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    gateway.hear_all()
    await gateway.ready()
    trip = await gateway.ride()

    told = [(at, said.type) for at, said in gateway.log if isinstance(said, TripPush)]
    ways = ["trip.started", "trip.in_progress", "trip.completed"]
    assert [what for at, what in told if at == "user.main.rita"] == [
        "trip.requested",
        *ways,
    ]
    assert [what for at, what in told if at == "user.main.dora"] == ways
    assert [what for at, what in told if at == f"trip.main.{trip.id}"] == [
        "trip.requested",
        *ways,
    ]
    entries: list[FeedEntry] = [
        entry for at, said in gateway.log if at == "drivers.main" for entry in said
    ]
    assert [(one.n, one.type, one.exclude) for one in entries] == [
        (1, "trip.requested", ("rita",)),
        (2, "trip.taken", ("rita", "dora")),
    ]


async def test_events_come_before_the_answer_that_depends_on_them(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    gateway.hear_all()
    await gateway.ready()
    await gateway.trip(request())
    subjects_in_order = [at for at, _ in gateway.log]
    assert subjects_in_order[0] == "user.main.rita"
    assert subjects_in_order[-2:] == ["drivers.main", gateway.reply]


async def test_an_answer_is_in_the_ledger_when_it_comes(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    trip = await gateway.trip(request())
    record = await book.record(await book.last())
    assert [event.trip for event in record.events] == [trip]  # type: ignore[union-attr]


async def test_second_driver_to_accept_is_refused(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    refused = await gateway.code(command(AcceptTrip, DAN, trip=trip.id))
    assert refused is Code.TRIP_ALREADY_TAKEN


async def test_many_commands_of_one_tick_share_few_records(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    before = await book.last()
    asked = [request(rider(number)) for number in range(200)]
    gateway.send(*asked)
    await until(lambda: all(gateway.answer_to(one) for one in asked))
    assert await book.last() - before <= 3
    seqs = [event.seq for one in await book.records() for event in one.events]
    assert len(seqs) == 200
    assert seqs == sorted(set(seqs))


async def test_a_question_appends_an_empty_record_before_it_is_answered(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    trip = await gateway.trip(request())
    before = await book.last()
    assert await gateway.trip(command(GetTrip, RITA, trip=trip.id)) == trip
    assert await book.last() == before + 1
    assert (await book.record(before + 1)).events == []


async def test_an_unknown_trip_is_looked_up_in_history(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    unknown = "0192f0c4-0000-7000-8000-000000000000"
    asked = command(GetTrip, RITA, trip=unknown)
    answer = await gateway.ask(asked)
    assert answer.lookup is not None
    assert answer.lookup.trip == unknown
    ended = Trip(
        unknown, "main", Status.COMPLETED, 4, "A", "B", None, None, RITA.person(),
        DORA.person(), "2026-11-21T10:00:00.000Z", "2026-11-21T10:10:00.000Z",
    )  # fmt: skip
    again = command(GetTrip, RITA, trip=unknown, id=asked.id, attempt=2, archived=ended)
    assert await gateway.trip(again) == ended


async def test_a_repeated_command_is_answered_again_and_decided_once(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    first = request()
    trip = await gateway.trip(first)
    again = request(id=first.id, attempt=2)
    assert await gateway.trip(again) == trip
    events = [event for one in await book.records() for event in one.events]
    assert len(events) == 1


async def test_a_retry_that_overtakes_the_answer_gets_it_once_at_its_own_attempt(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    first = request()
    again = request(id=first.id, attempt=2)
    gateway.send(first, again)
    await until(lambda: gateway.answer_to(again))
    await gateway.code(request())  # rider_busy: everything before it has come
    assert [one.attempt for _, one in gateway.answers if one.id == first.id] == [2]


async def test_a_command_past_its_deadline_is_dropped(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    late = request(deadline_ms=int(time.time() * 1000) - 1)
    gateway.send(late)
    await gateway.ask(command(SyncUser, RITA))
    assert gateway.answer_to(late) is None
    assert [event for one in await book.records() for event in one.events] == []


async def test_what_can_not_be_read_is_dropped_and_nothing_else(
    dispatcher: InProcess, gateway: Gateway, bus: Bus
) -> None:
    to = subjects.commands("main")
    good = request()
    for payload in (b"", b"\xff", b"{}", b"[" * 5000, b"[1]", b'[{"do":"dance"}]'):
        bus.send(to, payload, gateway.reply)
    named = command(SyncUser, RITA.__class__("a.*", "a", "", "", RITA.role))
    bus.send(to, codec.encode([good]))  # nowhere to answer to
    bus.send(to, codec.encode([good]), "user.main.rita")
    bus.send(to, codec.encode([good]), "reply.>.main")
    gateway.send(named)
    mixed = b"[1," + codec.encode(good) + b"]"
    bus.send(to, mixed, gateway.reply)
    for subject in (subjects.locations("main"), subjects.presence("main")):
        bus.send(subject, b"[[")
    await until(lambda: gateway.answer_to(good))
    assert [one.id for _, one in gateway.answers] == [good.id]
    assert dispatcher.service.failure is None


async def test_answers_go_to_the_gateway_that_asked(
    dispatcher: InProcess, gateway: Gateway, bus: Bus
) -> None:
    other = Gateway(bus, "g2")
    await other.ready()
    mine, theirs = request(rider(1)), request(rider(2))
    gateway.send(mine)
    other.send(theirs)
    await until(lambda: gateway.answer_to(mine) and other.answer_to(theirs))
    assert [one.id for _, one in gateway.answers] == [mine.id]
    assert [one.id for _, one in other.answers] == [theirs.id]


async def test_a_driver_s_position_goes_to_the_rider_of_the_active_trip_only(
    dispatcher: InProcess, gateway: Gateway, bus: Bus
) -> None:
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    gateway.hear("user.main.*", Moved)
    await gateway.ready()
    at = "2026-11-21T10:00:00.000Z"
    idle, busy = (Fix(one.id, 1.5, 2.5, None, None, at) for one in (DAN, DORA))
    bus.send(subjects.locations("main"), codec.encode([idle, busy]))
    await until(lambda: gateway.log)
    await gateway.ask(command(SyncUser, RITA))
    moved = [(to, said) for to, said in gateway.log if isinstance(said, Moved)]
    where = Moved(trip.id, 1.5, 2.5, None, at, version=2)
    assert moved == [("user.main.rita", where)]


async def test_who_comes_back_is_told_what_was_missed(
    dispatcher: InProcess, gateway: Gateway
) -> None:
    before = await _sync(gateway, None)
    assert not before.recovered
    trip = await gateway.trip(request())
    await gateway.trip(command(CancelTrip, RITA, trip=trip.id))
    after = await _sync(gateway, before.seq)
    assert after.recovered
    missed = [codec.decode(one, TripPush) for one in after.events]
    assert [one.type for one in missed] == ["trip.requested", "trip.cancelled"]
    assert missed[-1].seq == after.seq


async def _sync(gateway: Gateway, since: int | None) -> SyncAnswer:
    answer = await gateway.ask(command(SyncUser, RITA, since=since))
    assert answer.data is not None
    return codec.decode(answer.data, SyncAnswer)


async def test_a_driver_goes_offline_once(
    dispatcher: InProcess, gateway: Gateway, book: Book
) -> None:
    for _ in range(2):
        answer = await gateway.ask(command(GoOffline, DORA))
        assert bytes(answer.data or b"") == b'{"online":false,"offers":false}'
    events = [event for one in await book.records() for event in one.events]
    assert len(events) == 1


async def test_a_request_that_nobody_takes_expires(
    settings: Settings, gateway: Gateway
) -> None:
    settings = Settings(nats_url=settings.nats_url, request_ttl_s=0.05)
    gateway.hear("user.main.rita", TripPush)
    dispatcher = await InProcess(settings).start()
    try:
        await gateway.leader()
        trip = await gateway.trip(request())
        await until(lambda: len(gateway.log) == 3)
        expired = gateway.log[-1][1]
        assert expired.type == "trip.expired"
        assert record_of(expired.seq)[1] == 0
        asked = command(AcceptTrip, DORA, trip=trip.id)
        assert await gateway.code(asked) is Code.TRIP_NOT_OPEN
    finally:
        await dispatcher.stop()


async def test_a_full_queue_refuses_what_is_new_and_nothing_that_may_yet_be_done(
    dispatcher: InProcess, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "EVENTS_PER_RECORD_MAX", 1)
    monkeypatch.setattr(waiting, "QUEUE_MAX", 1)
    first, waits, new, old = (request(rider(number)) for number in range(4))
    again = replace(waits, attempt=2)
    later = replace(old, attempt=2)  # its first attempt may be on its way
    gateway.send(first, waits, again, new, later)
    for asked in (first, again):
        await until(lambda asked=asked: gateway.answer_to(asked), "an answer")
        answer = gateway.answer_to(asked)
        assert answer is not None
        assert answer.refused is None
    refused = gateway.answer_to(new)
    assert refused is not None
    assert refused.refused == batch.OVERLOADED
    assert gateway.answer_to(later) is None
    await gateway.trip(replace(old, attempt=3))
