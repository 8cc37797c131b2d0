"""Webhooks of a whole system: killed amid deliveries, it loses none, and each trip's
come in order.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import ADDRESSES, bearer
from tests.support.endpoint import listening
from tests.support.stack import Person, Stack, cabrank
from tests.support.waiting import until, until_is

WAY = ["trip.requested", "trip.started", "trip.arrived", "trip.in_progress"]
WAY += ["trip.completed"]
MOVES = ("accept", "arrive", "begin", "complete")
PAIRS = 4
ROUNDS = 4


def kill(stack: Stack, name: str) -> int:
    pid = int((stack.data_dir / "run" / f"{name}.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    return pid


async def ride(web: httpx.AsyncClient, rider: Person, driver: Person) -> str:
    made = await web.post("/api/trips", json=ADDRESSES, headers=bearer(rider))
    assert made.status_code == 201, made.text
    trip: str = made.json()["id"]
    for move in MOVES:
        done = await web.post(f"/api/trips/{trip}/{move}", headers=bearer(driver))
        assert done.status_code == 200, (move, done.text)
    return trip


@pytest.mark.timeout(400)
async def test_nothing_is_lost_and_no_trip_is_out_of_order_through_kill_9(
    own_stack: Callable[..., Stack],
) -> None:
    stack = await asyncio.to_thread(own_stack, CABRANK_WEBHOOKS_PRIVATE="1")
    people = {role: stack.people(role, PAIRS) for role in ("rider", "driver")}
    (operator,) = stack.people("operator", 1)
    pairs = list(zip(people["rider"], people["driver"], strict=True))
    async with (
        listening() as there,
        httpx.AsyncClient(base_url=stack.url, timeout=30, trust_env=False) as web,
    ):
        body = {"url": there.url, "events": ["trip.*"]}
        made = await web.post("/api/webhooks", json=body, headers=bearer(operator))
        assert made.status_code == 201, made.text
        trips: list[str] = []

        async def rides(rider: Person, driver: Person) -> None:
            trips.extend([await ride(web, rider, driver) for _ in range(ROUNDS)])

        riding = [asyncio.create_task(rides(*pair)) for pair in pairs]
        await there.has(5)
        for name in ("webhooks-1", "persistence-1"):
            seen = len(there.got)
            pid = kill(stack, name)
            file = stack.data_dir / "run" / f"{name}.pid"
            await until(lambda f=file, p=pid: f.read_text() != str(p), name, 60)  # type: ignore[misc]
            await until(lambda n=seen: len(there.got) > n, "the next", 60)  # type: ignore[misc]
        await asyncio.gather(*riding)
        wanted = {(trip, type_) for trip in trips for type_ in WAY}
        assert len(trips) == PAIRS * ROUNDS

        def told() -> set[tuple[str, str]]:
            return {(one.said["data"]["id"], one.type) for one in there.got}

        await until(lambda: wanted <= told(), "every event", 90)
        for trip in trips:
            first: list[str] = []
            for one in there.got:
                if one.said["data"]["id"] == trip and one.type not in first:
                    first.append(one.type)
            assert first == WAY
        ids: dict[tuple[str, str], set[str]] = {}
        for one in there.got:
            ids.setdefault((one.said["data"]["id"], one.type), set()).add(one.id)
        assert all(len(each) == 1 for each in ids.values())
        where = f"/api/webhooks/{made.json()['id']}/deliveries?limit=100"

        async def waiting() -> int:
            answer = await web.get(where, headers=bearer(operator))
            if answer.status_code == 503:  # the one that was killed isn't back yet
                return -1
            rows = answer.json()
            return sum(row["status"] == "waiting" for row in rows)

        await until_is(waiting, lambda count: count == 0, 60)
        await commands(stack, there.url)
    assert stack.forbidden() == []


async def commands(stack: Stack, url: str) -> None:
    """What an operator says at the command line."""

    async def say(*words: str) -> tuple[int, str]:
        directory: Path = stack.data_dir
        ran = await asyncio.to_thread(
            cabrank, "webhooks", *words, "--data-dir", str(directory)
        )
        return ran.returncode, (ran.stdout or ran.stderr).strip()

    status, said = await say("add", url, "--event", "offer.*", "--description", "x")
    assert status == 0, said
    webhook = said.split()[1]
    assert "whsec_" in said
    assert webhook in (await say("list"))[1]
    assert await say("test", webhook) == (0, "taken")
    assert (await say("replay", webhook, "--since", "0"))[0] == 0
    assert await say("test", "nobody") == (2, "There is no such webhook.")
    status, said = await say("add", "ftp://x", "--event", "trip.*")
    assert (status, said) == (2, "Url: it is no http or https URL.")
