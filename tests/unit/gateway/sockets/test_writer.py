"""Who may write past an outbox, and when no more."""

import asyncio
from typing import cast

import pytest

from gateway.limits import Limits
from gateway.sockets.writer import BURST_BYTES
from schemas.closes import Close
from tests.conformance.echo import Echo, EchoSockets
from tests.conformance.wire import Line
from tests.support.rawsocket import upgrade

BUDGET_BYTES = 100


class Writer:
    def __init__(self) -> None:
        self.told = 0

    def unsettle(self) -> None:
        self.told += 1


@pytest.fixture
async def echo() -> Echo:
    made = Echo(EchoSockets(Limits(output_bytes_max=BUDGET_BYTES)))
    made.connection_made(cast("asyncio.Transport", Line()))
    made.data_received(upgrade(1, "/ws"))
    return made


async def test_nobody_writes_past_what_waits(echo: Echo) -> None:
    echo.writer.write(b"x")
    assert echo.writer.settle(Writer()) is None
    echo._sockets.flush()
    assert echo.writer.settle(Writer()) is not None


async def test_who_writes_past_it_is_told_of_a_queued_frame_and_of_a_full_socket(
    echo: Echo,
) -> None:
    echo._sockets.flush()
    writer = Writer()
    echo.writer.settle(writer)
    echo.writer.write(b"x")
    assert writer.told == 1
    echo._sockets.flush()
    echo.pause_writing()
    assert writer.told == 2
    assert echo.writer.settle(writer) is None


async def test_a_slow_client_s_frames_wait_until_its_budget_is_spent(
    echo: Echo,
) -> None:
    echo._sockets.flush()
    echo.pause_writing()
    line = cast("Line", echo._transport)
    sent = line.sent
    for _ in range(BUDGET_BYTES // 10):
        assert not echo.writer.deliver(b"0123456789")
        echo._sockets.flush()
    assert line.sent == sent
    assert not line.is_closing()
    echo.writer.write(b"!")
    echo._sockets.flush()
    assert echo._ws.close_sent is not None
    assert echo._ws.close_sent.code == 4001


async def test_what_a_slow_client_missed_comes_in_order_when_it_reads_again(
    echo: Echo,
) -> None:
    echo._sockets.flush()
    line = cast("Line", echo._transport)
    sent = line.sent
    echo.pause_writing()
    echo.writer.write(b"one ")
    echo.writer.deliver(b"two ")
    echo.resume_writing()
    echo.writer.deliver(b"three")
    echo._sockets.flush()
    assert line.sent == sent + b"one two three"


@pytest.mark.parametrize("is_slow", [False, True])
async def test_what_replaces_one_another_keeps_its_place_before_what_follows(
    echo: Echo, *, is_slow: bool
) -> None:
    echo._sockets.flush()
    line = cast("Line", echo._transport)
    sent = line.sent
    if is_slow:
        echo.pause_writing()
    for text in (b"here ", b"there "):
        echo.writer.write_latest("trip", text)
    echo.writer.write(b"ended")
    if is_slow:
        echo.resume_writing()
    echo._sockets.flush()
    assert line.sent == sent + b"there ended"


async def test_what_replaces_one_another_counts_in_the_budget(echo: Echo) -> None:
    echo._sockets.flush()
    echo.pause_writing()
    for _ in range(BUDGET_BYTES // 10):
        echo.writer.write_latest("trip", b"0123456789")
        echo.writer.write(b"!")
    echo._sockets.flush()
    assert echo._ws.close_sent is not None
    assert echo._ws.close_sent.code == 4001


async def test_what_is_gathered_waits_until_it_is_let_go(echo: Echo) -> None:
    echo._sockets.flush()
    line = cast("Line", echo._transport)
    sent = line.sent
    writer = Writer()
    echo.writer.settle(writer)
    echo.writer.gather(b"one ")
    assert writer.told == 1
    assert echo.writer.settle(writer) is None
    echo._sockets.flush()
    assert line.sent == sent
    echo.writer.let_go()
    echo.writer.gather(b"two")
    echo._sockets.flush()
    assert line.sent == sent + b"one two"
    echo.writer.let_go()
    echo._sockets.flush()
    assert line.sent == sent + b"one two"


@pytest.mark.parametrize("how", ["write", "deliver", "write_latest", "close"])
async def test_whatever_is_written_takes_along_what_was_gathered(
    echo: Echo, how: str
) -> None:
    echo._sockets.flush()
    line = cast("Line", echo._transport)
    sent = len(line.sent)
    echo.writer.gather(b"one ")
    if how == "write":
        echo.writer.write(b"two")
    elif how == "deliver":
        assert not echo.writer.deliver(b"two")
    elif how == "write_latest":
        echo.writer.write_latest("trip", b"two")
    else:
        echo.close(Close.GOING_AWAY)
    echo._sockets.flush()
    assert line.sent[sent:].startswith(b"one " + (b"" if how == "close" else b"two"))
    assert len(line.sent) > sent + len(b"one ")


async def test_what_is_gathered_counts_in_a_slow_client_s_budget(echo: Echo) -> None:
    echo._sockets.flush()
    echo.writer.gather(b"0123456789")
    echo.pause_writing()
    for _ in range(BUDGET_BYTES // 10):
        echo.writer.gather(b"0123456789")
    echo._sockets.flush()
    assert echo._ws.close_sent is not None
    assert echo._ws.close_sent.code == 4001


async def test_no_more_than_a_burst_is_gathered(echo: Echo) -> None:
    echo._sockets.flush()
    line = cast("Line", echo._transport)
    sent = len(line.sent)
    echo.writer.gather(b"x" * BURST_BYTES)
    assert len(line.sent) == sent
    echo.writer.gather(b"y")
    assert len(line.sent) == sent + BURST_BYTES + 1
