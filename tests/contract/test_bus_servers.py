"""Which of several servers runtime/bus.py stays with."""

import contextlib
import signal
from pathlib import Path

import pytest

from runtime.bus import Bus, connect
from runtime.nats_trouble import ConnectError
from tests.support import nats as nats_servers
from tests.support.waiting import until


async def test_a_server_that_lost_most_of_its_cluster_is_left_for_another(
    tmp_path: Path,
) -> None:
    """It still answers. Losing one of three is nothing to it."""
    lost = 0

    def on_disconnect() -> None:
        nonlocal lost
        lost += 1

    with nats_servers.cluster(tmp_path) as servers:
        url = f"nats://127.0.0.1:{servers.first_port}"
        bus = await connect(url, "here", on_disconnect=on_disconnect)
        await until(lambda: bus.cluster_size == 3, "a whole cluster", 30)
        servers.kill(2)
        await until(lambda: bus.cluster_size == 2, "one less", 30)
        await bus.flush()
        assert lost == 0
        servers.start(2)
        await until(lambda: bus.cluster_size == 3, "a whole cluster", 30)
        servers.kill(2)
        servers.kill(3)
        await until(lambda: lost == 1, "leaving", 30)
        await bus.close()


async def test_who_leaves_a_server_comes_to_another(tmp_path: Path) -> None:
    reconnects = 0

    def on_reconnect() -> None:
        nonlocal reconnects
        reconnects += 1

    with nats_servers.cluster(tmp_path) as servers:
        bus = await connect(servers.url, "here", on_reconnect=on_reconnect)
        for number in range(6):
            await until(lambda: bus.cluster_size == 3, "a whole cluster", 30)
            before = bus.server_name
            # As one says that is cut off, which only a network of its own can be.
            await bus._process_info({"connect_urls": ["127.0.0.1:1"]})
            await until(lambda: reconnects > number, "another", 30)  # noqa: B023
            assert bus.server_name != before
        await bus.close()


async def test_a_server_that_takes_too_little_is_named(tmp_path: Path) -> None:
    """Else what is cut for others would be too large for it, some day."""
    with (
        nats_servers.running(tmp_path, "max_payload: 262144\n") as small,
        pytest.raises(ConnectError, match="262144"),
    ):
        await connect(small.url, "here", forever=False)


async def test_a_server_that_hangs_is_left_with_all_that_waits_for_it(
    tmp_path: Path,
) -> None:
    """nats-py waits for the end of the old connection, which never comes."""
    with contextlib.ExitStack() as servers:
        one, two = (
            servers.enter_context(nats_servers.running(make(tmp_path / name)))
            for name in ("one", "two")
        )
        bus = await connect(f"{one.url},{two.url}", "test")
        hung, other = (one, two) if at(bus) == one.port else (two, one)
        assert hung.process is not None
        hung.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(256):
                assert bus.send("a", bytes(64 * 1024))
                bus.write_now()
            await until(lambda: bus.is_connected and at(bus) == other.port, "two", 25)
            assert bus.waiting_bytes < 1024
        finally:
            hung.process.send_signal(signal.SIGCONT)
        await bus.close()


async def test_a_server_that_hangs_is_left_for_another(tmp_path: Path) -> None:
    """Two that know nothing of each other: only where we are connected counts."""
    with contextlib.ExitStack() as servers:
        one, two = (
            servers.enter_context(nats_servers.running(make(tmp_path / name)))
            for name in ("one", "two")
        )
        bus = await connect(f"{one.url},{two.url}", "test")
        hung, other = (one, two) if at(bus) == one.port else (two, one)
        assert hung.process is not None
        hung.process.send_signal(signal.SIGSTOP)
        try:
            await until(lambda: bus.is_connected and at(bus) == other.port, "two", 25)
        finally:
            hung.process.send_signal(signal.SIGCONT)
        await bus.close()


def at(bus: Bus) -> int | None:
    return None if bus.connected_url is None else bus.connected_url.port


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder
