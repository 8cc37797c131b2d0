"""`cabrank demo`: within a minute a city is at work."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.stack import Stack
from tests.support.waiting import until_is

LIVELY_S = 90
"""Long enough for a machine that does everything else at once."""


@pytest.mark.timeout(300)
async def test_a_city_lives_in_a_demo_and_lets_one_look_on(tmp_path: Path) -> None:
    demo = Stack(tmp_path / "data", "--speed", "20", "--drivers", "6", command="demo")
    await asyncio.to_thread(demo.start)
    try:
        async with httpx.AsyncClient(
            base_url=demo.url, trust_env=False, timeout=LIVELY_S
        ) as http:
            await look_on(demo, http)
        assert (tmp_path / "data" / "demo.json").stat().st_mode & 0o077 == 0
    finally:
        status = demo.stop()
    assert status == 0


async def look_on(demo: Stack, http: httpx.AsyncClient) -> None:
    log_ins = re.compile(r"log in as (\S+) with (\S+)\n")
    said = await until_is(look(demo), lambda text: "the operator is" in text, LIVELY_S)
    made = dict(log_ins.findall(said))
    assert set(made) == {"demo-rider", "demo-driver"}
    made["demo-operator"] = made["demo-rider"]
    for name, password in made.items():
        body = {"username": name, "password": password}
        answer = await http.post("/api/tokens", json=body)
        assert answer.status_code == 200, answer.text
    http.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    async def statuses() -> Counter[str]:
        return Counter(trip["status"] for trip in await trips(http))

    await until_is(statuses, lambda seen: seen["COMPLETED"] >= 3, LIVELY_S)

    async def talked() -> list[Any]:
        """One room after the other: all at once would be over an allowance."""
        for trip in await trips(http):
            answer = await http.get(f"/api/rooms/trip_{trip['id']}/messages")
            assert answer.status_code == 200, answer.text
            if said := answer.json():
                return list(said)
        return []

    await until_is(talked, bool, LIVELY_S)
    (one, *_) = await trips(http, status="COMPLETED")
    # They drove there: along streets, not from place to place at once.
    track = (await http.get(f"/api/trips/{one['id']}/track")).json()
    assert len(track) > 1


def look(demo: Stack) -> Any:
    async def said() -> str:
        return demo.said

    return said


async def trips(http: httpx.AsyncClient, **asked: str) -> Any:
    answer = await http.get("/api/trips", params={"limit": "100", **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()
