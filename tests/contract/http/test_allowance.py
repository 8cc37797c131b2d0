"""A user's HTTP requests: so many, then 429 with Retry-After."""

from schemas.accounts import Result
from schemas.codec import Raw
from schemas.trips import Role
from tests.contract.http.conftest import Site, bearer, problem

BURST = 200


async def used_up(site: Site, headers: dict[str, str], most: int) -> int:
    """How many were answered before the first that was refused."""
    for count in range(most + 1):
        response = await site.client.get("/api/me", headers=headers)
        if response.status_code != 200:
            problem(response, 429, "rate_limited")
            assert response.headers["retry-after"] == "1"
            return count
    return most + 1


async def test_requests_over_a_user_s_limit_are_429_with_retry_after(
    site: Site,
) -> None:
    # The limit refills while the burst is used up: 50 more a second.
    answered = await used_up(site, site.rider, 20 * BURST)
    assert BURST <= answered < 20 * BURST
    for method, path in (
        ("GET", "/api/trips"),
        ("GET", "/api/rooms/r/messages"),
        ("DELETE", "/api/tokens"),
        ("POST", "/api/rooms/r/messages"),
    ):
        for _ in range(20):  # a moment later one more is allowed
            response = await site.client.request(method, path, headers=site.rider)
            if response.status_code == 429:
                break
            assert await used_up(site, site.rider, 20 * BURST) < 20 * BURST
        problem(response, 429, "rate_limited")


async def test_another_user_and_who_has_no_token_are_not_concerned(site: Site) -> None:
    site.answers("history.trips", Result(data=Raw(b"[]")))
    await used_up(site, site.rider, 20 * BURST)
    other = bearer(site.tokens.issue("another"))
    assert (await site.client.get("/api/trips", headers=other)).status_code == 200
    problem(await site.client.get("/api/me"), 401, "not_authenticated")
    assert (await site.client.get("/healthz")).status_code == 200


async def test_operators_may_ten_times_as_many_requests(site: Site) -> None:
    busy = bearer(site.tokens.issue("busy", Role.OPERATOR))
    assert await used_up(site, busy, 5 * BURST) == 5 * BURST + 1
