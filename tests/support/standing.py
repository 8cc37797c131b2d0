"""What operators are told of a driver, waited for."""

import httpx

from tests.support.waiting import until_is


async def until_free(url: str, operator: str, driver: str) -> None:
    """Return when the driver is free to be offered trips where they are: a position is
    heard a moment after it was sent. `operator`: an access token.

    Raises:
        TimeoutError: they still aren't.
    """
    headers = {"Authorization": f"Bearer {operator}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as web:

        async def state() -> str:
            answer = await web.get(f"{url}/api/drivers/{driver}")
            assert answer.status_code == 200, answer.text
            return str(answer.json()["state"])

        await until_is(state, lambda seen: seen == "free")
