"""Coming back with `since`: every event once, ended trips included, never a part."""

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town, started

FUTURE = 1 << 52


async def test_missed_events_follow_the_welcome(town: Town, sockets: Sockets) -> None:
    person = town.rider()
    rider = await sockets.open(person)
    driver = await sockets.open(town.driver())
    trip = await started(rider, driver)
    since = rider.cursor
    await rider.vanish()
    for kind in ("trip.arrive", "trip.begin"):
        await driver.do(kind, {"id": trip["id"]})
    back, welcome = await sockets.welcome(person, since=since)
    assert welcome["recovered"] is True
    assert [t["status"] for t in welcome["trips"]] == ["IN_PROGRESS"]
    await driver.do("trip.complete", {"id": trip["id"]})
    await back.expect_trip("trip.completed", trip["id"])
    pushed = [frame for frame in back.frames if "seq" in frame]
    assert [frame["type"] for frame in pushed] == [
        "trip.arrived",
        "trip.in_progress",
        "trip.completed",
    ]
    assert since < pushed[0]["seq"]
    assert pushed[1]["seq"] <= welcome["seq"] < pushed[2]["seq"]


async def test_trip_that_ended_meanwhile_is_told_to_its_end(
    town: Town, sockets: Sockets
) -> None:
    riding, driving = town.rider(), town.driver()
    rider, driver = await sockets.open(riding), await sockets.open(driving)
    trip = await started(rider, driver)
    cursors = rider.cursor, driver.cursor
    await rider.vanish()
    await driver.vanish()
    operator = await sockets.open(town.operator)
    await operator.do("trip.cancel", {"id": trip["id"]})
    for person, since in zip((riding, driving), cursors, strict=True):
        back, welcome = await sockets.welcome(person, since=since)
        assert welcome["recovered"] is True
        assert welcome["trips"] == []
        await back.expect_trip("trip.cancelled", trip["id"])


async def test_nothing_is_told_twice(town: Town, sockets: Sockets) -> None:
    person = town.rider()
    rider = await sockets.open(person)
    trip = await rider.do("trip.request", ADDRESSES)
    await rider.expect_trip("trip.requested", trip["id"])
    back, welcome = await sockets.welcome(person, since=rider.cursor)
    assert welcome["recovered"] is True
    await back.quiet()
    assert back.seen("trip.requested") == []


async def test_cursor_of_a_recovered_welcome_is_safe(
    town: Town, sockets: Sockets
) -> None:
    person = town.rider()
    rider, first = await sockets.welcome(person)
    trip = await rider.do("trip.request", ADDRESSES)
    await rider.vanish()
    back, _ = await sockets.welcome(person, since=first["seq"])
    await back.expect_trip("trip.requested", trip["id"])
    again, _ = await sockets.welcome(person, since=first["seq"])
    await again.expect_trip("trip.requested", trip["id"])


async def test_since_in_the_log_in_frame(town: Town, sockets: Sockets) -> None:
    person = town.rider()
    rider, first = await sockets.welcome(person)
    trip = await rider.do("trip.request", ADDRESSES)
    login = {"token": person.access, "since": first["seq"]}
    back = await sockets.raw(None)
    await back.send({"type": "session.login", "data": login})
    assert (await back.expect("welcome"))["data"]["recovered"] is True
    await back.expect_trip("trip.requested", trip["id"])


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", FUTURE, "9" * 40, "0x10"])
async def test_impossible_since_gives_a_full_state(
    since: object, town: Town, sockets: Sockets
) -> None:
    person = town.rider()
    rider = await sockets.open(person)
    trip = await rider.do("trip.request", ADDRESSES)
    back, welcome = await sockets.welcome(person, since=since)
    assert welcome["recovered"] is False
    assert [t["id"] for t in welcome["trips"]] == [trip["id"]]
    await back.quiet()
    assert back.seen("trip.requested") == []


@pytest.mark.parametrize("since", [None, "x", -1, 1.5, FUTURE, [], {}, True])
async def test_impossible_since_in_the_log_in_frame_is_no_error(
    since: object, town: Town, sockets: Sockets
) -> None:
    client = await sockets.raw(None)
    login = {"token": town.operator.access, "since": since}
    await client.send({"type": "session.login", "data": login})
    assert (await client.expect("welcome"))["data"]["recovered"] is False


async def test_two_sessions_of_a_user_see_the_same(
    town: Town, sockets: Sockets
) -> None:
    person = town.rider()
    first, second = await sockets.open(person), await sockets.open(person)
    driver = await sockets.open(town.driver())
    trip = await started(first, driver)
    await second.expect_trip("trip.started", trip["id"])
    await first.quiet()
    await second.quiet()
    pushed = [
        [frame for frame in client.frames if "seq" in frame]
        for client in (first, second)
    ]
    assert pushed[0] == pushed[1]
