"""Centrifugo 6, built by Go: with its memory, Redis's or NATS's broker beside it. Its
JSON protocol; a history of 1,000 where the broker keeps one (NATS's keeps none).
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import infra

from brokers import links
from brokers.broker import Broker
from cabrank.stack import embedded
from cabrank.trial.load.link import Link, LinkError
from schemas.codec import decode

VERSION = "v6.9.1"
MODULE = f"github.com/centrifugal/centrifugo/v6@{VERSION}"
HOME = infra.CACHE / "go"
BUILD_MAX_S = 900
KEPT = 1000
"""Publications, as many as any job makes at once."""
PUSH = b'{"push":{"channel":"drivers","pub":{"data":'
PING = b"{}"

last_seen: dict[str, tuple[str, bytes]] = {}
"""By token: the epoch, and the last push; where a client that comes back was."""


def _go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def lacking() -> str | None:
    if program().exists() or _go():
        return None
    return "Go is missing, which builds Centrifugo (https://go.dev/dl)"


def program() -> Path:
    return HOME / VERSION / "centrifugo"


def built() -> Path:
    """Raises: InfraError: it can't be built."""
    if not program().exists():
        environment = {**os.environ, "GOBIN": str(program().parent)}
        words = [str(_go()), "install", MODULE]
        done = subprocess.run(  # noqa: S603
            words,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_MAX_S,
            check=False,
        )
        if done.returncode:
            raise infra.InfraError(f"go can't build it: {done.stderr[-300:]}")
    return program()


def config(port: int, broker: dict[str, Any], *, keeps: bool) -> dict[str, Any]:
    space: dict[str, Any] = {
        "allow_subscribe_for_client": True,
        "allow_publish_for_client": True,
    }
    if keeps:
        space |= {
            "history_size": KEPT,
            "history_ttl": "300s",
            "force_recovery": True,
        }
    return {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "error"},
        "client": {
            "token": {"hmac_secret_key": links.SECRET},
            "allowed_origins": ["*"],
            "queue_max_size": 64 * 1024 * 1024,
            "recovery_max_publication_limit": KEPT,
            "history_max_publication_limit": KEPT,
        },
        "websocket": {"use_write_buffer_pool": True, "write_timeout": "60s"},
        "channel": {"without_namespace": space},
        "broker": broker,
    }


@contextlib.contextmanager
def _memory(where: Path) -> Iterator[dict[str, Any]]:  # noqa: ARG001
    yield {"enabled": False}


@contextlib.contextmanager
def _redis(where: Path) -> Iterator[dict[str, Any]]:
    with infra.redis(where) as path:
        address = [f"unix://{path}"]
        yield {"enabled": True, "type": "redis", "redis": {"address": address}}


@contextlib.contextmanager
def _nats(where: Path) -> Iterator[dict[str, Any]]:
    port = infra.free_port()
    words = [embedded.program(), "-a", "127.0.0.1", "-p", port]
    with infra.process("nats", where, words):
        infra.until(lambda: infra.listens(port), "nats-server")
        url = f"nats://127.0.0.1:{port}"
        yield {"enabled": True, "type": "nats", "nats": {"url": url}}


@contextlib.contextmanager
def start(beside: Any, keeps: bool, where: Path) -> Iterator[str]:
    command = built()
    with beside(where) as broker:
        port = infra.free_port()
        path = where / "centrifugo.json"
        path.write_text(json.dumps(config(port, broker, keeps=keeps)))
        with infra.serving(where, [command, "-c", path], port) as base:
            yield base


class Centrifugo(links.Texting, links.Settling):
    """Several answers and pushes come in one message, a line each."""

    def __init__(
        self, on_frame: links.Frames, on_closed: Callable[[int], None], token: str
    ) -> None:
        super().__init__(self.read, on_closed)
        self.pass_on = on_frame
        self._token = token
        self._epoch = ""
        self._commands = 2
        self._last = b""

    def packed(self, message: bytes) -> bytes:
        self._commands += 1
        head = b'{"id":%d,"publish":{"channel":"drivers","data":' % self._commands
        return head + message + b"}}"

    def read(self, message: bytes) -> None:
        for line in message.split(b"\n"):
            if line.startswith(PUSH):
                self._last = line
                self.pass_on(line[len(PUSH) : len(PUSH) + links.FRAME_BYTES])
            elif line == PING:
                self.say(PING)
            elif line and not self.settled.done():
                self._answer(decode(line, dict[str, Any]))
        if self._epoch:
            last_seen[self._token] = self._epoch, self._last

    def _answer(self, said: dict[str, Any]) -> None:
        if "error" in said:
            self.settled.set_exception(LinkError(f"Centrifugo says {said['error']}"))
        elif "subscribe" in said:
            found = said["subscribe"]
            self._epoch = found.get("epoch", "")
            self._last = b'"offset":%d}' % found.get("offset", 0)
            self.settled.set_result(None)
            for one in found.get("publications", ()):
                self.pass_on(links.line(one["data"]))


def position(token: str) -> dict[str, Any]:
    """Where the client was when it was last here."""
    epoch, last = last_seen.get(token, ("", b""))
    if not epoch:
        return {}
    found = re.search(rb'"offset":(\d+)', last)
    offset = int(found[1]) if found else 0
    return {"recover": True, "epoch": epoch, "offset": offset}


async def connect(
    base: str,
    token: str,
    since: int | None,
    on_frame: links.Frames,
    on_closed: Callable[[int], None],
) -> Link:
    said = links.claims(token)
    channel = links.DRIVERS if said["name"] == "driver" else f"user-{said['sub']}"
    link = Centrifugo(on_frame, on_closed, token)
    await links.opened(link, links.socket(base, "/connection/websocket"))
    subscribing = {"channel": channel, **(position(token) if since else {})}
    hello = links.line({"id": 1, "connect": {"token": token}})
    link.say(hello + b"\n" + links.line({"id": 2, "subscribe": subscribing}))
    return await links.greeted(link, "Centrifugo")


def _with(name: str, beside: Any, words: str, *, keeps: bool) -> Broker:
    return Broker(
        f"Centrifugo, {name}",
        "Apache-2.0",
        f"Centrifugo {VERSION[1:]}, {words}; JSON protocol, HS256 token, no log, write "
        "buffers pooled, 64 MiB of queue, connect and subscribe in one message",
        partial(start, beside, keeps),
        connect,
        lacking=lacking,
        recovers=keeps,
    )


MEMORY = _with("memory", _memory, f"its own broker, history of {KEPT:,}", keeps=True)
REDIS = _with(
    "Redis", _redis, f"Redis by a Unix socket, history of {KEPT:,}", keeps=True
)
NATS = _with("NATS", _nats, "core NATS, which keeps no history", keeps=False)
