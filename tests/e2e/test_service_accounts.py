"""A service account on a whole system: from the command line to the last of its key."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from schemas.service_accounts import hash_of, id_of
from tests.e2e.conftest import ADDRESSES, Town, bearer
from tests.e2e.test_http import problem
from tests.support.client import connect, welcomed
from tests.support.waiting import until_is

REVOKED = 4503
SERVICE = ("--role", "operator", "--service")


async def made(town: Town, *options: str) -> tuple[str, str]:
    """A new account's name and key."""
    name = f"desk-{time.time_ns()}"
    command = ("user", "add", name, *SERVICE, *options)
    done = await asyncio.to_thread(town.stack.command, *command)
    assert done.returncode == 0, done.stderr
    return name, done.stdout.strip()


async def exchanged(web: httpx.AsyncClient, key: str, **more: Any) -> httpx.Response:
    fields = {"grant_type": "client_credentials", "client_secret": key, **more}
    return await web.post("/api/tokens", data=fields)


async def test_a_key_books_a_trip_itself_and_by_a_token(
    town: Town, web: httpx.AsyncClient
) -> None:
    name, key = await made(town)
    told = (await exchanged(web, key)).json()
    assert set(told) == {"access_token", "token_type", "expires_in"}
    assert told["token_type"] == "Bearer"
    token = told["access_token"]
    by_basic = await web.post(
        "/api/tokens", data={"grant_type": "client_credentials"}, auth=(name, key)
    )
    assert by_basic.status_code == 200
    for access in (key, token):
        me = await web.get("/api/me", headers=bearer(access))
        assert (me.json()["username"], me.json()["role"]) == (name, "operator")
        body = ADDRESSES | {"rider": town.rider().id}
        trip = await web.post("/api/trips", json=body, headers=bearer(access))
        assert trip.status_code == 201, trip.text
        path = f"{trip.headers['Location']}/assign"
        driver = {"driver": town.driver().id}
        assert (await web.post(path, json=driver, headers=bearer(access))).is_success
    client, welcome = await welcomed(town.url, key)
    assert welcome["user"]["username"] == name
    await client.do("trip.cancel", {"id": trip.json()["id"]})
    await client.close()


async def test_a_key_with_scopes_may_what_they_say(
    town: Town, web: httpx.AsyncClient
) -> None:
    _, key = await made(town, "--scope", "read", "--expires", "1")
    token = (await exchanged(web, key)).json()["access_token"]
    body = ADDRESSES | {"rider": town.rider().id}
    for access in (key, token):
        assert (await web.get("/api/trips", headers=bearer(access))).status_code == 200
        answer = await web.post("/api/trips", json=body, headers=bearer(access))
        problem(answer, 403, "wrong_role")
        client, _ = await welcomed(town.url, access)
        trip = {"id": "0192f0c4-0000-7000-8000-000000000000"}
        assert await client.refusal("trip.cancel", trip) == "wrong_role"
        assert await client.refusal("trip.get", trip) == "trip_not_found"
        await client.close()
    problem(await exchanged(web, key, scope="trips"), 422, "invalid_data")


@pytest.mark.parametrize("way", ["key", "account", "operator"])
async def test_a_revoked_key_is_over_at_once_everywhere(
    town: Town, web: httpx.AsyncClient, way: str
) -> None:
    name, key = await made(town)
    token = (await exchanged(web, key)).json()["access_token"]
    sockets = [(await welcomed(town.url, access))[0] for access in (key, token)]
    me = (await web.get("/api/me", headers=bearer(key))).json()
    if way == "operator":
        path = f"/api/users/{me['id']}/revoke"
        answer = await web.post(path, headers=bearer(town.operator))
        assert answer.status_code == 204
    else:
        who = id_of(hash_of(key)) if way == "key" else name
        done = await asyncio.to_thread(town.stack.command, "user", "revoke", who)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f"of the user {me['id']} {_ends(way)}.\n")
    for socket in sockets:
        assert await socket.closed() == REVOKED

    async def statuses() -> list[int]:
        answers = [web.get("/api/me", headers=bearer(one)) for one in (key, token)]
        return [answer.status_code for answer in await asyncio.gather(*answers)]

    await until_is(statuses, lambda found: found == [401, 401])
    problem(await exchanged(web, key), 401, "bad_credentials")
    with pytest.raises(InvalidStatus):
        await connect(town.url, key)
    again = await asyncio.to_thread(town.stack.command, "user", "keys", name)
    assert again.stdout == ""


def _ends(way: str) -> str:
    return "is over" if way == "key" else "are over"


async def test_an_erased_account_s_key_is_over(
    town: Town, web: httpx.AsyncClient
) -> None:
    name, key = await made(town)
    assert (await web.get("/api/me", headers=bearer(key))).status_code == 200
    command = ("user", "erase", name, "--yes")
    done = await asyncio.to_thread(town.stack.command, *command)
    assert done.returncode == 0, done.stderr

    async def status() -> int:
        return (await web.get("/api/me", headers=bearer(key))).status_code

    await until_is(status, lambda found: found == 401)


async def test_revoking_nobody_is_told_in_one_sentence(town: Town) -> None:
    done = await asyncio.to_thread(town.stack.command, "user", "revoke", "nobody-here")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no user and no key 'nobody-here'.\n"
