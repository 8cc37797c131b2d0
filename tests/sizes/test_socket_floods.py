"""Floods over one WebSocket and over many: what is taken of them is bounded, they end
as the contract says, and whoever else is there doesn't wait for them (issue 11).

Nothing here is timed: what was taken is counted, and somebody else's round trip is over
before a flood is.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from gateway import metrics
from gateway.sockets.intake import HELD_BYTES_MAX
from schemas.frames import FRAME_BYTES_MAX
from schemas.refusals import Code
from tests.contract.gateway_ws import conftest
from tests.contract.gateway_ws.conftest import DRIVER, World
from tests.sizes.conftest import size
from tests.support.rawsocket import CLOSE, CONT, PING, PONG, TEXT, RawSocket, frame
from tests.support.waiting import until

world = conftest.world
FLOOD_BYTES = size(1_000_000, 5_000_000)
FLOODERS = size(10, 50)
PATIENT_S = 300
"""What one address is refused is counted (gateway/sockets/strain.py): all that 50 send
takes a minute on any machine.
"""
TEXTS = {
    "unknown type": b'{"type":"x"}',
    "half an object": b"{",
    "a list": b"[]",
    "nothing": b"",
    "a word": b"hello",
    "a command": b'{"type":"trip.get","ref":"r","data":{"id":"x"}}',
    "deep": b"[" * 1000,
    "u0000": b'{"type":"trip.get","data":{"id":"\\u0000"}}',
    "no utf-8": b"\xff",
}
PIECES = {
    "empty pings": frame(PING),
    "full pings": frame(PING, b"x" * 125),
    "pongs": frame(PONG),
    "empty fragments": frame(CONT, fin=False),
    "fragments of a byte": frame(CONT, b" ", fin=False),
}


def port_of(world: World) -> int:
    return int(world.url.rpartition(":")[2])


def taken() -> float:
    """Texts that were read, of all sockets: each of these floods' is refused once."""
    return sum(metrics.REFUSALS.labels(code.value)._value.get() for code in Code)


def held(world: World) -> int:
    """Bytes that wait to be taken, of all sockets."""
    assert world.gateway is not None
    return sum(
        each._intake.waiting_bytes
        + len(each._ws.reader.buffer)
        + len(each._fragments or b"")
        for each in world.gateway.sockets.connections
    )


def many(piece: bytes, total: int = FLOOD_BYTES) -> bytes:
    return piece * (total // len(piece))


class Heard:
    """What came for one socket until its end, without waiting for what comes late."""

    def __init__(self, one: RawSocket) -> None:
        self.codes: list[str] = []
        self.closed: int | None = None
        self._one = one
        self._task = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        try:
            while True:
                opcode, payload = await self._one.receive()
                if opcode == CLOSE:
                    self.closed = int.from_bytes(payload[:2], "big")
                elif opcode == TEXT:
                    self._note(json.loads(payload))
        except (EOFError, ConnectionError, TimeoutError):
            pass

    def _note(self, said: dict[str, dict[str, str]]) -> None:
        if "code" in said["data"]:
            self.codes.append(said["data"]["code"])

    async def end(self) -> None:
        self._one.abort()
        await self._task


@pytest.fixture
async def sockets(world: World) -> AsyncIterator[list[Heard]]:
    """Those that flood, ended with the test."""
    await world.start()
    opened: list[Heard] = []
    yield opened
    for each in opened:
        await each.end()


async def flooder(
    world: World, sockets: list[Heard], token: str | None = None
) -> tuple[RawSocket, Heard]:
    one = await RawSocket.open(port_of(world), token=token)
    sockets.append(Heard(one))
    return one, sockets[-1]


# ---- who hasn't logged in ------------------------------------------------------------


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_flood_before_the_log_in_ends_with_4501_after_100_frames(
    kind: str, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    before = taken()
    one, heard = await flooder(world, sockets)
    one.send(many(frame(TEXT, TEXTS[kind])))
    await fast.quiet()
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed == (1007 if kind == "no utf-8" else 4501)
    await fast.quiet()
    assert len(heard.codes) <= 100
    assert taken() - before <= 100 + 2  # `quiet` is refused once each


@pytest.mark.parametrize("kind", PIECES)
async def test_control_frames_and_fragments_before_the_log_in_end_it(
    kind: str, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    one, heard = await flooder(world, sockets)
    first = frame(TEXT, b" ", fin=False) if "fragments" in kind else b""
    one.send(first + many(PIECES[kind]))
    await fast.quiet()
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed == (4500 if "fragments" in kind else 4501)
    await fast.quiet()


@pytest.mark.parametrize("length", [1, 1000, FRAME_BYTES_MAX])
async def test_over_256_kib_before_the_log_in_end_it(
    length: int, world: World, sockets: list[Heard]
) -> None:
    one, heard = await flooder(world, sockets)
    part = frame(CONT, b" " * length, fin=False)
    if length == FRAME_BYTES_MAX:
        one.send(frame(TEXT, b" " * length) * (256 * 1024 // length + 1))
        await until(lambda: heard.closed is not None, "its end")
        assert heard.closed == 4501
        return
    one.send(frame(TEXT, b"[", fin=False) + part * (300 * 1024 // len(part)))
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed in {1009, 4500}  # a message over 64 KiB, or too many parts


async def test_halves_of_frames_hold_no_more_than_a_frame_each(
    world: World, sockets: list[Heard]
) -> None:
    count = size(20, 200)
    fast = await world.rider()
    for _ in range(count):
        one, _ = await flooder(world, sockets)
        one.send(frame(TEXT, b" " * FRAME_BYTES_MAX)[:-1])
    most = 0

    def all_there() -> bool:
        nonlocal most
        most = max(most, held(world))
        return most >= count * (FRAME_BYTES_MAX - 1)

    await until(all_there, "what was sent")
    assert most <= count * (FRAME_BYTES_MAX + 16)
    await fast.quiet()


# ---- who has -------------------------------------------------------------------------


async def test_over_the_rate_one_is_refused_and_then_100_are_taken_again(
    world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    one, heard = await flooder(world, sockets, world.tokens.issue(DRIVER))
    one.send(many(frame(TEXT, b'{"type":"x"}'), 100_000))
    await fast.quiet()
    await until(lambda: heard.codes.count("rate_limited") >= 3, "three pauses")
    await fast.quiet()
    runs = " ".join(heard.codes).split("rate_limited")
    taken_between = [run.count("unknown_type") for run in runs][:3]
    assert taken_between[0] >= 2000
    assert all(count >= 100 for count in taken_between[1:]), taken_between
    assert heard.closed is None


@pytest.mark.parametrize("kind", ["half an object", "a list", "a word", "deep"])
async def test_what_is_no_frame_ends_with_4500_after_100_and_nothing_more_is_read(
    kind: str, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    before = taken()
    one, heard = await flooder(world, sockets, world.tokens.issue(DRIVER))
    one.send(many(frame(TEXT, TEXTS[kind])))
    await fast.quiet()
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed == 4500
    assert taken() - before <= 101 + 1


@pytest.mark.parametrize("kind", PIECES)
async def test_control_frames_and_fragments_end_with_4500(
    kind: str, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    one, heard = await flooder(world, sockets, world.tokens.issue(DRIVER))
    first = frame(TEXT, b" ", fin=False) if "fragments" in kind else b""
    one.send(first + many(PIECES[kind]))
    await fast.quiet()
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed == 4500


@pytest.mark.parametrize("token", [None, "driver"])
async def test_what_follows_a_close_frame_is_nobody_s(
    token: str | None, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    before = taken()
    issued = None if token is None else world.tokens.issue(DRIVER)
    one, heard = await flooder(world, sockets, issued)
    closes = frame(CLOSE, b"\x03\xe8")
    one.send(closes + many(closes + frame(TEXT, b"{")))
    await fast.quiet()
    await until(lambda: heard.closed is not None, "its end")
    assert heard.closed == 1000
    assert taken() - before <= 1


async def test_after_our_close_a_flood_is_read_no_more(
    world: World, sockets: list[Heard]
) -> None:
    one, heard = await flooder(world, sockets, world.tokens.issue(DRIVER))
    assert world.gateway is not None
    (connection,) = world.gateway.sockets.connections
    one.send(frame(2, b"binary"))
    await until(lambda: heard.closed is not None, "our close frame")
    assert heard.closed == 1003
    one.send(many(frame(TEXT, b"x" * 1000)))
    until_read = 2 * HELD_BYTES_MAX
    await until(lambda: not connection._transport.is_reading(), "the pause")
    assert connection._intake.waiting_bytes <= until_read
    await until(
        lambda: not world.gateway or not world.gateway.sockets.connections, "its end"
    )


# ---- many at once --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unknown type", "a command", "u0000"])
async def test_who_sends_one_frame_does_not_wait_for_all_who_send_their_burst(
    kind: str, world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    burst = many(frame(TEXT, TEXTS[kind]), 1900 * len(frame(TEXT, TEXTS[kind])))
    flooding = [
        (await flooder(world, sockets, world.tokens.issue(DRIVER)))[0]
        for _ in range(FLOODERS)
    ]
    before = taken()
    for each in flooding:
        each.send(burst)
    await fast.quiet()
    await fast.quiet()
    # It would come after all that had come before it, were they served in order.
    assert taken() - before < FLOODERS * 1900 / 2
    everything = FLOODERS * 1900
    await until(lambda: taken() - before >= everything, "all that was sent", PATIENT_S)
    await fast.quiet()
    assert all(each.closed is None for each in sockets)


async def test_nobody_hoards_what_is_not_yet_taken(
    world: World, sockets: list[Heard]
) -> None:
    fast = await world.rider()
    for number in range(FLOODERS):
        token = world.tokens.issue(DRIVER) if number % 2 else None
        one, _ = await flooder(world, sockets, token)
        one.send(many(frame(TEXT, b'{"type":"x","data":"%b"}' % (b"x" * 1000))))
    most = 0
    for _ in range(20):
        await fast.quiet()
        most = max(most, held(world))
    assert most <= FLOODERS * HELD_BYTES_MAX
