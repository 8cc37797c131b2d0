"""Several gateways on one port, and the restart of everything under load."""

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import bearer
from tests.support.client import welcomed
from tests.support.faithful import Faithful, drive, missed_nothing
from tests.support.stack import Person, Stack, alive, cabrank
from tests.support.waiting import until

Start = Callable[..., Stack]
SERVICES = {"gateway", "dispatcher", "persistence", "webhooks"}


async def ask_over_http(url: str, person: Person, over: asyncio.Event) -> int:
    """Requests on one kept connection and on fresh ones; how many were answered."""
    count = 0
    async with httpx.AsyncClient(base_url=url, trust_env=False) as kept:
        while not over.is_set():
            answer = await kept.get("/api/me", headers=bearer(person))
            assert answer.status_code == 200, answer.text
            answer = await kept.get("/api/trips", headers=bearer(person))
            assert answer.status_code == 200, answer.text
            async with httpx.AsyncClient(base_url=url, trust_env=False) as fresh:
                # Not /readyz: who drains says 503 there, as it should.
                answer = await fresh.get("/api/me", headers=bearer(person))
                assert answer.status_code == 200, answer.text
            count += 3
    return count


@pytest.mark.parametrize("how", ["signal", "command"])
async def test_a_rolling_restart_under_load_fails_no_request_and_loses_no_event(
    own_stack: Start, how: str
) -> None:
    stack = own_stack("--gateways", "2" if how == "signal" else "1", "--share-port")
    riding, driving = stack.people("rider", 1)[0], stack.people("driver", 1)[0]
    rider, driver = Faithful(stack.url, riding), Faithful(stack.url, driving)
    living = [asyncio.create_task(each.live()) for each in (rider, driver)]
    await until(lambda: rider.client and driver.client, "the sockets")
    over = asyncio.Event()
    trips = asyncio.create_task(drive(rider, driver, over))
    asking = asyncio.create_task(ask_over_http(stack.url, riding, over))
    before = {n: p for n, p in stack.pids().items() if n.rpartition("-")[0] in SERVICES}

    if how == "command":
        arguments = ("restart", "--data-dir", str(stack.data_dir))
        done = await asyncio.to_thread(cabrank, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "persistence-1 restarted",
            "webhooks-1 restarted",
            "dispatcher-1 restarted",
            "gateway-1 restarted",
        ]
    else:
        stack.process.send_signal(signal.SIGHUP)
    await until(lambda: not any(map(alive, before.values())), "their ends", 60)
    after = stack.pids()
    assert set(before) < set(after)
    assert all(
        after[name] != pid and alive(after[name]) for name, pid in before.items()
    )

    over.set()
    made = await trips
    assert await asking > 0
    await rider.insist("trip.get", {"id": made[-1]})
    for each in (rider, driver):
        await each.stop()
    await asyncio.gather(*living)
    for each in (rider, driver):
        missed_nothing(each, made)
    assert len(made) > 1


def test_a_restart_of_what_does_not_run_is_refused(own_stack: Start) -> None:
    stack = own_stack()
    stack.stop()
    done = cabrank("restart", "--data-dir", str(stack.data_dir))
    assert done.returncode == 2
    assert "No `cabrank up` runs" in done.stderr


async def test_a_successor_that_cannot_start_leaves_everything_as_it_was(
    own_stack: Start,
) -> None:
    stack = own_stack()
    before = stack.pids()
    key = stack.data_dir / "keys" / "signing.pem"  # what the first in order reads
    key.write_bytes(b"no key")
    stack.process.send_signal(signal.SIGUSR1)
    await until(lambda: "the restart is given up" in stack.said, "the end", 60)
    assert stack.pids() == before
    assert all(alive(pid) for pid in before.values())
    assert stack.is_ready()


ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "cabrank", *sys.argv[1:]])
"""


async def test_the_end_of_its_terminal_ends_up_and_all_it_started(
    tmp_path: Path,
) -> None:
    ours, its = os.openpty()
    data_dir = tmp_path / "data"
    up = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ON_A_TERMINAL, "up", "--port", "0"),
        *("--data-dir", str(data_dir)),
        stdin=its,
        stdout=asyncio.subprocess.PIPE,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    try:
        assert up.stdout is not None
        line = await asyncio.wait_for(up.stdout.readline(), 60)
        assert line.startswith(b"cabrank ready"), line
        pids = [int(file.read_text()) for file in (data_dir / "run").glob("*.pid")]
        assert len(pids) == 5
        os.close(ours)  # as when its window is closed
        ours = -1
        assert await asyncio.wait_for(up.wait(), 45) == 0
        assert not any(map(alive, pids))
    finally:
        if ours >= 0:
            os.close(ours)
        if up.returncode is None:
            up.kill()
            await up.wait()


def connections(url: str) -> int:
    """How many connected to the gateway whose metrics are there."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    name = 'cabrank_gateway_handshakes_total{status="101"}'
    return next((int(float(x.split()[-1])) for x in lines if x.startswith(name)), 0)


async def test_all_gateways_take_connections_on_the_first_ones_port(
    own_stack: Start,
) -> None:
    stack = own_stack("--gateways", "2", "--share-port")
    person = stack.people("rider", 1)[0]
    for _ in range(100):  # 2 ** -100 for all to meet the same one
        client, _ = await welcomed(stack.url, person.access)
        await client.close()
        taken = await asyncio.to_thread(connections, stack.metrics_url("gateway-2"))
        if taken:
            break
    assert taken, "gateway-2 took no connection on the shared port"
