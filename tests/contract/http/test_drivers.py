"""What operators ask of drivers over HTTP."""

import pytest
from msgspec import Raw

from schemas.codec import encode
from schemas.commands import Answer, AssignTrip, FindDrivers
from schemas.trips import Position, Role
from tests.contract.http.conftest import OPERATOR, TRIP, Site, bearer, problem

DRIVER = "0192f0c4-0000-7000-8000-00000000abcd"


def operator(site: Site) -> dict[str, str]:
    return bearer(site.tokens.issue(OPERATOR, Role.OPERATOR))


@pytest.mark.parametrize(
    ("near", "place"),
    [
        ("59.91,10.75", (59.91, 10.75)),
        ("-90,180", (-90, 180)),
        ("1e1, -0.5", (10, -0.5)),
    ],
)
async def test_drivers_are_asked_for_nearest_first(
    site: Site, near: str, place: tuple[float, float]
) -> None:
    site.desk.answer = Answer("c", 1, data=Raw(encode([])))
    query = {"near": near, "limit": "3"}
    response = await site.client.get(
        "/api/drivers", params=query, headers=operator(site)
    )
    assert (response.status_code, response.json()) == (200, [])
    (command,) = site.desk.commands
    assert isinstance(command, FindDrivers)
    assert (command.near, command.limit) == (Position(*place), 3)


@pytest.mark.parametrize(
    "near",
    [
        *("", "1", "1,2,3", "a,b", "nan,nan", "inf,0", "NaN,0", "91,0", "0,-181"),
        *(
            "1_0,2",
            "\N{ARABIC-INDIC DIGIT THREE},1",
            "0x1,2",
            "1,2],[3",
            "1,\0",
            "+1,2",
        ),
        *("null,1", '"1",2', "1e999,0", "[1],2"),
    ],
)
async def test_what_is_no_place_is_422(site: Site, near: str) -> None:
    response = await site.client.get(
        "/api/drivers", params={"near": near}, headers=operator(site)
    )
    assert problem(response, 422, "invalid_data") == "near: give degrees as lat,lon"
    assert site.desk.commands == []


async def test_whom_to_assign_is_known_however_the_id_is_written(site: Site) -> None:
    body = {"driver": DRIVER.upper()}
    path = f"/api/trips/{TRIP.upper()}/assign"
    response = await site.client.post(path, json=body, headers=operator(site))
    assert response.status_code == 200
    (command,) = site.desk.commands
    assert isinstance(command, AssignTrip)
    assert (command.trip, command.driver) == (TRIP, DRIVER)
