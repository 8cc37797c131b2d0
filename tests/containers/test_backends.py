"""The services as processes of this machine against NATS and PostgreSQL elsewhere."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.containers.people import Door, travel
from tests.support.nats import free_port
from tests.support.stack import cabrank
from tests.support.waiting import until_is, until_true

START_S = 60
STOP_S = 40


@pytest.fixture
def services(nats_url: str, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The gateway's base URL."""
    port = free_port()
    environ = {
        **os.environ,
        "CABRANK_NATS_URL": nats_url,
        "CABRANK_DATABASE_URL": database_url,
        "CABRANK_PORT": str(port),
        "CABRANK_SIGNING_KEY_FILE": str(tmp_path / "secrets/signing/signing.pem"),
        "CABRANK_VERIFY_KEYS_FILE": str(tmp_path / "secrets/verify/jwks.json"),
    }
    made = cabrank("secrets", str(tmp_path / "secrets"))
    assert made.returncode == 0, made.stderr
    command = (sys.executable, "-m", "cabrank")
    subprocess.run([*command, "migrate"], env=environ, check=True, timeout=START_S)
    with contextlib.ExitStack() as stack:
        for name in ("dispatcher", "persistence", "gateway"):
            stack.enter_context(_running([*command, name], environ))
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(command: list[str], environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            assert process.wait(STOP_S) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


async def test_a_trip_and_its_history_on_foreign_servers(services: str) -> None:
    door = Door(services)

    async def is_ready() -> bool:
        async with door.web() as web:
            with contextlib.suppress(httpx.TransportError):
                return (await web.post("/api/users", json={})).status_code == 422
        return False

    await until_true(is_ready, "the gateway", START_S)
    rider, driver = await door.sign_up("rider"), await door.sign_up("driver")
    async with door.enter(rider) as at_home, door.enter(driver) as in_car:
        trip = await travel(at_home, in_car)

    async def written() -> list[str]:
        async with door.web() as web:
            answer = await web.get(
                f"/api/trips/{trip}/events",
                headers={"Authorization": f"Bearer {rider}"},
            )
        rows = answer.json() if answer.status_code == 200 else []
        return [row["type"] for row in rows]

    assert await until_is(written, lambda rows: len(rows) == 4, START_S) == [
        "trip.requested",
        "trip.started",
        "trip.in_progress",
        "trip.completed",
    ]
