"""Clients that mean harm, over real sockets: what they cost is bounded, and nobody else
notices them (issue 4, "Slow and hostile clients").
"""

import asyncio
import contextlib
import json
import struct

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from gateway.sockets.turns import TURN_NEW, Turns
from schemas.frames import FRAME_BYTES_MAX
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import trip
from tests.support.rawsocket import CONT, PING, PONG, TEXT, RawSocket, frame, upgrade
from tests.support.waiting import until

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def port_of(world: World) -> int:
    return int(world.url.rpartition(":")[2])


async def attacker(world: World, user: str = DRIVER) -> RawSocket:
    return await RawSocket.open(port_of(world), token=world.tokens.issue(user))


# ---- heads -------------------------------------------------------------------


@pytest.mark.parametrize("head", [HEAD + b"X: ", upgrade(1, "/ws")[:-2]])
async def test_a_head_that_comes_byte_by_byte_ends_in_time(
    world: World, head: bytes
) -> None:
    await world.start(http_head_s=0.5)
    slow = await RawSocket.tcp(port_of(world))
    slow.send(head)
    ended = asyncio.ensure_future(slow.ended())

    def drip() -> bool:
        slow.send(b"x")
        return ended.done()

    await until(drip, "the end of the connection")
    slow.abort()


async def test_a_head_over_64_kib_is_431_and_ends(world: World) -> None:
    await world.start()
    one = await RawSocket.tcp(port_of(world))
    one.send(HEAD + b"X: " + b"y" * 70_000)
    with contextlib.suppress(ConnectionError):  # a reset may overtake the answer
        async with asyncio.timeout(10):
            answer = await one.reader.read()
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_heads_of_many_requests_on_one_connection_do_not_add_up(
    world: World,
) -> None:
    await world.start()
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as web:
        for _ in range(10):
            answer = await web.get("/healthz", headers={"x": "y" * 10_000})
            assert answer.status_code == 200


# ---- trailers ----------------------------------------------------------------

CHUNKED = (
    b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n"
)


@pytest.mark.parametrize(
    ("start", "more"),
    [(b"0\r\n", b"a: bcd\r\n"), (b"0\r\na: ", b"bcdefgh"), (b"1;", b"a=b;")],
    ids=["trailers", "one trailer", "a chunk extension"],
)
async def test_what_surrounds_a_body_is_bounded_as_a_head_is(
    world: World, start: bytes, more: bytes
) -> None:
    await world.start(http_body_s=3600)
    one = await RawSocket.tcp(port_of(world))
    one.send(CHUNKED + start)
    answer = asyncio.ensure_future(one.reader.read())

    def flood() -> bool:
        one.send(more * 1000)
        return answer.done()

    await until(flood, "the end of the connection", limit_s=30)
    with contextlib.suppress(ConnectionError):  # a reset may overtake the answer
        assert (await answer).startswith(b"HTTP/1.1 431 ")
    one.abort()


async def test_the_framing_of_many_chunks_does_not_add_up(world: World) -> None:
    await world.start()
    one = await RawSocket.tcp(port_of(world))
    # Over what one read may bring (uvloop: 256 KiB).
    one.send(CHUNKED + (b"1;" + b"x" * 100 + b"\r\n \r\n") * 4000)
    one.send(b"0\r\nA: trailer\r\n\r\n")
    async with asyncio.timeout(30):
        head = await one.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 422 "), head  # read whole, and nothing in it
    one.abort()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\n" * 60_000 + HEAD + b"\r\n", 200),
        (b"\r\n" * 30_000 + HEAD + b"\r\n", 200),
        (CHUNKED + b"ea60\r\n" + b"\n" * 60_000 + b"\r\n0\r\n\r\n", 422),
    ],
    ids=["before a request", "of two bytes", "of a body"],
)
async def test_blank_lines_are_taken_a_few_at_a_time(
    data: bytes, status: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.start()
    least, spend = TURN_NEW, Turns.spend

    def noted(turns: Turns, cost: int) -> None:
        nonlocal least
        spend(turns, cost)
        least = min(least, turns.left)

    monkeypatch.setattr(Turns, "spend", noted)
    fast = await world.rider()
    one = await RawSocket.tcp(port_of(world))
    one.send(data)
    await fast.quiet()
    async with asyncio.timeout(30):
        head = await one.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert least > -TURN_NEW
    one.abort()


async def test_a_trailer_is_no_header(world: World) -> None:
    await world.start()
    token = world.tokens.issue(RIDER)
    one = await RawSocket.tcp(port_of(world))
    one.send(
        b"GET /api/me HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    async with asyncio.timeout(10):
        head = await one.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 "), head
    one.abort()


# ---- frames ------------------------------------------------------------------


async def test_a_ping_flood_ends_with_4500_and_slows_nobody(world: World) -> None:
    await world.start()
    fast = await world.rider()
    one = await attacker(world)
    one.send(frame(PING, b"x" * 100) * 50_000)
    await fast.quiet()
    assert await one.closed() == 4500
    one.abort()
    await fast.quiet()


async def test_a_few_pings_are_each_answered(world: World) -> None:
    await world.start()
    one = await attacker(world)
    for number in range(100):
        one.send(frame(PING, b"%d" % number))
    pongs: list[bytes] = []
    while len(pongs) < 100:
        opcode, payload = await one.receive()
        if opcode == PONG:
            pongs.append(payload)
    assert pongs == [b"%d" % number for number in range(100)]
    one.abort()


async def test_pongs_that_are_not_read_are_bounded(world: World) -> None:
    await world.start(frames_burst=1e9, frames_per_s=1e9, output_bytes_max=100_000)
    one = await attacker(world)
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 1)
    (connection,) = gateway.sockets.connections
    one.writer.transport.pause_reading()
    waiting = 0

    def flood() -> bool:
        nonlocal waiting
        one.send(frame(PING, b"x" * 125) * 1000)
        held = connection.writer.waiting_bytes
        waiting = max(waiting, held)
        return (
            connection.runner.session is None
            or connection not in gateway.sockets.connections
            or (not connection.runner.is_seated)
        )

    await until(flood, "the end of the session")
    assert waiting < 1_000_000
    one.abort()


async def test_fragments_without_end_and_content_end_with_4500(world: World) -> None:
    await world.start()
    one = await attacker(world)
    one.send(frame(TEXT, fin=False) + frame(CONT, fin=False) * 20_000)
    assert await one.closed() == 4500
    one.abort()


async def test_fragments_in_all_over_64_kib_close_with_1009(world: World) -> None:
    await world.start()
    one = await attacker(world)
    half = b" " * (FRAME_BYTES_MAX // 2 + 1)
    one.send(frame(TEXT, half, fin=False) + frame(CONT, half))
    assert await one.closed() == 1009


@pytest.mark.parametrize("length", [FRAME_BYTES_MAX + 1, 1 << 32, (1 << 63) - 1])
async def test_a_giant_frame_is_refused_by_its_head_alone(
    world: World, length: int
) -> None:
    await world.start()
    one = await attacker(world)
    one.send(frame(TEXT, b"x", length=length))
    assert await one.closed() == 1009


@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_a_deep_frame_is_refused_and_the_session_goes_on(
    world: World, opening: str
) -> None:
    await world.start()
    client = await world.rider()
    deep = opening * (60_000 // len(opening))
    await client.send('{"type":"trip.get","ref":"a","data":' + deep)
    assert (await client.expect("refused"))["data"]["code"] == "bad_frame"
    closed = "[" * 30_000 + "]" * 30_000
    await client.send('{"type":"trip.get","ref":"b","data":' + closed + "}")
    assert (await client.expect("refused"))["data"]["code"] in CODES
    await client.quiet()


CODES = {"bad_frame", "invalid_data"}


# ---- sockets -----------------------------------------------------------------


async def test_fifty_who_do_not_read_hold_no_more_than_their_budget(
    world: World,
) -> None:
    budget = 200_000
    await world.start(output_bytes_max=budget)
    fast = await world.rider()
    deaf = [await attacker(world, RIDER) for _ in range(50)]
    gateway = world.gateway
    assert gateway is not None
    region = gateway.router.regions["main"]
    await until(lambda: len(region.listeners[RIDER].seats) == 51)
    for each in deaf:
        each.writer.transport.pause_reading()
    number = most = 0

    def flood() -> bool:
        nonlocal number, most
        number += 1
        data = {**trip(number), "padding": "x" * 50_000}
        world.leader.push(RIDER, 1000 + number, "trip.requested", data)
        held = [c.writer.waiting_bytes for c in gateway.sockets.connections]
        most = max(most, *held)
        return len(region.listeners[RIDER].seats) == 1

    await until(flood, "the end of the deaf", 60)
    assert most <= budget + 10 * 51_000  # what one tick can bring beyond it
    await fast.expect("trip.requested", lambda f: f["data"]["id"] == trip(number)["id"])
    await fast.quiet()
    for each in deaf:
        each.abort()
    await until(lambda: len(gateway.sockets.connections) == 1)


async def test_who_closes_one_half_is_let_go(world: World) -> None:
    await world.start()
    one = await attacker(world)
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 1)
    one.writer.write_eof()
    await one.ended()
    await until(lambda: not gateway.sockets.connections)


async def test_who_vanishes_without_a_word_is_let_go(world: World) -> None:
    await world.start()
    one = await attacker(world)
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 1)
    linger = struct.pack("ii", 1, 0)  # a reset instead of the usual end
    raw = one.writer.get_extra_info("socket")
    raw.setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
    one.abort()
    await until(lambda: not gateway.sockets.connections)


# ---- floods of connections ---------------------------------------------------


async def test_a_user_s_connections_are_limited_and_a_closed_one_makes_room(
    world: World,
) -> None:
    await world.start(connections_per_user_max=3)
    mine = [await world.rider() for _ in range(3)]
    with pytest.raises(InvalidStatus) as refused:
        await world.rider()
    response = refused.value.response
    assert response.status_code == 429
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body)["code"] == "rate_limited"
    await world.driver()
    await mine[0].close()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 3)
    await world.rider()


async def test_who_logs_in_by_frame_is_counted_too(world: World) -> None:
    await world.start(connections_per_user_max=1)
    await world.rider()
    late = await world.anyone(None)
    data = {"token": world.tokens.issue()}
    await late.send({"type": "session.login", "data": data})
    assert await late.closed() == 1013


async def test_connections_from_one_address_are_limited_whoever_makes_them(
    world: World,
) -> None:
    await world.start(connections_per_address_max=3)
    clients = [await world.rider(), await world.driver(), await world.anyone(None)]
    with pytest.raises(InvalidStatus) as refused:
        await world.anyone(None)
    assert refused.value.response.status_code == 429
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as web:
        assert (await web.get("/healthz")).status_code == 200
    await clients[0].vanish()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 2)
    await world.rider()
