"""A trip's room: who hears it, from when on and until when."""

from schemas.commands import Answer, AnyCommand, JoinRoom
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, TRIP_ROOM, World
from tests.contract.gateway_ws.leader import raw, trip, with_state
from tests.contract.gateway_ws.roomleader import RoomLeader


async def test_both_hear_their_trips_room_from_the_accept_on(
    world: World, rooms: RoomLeader
) -> None:
    rider, driver = await world.rider(), await world.driver()
    world.leader.push(RIDER, 200, "trip.requested", trip(1))
    for user in (RIDER, DRIVER):
        world.leader.push(user, 201, "trip.started", trip(1, 2, "STARTED"))
    for client in (rider, driver):
        await client.expect("trip.started")
    rooms.say(TRIP_ROOM, "I am at the corner")
    for client in (rider, driver):
        await client.expect("chat.message")
    for user in (RIDER, DRIVER):
        world.leader.push(user, 300, "trip.released", trip(1, 3))
    for client in (rider, driver):
        await client.expect("trip.released")
    rooms.say(TRIP_ROOM, "where are you?")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    await driver.quiet()
    assert len(driver.seen("chat.message")) == 1


async def test_a_released_driver_who_had_joined_hears_no_more(
    world: World, rooms: RoomLeader
) -> None:
    driver = await world.driver()
    world.leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    await driver.do("chat.join", {"room": TRIP_ROOM})
    world.leader.push(DRIVER, 300, "trip.released", trip(1, 3))
    await driver.expect("trip.released")
    rooms.say(TRIP_ROOM, "secret")
    await driver.quiet()
    assert not driver.seen("chat.message")


async def test_who_comes_back_to_an_active_trip_hears_its_room(
    world: World, rooms: RoomLeader
) -> None:
    with_state(world.leader, trips=raw([trip(1, 3, "ARRIVED")]))
    rooms.say(TRIP_ROOM, "before")
    rider = await world.rider()
    await rider.quiet()
    rooms.say(TRIP_ROOM, "now")
    assert (await rider.expect("chat.message"))["data"]["seq"] == 2
    world.leader.push(RIDER, 300, "trip.in_progress", trip(1, 4, "IN_PROGRESS"))
    world.leader.push(RIDER, 301, "trip.completed", trip(1, 5, "COMPLETED"))
    await rider.expect("trip.completed")
    rooms.say(TRIP_ROOM, "you left your phone")
    await rider.expect("chat.message", lambda f: f["data"]["seq"] == 3)


async def test_what_the_rider_wrote_before_reaches_the_driver_too(
    world: World, rooms: RoomLeader
) -> None:
    driver = await world.driver()
    rooms.say(TRIP_ROOM, "second door")
    world.leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 1)
    rooms.say(TRIP_ROOM, "are you there?")
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 2)
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 2]


async def test_what_a_join_was_answered_is_not_told_again_to_who_hears_already(
    world: World, rooms: RoomLeader
) -> None:
    driver = await world.driver()
    world.leader.push(DRIVER, 201, "trip.started", trip(1, 2, "STARTED"))
    await driver.expect("trip.started")
    rooms.say(TRIP_ROOM, "I am at the corner")
    await driver.expect("chat.message")

    def but_looks(command: AnyCommand) -> Answer | None:
        looks = isinstance(command, JoinRoom) and not command.session
        return None if looks else rooms.decide(command)

    world.leader.decide = but_looks
    rooms.lost = 1
    rooms.say(TRIP_ROOM, "this is lost")
    rooms.say(TRIP_ROOM, "and this shows it, and waits")
    reply = await driver.do("chat.join", {"room": TRIP_ROOM})
    assert [message["seq"] for message in reply["history"]] == [1, 2, 3]
    world.leader.decide = rooms.decide
    rooms.say(TRIP_ROOM, "now")
    await driver.expect("chat.message", lambda f: f["data"]["seq"] == 4)
    assert [f["data"]["seq"] for f in driver.seen("chat.message")] == [1, 4]


async def test_a_session_that_left_its_trips_room_is_not_brought_back_by_another(
    world: World, rooms: RoomLeader
) -> None:
    with_state(world.leader, trips=raw([trip(1, 3, "ARRIVED")]))
    first = await world.rider()
    await first.do("chat.join", {"room": TRIP_ROOM})
    await first.do("chat.leave", {"room": TRIP_ROOM})
    second = await world.rider()
    await second.quiet()
    rooms.say(TRIP_ROOM, "only to one")
    await second.expect("chat.message")
    await first.quiet()
    assert not first.seen("chat.message")
    await first.do("chat.join", {"room": TRIP_ROOM})
    third = await world.rider()
    await third.quiet()
    rooms.say(TRIP_ROOM, "to all")
    for client in (first, second, third):
        await client.expect("chat.message", lambda f: f["data"]["text"] == "to all")
