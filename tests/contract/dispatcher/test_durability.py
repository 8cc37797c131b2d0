"""A dispatcher is not ready while a server that holds its ledger may forget answers."""

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cabrank.stack import ports
from tests.contract.dispatcher.conftest import Start
from tests.contract.dispatcher.desk import Gateway
from tests.support import nats
from tests.support.nats import NatsServer
from tests.support.waiting import until_is

LIMIT_S = 30
ROOM = "max_file_store: 1000000000"


@pytest.fixture
def monitor(nats_server: NatsServer) -> str:
    """The server's monitoring URL; it syncs as its configuration says."""
    port = ports.free()
    restart(nats_server, lambda text: f'{text}http: "127.0.0.1:{port}"\n')
    return f"http://127.0.0.1:{port}"


def restart(server: NatsServer, change) -> None:  # type: ignore[no-untyped-def]
    server.stop()
    server.config.write_text(change(server.config.read_text()))
    server.start()


def readyz(port: int) -> str:
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        return error.read().decode().strip()
    except OSError:
        return "nobody answers"


async def settled(port: int) -> str:
    """What /readyz says once the dispatcher leads and has asked."""

    async def look() -> str:
        return await asyncio.to_thread(readyz, port)

    def is_settled(said: str) -> bool:
        return "nats-server" in said or said == "ready"

    return await until_is(look, is_settled, LIMIT_S)


async def test_it_is_ready_beside_a_server_that_syncs_every_write(
    monitor: str, start: Start, gateway: Gateway
) -> None:
    port = ports.free()
    start(CABRANK_OPS_PORT=str(port), CABRANK_NATS_MONITORING_URLS=monitor)
    assert await settled(port) == "ready"


async def test_it_tells_how_full_the_server_s_store_is(
    monitor: str, nats_server: NatsServer, start: Start
) -> None:
    restart(nats_server, lambda text: text.replace("always", f"always, {ROOM}"))
    port = ports.free()
    start(CABRANK_OPS_PORT=str(port), CABRANK_NATS_MONITORING_URLS=monitor)
    assert await settled(port) == "ready"
    url = f"http://127.0.0.1:{port}/metrics"
    page = (await asyncio.to_thread(httpx.get, url, trust_env=False)).text
    told = {
        sample.name.removeprefix("cabrank_dispatcher_nats_store_bytes"): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("cabrank_dispatcher_nats_store_bytes")
    }
    assert told["_max"] == 1e9
    assert 0 <= told[""] < 1e9


async def test_it_says_what_to_do_beside_one_that_does_not(
    monitor: str, nats_server: NatsServer, start: Start, gateway: Gateway
) -> None:
    restart(nats_server, lambda text: text.replace("always", '"2m"'))
    port = ports.free()
    start(CABRANK_OPS_PORT=str(port), CABRANK_NATS_MONITORING_URLS=monitor)
    said = await settled(port)
    assert "syncs only every 120 s" in said
    assert "sync_interval: always" in said
    await gateway.ride()  # it leads all the same


@contextlib.contextmanager
def other_server(folder: Path) -> Iterator[str]:
    port = ports.free()
    folder.mkdir()
    with nats.running(folder) as other:
        restart(other, lambda text: f'{text}http: "127.0.0.1:{port}"\n')
        yield f"http://127.0.0.1:{port}"


async def test_what_another_server_says_does_not_count(
    tmp_path: Path, start: Start, gateway: Gateway
) -> None:
    with other_server(tmp_path / "other") as url:
        port = ports.free()
        start(CABRANK_OPS_PORT=str(port), CABRANK_NATS_MONITORING_URLS=url)
        assert "no monitoring endpoint tells" in await settled(port)
