"""Users and regions over HTTP, for operators."""

from typing import Any

import pytest

from gateway.leader.leaders import Leaders
from schemas.accounts import Lag, SessionTold, UserTold
from schemas.commands import Announcement
from schemas.refusals import Code
from schemas.trips import Role, User
from tests.contract.http.conftest import RIDER, Site, data, problem, refusal

ADA = User(RIDER, "ada", "Ada", "L", Role.RIDER)
AT = "2026-11-30T10:00:00.000Z"


async def test_an_operator_finds_users(site: Site) -> None:
    site.answers("accounts.users", data([ADA]))
    asked = {"name": "ad", "role": "rider", "limit": "7"}
    response = await site.client.get("/api/users", params=asked, headers=site.operator)
    assert response.status_code == 200
    assert [one["username"] for one in response.json()] == ["ada"]
    assert response.headers["cache-control"] == "no-store"
    question = {"name": "ad", "role": "rider", "limit": 7}
    assert site.persistence.asked[-1] == ("accounts.users", question)
    await site.client.get("/api/users", headers=site.operator)
    assert site.persistence.asked[-1][1].get("limit", 50) == 50


@pytest.mark.parametrize(
    "query", [{"role": "boss"}, {"limit": "0"}, {"limit": "101"}, {"name": "x" * 151}]
)
async def test_what_can_t_be_asked_of_users_is_422(site: Site, query: Any) -> None:
    response = await site.client.get("/api/users", params=query, headers=site.operator)
    problem(response, 422, "invalid_data")


async def test_an_operator_sees_a_user_and_their_sessions(site: Site) -> None:
    sessions = [SessionTold("s", AT, None, AT)]
    site.answers("accounts.user", data(UserTold(ADA, "main", AT, sessions, 1)))
    response = await site.client.get(f"/api/users/{RIDER}", headers=site.operator)
    assert response.status_code == 200
    told = response.json()
    assert (told["user"]["id"], told["sessions_total"]) == (RIDER, 1)
    assert told["sessions"] == [
        {"id": "s", "begun": AT, "renewed": None, "expires": AT}
    ]


async def test_a_user_that_isn_t_there_is_404(site: Site) -> None:
    nobody = refusal(Code.INVALID_DATA, "there is no such user", 404)
    site.answers("accounts.user", nobody)
    for user in (RIDER, "x", "%00", "a" * 300):
        response = await site.client.get(f"/api/users/{user}", headers=site.operator)
        problem(response, 404, "invalid_data")


async def test_an_operator_sees_who_leads_and_how_far_others_are_behind(
    site: Site, leaders: Leaders
) -> None:
    site.answers("history.lags", data({"main": Lag(3, None)}))
    response = await site.client.get("/api/regions", headers=site.operator)
    assert (response.status_code, response.json()) == (200, [])
    assert not [name for name, _ in site.persistence.asked if name == "history.lags"]
    leaders.hear(Announcement("main", 4, "d1", 9, 9, True, 2, 1, 17), 0.0)
    leaders.hear(Announcement("oslo", 1, "d2", 9, 9), 0.0)
    main, oslo = (await site.client.get("/api/regions", headers=site.operator)).json()
    assert main.pop("silent_s") > 0
    assert main == {
        "region": "main",
        "leader": "d1",
        "epoch": 4,
        "standbys": 2,
        "standbys_ready": 1,
        "standby_behind": 17,
        "unwritten": 3,
        "unsent": None,
    }
    assert (oslo["region"], oslo["unwritten"]) == ("oslo", None)
    # Of a leader of before, which doesn't tell.
    assert oslo["standby_behind"] is None


async def test_leaders_are_told_where_lags_can_t_be_had(
    site: Site, leaders: Leaders
) -> None:
    """Of a persistence of before, which doesn't know the question, or none at all."""
    site.answers("history.lags", refusal(Code.UNAVAILABLE, "nobody"))
    leaders.hear(Announcement("main", 4, "d1", 9, 9), 0.0)
    (main,) = (await site.client.get("/api/regions", headers=site.operator)).json()
    assert (main["leader"], main["unwritten"], main["unsent"]) == ("d1", None, None)


@pytest.mark.parametrize("path", ["/api/users", f"/api/users/{RIDER}", "/api/regions"])
async def test_these_are_for_operators(site: Site, path: str) -> None:
    problem(await site.client.get(path, headers=site.rider), 403, "wrong_role")
    problem(await site.client.get(path), 401, "not_authenticated")
