"""Backup and restore as docs/OPERATING.md tells them."""

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, started
from tests.support import postgres
from tests.support.stack import Stack, cabrank

pytestmark = pytest.mark.timeout(300)  # each starts a dozen processes

KEPT = ("keys", "nats", "nats.conf")
"""What is copied of a data directory while nothing runs on it."""


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as running:
        yield running


def copy_database(source: Path, target: Path) -> None:
    """What `sqlite3 FILE ".backup COPY"` does: a consistent copy of one in use."""
    with (
        closing(sqlite3.connect(source)) as one,
        closing(sqlite3.connect(target)) as two,
    ):
        one.backup(two)


async def run(*command: str) -> None:
    done = await asyncio.to_thread(cabrank, *command)
    assert done.returncode == 0, done


async def test_a_machine_is_restored_from_a_ledger_and_an_older_database(
    own_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = own_stack()
    (rider, other), (driver,) = stack.people("rider", 2), stack.people("driver", 1)
    one = await Sockets.alone(stack.url, rider)
    two = await Sockets.alone(stack.url, driver)
    active = (await started(one, two))["id"]
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_database(stack.data_dir / "cabrank.db", copy / "cabrank.db")
    late = await Sockets.alone(stack.url, other)
    after = (await late.do("trip.request", ADDRESSES))["id"]  # not in that database
    for client in (one, two, late):
        await client.close()
    await run("verify", "--data-dir", str(stack.data_dir))  # and persistence has it
    assert stack.stop() == 0
    for name in KEPT:
        kept = stack.data_dir / name
        if kept.is_dir():
            shutil.copytree(kept, copy / name)
        else:
            shutil.copy2(kept, copy / name)

    shutil.rmtree(stack.data_dir)
    copy.rename(stack.data_dir)
    stack.start()
    await run("rebuild", "--data-dir", str(stack.data_dir))
    await run("verify", "--data-dir", str(stack.data_dir))
    two = await Sockets.alone(stack.url, driver)
    for move in ("trip.arrive", "trip.begin", "trip.complete"):
        await two.do(move, {"id": active})
    late = await Sockets.alone(stack.url, other)
    assert (await late.do("trip.get", {"id": after}))["status"] == "REQUESTED"
    await two.close()
    await late.close()


async def test_a_postgresql_dump_is_restored_and_brought_up_to_date(
    own_stack: Callable[..., Stack], cluster: postgres.Cluster, tmp_path: Path
) -> None:
    url = cluster.url(cluster.create_database())
    stack = own_stack("--database-url", url)
    (rider,), (driver,) = stack.people("rider", 1), stack.people("driver", 1)
    one = await Sockets.alone(stack.url, rider)
    two = await Sockets.alone(stack.url, driver)
    trip = (await started(one, two))["id"]
    dump = tmp_path / "cabrank.dump"
    command = ["pg_dump", "--format=custom", f"--file={dump}", url]
    subprocess.run(command, check=True, timeout=60)
    for move in ("trip.arrive", "trip.begin", "trip.complete"):
        await two.do(move, {"id": trip})
    await one.close()
    await two.close()
    await run("verify", "--data-dir", str(stack.data_dir))
    assert stack.stop() == 0

    command = ["pg_restore", "--clean", "--if-exists", f"--dbname={url}", str(dump)]
    subprocess.run(command, check=True, timeout=60)
    stack.start()
    await run("rebuild", "--data-dir", str(stack.data_dir))
    await run("verify", "--data-dir", str(stack.data_dir))
