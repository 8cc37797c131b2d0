"""A session ended at one gateway is ended at all, and at those that start later."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from cabrank.operate import target
from schemas.permissions import Service
from tests.e2e.conftest import Town, bearer
from tests.support.client import Client, connect, welcomed
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)  # it starts a system, and more

LIMIT_S = 60
REVOKED = 4503


@contextlib.asynccontextmanager
async def another_gateway(town: Town, log: Path) -> AsyncIterator[str]:
    """Base URL of a gateway beside the town's, that ends with the block."""
    found = target.find(town.stack.data_dir)
    settings = {
        "CABRANK_NATS_URL": found.nats_url,
        "CABRANK_NATS_NKEY_SEED_FILE": str(found.nats_login(Service.GATEWAY).seed_file),
        "CABRANK_VERIFY_KEYS_FILE": str(found.verify_keys),
        "CABRANK_PORT": "0",
    }
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cabrank", "gateway"],
            env={**os.environ, **settings},
            stderr=said,
        )
    try:

        def port() -> int | None:
            for line in log.read_text().splitlines():
                if '"listening"' in line:
                    return int(json.loads(line)["port"])
            assert process.poll() is None, log.read_text()
            return None

        await until(port, "the other gateway", LIMIT_S)
        yield f"http://127.0.0.1:{port()}"
    finally:
        process.terminate()
        try:
            process.wait(40)
        finally:
            process.kill()


async def refused(base: str, token: str) -> bool:
    """Whether its handshake and its request are."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(base, token)
    async with httpx.AsyncClient(
        base_url=base, trust_env=False, timeout=LIMIT_S
    ) as web:
        answer = await web.get("/api/me", headers=bearer(token))
    return (caught.value.response.status_code, answer.status_code) == (401, 401)


async def test_a_revocation_closes_the_sessions_of_all_gateways_and_of_those_to_come(
    town: Town, web: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = {"username": f"both-{time.time_ns()}", "password": "correct horse"}
    made = (await web.post("/api/users", json=body | {"role": "rider"})).json()
    logged_out, revoked, absent = made["access"], town.rider(), town.rider()
    operator = bearer(town.operator)
    async with (
        another_gateway(town, tmp_path / "first.log") as other,
        AsyncExitStack() as opened,
    ):

        async def on_both(token: str) -> list[Client]:
            sessions = [(await welcomed(base, token))[0] for base in (town.url, other)]
            for session in sessions:
                await opened.enter_async_context(session)
            return sessions

        sessions = await on_both(logged_out)
        bystanders = await on_both(town.rider().access)
        answer = await web.delete("/api/tokens", headers=bearer(logged_out))
        assert answer.status_code == 204
        assert [await one.closed() for one in sessions] == [REVOKED] * 2
        assert await refused(other, logged_out)

        sessions = await on_both(revoked.access)
        answer = await web.post(f"/api/users/{revoked.id}/revoke", headers=operator)
        assert answer.status_code == 204
        assert [await one.closed() for one in sessions] == [REVOKED] * 2
        assert await refused(other, revoked.access)
        for one in bystanders:
            await one.quiet()

    answer = await web.post(f"/api/users/{absent.id}/revoke", headers=operator)
    assert answer.status_code == 204
    async with another_gateway(town, tmp_path / "second.log") as other:
        for token in (logged_out, revoked.access, absent.access):
            assert await refused(other, token)
        client, _ = await welcomed(other, town.rider().access)
        await client.close()
