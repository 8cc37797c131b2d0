"""clients/python against a whole system: trips, offers, rooms."""

import asyncio

import pytest
from cabrank_client import (
    Client,
    InvalidData,
    NotAParticipant,
    OfferExpired,
    RiderBusy,
    RoomForbidden,
    TripAlreadyTaken,
    TripNotFound,
    WrongRole,
    WrongStatus,
    new_key,
)

from tests.e2e.conftest import ADDRESSES, Town
from tests.support.stack import Person
from tests.support.waiting import until, until_is

LIMIT_S = 60
NO_TRIP = "00000000-0000-7000-8000-000000000000"


def client_of(town: Town, person: Person) -> Client:
    return Client(town.url, token=person.access)


async def test_a_rider_follows_a_trip_that_a_driver_takes_to_its_end(
    town: Town,
) -> None:
    async with (
        asyncio.timeout(LIMIT_S),
        client_of(town, town.rider()) as rider,
        client_of(town, town.driver()) as driver,
    ):
        asked = driver.events("trip.requested")
        trip = await rider.request_trip(**ADDRESSES)
        follow = rider.follow(trip["id"])
        first = await anext(follow)
        assert (first.type, first.trip["version"]) == ("trip.snapshot", 1)
        async for event in asked:
            if event.data["id"] == trip["id"]:
                break
        await driver.accept_trip(trip["id"])
        hers = driver.follow(trip["id"])
        for move in (driver.arrive_trip, driver.begin_trip, driver.complete_trip):
            await move(trip["id"])
        seen = [event async for event in follow]
        assert [event.type for event in seen] == [
            *("trip.started", "trip.arrived", "trip.in_progress", "trip.completed"),
        ]
        assert [event.trip["version"] for event in seen] == [2, 3, 4, 5]
        assert seen[-1].trip["driver"]["id"] == driver.user["id"]
        assert [event.trip["status"] async for event in hers][-1] == "COMPLETED"
        assert rider.cursor == seen[-1].seq


async def test_each_refusal_is_raised_as_its_own_class(town: Town) -> None:
    rider, driver, other = town.rider(), town.driver(), town.driver()
    async with (
        asyncio.timeout(LIMIT_S),
        client_of(town, rider) as hers,
        client_of(town, driver) as his,
        client_of(town, other) as theirs,
    ):
        trip = (await hers.request_trip(**ADDRESSES))["id"]
        with pytest.raises(RiderBusy):
            await hers.request_trip(**ADDRESSES)
        await his.accept_trip(trip)
        with pytest.raises(TripAlreadyTaken) as refused:
            await theirs.accept_trip(trip)
        assert refused.value.code == "trip_already_taken"
        assert not refused.value.retryable
        with pytest.raises(NotAParticipant):
            await theirs.begin_trip(trip)
        with pytest.raises(WrongStatus):
            await his.complete_trip(trip)
        with pytest.raises(WrongRole):
            await hers.begin_trip(trip)
        with pytest.raises(TripNotFound):
            await hers.get_trip(NO_TRIP)
        with pytest.raises(InvalidData):
            await hers.request_trip("", "B")
        with pytest.raises(InvalidData, match="float"):
            await hers.request_trip("A", "B", pick_up={"lat": float("nan"), "lon": 0})
        with pytest.raises(InvalidData, match="over 65536"):
            await hers.request_trip("A" * 70_000, "B")
        with pytest.raises(RoomForbidden):
            async with theirs.room(f"trip_{trip}"):
                pass
        await his.release_trip(trip)
        await hers.cancel_trip(trip, "no more needed")


async def test_a_driver_on_shift_is_offered_trips_and_takes_one(town: Town) -> None:
    place = {"lat": -33.9, "lon": 151.2}
    async with (
        asyncio.timeout(LIMIT_S),
        client_of(town, town.rider()) as rider,
        client_of(town, town.driver()) as driver,
        client_of(town, town.operator) as desk,
    ):

        async def state() -> str:
            return (await desk.http.driver(driver.user["id"]))["state"]

        async with driver.drive(lambda: place) as shift:
            await until_is(state, lambda seen: seen == "free")
            trip = await rider.request_trip("Quay", "Zoo", pick_up=place)
            offer = await anext(shift)
            assert offer["trip"]["id"] == trip["id"]
            assert shift.offers == [offer]
            await shift.decline(offer, "too far")
            with pytest.raises(OfferExpired):
                await shift.accept(offer)
            await rider.cancel_trip(trip["id"])
            await until_is(state, lambda seen: seen == "free")
            again = await rider.request_trip("Quay", "Zoo", pick_up=place)
            offer = await anext(shift)
            taken = await shift.accept(offer)
            assert (taken["id"], taken["status"]) == (again["id"], "STARTED")
            assert shift.offers == []
            moved = rider.events("driver.moved")
            await driver.moved({**place, "heading": 90.0, "speed": 3.0})
            assert (await anext(moved)).data["trip"] == again["id"]
            await driver.begin_trip(again["id"])
            await driver.complete_trip(again["id"])
        await until_is(state, lambda seen: seen == "offline")


async def test_a_position_s_function_that_fails_ends_the_shift(town: Town) -> None:
    places = iter([None])
    async with asyncio.timeout(LIMIT_S), client_of(town, town.driver()) as driver:
        with pytest.raises(RuntimeError, match="StopIteration"):
            async with driver.drive(lambda: next(places), every_s=0.01) as shift:
                await anext(shift)


async def test_people_talk_in_a_room_and_see_who_is_there(town: Town) -> None:
    name = f"rank-{new_key()}"
    async with (
        asyncio.timeout(LIMIT_S),
        client_of(town, town.rider()) as ann,
        client_of(town, town.driver()) as bob,
    ):
        async with ann.room(name) as hers:
            said = await hers.send("Two cabs at exit B?")
            async with bob.room(name) as his:
                assert his.history == [said]
                assert {one["id"] for one in his.members} == {
                    ann.user["id"],
                    bob.user["id"],
                }
                answered = await his.send("Coming.")
                assert [await anext(hers), await anext(hers)] == [said, answered]
                assert await anext(his) == answered
                with pytest.raises(RuntimeError, match="already"):
                    async with bob.room(name):
                        pass
            await until(lambda: len(hers.members) == 1)
        with pytest.raises(StopAsyncIteration):
            await anext(hers)
        assert await ann.http.messages(name) == [answered, said]
        with pytest.raises(InvalidData):
            ann.room("no room")
