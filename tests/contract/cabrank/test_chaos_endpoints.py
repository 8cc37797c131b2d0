"""Chaos's own endpoints: a process each, that can be hung, made to fail, and killed."""

import asyncio
import signal
from pathlib import Path

import httpx

from cabrank.trial.chaos.endpoints import Endpoint, listening
from tests.support.waiting import until_is

HEADERS = {"webhook-id": "msg_a_1", "webhook-timestamp": "7"}
HEADERS |= {"webhook-signature": "v1,x"}


async def post(endpoint: Endpoint, body: str = "{}") -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as web:
        answer = await web.post(endpoint.url, content=body, headers=HEADERS)
        return answer.status_code


async def test_an_endpoint_fails_hangs_dies_and_has_all_that_it_took(
    tmp_path: Path,
) -> None:
    with listening(tmp_path) as (endpoint, other):
        assert await post(endpoint, '{"n": 1}') == 204
        endpoint.send(signal.SIGUSR1)
        await until_is(lambda: post(endpoint), lambda status: status == 500)
        endpoint.send(signal.SIGUSR2)
        await until_is(lambda: post(endpoint), lambda status: status == 204)
        endpoint.send(signal.SIGSTOP)
        hanging = asyncio.create_task(post(endpoint, '{"n": 2}'))
        assert await post(other) == 204  # each is a process of its own
        assert not hanging.done()
        endpoint.send(signal.SIGCONT)
        assert await hanging == 204
        endpoint.kill()
        url = endpoint.url
        endpoint.start()
        assert endpoint.url == url
        assert await post(endpoint, '{"n": 3}') == 204
        posts = endpoint.collect()
        assert {one.status for one in posts} == {204, 500}
        assert [one.body for one in posts if one.body != "{}"] == [
            f'{{"n": {n}}}' for n in (1, 2, 3)
        ]
        assert {one.place for one in posts} == {("a", 1)}
        assert endpoint.collect() == posts
        assert len(other.collect()) == 1
