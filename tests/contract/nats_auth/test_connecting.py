"""TLS to NATS, and what keeps a service from it told apart: in the log of a service
that waits, and in the one sentence of a command that doesn't.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from cabrank.stack import nats_auth
from runtime import bus as buses
from runtime import nats_events, nats_login
from runtime.lifecycle import cancel
from runtime.nats_trouble import REFUSED, UNREACHABLE, ConnectError
from runtime.settings import Settings
from schemas.permissions import Service
from tests.contract.nats_auth.conftest import Locked
from tests.support.certificates import Authority
from tests.support.nats import NatsServer, free_port
from tests.support.waiting import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def serving(
    directory: Path, certificate: tuple[Path, Path], more: str = ""
) -> Iterator[NatsServer]:
    """A server that takes nothing but TLS."""
    server = NatsServer(directory)
    file, key = certificate
    tls = f'tls {{ cert_file: "{file}", key_file: "{key}" {more} }}\n'
    server.config.write_text(server.config.read_text() + tls)
    server.start()
    try:
        yield server
    finally:
        server.kill()


SLOW = f"{UNREACHABLE}: TimeoutError"
"""A machine too busy to answer within nats-py's 2 s."""
ATTEMPTS = 5


async def attempt(settings: Settings) -> str:
    """What the connection failed with; empty: it didn't."""
    for _ in range(ATTEMPTS):
        if (failed := await once(settings)) != SLOW:
            break
    return failed


async def once(settings: Settings) -> str:
    login = nats_login.read(settings, Service.GATEWAY)
    try:
        bus = await buses.connect(settings.nats_url, "test", login=login, forever=False)
    except ConnectError as error:
        return str(error)
    async with bus_closed(bus):
        bus.subscribe_raw("here", lambda *_: None)
        await bus.flush()
    return ""


class bus_closed:  # noqa: N801 - a context manager
    def __init__(self, bus: buses.Bus) -> None:
        self._bus = bus

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await self._bus.close()


async def test_a_certificate_is_checked_and_why_it_is_refused_is_said(
    tmp_path: Path, authority: Authority
) -> None:
    ca = str(authority.ca)
    with serving(tmp_path, authority.issue("good")) as server:
        good = Settings(nats_url=server.url, nats_tls_ca=ca)
        assert await attempt(good) == ""
        by_url = Settings(nats_url=server.url.replace("nats:", "tls:"), nats_tls_ca=ca)
        assert await attempt(by_url) == ""
        other = str(Authority(tmp_path, "other").ca)
        stranger = await attempt(Settings(nats_url=server.url, nats_tls_ca=other))
        assert stranger.startswith("the NATS server's certificate is not trusted")
    with serving(tmp_path, authority.issue("old", days=-1)) as server:
        expired = await attempt(Settings(nats_url=server.url, nats_tls_ca=ca))
        assert expired == "the NATS server's certificate has expired"
    with serving(tmp_path, authority.issue("moved", address="192.0.2.1")) as server:
        moved = await attempt(Settings(nats_url=server.url, nats_tls_ca=ca))
        assert "not trusted" in moved
        assert "127.0.0.1" in moved


async def test_a_renewed_certificate_is_enough_to_go_on(
    tmp_path: Path, authority: Authority
) -> None:
    with serving(tmp_path, authority.issue("server", days=-1)) as server:
        settings = Settings(nats_url=server.url, nats_tls_ca=str(authority.ca))
        login = nats_login.read(settings, Service.GATEWAY)
        waiting = asyncio.create_task(
            buses.connect(settings.nats_url, "test", login=login)
        )
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()
        authority.issue("server")  # the same files
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        bus = await asyncio.wait_for(waiting, 30)
        server.kill()
        await until(lambda: not bus.is_connected, "the loss", 30)
        server.start()
        await until(lambda: bus.is_connected, "the way back", 30)
        await bus.close()


async def test_a_server_without_tls_is_not_talked_to_in_the_clear(
    authority: Authority, nats_server: NatsServer
) -> None:
    settings = Settings(nats_url=nats_server.url, nats_tls_ca=str(authority.ca))
    assert "offers no TLS" in await attempt(settings)


async def test_a_server_may_ask_for_our_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    verify = f'\nverify: true\nca_file: "{authority.ca}"\n'
    ours, key = authority.issue("ours")
    with serving(tmp_path, authority.issue("server"), verify) as server:
        anonymous = Settings(nats_url=server.url, nats_tls_ca=str(authority.ca))
        assert await attempt(anonymous) != ""
        known = Settings(
            nats_url=server.url,
            nats_tls_ca=str(authority.ca),
            nats_tls_cert=str(ours),
            nats_tls_key=str(key),
        )
        assert await attempt(known) == ""


async def test_a_refused_authorization_and_an_absent_server_are_said(
    locked: Locked, tmp_path: Path
) -> None:
    assert await attempt(Settings(nats_url=locked.url)) == REFUSED
    nats_auth.run(tmp_path / "elsewhere", [], [])
    unknown = str(nats_auth.seed_file(tmp_path / "elsewhere", Service.GATEWAY))
    settings = Settings(nats_url=locked.url, nats_nkey_seed_file=unknown)
    assert await attempt(settings) == REFUSED
    nobody = Settings(nats_url=f"nats://127.0.0.1:{free_port()}")
    assert (await attempt(nobody)).startswith(UNREACHABLE)


@contextmanager
def dispatcher(log: Path, **settings: str) -> Iterator[None]:
    """A dispatcher process whose log goes to a file."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cabrank", "dispatcher"],
            env={**os.environ, **settings},
            stderr=out,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def told(log: Path, said: str) -> list[str]:
    """The lines whose event begins so."""
    lines = [line for line in log.read_text().splitlines() if line.endswith("}")]
    return [line for line in lines if json.loads(line)["event"].startswith(said)]


async def test_a_service_that_waits_logs_what_for(
    tmp_path: Path, authority: Authority, locked: Locked
) -> None:
    absent = f"nats://127.0.0.1:{free_port()}"
    (tmp_path / "tls").mkdir()
    old = authority.issue("old", days=-1)
    with serving(tmp_path / "tls", old) as expired:
        cases = {
            "absent": ({"CABRANK_NATS_URL": absent}, UNREACHABLE),
            "refused": ({"CABRANK_NATS_URL": locked.url}, REFUSED),
            "expired": (
                {
                    "CABRANK_NATS_URL": expired.url,
                    "CABRANK_NATS_TLS_CA": str(authority.ca),
                },
                "the NATS server's certificate has expired",
            ),
        }
        for name, (environ, said) in cases.items():
            log = tmp_path / f"{name}.log"
            with dispatcher(log, **environ):
                await until(lambda log=log, said=said: told(log, said), name, 30)


async def test_what_goes_on_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def refuse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal tries
        tries += 1
        writer.write(b"INFO {}\r\n")
        with contextlib.suppress(OSError):
            await reader.readline()
            writer.write(b"-ERR 'Authorization Violation'\r\n")
            await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # Of its own: a command that ran in this process may have configured and cached it.
    said = structlog.testing.LogCapture()
    everything = structlog.make_filtering_bound_logger("debug")
    monkeypatch.setattr(
        nats_events, "log", structlog.wrap_logger(None, [said], everything)
    )
    trying = asyncio.create_task(buses.connect(f"nats://127.0.0.1:{port}", "test"))
    await until(lambda: tries >= 5, "five tries", 30)
    await cancel([trying])
    server.close()
    events = [each["event"] for each in said.entries]
    assert events.count(REFUSED) == 1, events
