from typing import Any

import httpx
import pytest
from msgspec import Raw

from schemas.accounts import Result
from schemas.codec import encode
from schemas.refusals import Code
from schemas.trips import Role, Status
from tests.contract.http.conftest import (
    OPERATOR,
    RIDER,
    TRIP,
    Site,
    bearer,
    data,
    problem,
    refusal,
)

ONE = [
    (f"/api/trips/{TRIP}", "history.trip"),
    (f"/api/trips/{TRIP}/events", "history.trip_events"),
    (f"/api/trips/{TRIP}/track", "history.track"),
]


async def test_own_trips_are_a_bare_array(site: Site) -> None:
    site.answers("history.trips", data([{"id": TRIP}]))
    response = await site.client.get("/api/trips", headers=site.rider)
    assert (response.status_code, response.json()) == (200, [{"id": TRIP}])
    assert response.headers["content-type"] == "application/json"
    assert site.persistence.asked == [
        (
            "history.trips",
            {
                "user": RIDER,
                "role": "rider",
                "status": None,
                "limit": 50,
                "before": None,
                "region": "main",
                "rider": None,
                "driver": None,
                "reference": None,
            },
        )
    ]


async def test_the_list_takes_status_limit_and_before(site: Site) -> None:
    site.answers("history.trips", data([]))
    query = {"status": "COMPLETED", "limit": "100", "before": TRIP.upper()}
    response = await site.client.get("/api/trips", params=query, headers=site.operator)
    assert (response.status_code, response.json()) == (200, [])
    assert site.persistence.asked[0][1] == {
        "user": OPERATOR,
        "role": "operator",
        "status": "COMPLETED",
        "limit": 100,
        "before": TRIP,
        "region": "main",
        "rider": None,
        "driver": None,
        "reference": None,
    }


async def test_the_list_takes_a_rider_and_a_driver(site: Site) -> None:
    site.answers("history.trips", data([]))
    query = {"rider": RIDER.upper(), "driver": OPERATOR, "reference": "é 1"}
    response = await site.client.get("/api/trips", params=query, headers=site.operator)
    assert response.status_code == 200
    asked = site.persistence.asked[0][1]
    assert (asked["rider"], asked["driver"]) == (RIDER, OPERATOR)
    assert asked["reference"] == "é 1"


@pytest.mark.parametrize("status", list(Status))
async def test_every_status_can_be_asked_for(site: Site, status: Status) -> None:
    site.answers("history.trips", data([]))
    query = {"status": status.value}
    response = await site.client.get("/api/trips", params=query, headers=site.rider)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1.5"),
        ("limit", ""),
        ("limit", "9" * 5000),
        ("status", "started"),
        ("status", "NEVER"),
        ("status", ""),
        ("before", "yesterday"),
        ("before", "\0"),
        ("before", TRIP + "0"),
        ("rider", "ada"),
        ("rider", ""),
        ("driver", "\0"),
        ("reference", "\0"),
        ("reference", "x" * 65),
    ],
)
async def test_a_bad_query_is_422_naming_the_parameter(
    site: Site, name: str, value: str
) -> None:
    response = await site.client.get(
        "/api/trips", params={name: value}, headers=site.rider
    )
    assert problem(response, 422, "invalid_data").startswith(f"{name}: ")
    assert site.persistence.asked == []


async def test_an_unknown_before_is_422(site: Site) -> None:
    site.answers("history.trips", refusal(Code.INVALID_DATA, "before: no such trip"))
    response = await site.client.get(
        "/api/trips", params={"before": TRIP}, headers=site.rider
    )
    problem(response, 422, "invalid_data")


@pytest.mark.parametrize(("path", "subject"), ONE)
async def test_a_trip_is_asked_for_as_the_bearer(
    site: Site, path: str, subject: str
) -> None:
    site.answers(subject, data({"some": "rows"}))
    headers = bearer(site.tokens.issue(RIDER, Role.DRIVER))
    upper = path.replace(TRIP, TRIP.upper())
    response = await site.client.get(upper, headers=headers)
    assert (response.status_code, response.json()) == (200, {"some": "rows"})
    question = {"user": RIDER, "role": "driver", "trip": TRIP, "region": "main"}
    assert site.persistence.asked == [(subject, question)]


async def test_a_long_audit_is_one_array_of_all_its_pages(site: Site) -> None:
    rows = [{"seq": 10 * n, "version": n} for n in range(1, 8)]
    pages = {(0, 0): rows[:3], (3, 30): rows[3:6], (6, 60): rows[6:]}

    def answer(question: Any) -> Result:
        after = question.get("after_version", 0), question.get("after_seq", 0)
        page = pages[after]
        return Result(data=Raw(encode(page)), more=page != rows[6:])

    site.persistence.answers["history.trip_events"] = answer
    path = f"/api/trips/{TRIP}/events"
    response = await site.client.get(path, headers=site.rider)
    assert (response.status_code, response.json()) == (200, rows)
    assert response.headers["content-type"] == "application/json"
    assert len(site.persistence.asked) == 3


async def test_a_long_audit_that_breaks_off_does_not_look_whole(site: Site) -> None:
    def answer(question: Any) -> Result:
        if question.get("after_seq"):
            return refusal(Code.UNAVAILABLE, "try again")
        return Result(data=Raw(b'[{"seq":1,"version":1}]'), more=True)

    site.persistence.answers["history.trip_events"] = answer
    with pytest.raises(httpx.RemoteProtocolError):
        await site.client.get(f"/api/trips/{TRIP}/events", headers=site.rider)


@pytest.mark.parametrize(("path", "subject"), ONE)
async def test_a_strangers_trip_is_403(site: Site, path: str, subject: str) -> None:
    site.answers(subject, refusal(Code.NOT_A_PARTICIPANT, "not your trip"))
    response = await site.client.get(path, headers=site.rider)
    problem(response, 403, "not_a_participant")


@pytest.mark.parametrize(("path", "subject"), ONE)
async def test_an_unknown_trip_is_404(site: Site, path: str, subject: str) -> None:
    site.answers(subject, refusal(Code.TRIP_NOT_FOUND, "no such trip"))
    response = await site.client.get(path, headers=site.rider)
    problem(response, 404, "trip_not_found")


@pytest.mark.parametrize("end", ["", "/events"])
@pytest.mark.parametrize("trip", ["5", "*", ">", "a.b", "%00", "x" * 3000, "%F0%9F"])
async def test_what_is_no_id_is_404_and_not_asked(
    site: Site, trip: str, end: str
) -> None:
    response = await site.client.get(f"/api/trips/{trip}{end}", headers=site.rider)
    problem(response, 404, "trip_not_found")
    assert site.persistence.asked == []


async def test_a_read_that_would_be_stale_is_503(site: Site) -> None:
    site.answers("history.trip", refusal(Code.UNAVAILABLE, "history lags"))
    response = await site.client.get(ONE[0][0], headers=site.rider)
    assert problem(response, 503, "unavailable") == "history lags"
    assert response.headers["retry-after"] == "1"


async def test_why_these_drivers_is_for_operators(site: Site) -> None:
    site.answers("history.matching", data({"trip": TRIP}))
    path = f"/api/trips/{TRIP}/matching"
    response = await site.client.get(path, headers=site.operator)
    assert (response.status_code, response.json()) == (200, {"trip": TRIP})
    await site.client.get(f"{path}?driver={RIDER.upper()}", headers=site.operator)
    plain, of_one = (asked for _, asked in site.persistence.asked)
    assert plain == {"trip": TRIP, "region": "main"}
    assert of_one == {"trip": TRIP, "driver": RIDER, "region": "main"}
    refused = await site.client.get(path, headers=site.rider)
    problem(refused, 403, "wrong_role")
    bad = await site.client.get(f"{path}?driver=bob", headers=site.operator)
    problem(bad, 422, "invalid_data")
    unknown = await site.client.get("/api/trips/x/matching", headers=site.operator)
    problem(unknown, 404, "trip_not_found")


async def test_a_long_track_is_one_array(site: Site) -> None:
    places = [{"lat": 1.5, "lon": 2.5, "at": f"2026-11-29T20:00:0{n}Z"} for n in (1, 2)]

    def answer(question: dict[str, Any]) -> Result:
        if "after_ms" not in question:
            return Result(data=Raw(encode(places[:1])), more=True)
        return Result(data=Raw(encode(places[1:])))

    site.persistence.answers["history.track"] = answer
    path = f"/api/trips/{TRIP}/track"
    response = await site.client.get(path, headers=site.rider)
    assert (response.status_code, response.json()) == (200, places)
