"""A copy of the process writes out what it held; the process goes on."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.engine.engine import Engine
from dispatcher.region import snapshots, snapshotter
from dispatcher.region.frozen import Frozen, FrozenError
from dispatcher.region.region import Region
from dispatcher.region.snapshots import Stored
from runtime.ledger import Ledger
from runtime.settings import Settings
from tests.contract.dispatcher.desk import Book, Gateway, InProcess, request, rider
from tests.contract.dispatcher.shelf import LIMITS, Shelf
from tests.support.waiting import until, until_is

LINES = 200_000
MANY = 5_000_000
"""More than a pipe holds: the copy waits until it is read."""


async def read(frozen: Frozen) -> bytes:
    return b"".join([data async for data in frozen.parts()])


async def test_it_is_what_was_there_at_that_moment() -> None:
    held = [b"%d\n" % number for number in range(LINES)]
    before = b"".join(held)
    frozen = Frozen(lambda: held)
    held[:] = [b"changed"] * LINES
    assert await read(frozen) == before
    frozen.close()


async def test_a_copy_that_fails_is_not_taken_for_whole() -> None:
    def write() -> Iterator[bytes]:
        yield b"x" * MANY
        raise ValueError

    frozen = Frozen(write)
    with pytest.raises(FrozenError):
        await read(frozen)
    frozen.close()


async def test_a_copy_that_is_killed_is_not_taken_for_whole() -> None:
    frozen = Frozen(lambda: [b"x" * MANY])
    os.kill(frozen._pid, signal.SIGKILL)
    with pytest.raises(FrozenError):
        await read(frozen)
    frozen.close()


async def test_one_that_nobody_reads_ends_when_it_is_closed() -> None:
    frozen = Frozen(lambda: [b"x" * MANY])
    pid = frozen._pid
    for _ in range(2):
        frozen.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_is_read_in_part_ends_when_it_is_closed() -> None:
    frozen = Frozen(lambda: [b"x" * MANY])
    pid = frozen._pid
    parts = frozen.parts()
    assert await anext(parts)
    frozen.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await parts.aclose()  # type: ignore[attr-defined]


async def test_its_copy_keeps_no_connection_of_the_process_open() -> None:
    """Else a leader that is killed would seem to be there."""
    here, there = socket.socketpair()
    there.setblocking(False)
    frozen = Frozen(lambda: [b"x" * MANY])
    here.close()
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.sock_recv(there, 1), 10) == b""
    there.close()
    frozen.close()


async def test_a_standby_takes_over_while_it_saves(
    settings: Settings,
    gateway: Gateway,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    go_on = tmp_path / "go on"
    made = snapshots.of

    def slowly(engine: Engine, ledger: Ledger, n: int) -> Stored:
        while not go_on.exists():  # in the copy
            time.sleep(0.01)
        return made(engine, ledger, n)

    monkeypatch.setattr(snapshots, "of", slowly)
    monkeypatch.setattr(snapshotter, "SNAPSHOT_RECORDS", 1)
    monkeypatch.setattr(snapshotter, "LEADER_PATIENCE", 1_000_000)
    regions: list[Region] = []
    run = Region.run

    async def seen(region: Region) -> None:
        regions.append(region)
        await run(region)

    monkeypatch.setattr(Region, "run", seen)
    dispatchers = [await InProcess(settings).start() for _ in range(2)]
    epoch = (await gateway.settled(2)).epoch
    await gateway.trip(request(rider(1)))

    (standby,) = [one for one in regions if not one.leads]
    await until(lambda: standby._snapshotter.is_saving, "a snapshot of the standby")
    leader = dispatchers[1 - regions.index(standby)]
    await leader.stop()
    await gateway.leader(after=epoch)
    await gateway.trip(request(rider(2)))
    assert standby._snapshotter.is_saving
    go_on.touch()
    shelf = await Shelf(gateway.bus, book).open()
    (head, *_) = await until_is(shelf.store.heads, bool)
    loaded = await shelf.store.load(LIMITS)
    assert loaded is not None
    assert loaded[1].head_seq == (await shelf.replayed(head.n)).head_seq
    with contextlib.suppress(ProcessLookupError):
        await dispatchers[regions.index(standby)].stop()
