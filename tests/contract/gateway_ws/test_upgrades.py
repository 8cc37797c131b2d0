"""Upgrades as the gateway's own HTTP server takes and hands them on (issue 14)."""

import asyncio
import contextlib

from tests.contract.gateway_ws.conftest import DRIVER, World
from tests.contract.gateway_ws.rawhttp import (
    HEALTHZ,
    LIMIT_S,
    answer,
    problem,
    tcp,
    told,
)
from tests.support.rawsocket import CLOSE, TEXT, frame, upgrade


async def test_where_a_handshake_goes(world: World) -> None:
    await world.start()
    for path, status in [
        ("/%77%73", 101),
        ("http://127.0.0.1:1/ws", 101),
        ("ws://127.0.0.1:1/ws", 101),
        ("/ws/chat/%6cobby", 101),
        ("/ws%2fchat/lobby", 404),
        ("/ws/chat%2flobby", 404),
        ("/ws/chat/a%2fb", 404),
        ("//ws", 404),
        ("/ws//", 404),
        ("/ws/", 101),
    ]:
        given = await told(world, upgrade(1, path, world.tokens.issue()))
        assert given[0] == status


async def test_of_an_absolute_target_the_own_host_is_the_origin_s(
    world: World,
) -> None:
    await world.start()
    head = upgrade(1, "http://city.example/ws", world.tokens.issue())[:-2]
    good = await told(world, head + b"Origin: http://city.example\r\n\r\n")
    assert good[0] == 101
    bad = await told(world, head + b"Origin: http://127.0.0.1:1\r\n\r\n")
    problem(bad, 403, "not_authenticated")


async def test_an_offer_of_another_protocol_is_ignored_and_the_body_read(
    world: World,
) -> None:
    await world.start()
    for offered in ["h2c", "TLS/1.0", "h2c, foo/2", "IRC/6.9"]:
        one = await tcp(world)
        one.send(
            b"POST /api/tokens/refresh HTTP/1.1\r\nHost: x\r\n"
            b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
            b"Upgrade: "
            + offered.encode()
            + b"\r\nContent-Length: 2\r\n\r\n{}"
            + HEALTHZ
        )
        assert (await answer(one))[0] == 422  # read, and nothing in it
        assert (await answer(one))[0] == 200
        one.abort()


async def test_connection_may_be_on_several_lines(world: World) -> None:
    await world.start()
    for connection in [
        "Connection: Upgrade\r\nConnection: keep-alive",
        "Connection: keep-alive\r\nConnection: Upgrade",
        "Connection: keep-alive, upgrade",
        "Connection: \r\nConnection: UPGRADE",
    ]:
        request = upgrade(1, "/ws", world.tokens.issue())
        request = request.replace(b"Connection: Upgrade", connection.encode())
        assert (await told(world, request))[0] == 101


async def test_a_handshake_s_head_may_be_as_large_as_any(world: World) -> None:
    await world.start()
    for more in [
        b"Cookie: a=" + b"x" * 9000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(128)),
        b"".join(b"X-%d: y\r\n" % number for number in range(1000)),
        b"Cookie: a=" + b"x" * 60_000 + b"\r\n",
    ]:
        request = upgrade(1, "/ws", world.tokens.issue())[:-2] + more + b"\r\n"
        assert (await told(world, request))[0] == 101


async def test_a_handshake_s_head_over_64_kib_is_431(world: World) -> None:
    await world.start()
    request = upgrade(1, "/ws")[:-2] + b"Cookie: " + b"x" * 66_000 + b"\r\n\r\n"
    problem(await told(world, request), 431, "bad_frame")


async def test_another_version_of_websockets_is_told_which_one_is_spoken(
    world: World,
) -> None:
    await world.start()
    for version in [None, "8", "12", "14", "", "x", "13, 8"]:
        line = (
            b"" if version is None else f"Sec-WebSocket-Version: {version}\r\n".encode()
        )
        for path in ("/ws", "/ws/chat/lobby/", "/rider", "/taxi/"):
            request = upgrade(1, path, world.tokens.issue())
            request = request.replace(b"Sec-WebSocket-Version: 13\r\n", line)
            given = await told(world, request)
            problem(given, 426, "bad_frame")
            assert given[1]["sec-websocket-version"] == "13"


async def test_a_post_that_offers_a_websocket_is_405(world: World) -> None:
    await world.start()
    request = upgrade(1, "/ws", world.tokens.issue()).replace(b"GET", b"POST")
    given = await told(world, request)
    problem(given, 405, "bad_frame")
    assert given[1]["allow"] == "GET"


async def test_frames_that_come_with_the_handshake_are_not_lost(world: World) -> None:
    await world.start()
    one = await tcp(world)
    early = frame(TEXT, b'{"type": "x"}') + frame(CLOSE, b"\x03\xe8")
    one.send(upgrade(1, "/ws", world.tokens.issue(DRIVER)) + early)
    async with asyncio.timeout(LIMIT_S):
        assert (await one.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    opcodes = []
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            opcodes.append((await one.receive())[0])
    assert opcodes[-1] == CLOSE
    one.abort()


async def test_a_list_of_subprotocols_is_short(world: World) -> None:
    await world.start()
    plain = upgrade(1, "/ws", world.tokens.issue())[:-2]
    for many in (b"a" + b",a" * 30_000, b"a" + b"," * 60_000):
        request = plain + b"Sec-WebSocket-Protocol: " + many + b"\r\n\r\n"
        problem(await told(world, request), 400, "bad_frame")
    request = plain + b"Sec-WebSocket-Protocol: a" + b",a" * 60 + b"\r\n\r\n"
    assert (await told(world, request))[0] == 101
