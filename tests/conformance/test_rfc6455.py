"""RFC 6455's own rules against the gateway's protocol class, over raw sockets.

The Autobahn suite (`make conformance`) asks more; these run wherever the tests do.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from schemas.frames import FRAME_BYTES_MAX
from tests.conformance import echo
from tests.support.rawsocket import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    RawSocket,
    frame,
)
from tests.support.waiting import until


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server, edge = await echo.serve()
    running = asyncio.create_task(edge.run())
    number: int = server.sockets[0].getsockname()[1]
    yield number
    running.cancel()
    server.close()
    for connection in list(edge.connections):
        connection._transport.abort()


@pytest.fixture
async def raw(port: int) -> AsyncIterator[RawSocket]:
    one = await RawSocket.open(port)
    yield one
    one.abort()


# ---- 5.2, lengths ------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20])
async def test_messages_of_every_kind_of_length_come_back(
    raw: RawSocket, opcode: int, size: int
) -> None:
    raw.send(frame(opcode, b"x" * size))
    assert await raw.receive() == (opcode, b"x" * size)


async def test_a_frame_that_comes_byte_by_byte_is_one_frame(raw: RawSocket) -> None:
    for byte in frame(TEXT, b"in pieces"):
        raw.send(bytes([byte]))
        await raw.writer.drain()
        await asyncio.sleep(0)
    assert await raw.receive() == (TEXT, b"in pieces")


async def test_a_length_with_its_top_bit_set_is_too_big() -> None:
    """RFC 6455 would have 1002; websockets takes it for a length, over any limit."""
    server, edge = await echo.serve(size_max=FRAME_BYTES_MAX)
    raw = await RawSocket.open(server.sockets[0].getsockname()[1])
    raw.send(b"\x81\xff" + b"\xff" * 8 + b"mask")
    assert await raw.closed() == 1009
    raw.abort()
    await until(lambda: not edge.connections)
    server.close()


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"])
async def test_any_mask_is_taken_off(raw: RawSocket, mask: bytes) -> None:
    raw.send(frame(TEXT, b"hello", mask=mask))
    assert await raw.receive() == (TEXT, b"hello")


# ---- 5.4, fragments; 5.5, control frames among them --------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_fragments_are_one_message_and_control_frames_may_come_between(
    raw: RawSocket, opcode: int
) -> None:
    raw.send(frame(opcode, b"a", fin=False) + frame(PING, b"now"))
    raw.send(frame(CONT, b"", fin=False) + frame(PONG, b"unasked"))
    raw.send(frame(CONT, b"b"))
    assert [await raw.receive() for _ in range(2)] == [(PONG, b"now"), (opcode, b"ab")]


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_a_ping_is_answered_with_its_payload(raw: RawSocket, size: int) -> None:
    raw.send(frame(PING, b"p" * size))
    assert await raw.receive() == (PONG, b"p" * size)


BROKEN = {
    "a control frame over 125 bytes": frame(PING, b"x" * 126),
    "a fragmented control frame": frame(PING, fin=False),
    "RSV1 without an extension": frame(TEXT, b"x", rsv=4),
    "RSV2": frame(TEXT, b"x", rsv=2),
    "RSV3 on a ping": frame(PING, rsv=1),
    "the reserved opcode 3": frame(0x3),
    "the reserved opcode 7": frame(0x7),
    "the reserved control opcode 11": frame(0xB),
    "the reserved control opcode 15": frame(0xF),
    "a frame without a mask": frame(TEXT, b"x", mask=None),
    "a continuation of nothing": frame(CONT, b"x"),
    "a message within a message": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "a close frame of one byte": frame(CLOSE, b"\x03"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_a_broken_rule_ends_with_1002(raw: RawSocket, data: bytes) -> None:
    raw.send(data)
    assert await raw.closed() == 1002


# ---- 7.4, close codes --------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1007, 1011, 3000, 3999, 4000, 4999])
async def test_a_good_close_code_comes_back(raw: RawSocket, code: int) -> None:
    raw.send(frame(CLOSE, code.to_bytes(2, "big") + b"bye"))
    assert await raw.closed() == code
    await raw.ended()


async def test_a_close_amid_a_message_is_an_ordinary_one(raw: RawSocket) -> None:
    raw.send(frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe8"))
    raw.send(frame(CONT, b"b"))
    assert await raw.closed() == 1000


async def test_a_close_without_a_code_is_answered_with_none(raw: RawSocket) -> None:
    raw.send(frame(CLOSE))
    assert await raw.closed() == 1005


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
async def test_a_close_code_nobody_may_send_ends_with_1002(
    raw: RawSocket, code: int
) -> None:
    raw.send(frame(CLOSE, code.to_bytes(2, "big")))
    assert await raw.closed() == 1002


async def test_what_follows_a_close_frame_is_not_looked_at(raw: RawSocket) -> None:
    raw.send(frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late") + frame(PING))
    assert await raw.receive() == (CLOSE, b"\x03\xe8")
    await raw.ended()


# ---- 8.1, UTF-8 --------------------------------------------------------------

EURO = "€".encode()
NOT_UTF_8 = {
    "a byte that never is": b"\xff",
    "a lone continuation": b"a\x80",
    "half a code point": EURO[:2],
    "an overlong slash": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
}


@pytest.mark.parametrize("text", NOT_UTF_8.values(), ids=NOT_UTF_8)
async def test_text_that_is_not_utf_8_ends_with_1007(
    raw: RawSocket, text: bytes
) -> None:
    raw.send(frame(TEXT, text))
    assert await raw.closed() == 1007


@pytest.mark.parametrize("text", NOT_UTF_8.values(), ids=NOT_UTF_8)
async def test_bytes_need_not_be_utf_8(raw: RawSocket, text: bytes) -> None:
    raw.send(frame(BINARY, text))
    assert await raw.receive() == (BINARY, text)


@pytest.mark.parametrize("cut", [1, 2])
async def test_a_code_point_may_be_split_between_fragments(
    raw: RawSocket, cut: int
) -> None:
    raw.send(frame(TEXT, EURO[:cut], fin=False) + frame(CONT, EURO[cut:]))
    assert await raw.receive() == (TEXT, EURO)


async def test_a_close_reason_that_is_not_utf_8_is_an_error(raw: RawSocket) -> None:
    raw.send(frame(CLOSE, b"\x03\xe8\xff"))
    assert await raw.closed() in {1002, 1007}
