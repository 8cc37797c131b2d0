"""HTTP as the gateway's own server takes it: one request at a time, RFC 9112's words,
and upgrades (issues 11 and 14).
"""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

import httpx
import pytest
from structlog.testing import CapturingLogger

from gateway.metrics import REQUESTS
from gateway.sockets import admission
from tests.contract.gateway_ws.conftest import TRIP_ROOM, World
from tests.contract.gateway_ws.rawhttp import (
    HEALTHZ,
    LIMIT_S,
    answer,
    problem,
    tcp,
    told,
)
from tests.support.rawsocket import upgrade
from tests.support.waiting import until, until_is

# ---- one at a time -----------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    await world.start()
    one = await tcp(world)
    body = b'{"username": "a"}\r\n\r\n\n\n'
    one.send(
        HEALTHZ * 100
        + b"POST /api/tokens/refresh HTTP/1.1\r\nHost: x\r\n"
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
        + b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
        + HEALTHZ
    )
    statuses = [(await answer(one))[0] for _ in range(103)]
    assert statuses == [200] * 100 + [422, 404, 200]
    one.abort()


@pytest.mark.parametrize("said", [b"close", b"Close", b"keep-alive, close", b"x,close"])
@pytest.mark.parametrize("body", [b"", b"2\r\n{}\r\n0\r\n\r\n"], ids=["GET", "POST"])
async def test_who_asks_for_the_connection_s_end_gets_it(
    said: bytes, body: bytes, world: World
) -> None:
    await world.start(http_keep_s=3600)
    one = await tcp(world)
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    if body:
        head = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    one.send(head + b"Connection: " + said + b"\r\n\r\n" + body + HEALTHZ)
    status, headers, _ = await answer(one)
    assert (status, headers.get("connection")) == (422 if body else 200, "close")
    async with asyncio.timeout(LIMIT_S):
        assert await one.reader.read() == b""  # the next one isn't answered
    one.abort()


async def test_nothing_more_is_read_while_a_request_waits(world: World) -> None:
    await world.start()
    gateway = world.gateway
    assert gateway is not None
    one = await tcp(world)
    sent = 0  # and no answer is taken
    while True:
        one.send(HEALTHZ * 200)
        sent += 200 * len(HEALTHZ)
        try:
            async with asyncio.timeout(1):
                await one.writer.drain()
        except TimeoutError:
            break  # the gateway has stopped reading
        assert sent < 64 * 1024 * 1024
        assert gateway.sockets.held.bytes.in_all <= 2 * 16 * 1024 + 1024
    assert gateway.sockets.held.bytes.in_all <= 2 * 16 * 1024 + 1024
    one.abort()
    await until(lambda: gateway.sockets.held.bytes.in_all == 0)
    assert not gateway.sockets.held.connections._held


async def test_an_answer_that_is_not_taken_ends_the_connection(world: World) -> None:
    await world.start(http_take_s=0.3, http_keep_s=0.3)
    gateway = world.gateway
    assert gateway is not None
    one = await tcp(world)
    one.send(b"GET /asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
    await until(lambda: gateway.sockets.held.connections.in_all == 1)
    await until(lambda: gateway.sockets.held.connections.in_all == 0, "its end")
    one.abort()


async def test_one_user_s_requests_do_not_hold_up_another_s(world: World) -> None:
    await world.start()
    gateway = world.gateway
    assert gateway is not None
    begun: list[str] = []
    admission = gateway.sockets.admission
    for _ in range(1000):
        admission.ask("many", partial(begun.append, "many"), 1000)
    admission.ask("one", partial(begun.append, "one"), 1)
    await until(lambda: "one" in begun)
    assert begun.index("one") == 1
    assert begun.index("many") == 0


async def test_a_user_s_http_connections_are_limited(world: World) -> None:
    await world.start(connections_per_user_max=2)
    token = world.tokens.issue()
    request = b"GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    request += token.encode() + b"\r\n\r\n"
    held = [await tcp(world) for _ in range(3)]
    found = []
    for one in held:
        one.send(request)
        found.append(await answer(one))
    assert [each[0] for each in found] == [200, 200, 429]
    problem(found[2], 429, "rate_limited")
    assert found[2][1]["retry-after"]
    held[0].abort()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: gateway.sockets.held.users.in_all == 1)
    assert (await told(world, request))[0] == 200
    for one in held:
        one.abort()


async def test_an_address_s_http_connections_are_limited(world: World) -> None:
    await world.start(connections_per_address_max=2)
    held = [await tcp(world) for _ in range(2)]
    for one in held:
        one.send(HEALTHZ)
        assert (await answer(one))[0] == 200
    late = await told(world, HEALTHZ)
    problem(late, 429, "rate_limited")
    assert late[1]["connection"] == "close"
    held[0].abort()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: gateway.sockets.held.connections.in_all == 1)
    assert (await told(world, HEALTHZ))[0] == 200
    for one in held:
        one.abort()


async def test_what_an_address_may_have_unfinished_is_bounded(world: World) -> None:
    await world.start(http_bytes_per_address_max=100_000)
    head = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    slow = [await tcp(world) for _ in range(3)]
    for one in slow:
        one.send(head + b" " * 40_000)
    gateway = world.gateway
    assert gateway is not None
    found = [asyncio.ensure_future(answer(one)) for one in slow]
    await asyncio.wait(found, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT_S)
    (refused,) = [each.result() for each in found if each.done()]
    problem(refused, 429, "rate_limited")
    assert gateway.sockets.held.bytes.in_all <= 100_000
    for each in found:
        each.cancel()
    for one in slow:
        one.abort()
    await until(lambda: gateway.sockets.held.bytes.in_all == 0)


async def test_parallel_handshakes_that_wait_for_a_leader_are_counted(
    world: World,
) -> None:
    await world.start(connections_per_address_max=5, command_s=5)
    world.leader.decide = lambda _: None  # it doesn't answer
    token = world.tokens.issue()
    path = f"/ws/chat/{TRIP_ROOM}/"
    sockets = [await tcp(world) for _ in range(5)]
    for one in sockets:
        one.send(upgrade(1, path, token))
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 5)
    problem(await told(world, upgrade(1, path, token)), 429, "rate_limited")
    for one in sockets:
        one.abort()
    await until(lambda: not gateway.sockets.connections)
    assert not gateway.door.quota._addresses._held
    assert not gateway.door.quota._users._held


async def test_a_user_s_parallel_handshakes_are_counted(world: World) -> None:
    await world.start(connections_per_user_max=3)
    world.leader.decide = lambda _: None
    token = world.tokens.issue()
    path = f"/ws/chat/{TRIP_ROOM}/"
    sockets = [await tcp(world) for _ in range(10)]
    for one in sockets:
        one.send(upgrade(1, path, token))
    statuses = asyncio.gather(*(answer(one) for one in sockets[3:]))
    assert {each[0] for each in await statuses} == {429}
    for one in sockets:
        one.abort()


# ---- what is no request ------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /healthz\r\n",
        b"GET /healthz HTTP/0.9\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz RTSP/1.0\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"garbage\r\n\r\n",
        b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx",
        upgrade(1, "/ws").replace(b"HTTP/1.1", b"HTTP/1.0"),
        upgrade(1, "/ws").replace(b"Upgrade\r\n", b"Upgrade\r\nContent-Length: 3\r\n")
        + b"abc",
    ],
    ids=lambda value: value[:40].decode("latin-1"),
)
async def test_what_is_no_request_is_a_400_and_counted(
    world: World, request_: bytes
) -> None:
    await world.start()
    before = counted(400)
    given = await told(world, request_)
    problem(given, 400, "bad_frame")
    assert given[1]["connection"] == "close"
    assert counted(400) == before + 1


def counted(status: int) -> float:
    return sum(
        sample.value
        for metric in REQUESTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
        and sample.labels["status"] == str(status)
        and sample.labels["route"] == "none"
    )


async def test_too_long_a_target_is_414_too_large_a_head_431_and_counted(
    world: World,
) -> None:
    await world.start()
    before = counted(414), counted(431)
    long = b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    problem(await told(world, long), 414, "bad_frame")
    large = HEALTHZ[:-2] + b"X: " + b"y" * 66_000 + b"\r\n\r\n"
    problem(await told(world, large), 431, "bad_frame")
    assert (counted(414), counted(431)) == (before[0] + 1, before[1] + 1)


async def test_garbage_is_logged_once_in_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(admission, "log", log)
    await world.start()
    for _ in range(50):
        await told(world, b"garbage\r\n\r\n")
    assert [call.args for call in log.calls] == [("unreadable request",)]


async def test_answers_tell_the_time_as_it_goes_on(world: World) -> None:
    await world.start()
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as web:

        async def told_at() -> datetime:
            date = (await web.get("/healthz")).headers["date"]
            return parsedate_to_datetime(date)

        first = await told_at()
        assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
        await until_is(told_at, lambda at: at > first, 30)


async def test_who_is_refused_in_its_body_gets_the_answer(world: World) -> None:
    await world.start()
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as web:
        response = await web.post("/api/tokens", content=b" " * 5_000_000)
        assert response.status_code == 413
        assert (await web.get("/healthz")).status_code == 200


async def test_a_body_is_asked_for_where_the_client_waits_for_that(
    world: World,
) -> None:
    await world.start()
    one = await tcp(world)
    head = b"POST /api/tokens/refresh HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    one.send(head + b"Content-Length: 2\r\n\r\n")
    assert (await answer(one))[0] == 100
    one.send(b"{}")
    assert (await answer(one))[0] == 422
    one.send(head + b"Content-Length: 70000\r\n\r\n")
    problem(await answer(one), 413, "bad_frame")
    one.abort()


# ---- where it goes -----------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/healthz", 200),
        (b"/%68ealthz", 200),
        (b"http://x/healthz", 200),
        (b"http://other.example:99/healthz", 200),
        (b"//healthz", 404),
        (b"/api//me", 404),
        (b"/healthz//", 404),
        (b"/%2fhealthz", 404),
        (b"/api%2fme", 404),
        (b"/api%2Fme", 404),
        (b"/api%252fme", 404),
        (b"/api/me", 401),
        (b"/api/%6d%65", 401),
        (b"/chat/%6cobby", 200),
        (b"/chat/a%2fb", 404),
    ],
)
async def test_where_a_target_goes(world: World, target: bytes, status: int) -> None:
    await world.start()
    request = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await told(world, request))[0] == status


# ---- the end -----------------------------------------------------------------


async def test_a_gateway_that_stops_says_so_to_probes(world: World) -> None:
    await world.start()
    gateway = world.gateway
    assert gateway is not None
    one = await tcp(world)
    one.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await answer(one))[0] == 200
    gateway.sockets.draining = True
    one.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    given = await answer(one)
    assert given[0] == 503
    assert given[1]["connection"] == "close"
    assert b"stopping" in given[2]
