"""Close codes of PROTOCOL.md section 4. (4502 and 4503: test_identity.py. 1011 after
a missed pong and 4003 after a lost feed take a contract test's control.)
"""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import ADDRESSES, Sockets, Town
from tests.support.client import connect
from tests.support.stack import Stack

UNKNOWN = "0192f0c4-0000-7000-8000-000000000000"


async def test_binary_frame_closes_with_1003(town: Town, sockets: Sockets) -> None:
    client = await sockets.open(town.rider())
    await client.send(b'{"type":"trip.get"}')
    assert await client.closed() == 1003


async def test_text_that_is_not_utf_8_closes_with_1007(
    town: Town, sockets: Sockets
) -> None:
    client = await sockets.open(town.rider())
    await client.socket.send(b"\xff\xfe", text=True)
    assert await client.closed() == 1007


async def test_frame_over_64_kib_closes_with_1009(town: Town, sockets: Sockets) -> None:
    client = await sockets.open(town.rider())
    await client.send("x" * 65_537)
    assert await client.closed() == 1009


async def test_frame_of_64_kib_is_read(town: Town, sockets: Sockets) -> None:
    client = await sockets.open(town.rider())
    frame = '{"type":"trip.get","ref":"r","data":{"id":"' + UNKNOWN + '","x":"'
    await client.send(frame + "y" * (65_536 - len(frame) - 3) + '"}}')
    assert (await client.answer("r"))["data"]["code"] == "trip_not_found"


async def test_over_100_bad_frames_close_with_4500(
    town: Town, sockets: Sockets
) -> None:
    client = await sockets.open(town.rider())
    for _ in range(100):
        await client.send("bad")
    await client.quiet()
    await client.send("bad")
    assert await client.closed() == 4500


async def test_reader_that_is_too_slow_is_closed_with_4001_and_comes_back(
    town: Town, sockets: Sockets
) -> None:
    person = town.rider()
    rider = await sockets.open(person)
    trip = await rider.do("trip.request", ADDRESSES)
    slow = SlowReader(town.url, person.access)
    try:
        code = await asyncio.to_thread(slow.ask_without_reading, trip["id"])
    finally:
        slow.close()
    assert code == 4001
    again, welcome = await sockets.welcome(person, since=rider.cursor)
    assert welcome["trips"][0]["id"] == trip["id"]
    await again.quiet()


class SlowReader:
    """A client on a bare socket with a small receive buffer."""

    def __init__(self, base: str, token: str) -> None:
        parts = urlsplit(base)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        assert parts.hostname is not None
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(
            (
                f"GET /ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
            ).encode()
        )

    def ask_without_reading(self, trip: str) -> int:
        """Ask for the trip until the server gives up; the code it closes with."""
        text = f'{{"type":"trip.get","ref":"r","data":{{"id":"{trip}"}}}}'.encode()
        frame = bytes((0x81, 0x80 | len(text))) + bytes(4) + text
        self.socket.settimeout(0.05)
        left = memoryview(frame * 100_000)
        while left:
            try:
                left = left[self.socket.send(left[:65_536]) :]
            except TimeoutError:
                continue
            except OSError:
                break
        return self._close_code()

    def _close_code(self) -> int:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.settimeout(10)
        received = bytearray()
        try:
            while chunk := self.socket.recv(65_536):
                received += chunk
        except OSError:
            pass
        at = received.rfind(b"\x88")
        return int.from_bytes(received[at + 2 : at + 4])

    def close(self) -> None:
        self.socket.close()


async def test_after_10_s_without_a_word_each_is_told_what_they_lack(
    own_stack: Any,
) -> None:
    """In one test, for each takes 10 s: a command without an answer is `unavailable`,
    a session without a welcome closes with 1013, a client without a log-in with 4501.
    """
    stack: Stack = own_stack()
    first, second = stack.people("rider", 2)
    keyed = ADDRESSES | {"idempotency_key": "again"}
    asking = await Sockets.alone(stack.url, first)
    async with asking:
        with stack.paused("dispatcher-1"):
            waiting = await connect(stack.url, second.access)
            silent = await connect(stack.url, None)
            refused, unwelcome, unknown = await asyncio.gather(
                asking.ask("trip.request", keyed), waiting.closed(), silent.closed()
            )
        assert refused["data"]["code"] == "unavailable"
        assert refused["data"]["retryable"] is True
        assert unwelcome == 1013
        assert unknown == 4501
        await asking.do("trip.request", keyed)


@pytest.mark.parametrize("name", ["gateway-1"])
async def test_gateway_that_is_stopped_sends_its_clients_away(
    name: str, own_stack: Any
) -> None:
    stack: Stack = own_stack()
    person = stack.people("rider", 1)[0]
    client = await Sockets.alone(stack.url, person)
    async with client:
        trip = await client.do("trip.request", ADDRESSES)
        stack.kill(name, 15)
        assert await client.closed() in {1001, 1012, 4002}
    await stack.ready()
    again = await Sockets.alone(stack.url, person, since=client.cursor)
    async with again:
        assert again.frames[0]["data"]["trips"][0]["id"] == trip["id"]
