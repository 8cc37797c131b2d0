"""mosquitto by its WebSocket listener, MQTT 3.1.1 with QoS 0: Debian's mosquitto."""

import contextlib
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import infra

from brokers import links
from brokers.broker import Broker
from cabrank.trial.load.link import Link, LinkError

USER, PASSWORD = "bench", "a password of the benchmark's"
# 2.0.11 ends where it has nothing but a WebSocket's listener.
CONF = """\
listener {inner} 127.0.0.1
listener {port} 127.0.0.1
protocol websockets
socket_domain ipv4
allow_anonymous false
password_file {where}/passwords
persistence false
log_type none
connection_messages false
sys_interval 0
set_tcp_nodelay true
max_queued_messages 0
max_connections -1
"""
CONNACK, PUBLISH, SUBACK = 0x20, 0x30, 0x90
"""MQTT 3.1.1 section 2.2.1, in the upper half of a packet's first byte."""
ACCEPTED = b"\x00"


def lacking() -> str | None:
    return None if _program() else "mosquitto is missing (apt-get install mosquitto)"


def _program() -> str | None:
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@contextlib.contextmanager
def start(where: Path) -> Iterator[str]:
    port = infra.free_port()
    passwords = where / "passwords"
    words = ("mosquitto_passwd", "-b", "-c", passwords, USER, PASSWORD)
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603
    passwords.chmod(0o644)  # it drops root
    conf = where / "mosquitto.conf"
    conf.write_text(CONF.format(port=port, inner=infra.free_port(), where=where))
    with infra.serving(where, [_program(), "-c", conf], port) as base:
        yield base


def text(words: bytes) -> bytes:
    """Section 1.5.3."""
    return len(words).to_bytes(2, "big") + words


def packet(kind: int, body: bytes) -> bytes:
    """With the remaining length as section 2.2.3 has it."""
    length, sized = len(body), bytearray()
    while True:
        length, seven = length >> 7, length & 0x7F
        sized.append(seven | (0x80 if length else 0))
        if not length:
            return bytes((kind,)) + bytes(sized) + body


class Mqtt(links.Binary):
    def packed(self, message: bytes) -> bytes:
        return packet(PUBLISH, text(links.DRIVERS.encode()) + message)

    def feed(self, data: bytes) -> bytes:
        at, size = 0, len(data)
        while True:
            length, shift, head = 0, 0, at + 1
            while head < size and data[head] & 0x80:
                length |= (data[head] & 0x7F) << shift
                shift, head = shift + 7, head + 1
            if head >= size:
                return data[at:]
            length |= data[head] << shift
            body = head + 1
            if body + length > size:
                return data[at:]
            self._packet(data[at] & 0xF0, data[body : body + length])
            at = body + length

    def _packet(self, kind: int, body: bytes) -> None:
        if kind == PUBLISH:
            topic = int.from_bytes(body[:2], "big")
            self.pass_on(body[2 + topic :])
        elif self.settled.done():
            return
        elif kind == SUBACK:
            self.settled.set_result(None)
        elif kind == CONNACK and body[1:2] != ACCEPTED:
            self.settled.set_exception(LinkError(f"MQTT refused: {body[1]}"))


async def connect(
    base: str,
    token: str,
    since: int | None,  # noqa: ARG001 (nothing is kept of QoS 0)
    on_frame: links.Frames,
    on_closed: Callable[[int], None],
) -> Link:
    said = links.claims(token)
    topic = links.DRIVERS if said["name"] == "driver" else f"user/{said['sub']}"
    link = Mqtt(on_frame, on_closed)
    protocol = {"Sec-WebSocket-Protocol": "mqtt"}
    await links.opened(link, links.socket(base, "/"), protocol)
    who = text(uuid.uuid4().hex.encode()) + text(USER.encode())
    head = text(b"MQTT") + b"\x04\xc2\x00\x00"  # level 4; user, password, clean
    hello = packet(0x10, head + who + text(PASSWORD.encode()))
    link.say(hello + packet(0x82, b"\x00\x01" + text(topic.encode()) + b"\x00"))
    return await links.greeted(link, "MQTT")


MOSQUITTO = Broker(
    "mosquitto",
    "EPL-2.0 or EDL-1.0",
    "mosquitto 2.0 by WebSocket, QoS 0, no persistence, no log, no queue limit, "
    "TCP_NODELAY; a password (PBKDF2) in the place of a token",
    start,
    connect,
    lacking=lacking,
)
