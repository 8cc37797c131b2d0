import asyncio
import select
from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from persistence import responder as responders
from persistence.responder import Responder, answered
from runtime import bus as buses
from runtime.bus import Bus
from schemas import codec
from schemas.accounts import Result
from schemas.refusals import Code
from tests.support.nats import NatsServer
from tests.support.waiting import until


class Echo(Struct):
    text: str


async def ask(bus: Bus, payload: bytes) -> Result:
    return codec.decode((await bus.request("test.echo", payload, 5)).data, Result)


class Desk:
    """A handler that can be held up, and counts."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.most = 0

    async def echo(self, request: Echo) -> Result:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
            if request.text == "break":
                raise ZeroDivisionError
            return answered(request)
        finally:
            self.running -= 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def responder(bus: Bus, desk: Desk) -> AsyncIterator[Responder]:
    responder = Responder(bus, "test", 2)
    responder.add("test.echo", Echo, desk.echo)
    responder.start()
    yield responder
    await responder.stop()


async def test_a_request_is_answered(bus: Bus, responder: Responder) -> None:
    result = await ask(bus, b'{"text":"a"}')
    assert result.refused is None
    assert bytes(result.data or b"") == b'{"text":"a"}'


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"text":1}', b"\xff", b"[" * 9999])
async def test_what_does_not_fit_is_invalid_data(
    bus: Bus, responder: Responder, payload: bytes
) -> None:
    result = await ask(bus, payload)
    assert result.refused is not None
    assert result.refused.code is Code.INVALID_DATA


async def test_a_handlers_error_is_unavailable_and_the_next_is_answered(
    bus: Bus, responder: Responder
) -> None:
    result = await ask(bus, b'{"text":"break"}')
    assert result.refused is not None
    assert result.refused.code is Code.UNAVAILABLE
    assert (await ask(bus, b'{"text":"a"}')).refused is None


async def test_an_answer_over_nats_limit_is_unavailable_and_the_next_is_answered(
    bus: Bus, desk: Desk
) -> None:
    responder = Responder(bus, "test", 2)

    async def big(request: Echo) -> Result:
        return answered("x" * (bus.max_payload if request.text == "big" else 1))

    responder.add("test.echo", Echo, big)
    responder.start()
    result = await ask(bus, b'{"text":"big"}')
    assert result.refused is not None
    assert result.refused.code is Code.UNAVAILABLE
    assert (await ask(bus, b'{"text":"a"}')).refused is None
    await responder.stop()


async def test_no_more_run_at_once_than_allowed_and_all_are_answered(
    bus: Bus, responder: Responder, desk: Desk
) -> None:
    desk.open.clear()
    asked = [asyncio.create_task(ask(bus, b'{"text":"a"}')) for _ in range(9)]
    await until(lambda: len(responder._waiting) == 7 and desk.running == 2)
    desk.open.set()
    results = await asyncio.gather(*asked)
    assert [result.refused for result in results] == [None] * 9
    assert desk.most == 2


async def test_past_the_line_it_is_overloaded(
    bus: Bus, responder: Responder, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responders, "WAITING_MAX", 1)
    desk.open.clear()
    asked = [asyncio.create_task(ask(bus, b'{"text":"a"}')) for _ in range(4)]
    await until(lambda: any(task.done() for task in asked))
    desk.open.set()
    codes = [r.refused and r.refused.code for r in await asyncio.gather(*asked)]
    assert sorted(map(str, codes)) == ["None", "None", "None", "overloaded"]


async def test_who_waited_too_long_is_overloaded(
    bus: Bus, responder: Responder, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responders, "WAIT_MAX_S", -1)
    desk.open.clear()
    asked = [asyncio.create_task(ask(bus, b'{"text":"a"}')) for _ in range(4)]
    await until(lambda: len(responder._waiting) == 2)
    desk.open.set()
    codes = [r.refused and r.refused.code for r in await asyncio.gather(*asked)]
    assert sorted(map(str, codes)) == ["None", "None", "overloaded", "overloaded"]


async def test_stopping_answers_what_was_taken(
    bus: Bus, responder: Responder, desk: Desk
) -> None:
    desk.open.clear()
    asked = [asyncio.create_task(ask(bus, b'{"text":"a"}')) for _ in range(3)]
    await until(lambda: len(responder._waiting) == 1)
    stopping = asyncio.create_task(responder.stop())
    await until(lambda: not responder._subscriptions)
    desk.open.set()
    await stopping
    assert [r.refused for r in await asyncio.gather(*asked)] == [None] * 3


async def test_stopping_answers_what_has_come_and_was_not_yet_read(
    nats_server: NatsServer, bus: Bus, responder: Responder
) -> None:
    asker = await buses.connect(nats_server.url, "asker")
    answers: list[bytes] = []
    asker.subscribe_raw("answers", lambda *message: answers.append(bytes(message[2])))
    await asker.flush()
    await bus.flush()
    assert asker.send("test.echo", b'{"text":"a"}', "answers")
    asker.write_now()
    # As on a busy machine: NATS has handed it over before we come to read.
    assert bus._transport is not None
    ours = bus._transport._io_writer.get_extra_info("socket")
    assert select.select([ours.fileno()], [], [], 10)[0]
    await responder.stop()
    await until(lambda: answers, "the answer")
    await asker.close()


async def test_two_workers_answer_each_request_once(
    bus: Bus, responder: Responder, desk: Desk
) -> None:
    other = Responder(bus, "test", 2)
    calls: list[str] = []

    async def count(request: Echo) -> Result:
        calls.append(request.text)
        return answered(None)

    other.add("test.echo", Echo, count)
    other.start()
    results = [await ask(bus, b'{"text":"%d"}' % n) for n in range(40)]
    await other.stop()
    echoed = [result for result in results if bytes(result.data or b"") != b"null"]
    assert len(echoed) + len(calls) == 40
    assert calls
    assert echoed
