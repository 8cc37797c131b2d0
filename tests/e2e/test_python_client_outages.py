"""clients/python over a line that breaks: nothing is missed, and nothing done twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from cabrank_client import (
    BadCredentials,
    Client,
    Closed,
    HttpClient,
    NotAuthenticated,
    Unavailable,
    new_key,
)

from tests.e2e.conftest import ADDRESSES, Town
from tests.support.nats import free_port
from tests.support.proxy import Proxy, before
from tests.support.stack import Stack
from tests.support.waiting import until, until_is

LIMIT_S = 60
PASSWORD = "long enough"


@pytest.fixture
async def line(town: Town) -> AsyncIterator[Proxy]:
    async with before("127.0.0.1", town.stack.port) as proxy:
        yield proxy


def by(line: Proxy, token: str) -> Client:
    return Client(f"http://{line.address}", token=token)


async def test_who_follows_a_trip_misses_nothing_while_the_line_is_cut(
    town: Town, line: Proxy
) -> None:
    async with (
        asyncio.timeout(LIMIT_S),
        by(line, town.rider().access) as rider,
        Client(town.url, token=town.driver().access) as driver,
    ):
        trip = (await rider.request_trip(**ADDRESSES))["id"]
        follow = rider.follow(trip)
        lost = rider.events("disconnected")
        assert (await anext(follow)).trip["version"] == 1
        line.cut()
        await anext(lost)
        for move in ("accept", "arrive", "begin", "complete"):
            await getattr(driver, f"{move}_trip")(trip)
        line.mend()
        seen = [event async for event in follow]
        assert [event.trip["version"] for event in seen] == [2, 3, 4, 5]
        assert rider.welcome["recovered"]
        assert rider.welcome["trips"] == []


async def test_a_request_whose_answer_is_lost_makes_one_trip(
    town: Town, line: Proxy
) -> None:
    person = town.rider()
    async with (
        asyncio.timeout(LIMIT_S),
        by(line, person.access) as rider,
        Client(town.url, token=person.access) as direct,
    ):
        made = direct.events("trip.requested")
        line.hold()
        asking = asyncio.create_task(rider.request_trip(**ADDRESSES))
        first = (await anext(made)).data
        line.cut()
        line.mend()
        assert (await asking)["id"] == first["id"]

        async def listed() -> list[str]:
            return [trip["id"] for trip in await direct.http.trips()]

        await until_is(listed, lambda ids: ids == [first["id"]])


async def test_a_move_whose_answer_is_lost_fails_and_is_not_sent_again(
    town: Town, line: Proxy
) -> None:
    async with (
        asyncio.timeout(LIMIT_S),
        Client(town.url, token=town.rider().access) as rider,
        by(line, town.driver().access) as driver,
    ):
        trip = (await rider.request_trip(**ADDRESSES))["id"]
        started = rider.events("trip.started", "trip.released")
        line.hold()
        accepting = asyncio.create_task(driver.accept_trip(trip))
        assert (await anext(started)).type == "trip.started"
        line.cut()
        with pytest.raises(Unavailable, match="unknown"):
            await accepting
        with pytest.raises(Unavailable, match="nothing was sent"):
            await driver.release_trip(trip)
        line.mend()
        now = await driver.get_trip(trip)
        assert (now["status"], now["version"]) == ("STARTED", 2)
        await driver.release_trip(trip)
        assert (await anext(started)).type == "trip.released"


async def test_a_room_goes_on_after_a_cut_and_hears_each_message_once(
    town: Town, line: Proxy
) -> None:
    name = f"cut-{new_key()}"
    async with (
        asyncio.timeout(LIMIT_S),
        by(line, town.rider().access) as ann,
        Client(town.url, token=town.driver().access) as bob,
        ann.room(name) as hers,
        bob.room(name) as his,
    ):
        lost = ann.events("disconnected")
        await his.send("0")
        line.hold()
        sending = asyncio.create_task(hers.send("1"))
        assert [(await anext(his))["text"] for _ in "01"] == ["0", "1"]
        line.cut()
        await anext(lost)
        for text in "2345":
            await his.send(text)
        waiting = asyncio.create_task(hers.send("6"))
        line.mend()
        assert (await sending)["seq"] == 2
        assert (await waiting)["seq"] == 7
        for room, texts in ((his, "23456"), (hers, "0123456")):
            assert "".join([(await anext(room))["text"] for _ in texts]) == texts


async def test_a_shift_stays_over_a_cut(town: Town, line: Proxy) -> None:
    place = {"lat": 71.0, "lon": 25.8}
    async with (
        asyncio.timeout(LIMIT_S),
        Client(town.url, token=town.operator.access) as desk,
        Client(town.url, token=town.rider().access) as rider,
        by(line, town.driver().access) as driver,
        driver.drive(lambda: place, every_s=0.2) as shift,
    ):

        async def state() -> str:
            return (await desk.http.driver(driver.user["id"]))["state"]

        await until_is(state, lambda seen: seen == "free")
        lost = driver.events("disconnected")
        line.cut()
        await anext(lost)
        trip = await rider.request_trip("Cape", "Town", pick_up=place)
        line.mend()
        offer = await anext(shift)
        assert offer["trip"]["id"] == trip["id"]
        await shift.accept(offer)


async def test_a_revoked_session_ends_for_good_and_tells_all_who_wait(
    town: Town,
) -> None:
    rider = town.rider()
    desk = HttpClient(town.url, token=town.operator.access)
    async with asyncio.timeout(LIMIT_S), Client(town.url, token=rider.access) as client:
        room = await client.room(f"r-{new_key()}").__aenter__()
        trip = client.follow((await client.request_trip(**ADDRESSES))["id"])
        await anext(trip)
        await asyncio.to_thread(desk.revoke, rider.id)
        for reader in (client.events(), trip, room):
            with pytest.raises(Closed) as closed:
                await anext(reader)
            assert closed.value.code == 4503
        for asking in (client.get_trip("x"), client.arrive_trip("x"), room.send("x")):
            with pytest.raises(Closed):
                await asking
    desk.close()


async def test_a_token_is_renewed_before_it_ends_over_one_connection(
    short_lived: Stack,
) -> None:
    name = f"renewed-{new_key()}"
    with HttpClient(short_lived.url) as web:
        await asyncio.to_thread(web.sign_up, name, PASSWORD, "rider")
    used: list[str] = []
    async with (
        asyncio.timeout(LIMIT_S),
        Client(short_lived.url, username=name, password=PASSWORD) as whose,
    ):

        async def token(rejected: str | None) -> str:
            used.append(await whose.http.token(rejected))
            return used[-1]

        async with Client(short_lived.url, token=token) as client:
            lost = client.events("disconnected")
            session = client.welcome["session"]
            await until(lambda: len(set(used)) > 3, limit_s=LIMIT_S)
            await client.http.me()
            assert client.is_connected
            assert client.welcome["session"] == session
            lost.close()
            with pytest.raises(StopAsyncIteration):
                await anext(lost)


async def test_a_token_that_ends_and_has_no_other_closes_with_its_code(
    short_lived: Stack,
) -> None:
    (person,) = short_lived.people("rider", 1)
    name = f"ends-{new_key()}"
    with HttpClient(short_lived.url) as web:
        made = await asyncio.to_thread(web.sign_up, name, PASSWORD, "rider")
    async with asyncio.timeout(LIMIT_S):
        async with Client(short_lived.url, token=made["access"]) as client:
            with pytest.raises(Closed) as closed:
                await anext(client.events("notice"))
            assert closed.value.code == 4502
        # Another one is taken instead, at once.
        tokens = itertools.chain([made["access"]], itertools.repeat(person.access))
        async with Client(short_lived.url, token=lambda _: next(tokens)) as client:
            assert client.user["id"] == person.id


async def test_who_can_t_log_in_is_told_why(town: Town) -> None:
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(NotAuthenticated):
            await Client(town.url, token="no.such.token").connect()
        with pytest.raises(NotAuthenticated):
            await Client(town.url, token=lambda _: None).connect()
        with pytest.raises(BadCredentials):
            await Client(town.url, username="nobody.here", password="x" * 9).connect()
        with pytest.raises(ZeroDivisionError):
            await Client(town.url, token=lambda _: str(1 / 0)).connect()
        with pytest.raises(Closed, match="404"):
            await Client(f"{town.url}/nowhere", token="t").connect()
        nowhere = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(Unavailable, match="no welcome"):
            await Client(nowhere, token="t", patience_s=0.3).connect()


@pytest.mark.parametrize("url", ["ftp://host", "host:8000", "http://", ""])
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        Client(url, token="t")
