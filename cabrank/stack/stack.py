"""What `up` runs on a data directory: which programs, with which environment.

Runs nothing itself; supervisor.py does.
"""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cabrank.stack import embedded, nats_auth, ports, probes, tether
from cabrank.stack.datadir import DataDir, nats_names, nats_url, write
from cabrank.stack.embedded import Home
from cabrank.stack.supervisor import Launch
from runtime.environment import FILE, is_set
from runtime.nats_login import seed_file
from runtime.settings import variable
from schemas.permissions import Service

REPLICAS_MAX = 3
"""One copy may be lost; five on five servers is for who asks (CABRANK_REPLICAS)."""
OPS_HOST = "127.0.0.1"
"""Whatever address clients use: metrics are nobody else's business."""
NSENTER = "/usr/bin/nsenter"
"""nsenter(1), of util-linux; becomes the program it is given (same pid)."""
ARENAS_MAX = "2"
"""mallopt(3): glibc gives each thread a heap of its own, up to eight for each core, and
Python's threads allocate one after the other (with a lower M_TRIM_THRESHOLD, too, 2 MiB
less of a persistence at rest in one run; never measured alone)."""
FOREIGN_NATS = ("nats_credentials_file", "nats_tls_ca", "nats_tls_cert", "nats_tls_key")
"""Settings for other servers than the embedded ones."""


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
    nats_servers: int
    share_port: bool
    """All gateways take connections on `port`, not the first alone."""
    nats_homes: Sequence[Home] = ()
    """None: all of them at home on this machine's loopback."""
    webhooks: int = 1

    @property
    def nats_hosts(self) -> list[str]:
        return [home.clients for home in self.nats_homes]

    @property
    def nats_url(self) -> str:
        return nats_url(self.nats_port, self.nats_servers, self.nats_hosts)

    @property
    def url(self) -> str:
        return ports.url(self.host, self.port)

    def names(self, service: str) -> list[str]:
        """Of `gateway`: gateway-1, gateway-2 and so on."""
        if service == "nats":
            return nats_names(self.nats_servers)
        count: int = {
            "gateway": self.gateways,
            "dispatcher": self.dispatchers,
            "persistence": self.persistence,
            "webhooks": self.webhooks,
        }[service]
        return [f"{service}-{k}" for k in range(1, count + 1)]


def environ(plan: Plan, service: Service, **more: str) -> dict[str, str]:
    """This process's environment with what `up` decides; other settings of the
    operator's (`CABRANK_REQUEST_TTL_S` …) pass through.
    """
    directory = plan.directory
    decided = {
        "nats_url": plan.nats_url,
        # The embedded servers' configuration is ours, and durable.
        "nats_monitoring_urls": "",
        "database_url": plan.database_url,
        # Of the ops ports; gateways are given sockets for theirs.
        "host": OPS_HOST,
        "signing_key_file": str(directory.signing_key),
        "verify_keys_file": str(directory.verify_keys),
        "nats_nkey_seed_file": str(seed_file(directory.nats_auth, service)),
        **dict.fromkeys(FOREIGN_NATS, ""),
        **more,
    }
    if not is_set("replicas"):
        decided["replicas"] = str(min(plan.nats_servers, REPLICAS_MAX))
    by_file = {variable(field) + FILE for field in decided}
    passed = {name: v for name, v in os.environ.items() if name not in by_file}
    return {
        "MALLOC_ARENA_MAX": ARENAS_MAX,
        **passed,
        "PYTHONUNBUFFERED": "1",
        **{variable(field): value for field, value in decided.items()},
    }


def command(*arguments: str) -> list[str]:
    """`cabrank ARGUMENTS…` with this very interpreter. -P: a folder `gateway` where the
    operator happens to stand is not ours.
    """
    return [sys.executable, "-P", "-m", "cabrank", *arguments]


def nats(plan: Plan, number: int) -> Callable[[], Launch]:
    """The `number`-th nats-server, through tether.py, which becomes it (same pid)."""
    name = plan.names("nats")[number - 1]
    home = plan.nats_homes[number - 1] if plan.nats_homes else Home()
    into = [NSENTER, f"--net={home.namespace}"] if home.namespace else []
    argv = [
        *(sys.executable, "-I", "-S", str(Path(tether.__file__))),
        *into,
        *(str(embedded.program()), "-c", str(plan.directory.nats_conf(name))),
    ]
    port = plan.nats_port + number - 1
    return lambda: Launch(argv, os.environ, probes.nats(home.clients, port))


def write_nats_configs(plan: Plan) -> None:
    names = plan.names("nats")
    stores = [plan.directory.nats_store(name) for name in names]
    if len(names) == 1:
        texts = [embedded.config(plan.nats_port, stores[0])]
    else:
        texts = embedded.cluster(plan.nats_port, stores, plan.nats_homes)
    conf = plan.directory.nats_auth / nats_auth.CONF
    auth = embedded.auth(conf.relative_to(plan.directory.root))
    for name, text in zip(names, texts, strict=True):
        write(plan.directory.nats_conf(name), text + auth)


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
        ops_port = ports.free(OPS_HOST)
        return Launch(
            command("gateway"),
            environ(
                plan,
                Service.GATEWAY,
                port=port,
                listen_fds=listen_fds,
                ops_port=str(ops_port),
            ),
            probes.http(OPS_HOST, ops_port),
            fds,
            f"{OPS_HOST}:{ops_port}",
        )

    return launch


def worker(plan: Plan, service: Service) -> Callable[[], Launch]:
    """A dispatcher, persistence or webhooks: no port but that of its /readyz and
    /metrics, which it keeps over restarts unless somebody else took it meanwhile.
    """
    port = 0

    def launch() -> Launch:
        nonlocal port
        if not port or not ports.is_free(OPS_HOST, port):
            port = ports.free(OPS_HOST)
        return Launch(
            command(service),
            environ(plan, service, ops_port=str(port)),
            probes.http(OPS_HOST, port),
            metrics=f"{OPS_HOST}:{port}",
        )

    return launch
