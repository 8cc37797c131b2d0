"""What a lost connection leaves: nothing, though answers may yet come."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import cast

import pytest

from gateway.limits import Limits
from schemas.closes import Close
from schemas.commands import Answer
from schemas.refusals import Code, Refusal
from tests.conformance.echo import Echo, EchoSockets
from tests.conformance.wire import Line
from tests.support.rawsocket import upgrade

REFUSED = Answer("c", 1, refused=Refusal(Code.UNAVAILABLE, "nobody leads"))


class Seen(Echo):
    __slots__ = ("__weakref__",)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def made(stage: str) -> Seen:
    echo = Seen(EchoSockets(Limits()))
    echo.connection_made(cast("asyncio.Transport", Line()))
    if stage != "opening":
        echo.data_received(upgrade(1, "/ws"))
    if stage == "closed":
        echo.close(Close.DRAINING)
    echo._sockets.flush()
    return echo


@pytest.mark.parametrize("stage", ["opening", "open", "closed"])
@pytest.mark.usefixtures("uncollected")
async def test_a_lost_connection_waits_for_no_garbage_collector(stage: str) -> None:
    echo = made(stage)
    seen = weakref.ref(echo)
    echo.connection_lost(None)
    del echo
    assert seen() is None


async def test_an_answer_to_a_lost_connection_is_dropped() -> None:
    echo = made("open")
    runner, line = echo.runner, cast("Line", echo._transport)
    done, sent = runner._answers("r"), line.sent
    runner._awaits_answer = True
    echo.connection_lost(None)
    done(REFUSED)
    runner.close(Close.DRAINING)
    echo._sockets.flush()
    assert line.sent == sent
