"""nats-server's own WebSocket, the server that cabrank brings along. Clients are let in
by a JWT signed by an account (Ed25519, as cabrank's), of the bearer kind.
"""

import base64
import contextlib
import functools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import infra
import nkeys

from brokers import links
from brokers.broker import Broker
from cabrank.stack import embedded
from cabrank.trial.load.link import Link, LinkError
from schemas.trips import Role

CONF = """\
listen: 127.0.0.1:{inner}
operator: {operator}
resolver: MEMORY
resolver_preload: {{ {account}: {permit} }}
websocket {{ listen: "127.0.0.1:{port}", no_tls: true, compression: false }}
max_pending: 256MB
write_deadline: "60s"
logtime: false
"""


class Signer:
    """An operator, account or user, by a key of its own."""

    def __init__(self, prefix: int) -> None:
        seed = nkeys.encode_seed(os.urandom(32), prefix)
        self._pair = nkeys.from_seed(bytearray(seed))
        self.name = self._pair.public_key.decode()

    def jwt(self, about: str, name: str, kind: str, **more: object) -> str:
        """As nats-io/jwt version 2 writes it."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        said = {
            "jti": uuid.uuid4().hex,
            "iat": int(time.time()),
            "iss": self.name,
            "name": name,
            "sub": about,
            "nats": {"type": kind, "version": 2, **more},
        }
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, said))
        return f"{text}.{_encoded(self._pair.sign(text.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@functools.cache
def _operator() -> Signer:
    return Signer(nkeys.PREFIX_BYTE_OPERATOR)


@functools.cache
def _account() -> Signer:
    return Signer(nkeys.PREFIX_BYTE_ACCOUNT)


def token(role: Role) -> str:
    user = Signer(nkeys.PREFIX_BYTE_USER).name
    free = {"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}}
    return _account().jwt(user, role.value, "user", bearer_token=True, **free)


@contextlib.contextmanager
def start(where: Path) -> Iterator[str]:
    operator, account = _operator(), _account()
    port = infra.free_port()
    limits = {
        **dict.fromkeys(("subs", "data", "payload", "imports", "exports"), -1),
        **dict.fromkeys(("conn", "leaf"), -1),
        "wildcards": True,
    }
    told = {
        "inner": infra.free_port(),
        "port": port,
        "operator": operator.jwt(operator.name, "bench", "operator"),
        "account": account.name,
        "permit": operator.jwt(account.name, "bench", "account", limits=limits),
    }
    conf = where / "nats.conf"
    conf.write_text(CONF.format_map(told))
    with infra.serving(where, [embedded.program(), "-c", conf], port) as base:
        yield base


class Nats(links.Binary):
    def packed(self, message: bytes) -> bytes:
        return b"PUB drivers %d\r\n%b\r\n" % (len(message), message)

    def feed(self, data: bytes) -> bytes:
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            if data.startswith(b"MSG ", at):
                length = int(data[data.rindex(b" ", at, end) + 1 : end])
                begin = end + 2
                if begin + length + 2 > len(data):
                    break
                self.pass_on(data[begin : begin + length])
                at = begin + length + 2
                continue
            self._line(data[at:end])
            at = end + 2
        return data[at:]

    def _line(self, line: bytes) -> None:
        if line == b"PING":
            self.say(b"PONG\r\n")
        elif self.settled.done():
            return
        elif line == b"PONG":
            self.settled.set_result(None)
        elif line.startswith(b"-ERR"):
            self.settled.set_exception(LinkError(line.decode()))


async def connect(
    base: str,
    token: str,
    since: int | None,  # noqa: ARG001 (core NATS keeps nothing)
    on_frame: links.Frames,
    on_closed: Callable[[int], None],
) -> Link:
    said = links.claims(token)
    subject = links.DRIVERS if said["name"] == "driver" else f"user.{said['sub']}"
    link = Nats(on_frame, on_closed)
    await links.opened(link, links.socket(base, "/"))
    options = {"verbose": False, "pedantic": False, "protocol": 1, "jwt": token}
    hello = b"CONNECT %b\r\n" % links.line(options)
    link.say(hello + b"SUB %b 1\r\nPING\r\n" % subject.encode())
    return await links.greeted(link, "NATS")


NATS = Broker(
    "NATS WebSocket",
    "Apache-2.0",
    "the nats-server that cabrank starts, core NATS, no compression, 256 MB pending; "
    "a bearer JWT signed with Ed25519 checked, as cabrank's",
    start,
    connect,
    token,
)
