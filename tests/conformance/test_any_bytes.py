"""Bytes nobody would send, through the whole protocol class: nothing raises, and what
is kept of them is bounded.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.protocol import OPEN

from gateway.limits import Limits
from gateway.sockets.rfc6455 import Protocol
from schemas.frames import FRAME_BYTES_MAX
from tests.conformance.echo import Echo, EchoSockets
from tests.conformance.wire import Line
from tests.support.rawsocket import frame, upgrade

opcodes = st.integers(0, 15)
frames = st.builds(
    frame,
    opcodes,
    st.one_of(st.binary(max_size=200), st.sampled_from([b"x" * 70_000, b"\xe2\x82"])),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    mask=st.sampled_from([b"\1\2\3\4", b"\1\2\3\4", None]),
    length=st.one_of(st.none(), st.none(), st.integers(0, (1 << 64) - 1)),
)
texts = st.text(max_size=200).map(lambda text: frame(1, text.encode()))
streams = st.lists(st.one_of(frames, frames, st.binary(max_size=50)), max_size=12)


async def run(talk: Callable[[Echo, EchoSockets], None], *, opened: bool) -> Line:
    sockets = EchoSockets(Limits())
    echo = Echo(sockets, FRAME_BYTES_MAX)
    line = Line()
    echo.connection_made(cast("asyncio.Transport", line))
    if opened:
        echo.data_received(upgrade(1, "/ws"))
        assert echo._ws.state is OPEN
    talk(echo, sockets)
    while sockets.turns._waiting and not line.is_closing():
        sockets.turns.turn()
    sockets.flush()
    echo.connection_lost(None)
    assert not sockets.connections
    return line


def feed(echo: Echo, data: bytes, cuts: list[int]) -> None:
    """`data` in pieces of the sizes in `cuts`, over and over."""
    line = cast("Line", echo._transport)
    at = turn = 0
    while at < len(data) and not line.is_closing():
        size = cuts[turn % len(cuts)]
        echo.data_received(data[at : at + size])
        at, turn = at + size, turn + 1
        held = len(echo._fragments or b"") + len(echo._ws.reader.buffer)
        assert held <= 2 * FRAME_BYTES_MAX + 100_000


@settings(max_examples=150, deadline=None)
@given(streams, st.lists(st.integers(1, 100_000), min_size=1, max_size=5))
def test_any_frames_in_any_pieces_never_raise_and_are_never_hoarded(
    stream: list[bytes], cuts: list[int]
) -> None:
    def talk(echo: Echo, sockets: EchoSockets) -> None:
        feed(echo, b"".join(stream), cuts)

    asyncio.run(run(talk, opened=True))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 50), min_size=1, max_size=3))
def test_any_bytes_for_a_handshake_never_raise(data: bytes, cuts: list[int]) -> None:
    def talk(echo: Echo, sockets: EchoSockets) -> None:
        feed(echo, data, cuts)

    asyncio.run(run(talk, opened=False))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=8),
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_how_messages_are_cut_makes_no_difference(
    texts: list[str], cuts: list[int]
) -> None:
    def talk(echo: Echo, sockets: EchoSockets) -> None:
        feed(echo, b"".join(frame(1, text.encode()) for text in texts), cuts)

    line = asyncio.run(run(talk, opened=True))
    _, _, sent = line.sent.partition(b"\r\n\r\n")
    assert sent == b"".join(frame(1, text.encode(), mask=None) for text in texts)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            texts,
            texts,
            st.builds(frame, opcodes, st.binary(max_size=200), fin=st.booleans()),
            st.builds(lambda head, body: head + body, texts, st.binary(max_size=4)),
            st.binary(max_size=20),
        ),
        max_size=8,
    )
)
def test_a_read_that_is_one_text_means_what_the_general_parser_says(
    reads: list[bytes],
) -> None:
    def sent(*, generally: bool) -> bytes:
        def talk(echo: Echo, sockets: EchoSockets) -> None:
            line = cast("Line", echo._transport)
            if generally:
                echo._ws.whole_text = lambda _: None  # type: ignore[method-assign]
            for read in reads:
                if not line.is_closing():
                    echo.data_received(read)

        return asyncio.run(run(talk, opened=True)).sent.partition(b"\r\n\r\n")[2]

    assert sent(generally=False) == sent(generally=True)


def opened() -> Protocol:
    ws = Protocol(FRAME_BYTES_MAX)
    ws.receive_data(upgrade(1, "/ws"))
    (request,) = ws.events_received()
    assert isinstance(request, Request)
    ws.send_response(ws.accept(request))
    return ws


def test_a_text_amid_a_message_or_of_64_bit_length_is_for_the_general_parser() -> None:
    ws = opened()
    assert ws.whole_text(b"\x81\xff" + bytes(4 + 127)) is None
    assert ws.whole_text(frame(1, b"whole")) == b"whole"
    ws.receive_data(frame(1, b"a part", fin=False))
    assert ws.whole_text(frame(1, b"whole")) is None


def test_most_reads_are_one_text_and_need_no_general_parser() -> None:
    for length in (0, 1, 125, 126, 127, 128, 5_000):
        ws = opened()
        assert ws.whole_text(frame(1, b"x" * length)) == b"x" * length
        assert ws.whole_text(frame(1, b"x" * length, mask=None)) is None
        assert ws.whole_text(frame(1, b"x" * length, fin=False)) is None
        assert ws.whole_text(frame(1, b"x" * length) + b"x") is None
        ws.receive_data(frame(1, b"x" * length)[:3])
        assert ws.whole_text(frame(1, b"x" * length)) is None


def test_a_read_that_is_one_bare_pong_needs_no_general_parser() -> None:
    pong, ping, text = 10, 9, 1
    ws = opened()
    assert ws.is_bare_pong(frame(pong, b""))
    assert not ws.is_bare_pong(frame(pong, b"", mask=None))
    assert not ws.is_bare_pong(frame(pong, b"x"))
    assert not ws.is_bare_pong(frame(ping, b""))
    assert not ws.is_bare_pong(frame(pong, b"") + frame(pong, b""))
    ws.receive_data(frame(text, b"a part", fin=False))
    assert ws.is_bare_pong(frame(pong, b"")), "it may come amid a message"
    ws.receive_data(frame(text, b"x")[:3])
    assert not ws.is_bare_pong(frame(pong, b"")), "it is part of another frame"
