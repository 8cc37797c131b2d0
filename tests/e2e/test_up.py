"""`cabrank up` as an operator sees it: stop, restart, NATS away, a second start."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import httpx

from tests.e2e.conftest import ADDRESSES, Sockets, bearer, started
from tests.support.client import connect
from tests.support.stack import Stack, alive, cabrank
from tests.support.waiting import until, until_is

Start = Callable[..., Stack]


async def test_restart_goes_on_with_active_trips(own_stack: Start) -> None:
    stack = own_stack()
    riding, driving = stack.people("rider", 1)[0], stack.people("driver", 1)[0]
    rider = await Sockets.alone(stack.url, riding)
    driver = await Sockets.alone(stack.url, driving)
    trip = await started(rider, driver)
    since = rider.cursor
    assert await asyncio.to_thread(stack.stop) == 0
    await rider.closed()
    await driver.closed()
    await asyncio.to_thread(stack.start)
    rider = await Sockets.alone(stack.url, riding, since=since)
    driver = await Sockets.alone(stack.url, driving)
    async with rider, driver:
        welcome = driver.frames[0]["data"]
        assert [t["id"] for t in welcome["trips"]] == [trip["id"]]
        await driver.do("trip.begin", {"id": trip["id"]})
        await driver.do("trip.complete", {"id": trip["id"]})
        await rider.expect_trip("trip.completed", trip["id"])
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as web:

        async def versions() -> list[int]:
            path = f"/api/trips/{trip['id']}/events"
            answer = await web.get(path, headers=bearer(riding))
            if answer.status_code != 200:  # history may lag, or start later
                return []
            return [row["version"] for row in answer.json()]

        await until_is(versions, lambda found: found == [1, 2, 3, 4])


async def test_clean_stop_leaves_no_process_and_no_pid_file(own_stack: Start) -> None:
    stack = own_stack()
    pids = stack.pids()
    assert {"nats", "gateway-1", "dispatcher-1", "persistence-1"} <= set(pids)
    assert "webhooks-1" in pids
    assert all(alive(pid) for pid in pids.values())
    assert await asyncio.to_thread(stack.stop) == 0
    assert [name for name, pid in pids.items() if alive(pid)] == []
    assert stack.pids() == {}


async def test_children_die_with_a_killed_up(own_stack: Start) -> None:
    stack = own_stack()
    pids = stack.pids()
    stack.process.send_signal(signal.SIGKILL)
    await until(
        lambda: not any(alive(pid) for pid in pids.values()), "death of the children"
    )


async def test_second_start_on_the_same_directory_is_refused(
    stack: Stack,
) -> None:
    second = await asyncio.to_thread(
        cabrank, "up", "--port", "0", "--data-dir", str(stack.data_dir)
    )
    assert second.returncode == 2
    assert second.stdout == ""
    assert len(second.stderr.strip().splitlines()) == 1
    assert "Traceback" not in second.stderr
    assert stack.is_ready()


async def test_without_nats_it_is_not_ready_and_then_recovers(
    own_stack: Start,
) -> None:
    stack = own_stack()
    riding, driving = stack.people("rider", 1)[0], stack.people("driver", 1)[0]
    rider = await Sockets.alone(stack.url, riding)
    driver = await Sockets.alone(stack.url, driving)
    async with rider, driver:
        trip = await started(rider, driver)
        stack.kill("nats", signal.SIGSTOP)
        stack.kill("nats")
        await until(lambda: not stack.is_ready(), "readyz to say no")
        await stack.ready()
        done = await _insist(driver, "trip.begin", trip["id"])
        assert done["status"] == "IN_PROGRESS"
        await rider.expect_trip("trip.in_progress", trip["id"])
        assert {rider.socket.close_code, driver.socket.close_code} == {None}


async def _insist(client: object, kind: str, trip: str) -> dict[str, str]:
    """`unavailable` means: ask again."""
    while True:
        answer = await client.ask(kind, {"id": trip})  # type: ignore[attr-defined]
        if answer["type"] == "reply":
            data: dict[str, str] = answer["data"]
            return data
        assert answer["data"]["retryable"], answer


async def test_user_made_on_the_command_line_can_log_in(stack: Stack) -> None:
    args = ("user", "add", "boss", "--role", "operator")
    made = await asyncio.to_thread(
        cabrank, *args, "--data-dir", str(stack.data_dir), stdin="correct horse\n"
    )
    assert made.returncode == 0, made.stderr
    client = await connect(stack.url, None)
    async with client:
        login = {"username": "boss", "password": "correct horse"}
        await client.send({"type": "session.login", "data": login})
        assert (await client.expect("welcome"))["data"]["user"]["role"] == "operator"


async def test_killed_processes_are_started_again(own_stack: Start) -> None:
    stack = own_stack()
    names = ("dispatcher-1", "persistence-1", "gateway-1", "webhooks-1")
    killed = {name: stack.kill(name) for name in names}

    def replaced() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return all(stack.pid(name) != pid for name, pid in killed.items())
        return False

    await until(replaced, "new processes")
    await stack.ready()
    rider = stack.people("rider", 1)[0]
    client = await Sockets.alone(stack.url, rider)
    async with client:
        await client.do("trip.request", ADDRESSES)
