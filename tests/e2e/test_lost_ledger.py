"""The NATS store is lost, the database kept: `up` begins a ledger above the old one."""

import asyncio
import shutil
from collections.abc import Callable

import httpx

from cabrank.operate.rebuild import HEADROOM_RECORDS
from cabrank.stack.datadir import DataDir
from schemas.events import seq_of
from tests.e2e.conftest import ADDRESSES, Sockets, bearer, started
from tests.support.client import welcomed
from tests.support.stack import Person, Stack, cabrank


async def test_a_lost_ledger_is_replaced_by_one_above_its_numbers(
    own_stack: Callable[..., Stack],
) -> None:
    stack = own_stack()
    data_dir = ("--data-dir", str(stack.data_dir))
    rider, passenger = stack.people("rider", 2)
    driver, busy = stack.people("driver", 2)
    one = await Sockets.alone(stack.url, passenger)
    two = await Sockets.alone(stack.url, busy)
    under_way = await started(one, two)
    await one.close()
    await two.close()
    one = await Sockets.alone(stack.url, rider)
    two = await Sockets.alone(stack.url, driver)
    ended = (await started(one, two))["id"]
    for move in ("trip.arrive", "trip.begin", "trip.complete"):
        await two.do(move, {"id": ended})
    before = one.cursor
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 0, checked
    assert "7 trip events" in checked.stdout
    await one.close()
    await two.close()
    assert stack.stop() == 0

    shutil.rmtree(stack.data_dir / "nats")
    stack.start()
    one = await Sockets.alone(stack.url, rider)
    assert (await one.do("trip.get", {"id": ended}))["status"] == "COMPLETED"
    await one.do("trip.request", ADDRESSES)
    assert one.cursor > before + seq_of(HEADROOM_RECORDS, 0)
    await one.close()

    two, welcome = await welcomed(stack.url, busy.access)
    assert welcome["trips"] == [under_way]
    await two.do("trip.begin", {"id": under_way["id"]})
    done = await two.do("trip.complete", {"id": under_way["id"]})
    assert (done["status"], done["version"]) == ("COMPLETED", 4)
    await two.close()
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 0, checked
    assert "3 trip events" in checked.stdout
    assert await versions(stack, passenger, under_way["id"]) == [1, 2, 3, 4]


async def versions(stack: Stack, person: Person, trip: str) -> list[int]:
    """Of the trip's events in its history."""
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as web:
        url = f"/api/trips/{trip}/events"
        answer = await web.get(url, headers=bearer(person))
    return [event["version"] for event in answer.json()]


async def test_a_deleted_database_is_rebuilt_beside_a_running_system(
    own_stack: Callable[..., Stack],
) -> None:
    stack = own_stack()
    data_dir = ("--data-dir", str(stack.data_dir))
    (rider,), (driver,) = stack.people("rider", 1), stack.people("driver", 1)
    one = await Sockets.alone(stack.url, rider)
    two = await Sockets.alone(stack.url, driver)
    await started(one, two)
    assert (await asyncio.to_thread(cabrank, "verify", *data_dir)).returncode == 0
    await one.close()
    await two.close()
    assert stack.stop() == 0

    for file in stack.data_dir.glob("cabrank.db*"):
        file.unlink()
    assert DataDir(stack.data_dir).has_ledger()
    stack.start()
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 1, checked
    rebuilt = await asyncio.to_thread(cabrank, "rebuild", *data_dir)
    assert rebuilt.returncode == 0, rebuilt
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 0, checked
