"""Commands on their way to the leader and back: retries, order, refusals, look-ups."""

from typing import Any

import pytest

from schemas import accounts, commands, subjects
from schemas.accounts import Result
from schemas.codec import decode, encode
from schemas.commands import Answer, AnyCommand, Lookup
from schemas.refusals import Code, Refusal
from tests.contract.gateway_ws.conftest import World
from tests.contract.gateway_ws.scripted_leader import EPOCH, raw, refuse, trip
from tests.support.client import Client
from tests.support.waiting import until

TRIP = trip(1)["id"]
ADDRESSES = {"pick_up_address": "A", "drop_off_address": "B"}


async def test_each_frame_becomes_its_command_and_the_answer_its_reply(
    world: World,
) -> None:
    await world.start()
    leader = world.leader
    leader.decide = lambda c: Answer(c.id, c.attempt, data=raw(trip(1)))
    driver = await world.driver()
    rider = await world.rider()
    frames: list[tuple[Client, str, dict[str, Any], type]] = [
        (rider, "trip.request", ADDRESSES, commands.RequestTrip),
        (rider, "create.trip", ADDRESSES, commands.RequestTrip),
        (rider, "trip.cancel", {"id": TRIP, "reason": "late"}, commands.CancelTrip),
        (rider, "trip.get", {"id": TRIP.upper()}, commands.GetTrip),
        (driver, "trip.accept", {"id": TRIP}, commands.AcceptTrip),
        (driver, "trip.decline", {"id": TRIP}, commands.DeclineTrip),
        (driver, "trip.arrive", {"id": TRIP}, commands.ArriveTrip),
        (driver, "trip.begin", {"id": TRIP}, commands.BeginTrip),
        (driver, "trip.complete", {"id": TRIP}, commands.CompleteTrip),
        (driver, "trip.release", {"id": TRIP}, commands.ReleaseTrip),
        (driver, "driver.online", {}, commands.GoOnline),
        (driver, "driver.offline", {}, commands.GoOffline),
    ]
    olders = {
        "STARTED": commands.AcceptTrip,
        "ARRIVED": commands.ArriveTrip,
        "IN_PROGRESS": commands.BeginTrip,
        "COMPLETED": commands.CompleteTrip,
    }
    frames += [
        (driver, "update.trip", {"id": TRIP, "status": status}, command)
        for status, command in olders.items()
    ]
    for client, kind, data, command in frames:
        assert await client.do(kind, data) == trip(1)
        last = leader.commands[-1]
        assert type(last) is command
        assert getattr(last, "trip", TRIP) == TRIP
        assert len(last.id) == 32


async def test_what_the_leader_refuses_is_refused_with_its_code(world: World) -> None:
    await world.start()
    client = await world.driver()
    for code in Code:
        world.leader.decide = refuse(code, "because")
        frame = await client.ask("trip.accept", {"id": TRIP})
        retryable = code in {Code.RATE_LIMITED, Code.OVERLOADED, Code.UNAVAILABLE}
        data = {"code": code.value, "message": "because", "retryable": retryable}
        assert frame["data"] == data


async def test_a_driver_s_position_reaches_the_leader_without_an_answer(
    world: World,
) -> None:
    await world.start()
    client = await world.driver()
    at = "2026-11-21T11:00:00.5+01:00"
    here = {"lat": 1, "lon": 2.5, "heading": 360, "speed": 0, "at": at}
    await client.send({"type": "driver.location", "data": {"lat": 9, "lon": 9}})
    await client.send({"type": "driver.location", "data": here})
    await until(lambda: any(fix.lat == 1 for fix in world.leader.fixes))
    fix = world.leader.fixes[-1]
    assert (fix.lat, fix.lon, fix.heading, fix.speed) == (1, 2.5, 360, 0)
    assert fix.at == "2026-11-21T10:00:00.500Z"
    await client.quiet()
    assert len(client.frames) == 2  # welcome, and the answer to `quiet`


async def test_a_command_meets_no_leader_and_is_decided_by_the_next(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    await world.leader.go_away()
    for ref in ("1", "2", "3"):
        await client.send({"type": "trip.request", "ref": ref, "data": ADDRESSES})
    await until(lambda: world.gateway is not None and world.gateway.link.count == 3)
    await world.leader.listen()
    world.leader.announce(EPOCH + 1)
    for ref in ("1", "2", "3"):
        assert (await client.answer(ref))["type"] == "reply"
    decided = [c.id for c in world.leader.asked(commands.RequestTrip)]
    assert list(dict.fromkeys(decided)) == sorted(decided[:3])


async def test_no_announcement_is_needed_the_probe_finds_the_new_leader(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    await world.leader.go_away()
    for ref in ("1", "2"):
        await client.send({"type": "trip.request", "ref": ref, "data": ADDRESSES})
    await until(lambda: world.gateway is not None and world.gateway.link.count == 2)
    await world.leader.listen()
    for ref in ("1", "2"):
        assert (await client.answer(ref))["type"] == "reply"


async def test_a_lost_answer_is_asked_for_again_with_the_same_id(world: World) -> None:
    await world.start(resend_s=0.1)
    client = await world.rider()

    def decide(command: AnyCommand) -> Answer | None:
        if command.attempt < 3:
            return None
        return Answer(command.id, command.attempt, data=raw(trip(1)))

    world.leader.decide = decide
    await client.do("trip.request", ADDRESSES)
    sent = world.leader.asked(commands.RequestTrip)
    assert [c.attempt for c in sent] == [1, 2, 3]
    assert len({c.id for c in sent}) == 1


async def test_only_the_latest_attempt_s_answer_is_taken(world: World) -> None:
    await world.start(resend_s=0.1)
    client = await world.rider()

    def decide(command: AnyCommand) -> Answer | None:
        if command.attempt == 1:
            return None
        first = Answer(command.id, 1, data=raw({"attempt": 1}))
        assert world.gateway is not None
        world.leader.answer_late(world.gateway.id, first)
        return Answer(command.id, command.attempt, data=raw({"attempt": 2}))

    world.leader.decide = decide
    assert await client.do("trip.request", ADDRESSES) == {"attempt": 2}


async def test_a_new_leader_is_sent_what_is_unanswered_in_order(world: World) -> None:
    await world.start()
    client = await world.rider()
    world.leader.announce(EPOCH)
    await client.quiet()
    world.leader.decide = lambda _: None
    for ref in ("1", "2", "3"):
        await client.send({"type": "trip.request", "ref": ref, "data": ADDRESSES})
    await until(lambda: len(world.leader.asked(commands.RequestTrip)) == 3)
    world.leader.decide = lambda c: Answer(c.id, c.attempt, data=raw({}))
    world.leader.announce(EPOCH + 1)
    await client.answer("3")
    sent = [(c.id, c.attempt) for c in world.leader.asked(commands.RequestTrip)]
    first = [command_id for command_id, attempt in sent if attempt == 1]
    again = [command_id for command_id, attempt in sent if attempt == 2]
    assert first == again


async def test_no_answer_by_the_deadline_is_unavailable(world: World) -> None:
    await world.start(command_s=2)  # the welcome asks in it, too
    client = await world.rider()
    world.leader.decide = lambda _: None
    frame = await client.ask("trip.request", ADDRESSES)
    assert frame["data"]["code"] == "unavailable"
    assert frame["data"]["retryable"] is True


async def test_nothing_is_sent_while_nats_is_away_and_all_when_it_is_back(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    world.nats.kill()
    await until(
        lambda: world.gateway is not None and not world.gateway.bus.is_connected
    )
    await client.send({"type": "trip.request", "ref": "1", "data": ADDRESSES})
    await until(lambda: world.gateway is not None and world.gateway.link.count == 1)
    world.nats.start()
    assert (await client.answer("1"))["type"] == "reply"


async def test_too_many_pending_commands_are_rate_limited(world: World) -> None:
    await world.start(pending_per_connection_max=2, command_s=2)
    client = await world.rider()
    world.leader.decide = lambda _: None
    for ref in ("1", "2", "3"):
        await client.send({"type": "trip.request", "ref": ref, "data": ADDRESSES})
    assert (await client.answer("3"))["data"]["code"] == "rate_limited"
    assert (await client.answer("1"))["data"]["code"] == "unavailable"
    await client.answer("2")
    world.leader.decide = lambda c: Answer(c.id, c.attempt, data=raw({}))
    await client.do("trip.request", ADDRESSES)


async def test_too_many_in_a_region_are_overloaded(world: World) -> None:
    await world.start(pending_per_region_max=1)
    client = await world.rider()
    world.leader.decide = lambda _: None
    await client.send({"type": "trip.request", "ref": "1", "data": ADDRESSES})
    assert await client.refusal("trip.request", ADDRESSES) == "overloaded"
    await client.vanish()  # or a stopping gateway waits for its answer


def history(world: World, *results: Result) -> list[accounts.FindTrip]:
    """In persistence's place: answers `history.find` with these, the last for ever."""
    asked: list[accounts.FindTrip] = []

    def find(_: bytes, reply: bytes, payload: bytes, _headers: bytes) -> None:
        asked.append(decode(payload, accounts.FindTrip))
        result = results[min(len(asked), len(results)) - 1]
        world.bus.send(reply.decode(), encode(result))

    world.bus.subscribe_raw(subjects.history("find"), find, "history")
    return asked


def look_up(command: AnyCommand) -> Answer:
    if getattr(command, "archived", None) is None:
        lookup = Lookup(TRIP, 4096)
        return Answer(command.id, command.attempt, lookup=lookup)
    return Answer(command.id, command.attempt, data=raw(command.archived))  # type: ignore[union-attr]


PERSON = {"id": "u", "username": "n", "first_name": "", "last_name": ""}
ARCHIVED = {
    "id": TRIP,
    "region": "main",
    "status": "COMPLETED",
    "version": 4,
    "pick_up_address": "A",
    "drop_off_address": "B",
    "pick_up": None,
    "drop_off": None,
    "rider": PERSON,
    "driver": None,
    "created": "2026-11-21T10:00:00.000Z",
    "updated": "2026-11-21T10:00:00.000Z",
}


LATER = {"note": None, "reference": None, "needs": [], "pick_up_at": None}
"""What a trip of before v1.1 is shown with."""


async def test_a_trip_the_leader_forgot_is_fetched_from_history(world: World) -> None:
    await world.start()
    lagging = Result(refused=Refusal(Code.UNAVAILABLE, "not yet"))
    asked = history(world, lagging, lagging, Result(data=raw(ARCHIVED)))
    world.leader.decide = look_up
    client = await world.rider()
    assert await client.do("trip.get", {"id": TRIP}) == ARCHIVED | LATER
    assert len(asked) == 3
    assert asked[0] == accounts.FindTrip("main", TRIP, 4096)
    assert [c.attempt for c in world.leader.asked(commands.GetTrip)] == [1, 2]


async def test_a_trip_nobody_knows_is_not_found(world: World) -> None:
    await world.start()
    history(world, Result(refused=Refusal(Code.TRIP_NOT_FOUND, "no such trip")))
    world.leader.decide = look_up
    client = await world.rider()
    assert await client.refusal("trip.get", {"id": TRIP}) == "trip_not_found"


@pytest.mark.parametrize("behind", [True, False])
async def test_history_that_does_not_answer_in_time_is_unavailable(
    world: World, behind: bool
) -> None:
    await world.start(command_s=2)
    if behind:
        history(world, Result(refused=Refusal(Code.UNAVAILABLE, "not yet")))
    world.leader.decide = look_up
    client = await world.rider()
    assert await client.refusal("trip.get", {"id": TRIP}) == "unavailable"
