"""Whether a nats-server syncs every write, and what room it has, as only its monitoring
endpoint tells.

A client isn't told: neither INFO nor the JetStream API has it (nats-server 2.15). Asks
and compares; what follows from that is the caller's.
"""

import json
import urllib.request
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct
from nats.js.api import StreamInfo

ANSWER_S = 2.0
REMEDY = "set jetstream { sync_interval: always } in its configuration and restart it"


class Synced(Struct, frozen=True):
    """What one server says of itself."""

    name: str
    always: bool
    every_s: float
    """Where not always: how much a power failure may take of what was answered."""
    store_bytes: int = 0
    store_bytes_max: int = 0
    """What JetStream has on disk, and may have: past it no write is taken. Where its
    configuration has no max_file_store: 3/4 of what was free as the server started.
    """

    def __str__(self) -> str:
        how = "every write" if self.always else f"only every {self.every_s:.0f} s"
        return f"nats-server {self.name} syncs {how}"


def ask(url: str) -> Synced:
    """What the server says whose monitoring endpoint is at `url`, http://HOST:PORT.
    Blocks for up to 2 s.

    Raises:
        OSError: nobody answers there.
        ValueError: the URL is none, or what answers is no nats-server.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        msg = f"{url!r} is neither http nor https"
        raise ValueError(msg)
    # Past any proxy of the environment: it does not know this network's servers.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url.rstrip('/')}/varz", timeout=ANSWER_S) as answer:
        said = json.load(answer)
    try:
        config = said["jetstream"].get("config", {})
        name = str(said["server_name"])
        every_s = float(config.get("sync_interval", 0)) / 1e9
        held = int(said["jetstream"].get("stats", {}).get("storage", 0))
        room = int(config.get("max_storage", 0))
    except (KeyError, TypeError, AttributeError):
        msg = f"{url!r} is no nats-server's"
        raise ValueError(msg) from None
    return Synced(name, bool(config.get("sync_always")), every_s, held, room)


def holders(stream: StreamInfo, connected_to: str) -> set[str]:
    """Names of the servers that hold the stream now. `connected_to`: the name of ours,
    which is the one where it stands alone.
    """
    cluster = stream.cluster
    if cluster is None or not cluster.leader:
        return {connected_to}
    others = cluster.replicas or []
    return {cluster.leader, *(str(one.name) for one in others if not one.offline)}


def untold(names: Iterable[str]) -> str:
    """Of servers that no endpoint speaks for."""
    return (
        f"no monitoring endpoint tells whether nats-server {', '.join(sorted(names))} "
        "syncs every write"
    )
