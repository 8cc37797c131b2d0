"""Requests as they arrive, however they are cut: one at a time, and bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sockets.incoming import (
    HEAD_BYTES_MAX,
    HEADER_LINES_MAX,
    PIECES_MAX,
    Incoming,
)

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
SIZED = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n\r\n\r\n\n\n\r\n"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\n\n\r\n\r\n\n\r\n3;a=b\r\nabc\r\n0\r\nT: railer\r\n\r\n"
)
H2C = (
    b"POST /d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 2\r\n\r\n{}"
)
ALL = {
    GET: (b"/a", b""),
    SIZED: (b"/b", b"\r\n\r\n\n\n\r\n"),
    CHUNKED: (b"/c", b"\n\r\n\r\n\nabc"),
    H2C: (b"/d", b"{}"),
}


def feed(incoming: Incoming, data: bytes) -> bytes:
    """As its owner does: until it is whole, or wrong, or there is no more."""
    view = memoryview(data)
    while view and not incoming.is_whole and incoming.fault is None:
        view = incoming.take(view)
    return bytes(view)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(list(ALL)), min_size=1, max_size=6),
    st.lists(st.integers(1, 120), min_size=1, max_size=5),
)
def test_nothing_is_taken_beyond_a_request_s_end_however_it_is_cut(
    requests: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(requests)
    incoming, found = Incoming(), []
    at = turn = 0
    rest = b""
    while at < len(stream) or rest:
        size = cuts[turn % len(cuts)]
        piece = rest or stream[at : at + size]
        if not rest:
            at += size
        turn += 1
        rest = feed(incoming, piece)
        assert incoming.fault is None, incoming.fault
        if incoming.is_whole:
            found.append((incoming.url, bytes(incoming.body)))
            incoming.again()
    assert found == [ALL[each] for each in requests]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 50), min_size=1, max_size=3))
def test_any_bytes_never_raise(data: bytes, cuts: list[int]) -> None:
    incoming = Incoming()
    at = turn = 0
    while at < len(data) and incoming.fault is None:
        size = cuts[turn % len(cuts)]
        feed(incoming, data[at : at + size])
        if incoming.is_whole:
            incoming.again()
        at, turn = at + size, turn + 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /\r\n", 400),
        (b"GET / HTTP/0.9\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / RTSP/1.0\r\nHost: x\r\n\r\n", 400),
        (b"\r\nGET /?q=HTTP/1.1 RTSP/1.0\r\nHost: x\r\n\r\n", 400),
        (b"SOURCE / ICE/1.0\r\nHost: x\r\n\r\n", 400),
        (
            b"GET / RTSP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            400,
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n", 414),
        (GET[:-2] + b"X: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (GET[:-2] + b"X: " + b"y" * HEAD_BYTES_MAX, 431),
        (GET[:-2] + b"X: y\r\n" * HEADER_LINES_MAX + b"\r\n", 431),
        (
            GET[:-2]
            + b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
            400,
        ),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_wrong_with_a_request_is_told(request_: bytes, status: int) -> None:
    incoming = Incoming()
    feed(incoming, request_)
    assert incoming.fault is not None
    assert incoming.fault.status == status


@pytest.mark.parametrize("before", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_protocol_is_read_however_the_first_line_is_cut(
    size: int, before: bytes
) -> None:
    for protocol, is_fine in ((b"HTTP", True), (b"RTSP", False)):
        incoming = Incoming()
        request_ = before + GET.replace(b"HTTP", protocol).replace(b"/1.1", b"/1.0")
        for at in range(0, len(request_), size):
            if incoming.fault is None:
                feed(incoming, request_[at : at + size])
        assert incoming.is_whole
        assert (incoming.fault is None) is is_fine


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 60_000 + GET,
        b"\r\n" * 30_000 + GET,
        CHUNKED.partition(b"6\r\n")[0]
        + b"EA60\r\n"
        + b"\n" * 60_000
        + b"\r\n0\r\n\r\n",
    ],
    ids=["lines before it", "of two bytes", "lines of a chunk"],
)
def test_of_blank_lines_no_more_are_taken_at_once_than_a_few(data: bytes) -> None:
    incoming, left, pieces = Incoming(), memoryview(data), 0
    while left and not incoming.is_whole and incoming.fault is None:
        left = incoming.take(left)
        assert incoming.pieces - pieces <= PIECES_MAX
        pieces = incoming.pieces
    assert incoming.is_whole, incoming.fault


def test_a_head_of_64_kib_and_as_many_lines_as_may_be_are_taken() -> None:
    incoming = Incoming()
    line = b"X: " + b"y" * (HEAD_BYTES_MAX - len(GET) - 5) + b"\r\n"
    feed(incoming, GET[:-2] + line + b"\r\n")
    assert incoming.is_whole
    incoming.again()
    feed(incoming, GET[:-2] + b"X: y\r\n" * (HEADER_LINES_MAX - 1) + b"\r\n")
    assert incoming.is_whole
