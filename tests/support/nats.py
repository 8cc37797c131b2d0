"""Real nats-servers on free ports, for one test or many."""

import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cabrank.stack import embedded, ports
from cabrank.stack.datadir import nats_url

SERVER = Path(sys.executable).with_name("nats-server")


QUOTA_BYTES = 300_000
ACCOUNTS = f"""
accounts {{
  ALL {{ jetstream: enabled, users: [{{user: all, password: all}}] }}
  SMALL {{
    jetstream {{ max_file: {QUOTA_BYTES} }}
    users: [{{user: small, password: small}}]
  }}
}}
no_auth_user: all
"""
"""Who comes without a name may take all; `small` has a quota."""
START_MAX_S = STOP_MAX_S = 60
LANES_MAX = 4
PORTS_FIRST, PORTS_A_LANE = 10_000, 2_500
"""Below those of `cabrank up`, and with it below the ephemeral ones
(cabrank/stack/ports.py). Each of pytest-xdist's workers has a part of its own: a port
that was found free is used only a moment later."""


def small(urls: str) -> str:
    """The same servers, with the account that has a quota."""
    return urls.replace("nats://", "nats://small:small@")


def _ports() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = PORTS_FIRST + int(worker) % LANES_MAX * PORTS_A_LANE
    start = random.randrange(PORTS_A_LANE)
    for number in itertools.count(start):
        yield first + number % PORTS_A_LANE


_candidates = _ports()


def free_port() -> int:
    return next(port for port in _candidates if ports.is_free("127.0.0.1", port))


class NatsServer:
    """Durable as in production: `sync_interval: always`. Restartable on its port."""

    def __init__(
        self, directory: Path, more: str = "", *, stored_bytes_max: int = 0
    ) -> None:
        """`more`: of its configuration. `stored_bytes_max` 0: what the disk has."""
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.config = directory / "nats.conf"
        limit = f", max_file_store: {stored_bytes_max}" if stored_bytes_max else ""
        self.config.write_text(
            f"host: 127.0.0.1\nport: {self.port}\n"
            f'jetstream {{ store_dir: "{directory}/store", sync_interval: always'
            f"{limit} }}\n{more}"
        )
        self.log = directory / "nats.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(SERVER), "-c", str(self.config)], stderr=log, stdout=log
            )
        deadline = time.monotonic() + START_MAX_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_MAX_S)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_MAX_S)
            self.process = None


@contextlib.contextmanager
def running(
    directory: Path, more: str = "", *, stored_bytes_max: int = 0
) -> Iterator[NatsServer]:
    server = NatsServer(directory, more, stored_bytes_max=stored_bytes_max)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class NatsCluster:
    """Three servers, as `cabrank up --nats-servers 3` configures them."""

    def __init__(self, directory: Path, size: int = 3, more: str = "") -> None:
        self.first_port = ports.free(count=embedded.ports_of(size))
        self.url = nats_url(self.first_port, size)
        self._directory = directory
        self._stores = [directory / f"store-{k}" for k in range(1, size + 1)]
        texts = embedded.cluster(self.first_port, self._stores)
        self._files = [directory / f"nats-{k}.conf" for k in range(1, size + 1)]
        for file, text in zip(self._files, texts, strict=True):
            file.write_text(text + more)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        """The `number`-th server, from 1; returns at once."""
        with (self._directory / f"nats-{number}.log").open("ab") as log:
            argv = [str(SERVER), "-c", str(self._files[number - 1])]
            self._processes[number] = subprocess.Popen(argv, stderr=log, stdout=log)

    def start_all(self) -> None:
        for number in range(1, len(self._files) + 1):
            self.start(number)

    def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        process.kill()
        process.wait(STOP_MAX_S)

    def kill_all(self) -> None:
        for number in list(self._processes):
            self.kill(number)

    @staticmethod
    def number_of(server_name: str) -> int:
        """Of `cabrank-2`: 2."""
        return int(server_name.rpartition("-")[2])


@contextlib.contextmanager
def cluster(directory: Path, more: str = "") -> Iterator[NatsCluster]:
    """Running; whether JetStream has its leader yet is the caller's to find out."""
    servers = NatsCluster(directory, more=more)
    servers.start_all()
    try:
        yield servers
    finally:
        servers.kill_all()
