"""People of an outside OpenID Connect issuer, over the whole system."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import bearer, started
from tests.support.client import connect, welcomed
from tests.support.issuer import AUDIENCE, IssuerServer, running
from tests.support.stack import Stack
from tests.support.waiting import until_is

pytestmark = pytest.mark.timeout(300)  # it starts a system, and more

LIMIT_S = 30


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerServer]:
    async with running(IssuerServer()) as made:
        yield made


async def test_people_of_an_outside_issuer_ride_drive_and_are_revoked(
    own_stack: Callable[..., Stack], issuer: IssuerServer
) -> None:
    settings = {"CABRANK_OIDC_ISSUER": issuer.url, "CABRANK_OIDC_AUDIENCE": AUDIENCE}
    stack = await asyncio.to_thread(lambda: own_stack(**settings))
    rider, stranger = issuer.token(), issuer.token(aud="another")
    driver = issuer.token(sub="00u2", preferred_username="dan", role="driver")
    operator = issuer.token(sub="00u3", preferred_username="ops", role="operator")
    async with httpx.AsyncClient(
        base_url=stack.url, trust_env=False, timeout=LIMIT_S
    ) as web:

        async def status(method: str, path: str, token: str) -> int:
            answer = await web.request(method, path, headers=bearer(token))
            return answer.status_code

        # Its keys may still be under way.
        assert await until_is(
            lambda: status("GET", "/api/me", rider), lambda seen: seen == 200, LIMIT_S
        )
        me = (await web.get("/api/me", headers=bearer(rider))).json()
        assert (me["first_name"], me["last_name"], me["role"]) == (
            "Ann",
            "Löw",
            "rider",
        )

        riding, welcome = await welcomed(stack.url, rider)
        driving, _ = await welcomed(stack.url, driver)
        async with riding, driving:
            assert welcome["user"] == me
            trip = await started(riding, driving)
            assert trip["rider"]["id"] == me["id"]

            async def history() -> list[str]:
                answer = await web.get("/api/trips", headers=bearer(rider))
                return [f"{each['id']} {each['status']}" for each in answer.json()]

            wanted = [f"{trip['id']} STARTED"]
            await until_is(history, lambda seen: seen == wanted, LIMIT_S)

            assert await status("GET", "/api/me", stranger) == 401
            with pytest.raises(InvalidStatus) as refused:
                await connect(stack.url, stranger)
            assert refused.value.response.status_code == 401
            async with await connect(stack.url, None) as unknown:
                said = {"token": stranger}
                code = await unknown.refusal("session.login", said)
                assert code == "not_authenticated"

            # Persistence has met its people, and can end their sessions.
            path = f"/api/users/{me['id']}/revoke"
            await until_is(
                lambda: status("POST", path, operator),
                lambda seen: seen == 204,
                LIMIT_S,
            )
            assert await riding.closed() == 4503
            assert await status("GET", "/api/me", rider) == 401
            await driving.quiet()
