"""Offers over real sockets: PROTOCOL.md section 7."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Sockets, Town
from tests.e2e.fleet import FARTHER, NEARBY, PLACE, Fleet, get, requested
from tests.support.stack import Person
from tests.support.waiting import until_is


@pytest.fixture
async def fleet(town: Town, sockets: Sockets) -> AsyncIterator[Fleet]:
    made = Fleet(town, sockets)
    yield made
    await made.rest()


async def test_a_trip_is_offered_to_one_driver_after_another_and_nobody_else_hears(
    town: Town, sockets: Sockets, fleet: Fleet
) -> None:
    rider = await sockets.open(town.rider())
    bystander = await sockets.open(town.driver())
    near, first = await fleet.driver(NEARBY)
    far, second = await fleet.driver(FARTHER)
    trip = await requested(rider, bystander)

    offered = await first.expect(
        "trip.offered", lambda frame: frame["data"]["trip"]["id"] == trip["id"]
    )
    data = offered["data"]
    assert data["trip"]["id"] == trip["id"]
    assert set(data["trip"]["rider"]) == {"id", "first_name"}
    assert data["round"] == 1
    assert data["pick_up_distance_m"] == pytest.approx(445, abs=2)
    assert data["pick_up_eta_s"] == pytest.approx(83, abs=1)
    assert 0 < data["expires_in_ms"] <= 15_000
    assert offered["seq"] > 0
    refused = await second.refusal("trip.accept", {"id": trip["id"]})
    assert refused == "trip_not_open"

    shown = await first.do("trip.decline", {"id": trip["id"], "offer": data["offer"]})
    assert shown["status"] == "REQUESTED"
    ended = await first.expect("trip.offer_ended")
    assert ended["data"] == {
        "id": trip["id"],
        "offer": data["offer"],
        "why": "declined",
    }
    next_one = (await second.expect("trip.offered"))["data"]
    assert (next_one["trip"]["id"], next_one["round"]) == (trip["id"], 2)
    refused = await first.refusal("trip.accept", {"id": trip["id"]})
    assert refused == "offer_expired"

    # It lives on where the driver comes back, and is not replayed.
    again = await sockets.open(far, since=second.cursor)
    welcome = again.frames[0]["data"]
    assert welcome["online"] is True
    (live,) = welcome["offers"]
    assert (live["offer"], live["trip"]) == (next_one["offer"], next_one["trip"])
    assert 0 < live["expires_in_ms"] <= next_one["expires_in_ms"]
    assert set(live) == set(next_one)

    accept = {"id": trip["id"], "offer": live["offer"]}
    taken = await again.do("trip.accept", accept)
    assert taken["driver"]["id"] == far.id
    assert taken["version"] == 2
    for client in (rider, second, again):
        assert await client.expect_trip("trip.started", trip["id"]) == taken
    for client in (bystander, first, second, again):
        await client.quiet()
        assert client.seen("trip.requested", trip["id"]) == []
        assert client.seen("trip.taken", trip["id"]) == []
    assert again.seen("trip.offer_ended") == []
    assert near.id != far.id


async def test_an_operator_gives_a_trip_to_a_driver(
    town: Town, sockets: Sockets, fleet: Fleet
) -> None:
    rider = await sockets.open(town.rider())
    _, asked = await fleet.driver(NEARBY)
    chosen = town.driver()
    chosen_one = await sockets.open(chosen)
    operator = await sockets.open(town.operator)
    trip = await requested(rider, chosen_one)
    await asked.expect("trip.offered")
    for unknown in ("nobody", town.rider().id):
        answer = await operator.refusal(
            "trip.assign", {"id": trip["id"], "driver": unknown}
        )
        assert answer == "invalid_data"
    order = {"id": trip["id"], "driver": chosen.id}
    assert await rider.refusal("trip.assign", order) == "wrong_role"
    taken = await operator.do("trip.assign", order)
    assert taken["driver"]["id"] == chosen.id
    assert await chosen_one.expect_trip("trip.started", trip["id"]) == taken
    ended = await asked.expect("trip.offer_ended")
    assert ended["data"]["why"] == "taken"


async def test_going_offline_is_told_on_all_sessions(
    town: Town, sockets: Sockets
) -> None:
    person = town.driver()
    one, other = await sockets.open(person), await sockets.open(person)
    assert await one.do("driver.offline") == {"online": False, "offers": False}
    for client in (one, other):
        frame = await client.expect("driver.state")
        assert frame["data"] == {"online": False, "why": "self"}
        assert frame["seq"] > 0
    third = await sockets.open(person)
    assert third.frames[0]["data"]["online"] is False


async def test_tags_are_an_operators_to_give(town: Town) -> None:
    driver, rider = town.driver(), town.rider()

    def put(who: Person, user: str, tags: Any) -> httpx.Response:
        return httpx.put(
            f"{town.url}/api/drivers/{user}/tags",
            json={"tags": tags},
            headers={"Authorization": f"Bearer {who.access}"},
            timeout=10,
        )

    operator = town.operator
    answer = put(operator, driver.id, ["xl", "child_seat"])
    assert answer.status_code == 200
    assert answer.json() == {"driver": driver.id, "tags": ["child_seat", "xl"]}
    assert put(driver, driver.id, ["xl"]).status_code == 403
    assert put(operator, rider.id, ["xl"]).status_code == 404
    for bad in (["XL"], ["a" * 33], [1], "xl", [f"t{n}" for n in range(17)]):
        assert put(operator, driver.id, bad).status_code == 422


async def test_it_is_told_why_these_drivers_and_where_they_drove(
    town: Town, sockets: Sockets, fleet: Fleet
) -> None:
    rider = await sockets.open(town.rider())
    bystander = town.driver()
    near, first = await fleet.driver(NEARBY)
    far, second = await fleet.driver(FARTHER)

    trip = await requested(rider, await sockets.open(bystander))
    await first.expect(
        "trip.offered", lambda frame: frame["data"]["trip"]["id"] == trip["id"]
    )
    await first.do("trip.decline", {"id": trip["id"]})
    await second.expect(
        "trip.offered", lambda frame: frame["data"]["trip"]["id"] == trip["id"]
    )
    await second.do("trip.accept", {"id": trip["id"]})
    await second.send({"type": "driver.location", "data": NEARBY})

    async def why(driver: str) -> Any:
        return await get(town, f"trips/{trip['id']}/matching?driver={driver}")

    told = await until_is(
        lambda: why(far.id),
        lambda seen: len(seen["rounds"]) > 1 and seen["offers"][-1]["end"],
    )
    assert (told["policy"], told["reason"]) == ("nearest", None)
    assert [(one["driver"]["id"], one["end"]) for one in told["offers"]] == [
        (near.id, "declined"),
        (far.id, "accepted"),
    ]
    verdicts = [one["verdict"] for one in told["driver"]["rounds"]]
    assert verdicts == ["farther", "chosen"]
    assert told["driver"]["rounds"][0]["pick_up_distance_m"] == pytest.approx(
        2002, abs=5
    )
    of_near = (await why(near.id))["driver"]["rounds"]
    assert [one["verdict"] for one in of_near] == ["chosen", "declined"]
    of_other = (await why(bystander.id))["driver"]["rounds"]
    assert [one["verdict"] for one in of_other] == ["no_offers", "no_offers"]

    near_by = f"?near={PLACE['lat']},{PLACE['lon']}"
    assert len(await get(town, f"drivers{near_by}&limit=1")) == 1
    # Those of other tests lie about there, too.
    seen = await get(town, f"drivers{near_by}&limit=100")
    assert {one["driver"]["id"] for one in seen} >= {near.id, far.id}
    ways = [abs(one["position"]["lat"] - PLACE["lat"]) for one in seen[:2]]
    assert ways == sorted(ways)
    told = {one["driver"]["id"]: one for one in seen}
    assert (told[near.id]["state"], told[near.id]["trip"]) == ("free", None)
    assert (told[far.id]["state"], told[far.id]["trip"]) == ("busy", trip["id"])
    assert told[near.id]["position"] == NEARBY
    assert told[near.id]["driver"]["username"]
    one = await get(town, f"drivers/{near.id}")
    assert (one["driver"]["id"], one["state"], one["tags"]) == (near.id, "free", [])
    await get(town, f"drivers/{bystander.id}")
    await get(town, f"drivers/{trip['id']}", 404)
    for bad in ("1", "a,b", "91,0", "0,181", "nan,0", "1,2,3"):
        await get(town, f"drivers?near={bad}", 422)

    places = await until_is(lambda: get(town, f"trips/{trip['id']}/track"), len)
    assert (places[-1]["lat"], places[-1]["lon"]) == (NEARBY["lat"], NEARBY["lon"])
