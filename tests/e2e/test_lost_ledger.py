"""The NATS store is lost, the database kept: `up` begins a ledger above the old one."""

import asyncio
import shutil
from collections.abc import Callable

from cabrank.datadir import DataDir
from cabrank.rebuild import HEADROOM_RECORDS
from schemas.events import seq_of
from tests.e2e.conftest import ADDRESSES, Sockets, started
from tests.support.stack import Stack, cabrank


async def test_a_lost_ledger_is_replaced_by_one_above_its_numbers(
    own_stack: Callable[..., Stack],
) -> None:
    stack = own_stack()
    data_dir = ("--data-dir", str(stack.data_dir))
    (rider,), (driver,) = stack.people("rider", 1), stack.people("driver", 1)
    one = await Sockets.alone(stack.url, rider)
    two = await Sockets.alone(stack.url, driver)
    ended = (await started(one, two))["id"]
    for move in ("trip.arrive", "trip.begin", "trip.complete"):
        await two.do(move, {"id": ended})
    before = one.cursor
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 0, checked
    assert "5 trip events" in checked.stdout
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
    checked = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert checked.returncode == 0, checked
    assert "1 trip events" in checked.stdout


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
