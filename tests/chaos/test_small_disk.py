"""A ledger on a disk that is too small: refused in time, and whole again by itself."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.js.api import DiscardPolicy, StreamConfig

from cabrank.trial.chaos import disk
from runtime import bus as buses
from runtime.bus import Bus
from runtime.settings import Settings
from tests.contract.dispatcher.desk import Gateway, InProcess, request, rider
from tests.support.nats import NatsServer
from tests.support.waiting import until, until_is

pytestmark = pytest.mark.chaos
SIZE_MIB = 8
PIECE = bytes(20_000)


@pytest.fixture
def small_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its store on a tmpfs of 8 MiB, three quarters of which it takes by default;
    where none may be mounted it is told as much.
    """
    monkeypatch.setattr(disk, "SIZE_MIB", SIZE_MIB)
    with disk.mounted(tmp_path / "store") as may_mount:
        server = NatsServer(tmp_path)
        if not may_mount:
            text = server.config.read_text()
            told = "sync_interval: always, max_file_store: 6MB"
            server.config.write_text(text.replace("sync_interval: always", told))
        server.start()
        try:
            yield server.url
        finally:
            server.kill()


@pytest.fixture
async def bus(small_server: str) -> AsyncIterator[Bus]:
    connection = await buses.connect(small_server, "test")
    yield connection
    await connection.close()


async def fill_up(bus: Bus) -> int:
    """Something else on the same disk grows as long as it can; how many pieces."""
    config = StreamConfig(name="ELSE", subjects=["else"], discard=DiscardPolicy.NEW)
    await bus.jetstream().add_stream(config)
    pieces = 0
    while "error" not in json.loads((await bus.request("else", PIECE, timeout=5)).data):
        pieces += 1
    return pieces


async def test_a_disk_that_fills_refuses_with_overloaded_and_recovers_by_itself(
    small_server: str, bus: Bus
) -> None:
    gateway = Gateway(bus)
    await gateway.ready()
    dispatcher = await InProcess(Settings(nats_url=small_server)).start()
    await gateway.leader()
    numbers = iter(range(10_000))

    async def outcome() -> str:
        """Sent once: while the lead ends, nobody may hear it."""
        asked = request(rider(next(numbers)))
        gateway.send(asked)
        try:
            await until(lambda: gateway.answer_to(asked), limit_s=1)
        except TimeoutError:
            return "silence"
        answer = gateway.answer_to(asked)
        assert answer is not None
        return "ok" if answer.refused is None else answer.refused.code.value

    assert await outcome() == "ok"
    assert await fill_up(bus) > 100
    # A small record may still find room where the last piece did not.
    await until_is(outcome, lambda said: said == "overloaded", 30)
    await until_is(outcome, lambda said: said == "overloaded", 30)
    await bus.jetstream().purge_stream("ELSE")
    await until_is(outcome, lambda said: said == "ok", 30)
    await dispatcher.stop()
    assert dispatcher.service.failure is None
