"""runtime/bus.py meets nats-py in private methods; this holds both to it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import nats.errors
import pytest

from runtime import bus as runtime_bus
from runtime.bus import Bus, connect, is_no_responders
from tests.support.nats import NatsServer, free_port
from tests.support.waiting import until

Message = tuple[bytes, bytes, bytes, bytes]


class Heard:
    """What a raw subscription was handed, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(
        self, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        self.messages.append((subject, reply, payload, headers))

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload, _ in self.messages]


@pytest.fixture
async def here(nats_server: NatsServer) -> AsyncIterator[Bus]:
    made = await connect(nats_server.url, "here")
    yield made
    await made.close()


@pytest.fixture
async def there(nats_server: NatsServer) -> AsyncIterator[Bus]:
    made = await connect(nats_server.url, "there")
    yield made
    await made.close()


async def test_who_wants_no_echo_hears_others_alone(
    nats_server: NatsServer, there: Bus
) -> None:
    here = await connect(nats_server.url, "here", echo=False)
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    here.send("a", b"our own")
    await here.flush()
    there.send("a", b"theirs")
    await until(lambda: heard.messages)
    assert heard.payloads == [b"theirs"]
    await here.close()


async def test_who_asked_for_it_is_told_that_the_connection_is_back(
    nats_server: NatsServer, here: Bus
) -> None:
    told: list[bool] = []
    here.on_back.append(lambda: told.append(here.is_connected))
    nats_server.kill()
    await until(lambda: not here.is_connected)
    nats_server.start()
    await until(lambda: told)
    assert told == [True]


async def test_a_message_arrives_whole(here: Bus, there: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("a.*", heard)
    await here.flush()
    block = b"NATS/1.0\r\nK: v\r\n\r\n"
    assert there.send("a.b", b"plain")
    assert there.send("a.c", b"", reply="r.1")
    assert there.send("a.d", b"with\r\nheaders", reply="r.2", headers=block)
    await until(lambda: len(heard.messages) == 3)
    assert heard.messages == [
        (b"a.b", b"", b"plain", b""),
        (b"a.c", b"r.1", b"", b""),
        (b"a.d", b"r.2", b"with\r\nheaders", block),
    ]


async def test_what_one_publisher_sends_arrives_in_order(here: Bus, there: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("n.>", heard)
    await here.flush()
    expected = [str(number).encode() for number in range(20_000)]
    for payload in expected:
        assert there.send(f"n.{len(payload)}", payload)
    await until(lambda: len(heard.messages) == len(expected))
    assert heard.payloads == expected


async def test_a_mebibyte_fits(here: Bus, there: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("big", heard)
    await here.flush()
    payload = bytes(range(256)) * 4096
    assert len(payload) == there.max_payload
    assert there.send("big", payload)
    assert there.send("big", b"after")
    await until(lambda: len(heard.messages) == 2)
    assert heard.payloads == [payload, b"after"]


async def test_what_is_too_large_for_the_server_is_refused_and_the_bus_lives(
    here: Bus, there: Bus
) -> None:
    heard = Heard()
    here.subscribe_raw("big", heard)
    await here.flush()
    most = there.max_payload
    block = b"NATS/1.0\r\nK: v\r\n\r\n"
    assert not there.send("big", bytes(most + 1))
    assert not there.send("big", bytes(most - len(block) + 1), headers=block)
    assert there.send("big", bytes(most - len(block)), headers=block)
    await until(lambda: len(heard.messages) == 1)
    assert there.is_connected
    assert not there.broken.done()


async def test_a_cancelled_subscription_hears_nothing_more(
    here: Bus, there: Bus
) -> None:
    heard, fence = Heard(), Heard()
    subscription = here.subscribe_raw("a", heard)
    here.subscribe_raw("fence", fence)
    await here.flush()
    there.send("a", b"1")
    await until(lambda: heard.messages)
    subscription.cancel()
    subscription.cancel()
    there.send("a", b"2")
    there.send("fence", b"")
    await until(lambda: fence.messages)
    assert heard.payloads == [b"1"]


async def test_a_queue_group_hears_each_message_once(here: Bus, there: Bus) -> None:
    heard = Heard()
    for member in (here, there):
        member.subscribe_raw("q", heard, queue="workers")
        await member.flush()
    for number in range(100):
        there.send("q", str(number).encode())
    await until(lambda: len(heard.messages) == 100)
    assert len(set(heard.payloads)) == 100


async def test_nobody_there_is_said_at_once(here: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("reply.me", heard)
    await here.flush()
    assert here.send("nobody.home", b"?", reply="reply.me")
    await until(lambda: heard.messages)
    [(_, _, payload, headers)] = heard.messages
    assert is_no_responders(headers)
    assert payload == b""
    assert not is_no_responders(b"")
    assert not is_no_responders(b"NATS/1.0\r\nK: 503\r\n\r\n")


async def test_nats_pys_own_subscriptions_work_beside_it(here: Bus, there: Bus) -> None:
    ordinary = await here.subscribe("a")
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    there.send("a", b"both")
    assert (await ordinary.next_msg(5)).data == b"both"
    await until(lambda: heard.messages)
    assert heard.payloads == [b"both"]


async def test_subscriptions_survive_a_restart_of_nats(
    nats_server: NatsServer, there: Bus
) -> None:
    happened: list[str] = []
    here = await connect(
        nats_server.url,
        "here",
        on_disconnect=lambda: happened.append("gone"),
        on_reconnect=lambda: happened.append("back"),
    )
    kept, cancelled, added = Heard(), Heard(), Heard()
    here.subscribe_raw("a", kept)
    gone = here.subscribe_raw("a", cancelled)
    await here.flush()
    nats_server.kill()
    await until(lambda: happened == ["gone"])
    gone.cancel()
    here.subscribe_raw("a", added)
    nats_server.start()
    await until(lambda: happened == ["gone", "back"] and there.is_connected)
    await here.flush()
    there.send("a", b"1")
    await until(lambda: kept.messages and added.messages)
    assert (kept.payloads, added.payloads) == ([b"1"], [b"1"])
    assert cancelled.messages == []
    assert not here.broken.done()
    await here.close()


async def test_what_is_sent_into_an_outage_is_refused_and_never_comes_late(
    nats_server: NatsServer, here: Bus, there: Bus
) -> None:
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    nats_server.kill()
    await until(lambda: not here.is_connected and not there.is_connected)
    assert not there.send("a", b"late")
    nats_server.start()
    await until(lambda: here.is_connected and there.is_connected)
    await here.flush()
    assert there.send("a", b"in time")
    await until(lambda: heard.messages)
    assert heard.payloads == [b"in time"]


async def test_what_waits_to_be_written_is_bounded(
    here: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_bus, "PENDING_BYTES_MAX", 1000)
    sent = [here.send("a", b"x" * 100) for _ in range(20)]
    assert sent[0]
    assert not sent[-1]
    await here.flush()
    assert here.send("a", b"x")


async def test_a_hung_server_takes_no_more_memory_than_the_bound(
    nats_server: NatsServer, here: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tick hands all it has to the socket; what waits there counts too."""
    most = 8 * 1024 * 1024
    monkeypatch.setattr(runtime_bus, "PENDING_BYTES_MAX", most)
    assert nats_server.process is not None
    nats_server.process.send_signal(signal.SIGSTOP)
    try:
        payload = bytes(64 * 1024)
        sent = 0
        while here.send("a", payload):
            here.write_now()
            sent += 1
            assert sent * len(payload) < 4 * most
        assert most < here.waiting_bytes < most + 2 * len(payload)
        assert here.is_connected
    finally:
        nats_server.process.send_signal(signal.SIGCONT)
    await until(lambda: here.waiting_bytes == 0, "what waited")
    assert here.send("a", payload)


async def test_one_tick_is_written_at_once_when_asked(here: Bus, there: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    there.send("a", b"1")
    there.write_now()
    there.write_now()
    await until(lambda: heard.messages)
    assert heard.payloads == [b"1"]


async def test_what_is_sent_together_leaves_at_its_end_and_the_rest_by_itself(
    here: Bus, there: Bus
) -> None:
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    with there.one_write:
        there.send("a", b"1")
        await asyncio.sleep(0)  # the loop goes on, though nobody should let it
        assert there.waiting_bytes > 0
    assert there._pending == []
    there.send("a", b"2")
    await until(lambda: heard.payloads == [b"1", b"2"])


async def test_what_raises_amid_one_write_doesnt_mute_it(here: Bus, there: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    with contextlib.suppress(LookupError), there.one_write:
        there.send("a", b"1")
        raise LookupError
    there.send("a", b"2")
    await until(lambda: heard.payloads == [b"1", b"2"])


async def test_a_callback_that_raises_breaks_the_bus(here: Bus, there: Bus) -> None:
    def careless(*_: bytes) -> None:
        raise ZeroDivisionError

    here.subscribe_raw("a", careless)
    await here.flush()
    broken = here.broken
    there.send("a", b"")
    there.send("a", b"")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(broken, 10)


async def test_closing_is_no_failure(nats_server: NatsServer) -> None:
    made = await connect(nats_server.url, "short")
    broken = made.broken
    await made.close()
    assert not broken.done()
    assert not made.send("a", b"")
    broken.cancel()


async def test_closing_writes_what_was_sent(nats_server: NatsServer, here: Bus) -> None:
    heard = Heard()
    here.subscribe_raw("a", heard)
    await here.flush()
    made = await connect(nats_server.url, "short")
    made.send("a", b"last words")
    await made.close()
    await until(lambda: heard.messages)


async def test_one_try_is_one_try() -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises((OSError, nats.errors.Error)):
        await asyncio.wait_for(connect(url, "once", forever=False), 20)


async def test_a_nats_that_comes_later_is_waited_for(nats_server: NatsServer) -> None:
    nats_server.kill()
    connecting = asyncio.ensure_future(connect(nats_server.url, "patient"))
    try:
        await asyncio.wait({connecting}, timeout=0.3)
        assert not connecting.done()
        nats_server.start()
        made = await asyncio.wait_for(connecting, 10)
        assert made.is_connected
        await made.close()
    finally:
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
