"""The system that is broken: a `cabrank up` of chaos's own, seen through its processes'
ids, and a cable to each gateway. Decides nothing about faults.
"""

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from cabrank.stack import probes
from cabrank.stack.datadir import DataDir
from cabrank.trial.bench import system
from cabrank.trial.chaos.cable import Cable
from cabrank.trial.chaos.network import Network
from cabrank.trial.load import LoadError
from runtime.settings import variable

POLL_S = 0.02
UP_MAX_S = 45.0
"""Until a process is back: a service starts within 2 s, `up` waits up to 5 s between
tries, and a machine may be busy."""
OPS_READ_S = 2.0
OFFER_TTL_S = "2"
"""CABRANK_OFFER_TTL_S: short enough that offers expire amid faults."""
LEADS = re.compile(rb"^cabrank_dispatcher_leads\{.*\} 1", re.MULTILINE)
HOST = "127.0.0.1"


class System:
    """Made once it runs. `network`: where NATS servers can be cut off; None: not."""

    def __init__(
        self, data_dir: Path, url: str, gateways: int, network: Network | None
    ) -> None:
        self.network = network
        self.directory = DataDir(data_dir)
        self.gateways = [f"gateway-{k}" for k in range(1, gateways + 1)]
        first = int(url.rpartition(":")[2])
        self.ports = {name: first + k for k, name in enumerate(self.gateways)}
        self.cables = {name: Cable(HOST, port) for name, port in self.ports.items()}

    async def lay_cables(self) -> list[str]:
        """Base URLs for clients, one a gateway."""
        for cable in self.cables.values():
            await cable.lay()
        return [f"http://{HOST}:{cable.port}" for cable in self.cables.values()]

    async def take_up_cables(self) -> None:
        for cable in self.cables.values():
            await cable.cut()

    # ---- processes -----------------------------------------------------------

    def names(self, service: str) -> list[str]:
        files = sorted(self.directory.run.glob(f"{service}*.pid"))
        return [file.stem for file in files]

    def pid(self, name: str) -> int:
        """0: there is none just now."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.directory.pid_file(name).read_text())
        return 0

    def signal(self, name: str, sign: signal.Signals) -> int:
        """Returns the pid; 0: it was dead already."""
        pid = self.pid(name)
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, sign)
        return pid

    async def replaced(self, name: str, before: int) -> None:
        """Wait until another process than `before` is ready in its place.

        Raises:
            LoadError: it is not after `UP_MAX_S`.
        """
        ends_at = time.monotonic() + UP_MAX_S
        while self.pid(name) in {0, before} or not await self.is_ready(name):
            if time.monotonic() > ends_at:
                raise LoadError(f"{name} is not back after {UP_MAX_S:.0f} s.")
            await asyncio.sleep(POLL_S)

    async def all_ready(self) -> None:
        """Raises: LoadError: one is not after `UP_MAX_S`."""
        for name in self.names(""):
            await self.replaced(name, before=0)

    async def is_ready(self, name: str) -> bool:
        port = self._ops_port(name)
        if name.startswith("nats"):
            return await probes.nats(*self._nats_address(name))() is None
        return bool(port) and await probes.http(HOST, port)() is None

    async def leader(self) -> str | None:
        """The dispatcher that leads; None: nobody says so just now."""
        for name in self.names("dispatcher"):
            text = await _get(self._ops_port(name), "/metrics")
            if LEADS.search(text):
                return name
        return None

    def _ops_port(self, name: str) -> int:
        """What `up` told the process; 0: unknown (only Linux shows it)."""
        return self._told(name, variable("ops_port"))

    def _nats_address(self, name: str) -> tuple[str, int]:
        last = self.directory.recall()
        number = int(name.partition("-")[2] or 1)
        return last.nats_host(number), last.nats_port + number - 1

    def _told(self, name: str, what: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in (
                Path(f"/proc/{self.pid(name)}/environ").read_bytes().split(b"\0")
            ):
                if line.startswith(what.encode() + b"="):
                    return int(line.partition(b"=")[2])
        return 0


async def _get(port: int, path: str) -> bytes:
    """The body; empty where nobody answers."""

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return await reader.read(-1)
        finally:
            writer.close()

    with contextlib.suppress(OSError, TimeoutError):
        return await asyncio.wait_for(ask(), OPS_READ_S) if port else b""
    return b""


@contextlib.contextmanager
def running(
    data_dir: Path,
    database_url: str | None,
    each: int,
    nats_servers: int,
    network: Network | None,
) -> Iterator[System]:
    """`each` of gateways, dispatchers, persistence and webhooks workers.

    Raises:
        LoadError: it did not become ready.
    """
    counts = [
        word
        for option in ("gateways", "dispatchers", "persistence", "webhooks")
        for word in (f"--{option}", str(each))
    ]
    counts += ["--nats-servers", str(nats_servers)]
    for home in network.homes if network is not None else ():
        counts += ["--nats-home", ",".join(dataclasses.astuple(home))]
    settings = {
        variable("offer_ttl_s"): OFFER_TTL_S,
        # Endpoints are chaos's own.
        variable("webhooks_private"): "1",
    }
    with system.running(data_dir, database_url, *counts, settings=settings) as url:
        yield System(data_dir, url, each, network)
