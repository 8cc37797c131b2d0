"""Trips over real sockets: races, giving back, cancelling, keys, positions."""

import asyncio
import uuid

from tests.e2e.conftest import ADDRESSES, Sockets, Town, started
from tests.support.client import Client, welcomed
from tests.support.stack import Stack

UNKNOWN = "0192f0c4-0000-7000-8000-000000000000"


async def test_both_sides_see_the_whole_trip(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    for command, event in (
        ("trip.arrive", "trip.arrived"),
        ("trip.begin", "trip.in_progress"),
        ("trip.complete", "trip.completed"),
    ):
        answer = await driver.do(command, {"id": trip["id"]})
        assert await driver.expect_trip(event, trip["id"]) == answer
        assert await rider.expect_trip(event, trip["id"]) == answer
    assert answer["version"] == 5


async def test_of_racing_drivers_exactly_one_wins_and_the_others_are_told(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    people = [town.driver() for _ in range(6)]
    drivers = [await sockets.open(person) for person in people]
    trip = await rider.do("trip.request", ADDRESSES)
    answers = await asyncio.gather(
        *(driver.ask("trip.accept", {"id": trip["id"]}) for driver in drivers)
    )
    won = [i for i, answer in enumerate(answers) if answer["type"] == "reply"]
    assert len(won) == 1
    for number, (driver, answer) in enumerate(zip(drivers, answers, strict=True)):
        if number == won[0]:
            await driver.expect_trip("trip.started", trip["id"])
            await driver.quiet()
            assert driver.seen("trip.taken", trip["id"]) == []
        else:
            assert answer["data"]["code"] == "trip_already_taken"
            taken = await driver.expect_trip("trip.taken", trip["id"])
            assert taken == {"id": trip["id"]}
            assert driver.seen("trip.started", trip["id"]) == []
    shown = await rider.expect_trip("trip.started", trip["id"])
    assert shown["driver"]["id"] == people[won[0]].id


async def test_released_trip_is_offered_again_to_the_others(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    first = await sockets.open(town.driver())
    second = await sockets.open(town.driver())
    trip = await started(rider, first)
    await second.expect_trip("trip.requested", trip["id"])
    await second.expect_trip("trip.taken", trip["id"])
    released = await first.do("trip.release", {"id": trip["id"]})
    assert (released["status"], released["driver"]) == ("REQUESTED", None)
    again = await second.expect(
        "trip.requested", lambda frame: frame["data"]["id"] == trip["id"]
    )
    told = await rider.expect(
        "trip.released", lambda frame: frame["data"]["id"] == trip["id"]
    )
    assert again["seq"] == told["seq"]
    assert "username" not in again["data"]["rider"]
    await first.expect_trip("trip.released", trip["id"])
    await second.do("trip.accept", {"id": trip["id"]})
    assert (await rider.expect_trip("trip.started", trip["id"]))["version"] == 4
    await first.quiet()
    assert len(first.seen("trip.requested", trip["id"])) == 1
    assert await first.refusal("trip.arrive", {"id": trip["id"]}) == "not_a_participant"


async def test_rider_may_cancel_until_the_car_is_under_way(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    open_trip = await rider.do("trip.request", ADDRESSES)
    await driver.expect_trip("trip.requested", open_trip["id"])
    await rider.do("trip.cancel", {"id": open_trip["id"], "reason": "rain stopped"})
    await driver.expect_trip("trip.taken", open_trip["id"])
    trip = await started(rider, driver)
    await rider.do("trip.cancel", {"id": trip["id"]})
    await driver.expect_trip("trip.cancelled", trip["id"])
    trip = await started(rider, driver)
    await driver.do("trip.begin", {"id": trip["id"]})
    assert await rider.refusal("trip.cancel", {"id": trip["id"]}) == "wrong_status"


async def test_driver_may_cancel_before_the_pick_up(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    await driver.do("trip.arrive", {"id": trip["id"]})
    cancelled = await driver.do("trip.cancel", {"id": trip["id"]})
    assert await rider.expect_trip("trip.cancelled", trip["id"]) == cancelled


async def test_operator_completes_and_cancels_any_trip(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    operator = await sockets.open(town.operator)
    trip = await started(rider, driver)
    assert await operator.refusal("trip.complete", {"id": trip["id"]}) == "wrong_status"
    await driver.do("trip.begin", {"id": trip["id"]})
    await operator.do("trip.complete", {"id": trip["id"]})
    await rider.expect_trip("trip.completed", trip["id"])
    await driver.expect_trip("trip.completed", trip["id"])
    trip = await rider.do("trip.request", ADDRESSES)
    assert (await operator.do("trip.get", {"id": trip["id"]}))["id"] == trip["id"]
    await operator.do("trip.cancel", {"id": trip["id"]})
    await rider.expect_trip("trip.cancelled", trip["id"])


async def test_same_idempotency_key_makes_one_trip(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    keyed = ADDRESSES | {"idempotency_key": str(uuid.uuid4())}
    first, second = await asyncio.gather(
        rider.do("trip.request", keyed), rider.do("trip.request", keyed)
    )
    assert first["id"] == second["id"]
    await rider.do("trip.cancel", {"id": first["id"]})
    later = await rider.do("trip.request", keyed)
    assert (later["id"], later["status"]) == (first["id"], "CANCELLED")
    fresh = ADDRESSES | {"idempotency_key": str(uuid.uuid4())}
    assert (await rider.do("trip.request", fresh))["id"] != first["id"]


async def test_repeating_ones_own_latest_move_is_answered_with_the_trip(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    assert await driver.do("trip.accept", {"id": trip["id"]}) == trip
    arrived = await driver.do("trip.arrive", {"id": trip["id"]})
    assert await driver.do("trip.arrive", {"id": trip["id"]}) == arrived
    await driver.do("trip.release", {"id": trip["id"]})
    code = await driver.refusal("trip.release", {"id": trip["id"]})
    assert code == "not_a_participant"


async def test_declined_trip_stays_open_for_the_others(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await rider.do("trip.request", ADDRESSES)
    answer = await driver.do("trip.decline", {"id": trip["id"]})
    assert (answer["id"], answer["status"]) == (trip["id"], "REQUESTED")
    assert set(answer["rider"]) == {"id", "first_name"}
    other = await sockets.open(town.driver())
    await other.do("trip.accept", {"id": trip["id"]})


async def test_offline_driver_is_not_alerted_even_after_coming_back(
    town: Town, sockets: Sockets
) -> None:
    person = town.driver()
    driver = await sockets.open(person)
    elsewhere = await sockets.open(person)
    await driver.do("driver.offline")
    rider = await sockets.open(town.rider())
    trip = await rider.do("trip.request", ADDRESSES)
    again = await sockets.open(person)
    other_rider = await sockets.open(town.rider())
    second = await other_rider.do("trip.request", ADDRESSES)
    for session in (driver, elsewhere, again):
        await session.quiet()
        assert session.seen("trip.requested", trip["id"]) == []
        assert session.seen("trip.requested", second["id"]) == []
    await again.do("driver.online")
    await rider.do("trip.cancel", {"id": trip["id"]})
    third = await rider.do("trip.request", ADDRESSES)
    for session in (driver, elsewhere, again):
        await session.expect_trip("trip.requested", third["id"])


async def test_busy_driver_is_still_alerted(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    await started(rider, driver)
    other = await sockets.open(town.rider())
    trip = await other.do("trip.request", ADDRESSES)
    await driver.expect_trip("trip.requested", trip["id"])


async def test_new_driver_is_welcomed_with_the_open_trips(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    trip = await rider.do("trip.request", ADDRESSES)
    _, welcome = await sockets.welcome(town.driver())
    assert welcome["open_trips"][0]["id"] == trip["id"]
    assert set(welcome["open_trips"][0]["rider"]) == {"id", "first_name"}
    _, welcome = await sockets.welcome(town.rider())
    assert welcome["open_trips"] == []


async def test_rider_sees_where_the_driver_is(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    await driver.send(
        {"type": "driver.location", "data": {"lat": 40.7, "lon": -74.0, "heading": 90}}
    )
    moved = await rider.expect("driver.moved")
    assert "seq" not in moved
    data = moved["data"]
    assert (data["trip"], data["lat"], data["lon"]) == (trip["id"], 40.7, -74.0)
    assert data["heading"] == 90
    await driver.quiet()
    assert driver.seen("driver.moved") == []


async def test_positions_come_back_with_the_trip(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    here = {"lat": 40.7128, "lon": -74.006}
    trip = await rider.do("trip.request", ADDRESSES | {"pick_up": here})
    assert trip["pick_up"] == here
    assert trip["drop_off"] is None
    assert await rider.do("trip.get", {"id": trip["id"]}) == trip


async def test_ended_trip_is_got_from_history(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    ended = await driver.do("trip.cancel", {"id": trip["id"]})
    assert await rider.do("trip.get", {"id": trip["id"]}) == ended
    assert await driver.do("trip.get", {"id": trip["id"]}) == ended


async def test_pipelined_commands_are_carried_out_in_order(
    town: Town, sockets: Sockets
) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    trip = await rider.do("trip.request", ADDRESSES)
    kinds = ("trip.accept", "trip.arrive", "trip.begin", "trip.complete")
    for ref, kind in enumerate(kinds):
        await driver.send({"type": kind, "ref": f"p{ref}", "data": {"id": trip["id"]}})
    answers = [await driver.answer(f"p{ref}") for ref in range(4)]
    assert [answer["type"] for answer in answers] == ["reply"] * 4
    assert [answer["data"]["version"] for answer in answers] == [2, 3, 4, 5]


async def test_unanswered_request_expires(short_lived: Stack) -> None:
    rider, driver = (
        short_lived.people("rider", 1)[0],
        short_lived.people("driver", 1)[0],
    )
    watching, _ = await welcomed(short_lived.url, driver.access)
    asking, _ = await welcomed(short_lived.url, rider.access)
    async with watching, asking:
        trip = await asking.do("trip.request", ADDRESSES)
        expired = await asking.expect_trip("trip.expired", trip["id"])
        assert (expired["status"], expired["version"]) == ("EXPIRED", 2)
        await watching.expect_trip("trip.taken", trip["id"])
        assert await watching.refusal("trip.accept", {"id": trip["id"]}) == (
            "trip_not_open"
        )
        assert (await asking.do("trip.request", ADDRESSES))["id"] != trip["id"]


async def test_seq_grows_and_versions_have_no_gap(town: Town, sockets: Sockets) -> None:
    rider = await sockets.open(town.rider())
    driver = await sockets.open(town.driver())
    watcher = await sockets.open(town.driver())
    for _ in range(3):
        trip = await started(rider, driver)
        for kind in ("trip.arrive", "trip.begin", "trip.complete"):
            await driver.do(kind, {"id": trip["id"]})
        await rider.expect_trip("trip.completed", trip["id"])
        assert _versions(rider, trip["id"]) == [1, 2, 3, 4, 5]
    for client in (rider, driver, watcher):
        await client.quiet()
        seqs = [frame["seq"] for frame in client.frames if "seq" in frame]
        assert seqs == sorted(set(seqs))


def _versions(client: Client, trip: str) -> list[int]:
    return [
        frame["data"]["version"]
        for frame in client.frames
        if "seq" in frame and frame["data"].get("id") == trip
    ]
