"""What `up` runs on a data directory: which programs, with which environment.

Runs nothing itself; supervisor.py does.
"""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cabrank import embedded, ports, probes, tether
from cabrank.datadir import DataDir
from cabrank.supervisor import Launch
from runtime.settings import variable

NATS = "nats"
OPS_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Plan:
    """What was asked for, all of it settled."""

    directory: DataDir
    host: str
    port: int
    gateways: int
    dispatchers: int
    persistence: int
    database_url: str
    nats_port: int
    share_port: bool
    """All gateways take connections on `port`, not the first alone."""

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self.nats_port}"

    @property
    def url(self) -> str:
        return ports.url(self.host, self.port)

    def names(self, service: str) -> list[str]:
        """Of `gateway`: gateway-1, gateway-2 and so on."""
        count: int = {
            "gateway": self.gateways,
            "dispatcher": self.dispatchers,
            "persistence": self.persistence,
        }[service]
        return [f"{service}-{k}" for k in range(1, count + 1)]


def environ(plan: Plan, **more: str) -> dict[str, str]:
    """This process's environment with what `up` decides; other settings of the
    operator's (`CABRANK_REQUEST_TTL_S` …) pass through.
    """
    directory = plan.directory
    decided = {
        "nats_url": plan.nats_url,
        "database_url": plan.database_url,
        "host": plan.host,
        "signing_key_file": str(directory.signing_key),
        "verify_keys_file": str(directory.verify_keys),
        **more,
    }
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        **{variable(field): value for field, value in decided.items()},
    }


def command(*arguments: str) -> list[str]:
    """`cabrank ARGUMENTS…` with this very interpreter. -P: a folder `gateway` where the
    operator happens to stand is not ours.
    """
    return [sys.executable, "-P", "-m", "cabrank", *arguments]


def nats(plan: Plan) -> Callable[[], Launch]:
    """The nats-server, through tether.py, which becomes it (same pid)."""
    argv = [
        *(sys.executable, "-I", "-S", str(Path(tether.__file__))),
        *(str(embedded.program()), "-c", str(plan.directory.nats_conf)),
    ]
    return lambda: Launch(argv, os.environ, probes.nats(plan.nats_port))


def gateway(
    plan: Plan, number: int, listeners: Sequence[socket.socket]
) -> Callable[[], Launch]:
    """The `number`-th gateway, from 1, on sockets that stay open while it is replaced.

    It is asked on an ops port of its own, for on the others its predecessor may answer.
    """
    port = str(plan.port + number - 1)
    fds = tuple(listener.fileno() for listener in listeners)
    listen_fds = ",".join(map(str, fds))

    def launch() -> Launch:
        ops_port = ports.free(plan.host)
        return Launch(
            command("gateway"),
            environ(plan, port=port, listen_fds=listen_fds, ops_port=str(ops_port)),
            probes.http(ports.connectable(plan.host), ops_port),
            fds,
        )

    return launch


def worker(plan: Plan, service: str) -> Callable[[], Launch]:
    """A dispatcher or persistence: no port but the one of its /readyz and /metrics,
    which it keeps over restarts unless somebody else took it meanwhile.
    """
    port = 0

    def launch() -> Launch:
        nonlocal port
        if not port or not ports.is_free(OPS_HOST, port):
            port = ports.free(OPS_HOST)
        return Launch(
            command(service),
            environ(plan, ops_port=str(port)),
            probes.http(OPS_HOST, port),
        )

    return launch
