"""A service as a real process: what ends it, and how."""

import asyncio
import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from runtime.lifecycle import Service

HEAD = """
import asyncio, sys
from runtime import lifecycle, log

log.configure("test")

async def forever():
    await asyncio.Event().wait()

async def boom():
    raise ZeroDivisionError("on purpose")

async def at_once():
    pass

async def drain():
    print("drained", flush=True)

"""
TAIL = """
print(lifecycle.run("test", start), flush=True)
"""


class Process:
    def __init__(self, body: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HEAD + body + TAIL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_line(self, line: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == line

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[list[str], list[dict[str, Any]]]:
        """What it printed and logged until it ended by itself."""
        try:
            out, err = self._process.communicate(timeout=30)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, err
        return out.split(), [json.loads(line) for line in err.splitlines()]


def events(logged: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in logged]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(sign: int) -> None:
    process = Process("""
async def start(service):
    service.spawn("worker", forever())
    print("up", flush=True)
    return drain
""")
    process.wait_for_line("up")
    process.signal(sign)
    printed, logged = process.end()
    assert printed == ["drained", "0"]
    assert events(logged) == ["started", "draining", "stopped"]


@pytest.mark.parametrize("death", ["boom", "at_once"])
def test_a_dead_task_ends_the_process_with_1(death: str) -> None:
    printed, logged = Process(f"""
async def start(service):
    service.spawn("worker", forever())
    service.spawn("mortal", {death}())
    return drain
""").end()
    assert printed == ["drained", "1"]
    [line] = [line for line in logged if line["event"] == "a task died"]
    assert (line["task"], line["level"]) == ("mortal", "critical")


def test_a_future_that_breaks_ends_the_process_with_1() -> None:
    printed, logged = Process("""
async def start(service):
    future = asyncio.get_running_loop().create_future()
    service.watch("bus", future)
    future.set_exception(OSError("gone"))
    return drain
""").end()
    assert printed == ["drained", "1"]
    assert "gone" in next(
        line["exception"] for line in logged if line["event"] == "a task died"
    )


def test_a_task_that_may_end_ends_nothing() -> None:
    process = Process("""
async def start(service):
    task = service.spawn("errand", at_once(), may_end=True)
    await task
    print("up", flush=True)
    return drain
""")
    process.wait_for_line("up")
    process.signal(signal.SIGTERM)
    assert process.end()[0] == ["drained", "0"]


def test_a_signal_while_it_starts_ends_it_with_0() -> None:
    process = Process("""
async def start(service):
    print("starting", flush=True)
    await forever()
""")
    process.wait_for_line("starting")
    process.signal(signal.SIGTERM)
    assert process.end()[0] == ["0"]


def test_a_task_that_dies_while_it_starts_ends_it_with_1() -> None:
    printed, _ = Process("""
async def start(service):
    service.spawn("mortal", boom())
    await forever()
""").end()
    assert printed == ["1"]


def test_no_collection_walks_what_the_start_made() -> None:
    process = Process(
        """
import gc

async def start(service):
    async def drain():
        print(gc.get_freeze_count() > 1_000, flush=True)
    service.stop()
    return drain
"""
    )
    assert process.end()[0] == ["True", "0"]


def test_a_start_that_fails_ends_with_1() -> None:
    printed, logged = Process("""
async def start(service):
    await boom()
""").end()
    assert printed == ["1"]
    assert "on purpose" in logged[-1]["exception"]


def test_a_drain_that_hangs_is_cut_off() -> None:
    process = Process("""
lifecycle.DRAIN_MAX_S = 0.1

async def start(service):
    print("up", flush=True)
    return forever
""")
    process.wait_for_line("up")
    process.signal(signal.SIGTERM)
    printed, logged = process.end()
    assert printed == ["0"]
    assert "drain took too long" in events(logged)


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    service = Service("test")
    lost = asyncio.Event()

    async def careless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await asyncio.Event().wait()

    service.spawn("careless", careless(), may_end=True)
    await asyncio.sleep(0)
    await asyncio.wait_for(service.cancel_tasks(), 30)
    assert lost.is_set()
    assert service.failure is None
