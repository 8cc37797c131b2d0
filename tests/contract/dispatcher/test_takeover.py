"""Two dispatchers for one region: one leads, and when it goes the other does."""

import asyncio
import signal

from runtime.bus import Bus
from runtime.settings import Settings
from schemas.commands import AcceptTrip, Answer, BeginTrip, SyncUser
from schemas.events import FeedEntry, TripPush
from schemas.trips import Status
from tests.contract.dispatcher.conftest import Start
from tests.contract.dispatcher.desk import (
    DAN,
    DORA,
    RITA,
    Book,
    Gateway,
    InProcess,
    Process,
    command,
    request,
    rider,
)
from tests.support.waiting import until


async def pair(gateway: Gateway, start: Start) -> tuple[Process, Process, int]:
    """(leader, standby, epoch)"""
    one, other = start(), start()
    placed = await gateway.settled(2)
    if placed.instance == other.instance:
        one, other = other, one
    assert placed.instance == one.instance
    return one, other, placed.epoch


async def test_a_standby_takes_over_from_a_killed_leader(
    gateway: Gateway, start: Start
) -> None:
    leader, _, epoch = await pair(gateway, start)
    trip = await gateway.trip(request())
    leader.kill()
    taken = await gateway.leader(after=epoch)
    started = await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    assert (started.status, started.version) == (Status.STARTED, 2)
    assert gateway.answers[-1][0] == taken.epoch


async def test_a_standby_takes_over_from_a_leader_that_is_told_to_stop(
    gateway: Gateway, start: Start, book: Book
) -> None:
    leader, _, epoch = await pair(gateway, start)
    asked = [request(rider(number)) for number in range(50)]
    gateway.send(*asked)
    await until(lambda: gateway.answers)
    leader.signal(signal.SIGTERM)
    await gateway.leader(after=epoch)
    assert await leader.status() == 0
    assert all(gateway.answer_to(one) for one in asked)
    told = {one.id for _, one in gateway.answers if one.data is not None}
    events = [event for one in await book.records() for event in one.events]
    assert told == {event.command for event in events}


async def test_a_standby_takes_over_from_a_leader_that_hangs_which_then_stays_silent(
    gateway: Gateway, start: Start, book: Book
) -> None:
    leader, _, epoch = await pair(gateway, start)
    trip = await gateway.trip(request())
    leader.signal(signal.SIGSTOP)
    asked = command(AcceptTrip, DORA, trip=trip.id)
    gateway.send(asked)  # the hung one has it in its socket
    taken = await gateway.leader(after=epoch)
    again = command(AcceptTrip, DORA, trip=trip.id, id=asked.id, attempt=2)
    assert (await gateway.trip(again)).driver == DORA.person()
    last = await book.last()

    leader.signal(signal.SIGCONT)
    await until(lambda: "leads no more" in leader.log.read_text(), "the old one's end")
    assert gateway.answer_to(asked) is None
    assert {epoch for epoch, _ in gateway.answers[-1:]} == {taken.epoch}
    assert not [one for one in await book.records() if one.n > last and one.events]
    assert not [one for one in await book.records() if one.n >= taken.epoch > one.epoch]


async def test_a_command_sent_again_after_a_takeover_is_not_decided_twice(
    gateway: Gateway, start: Start, book: Book
) -> None:
    leader, _, epoch = await pair(gateway, start)
    first = request()
    trip = await gateway.trip(first)
    leader.kill()
    await gateway.leader(after=epoch)
    again = request(id=first.id, attempt=2)
    assert await gateway.trip(again) == trip
    events = [event for one in await book.records() for event in one.events]
    assert len(events) == 1


async def test_a_new_leader_publishes_the_last_two_records_again(
    gateway: Gateway, start: Start
) -> None:
    leader, _, epoch = await pair(gateway, start)
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    await gateway.ask(command(SyncUser, RITA))  # records without events don't count
    gateway.hear("user.main.rita", TripPush)
    gateway.hear("drivers.main", list[FeedEntry])
    await gateway.ready()
    leader.kill()
    await gateway.leader(after=epoch)
    pushed = [said.type for _, said in gateway.log if isinstance(said, TripPush)]
    assert pushed == ["trip.requested", "trip.started"]
    fed = [one.n for _, said in gateway.log if isinstance(said, list) for one in said]
    assert fed == [1, 2]


async def test_the_head_and_the_feed_go_on_after_a_takeover(
    gateway: Gateway, start: Start, book: Book
) -> None:
    leader, _, epoch = await pair(gateway, start)
    trip = await gateway.trip(request())
    leader.kill()
    taken = await gateway.leader(after=epoch)
    assert (taken.seq, taken.feed) == (_last_seq(await book.records()), 1)
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    last = (await book.records())[-1].events[0]
    assert last.seq > taken.seq
    assert getattr(last, "feed", None) == 2


def _last_seq(records: list[object]) -> int:
    return max(event.seq for one in records for event in one.events)  # type: ignore[attr-defined]


async def test_of_dispatchers_that_start_at_once_one_leads(
    gateway: Gateway, settings: Settings, book: Book
) -> None:
    several = await asyncio.gather(*(InProcess(settings).start() for _ in range(3)))
    try:
        await gateway.settled(3)
        await gateway.ride()
        epochs = {epoch for epoch, _ in gateway.answers}
        assert epochs == {gateway.announced[-1].epoch}
        versions = [event.trip.version for one in await book.records()
                    for event in one.events]  # fmt: skip
        assert versions == [1, 2, 3, 4]
    finally:
        for one in several:
            await one.stop()


async def test_leaders_killed_one_after_the_other_lose_nothing_that_was_answered(
    gateway: Gateway, start: Start, book: Book
) -> None:
    answered: dict[str, Answer] = {}
    alive: dict[str, Process] = {}
    epoch = 0
    for turn in range(3):
        fresh = [start() for _ in range(2 - len(alive))]
        placed = await gateway.settled(2)
        epoch = placed.epoch
        alive.update((one.instance, one) for one in fresh)
        asked = [request(rider(turn * 1000 + number)) for number in range(300)]
        for one in asked:
            gateway.send(one)
        await until(lambda: len(gateway.answers) > len(answered))  # noqa: B023
        alive.pop(placed.instance).kill()
        gateway.members.pop(placed.instance)
        answered = {answer.id: answer for _, answer in gateway.answers}
    await gateway.leader(after=epoch)
    stored = {event.command for one in await book.records() for event in one.events}
    assert {one for one, said in answered.items() if said.data is not None} <= stored
    assert len(stored) == len({*stored})
    seqs = [event.seq for one in await book.records() for event in one.events]
    assert seqs == sorted(set(seqs))


async def test_a_trip_begun_under_one_leader_has_one_driver_under_the_next(
    gateway: Gateway, start: Start, bus: Bus
) -> None:
    leader, _, epoch = await pair(gateway, start)
    trip = await gateway.trip(request())
    await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    leader.kill()
    await gateway.leader(after=epoch)
    refused = await gateway.code(command(AcceptTrip, DAN, trip=trip.id))
    assert refused == "trip_already_taken"
    begun = await gateway.trip(command(BeginTrip, DORA, trip=trip.id))
    assert begun.driver == DORA.person()
